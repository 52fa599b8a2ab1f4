"""What a component may look like, whose it is, and which of its entries count.

Every file is encrypted by real sops; what sops did not write is in test_tampering.py.
"""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from tests.repository import Repo, Run

REGEX = ("--encrypted-regex", "^(data|stringData)$")


def app(repo: Repo, *components: Any, values: dict[str, Any], **spec: Any) -> None:
    """An application that reads these components and emits all its values."""
    secrets = {"shop": {"keys": sorted(values), "hash": False}}
    repo.leaf(components=list(components), values=values, secrets=secrets, **spec)


def emitted(repo: Repo) -> dict[str, bytes]:
    """The data of the one Secret."""
    return repo.function().secrets["shop"]


def stopped(run: Run, code: int, *findings: str) -> bool:
    """The run ended with this exit code and these errors, and emitted nothing."""
    assert (run.code, run.codes) == (code, set(findings)), run.err
    return not run.document["items"]


def k8s(**fields: Any) -> dict[str, Any]:
    """A Secret that states its environment, before encryption."""
    texts = {"SOPSMITH_ENVIRONMENT": "production", **fields.pop("stringData", {})}
    metadata = {"name": "mq", "creationTimestamp": None, "labels": {"app": "mq"}}
    head = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque"}
    return {**head, **fields, "stringData": texts}


def b64(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


# --- formats ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["yaml", "yml", "json", "env"])
def test_a_flat_map_in_each_format(repo: Repo, suffix: str) -> None:
    token, odd = repo.canary(), repo.canary(before="=\"'# $(x) ", after=" é")
    written = repo.component(f"app.enc.{suffix.replace('yml', 'yaml')}", {"A": token, "B": odd})
    written.rename(written.with_name(f"app.enc.{suffix}"))
    app(repo, f"../app.enc.{suffix}", values={"A": {}, "B": {}})
    assert emitted(repo) == {"A": token.encode(), "B": odd.encode()}


def test_two_lines_in_a_dotenv(repo: Repo) -> None:
    lines = [repo.canary(), repo.canary()]
    repo.component("app.enc.env", {"KEY": "\\n".join(lines)})
    app(repo, "../app.enc.env", values={"KEY": {}})
    assert emitted(repo) == {"KEY": "\n".join(lines).encode()}


@pytest.mark.parametrize("flags", [REGEX, ()], ids=["data-encrypted", "everything-encrypted"])
@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_an_encrypted_secret_gives_data_and_string_data(
    repo: Repo, suffix: str, flags: tuple[str, ...]
) -> None:
    user, password = repo.canary(), repo.canary()
    manifest = k8s(data={"USER": b64(user)}, stringData={"PASSWORD": password})
    repo.component(f"mq.enc.{suffix}", manifest, *flags)
    app(repo, f"../mq.enc.{suffix}", values={"USER": {}, "PASSWORD": {}})
    assert emitted(repo) == {"USER": user.encode(), "PASSWORD": password.encode()}


def test_one_key_in_data_and_string_data_is_no_choice(repo: Repo) -> None:
    manifest = k8s(data={"A": b64(repo.canary())}, stringData={"A": repo.canary()})
    repo.component("mq.enc.yaml", manifest, *REGEX)
    app(repo, "../mq.enc.yaml", values={"A": {}})
    assert stopped(repo.function(), 1, "duplicate-key")


@pytest.mark.parametrize("name", ["keystore.p12.enc", "tls.yaml"])
def test_a_whole_file_is_one_value(repo: Repo, name: str) -> None:
    content = repo.canary().encode() + bytes(range(256)) * 3
    repo.component(name, content)
    app(repo, {"path": f"../{name}", "as": "KEYSTORE"}, values={"KEYSTORE": {}})
    assert emitted(repo) == {"KEYSTORE": content}


def test_an_empty_whole_file_is_an_empty_value(repo: Repo) -> None:
    repo.component("empty.enc", b"")
    app(repo, {"path": "../empty.enc", "as": "EMPTY"}, values={"EMPTY": {}})
    assert stopped(repo.function(), 1, "min-length")
    may_be_empty = {"EMPTY": {"rules": {"minLength": 0}}}
    app(repo, {"path": "../empty.enc", "as": "EMPTY"}, values=may_be_empty)
    assert emitted(repo) == {"EMPTY": b""}


def test_picks_read_under_another_name_and_nothing_else(repo: Repo) -> None:
    password = repo.canary()
    repo.component("mq.enc.yaml", {"password": password, "port": 5672, "more": {"a": "b"}})
    app(repo, {"path": "../mq.enc.yaml", "as": {"MQ": "password"}}, values={"MQ": {}})
    assert emitted(repo) == {"MQ": password.encode()}
    assert "undeclared" not in repo.cli("validate", "overlay").out


def test_picks_from_a_secret(repo: Repo) -> None:
    password = repo.canary()
    repo.component("mq.enc.yaml", k8s(data={"mq.pass": b64(password)}), *REGEX)
    app(repo, {"path": "../mq.enc.yaml", "as": {"MQ": "mq.pass"}}, values={"MQ": {}})
    assert emitted(repo) == {"MQ": password.encode()}


def test_a_pick_of_a_key_that_is_not_there_is_a_missing_value(repo: Repo) -> None:
    repo.component("mq.enc.yaml", {"password": repo.canary()})
    app(repo, {"path": "../mq.enc.yaml", "as": {"MQ": "pasword"}}, values={"MQ": {}})
    run = repo.function()
    assert stopped(run, 1, "missing")
    assert "mq.enc.yaml: MQ: is read from the key pasword, which the file lacks" in run.err
    assert "hint: did you mean password?" in run.err


def test_components_of_every_format_join(repo: Repo) -> None:
    texts = [repo.canary() for _ in range(4)]
    for suffix, text in zip(["yaml", "json", "env"], texts, strict=False):
        repo.component(f"{suffix}.enc.{suffix}", {suffix.upper(): text})
    repo.component("raw.enc", texts[3].encode())
    files = ["../yaml.enc.yaml", "../json.enc.json", "../env.enc.env"]
    values: dict[str, Any] = {"YAML": {}, "JSON": {}, "ENV": {}, "RAW": {}}
    app(repo, *files, {"path": "../raw.enc", "as": "RAW"}, values=values)
    assert emitted(repo) == dict(zip(values, map(str.encode, texts), strict=True))


# --- whose component --------------------------------------------------------------------------


def test_another_environment_is_refused(repo: Repo) -> None:
    repo.component("app.enc.yaml", {"A": repo.canary()}, environment="staging")
    app(repo, "../app.enc.yaml", values={"A": {}})
    run = repo.function()
    assert stopped(run, 5, "wrong-environment")
    assert "app.enc.yaml: SOPSMITH_ENVIRONMENT: belongs to staging" in run.err
    assert "hint: use the component of production" in run.err
    assert repo.kustomize().code


def test_another_environment_is_refused_in_a_secret_too(repo: Repo) -> None:
    manifest = k8s(stringData={"A": repo.canary(), "SOPSMITH_ENVIRONMENT": "staging"})
    repo.component("app.enc.yaml", manifest, *REGEX)
    app(repo, "../app.enc.yaml", values={"A": {}})
    assert stopped(repo.function(), 5, "wrong-environment")


@pytest.mark.parametrize("names", ["staging,production", "production , staging"])
def test_several_environments_share_a_component(repo: Repo, names: str) -> None:
    token = repo.canary()
    repo.component("app.enc.yaml", {"A": token}, environment=names)
    app(repo, "../app.enc.yaml", values={"A": {}})
    assert emitted(repo) == {"A": token.encode()}


@pytest.mark.parametrize("names", ["", "Production", "production-2", "staging,dev"])
def test_nothing_but_its_own_name_opens_a_component(repo: Repo, names: str) -> None:
    repo.component("app.enc.yaml", {"A": repo.canary()}, environment=names)
    app(repo, "../app.enc.yaml", values={"A": {}})
    assert stopped(repo.function(), 5, "wrong-environment")


@pytest.mark.parametrize("leaf", [["production", "staging"], 5, None, {"name": "production"}])
@pytest.mark.parametrize("reading", ["all", "picks"])
def test_an_environment_that_is_no_text_is_not_taken_for_none(
    repo: Repo, reading: str, leaf: Any
) -> None:
    entries = {"A": repo.canary(), "SOPSMITH_ENVIRONMENT": leaf}
    repo.component("app.enc.yaml", entries, environment=None)
    picks = {"path": "../app.enc.yaml", "as": {"A": "A"}}
    app(repo, picks if reading == "picks" else "../app.enc.yaml", values={"A": {}})
    run = repo.function()
    assert run.code in (1, 5) and run.document["items"] == []
    assert "app.enc.yaml: SOPSMITH_ENVIRONMENT" in run.err


def test_what_stands_in_the_environment_is_shown_only_if_it_can_be_a_name(repo: Repo) -> None:
    odd = repo.canary(before="a b\n\x1b[2J")
    repo.component("app.enc.yaml", {"A": "x"}, environment=odd)
    app(repo, "../app.enc.yaml", values={"A": {}})
    run = repo.function()
    assert stopped(run, 5, "wrong-environment")
    assert "\x1b" not in run.err


@pytest.mark.parametrize("suffix", ["yaml", "json", "env"])
def test_a_clear_copy_of_the_environment_has_to_agree(repo: Repo, suffix: str) -> None:
    entries = {"A": repo.canary(), "SOPSMITH_ENVIRONMENT_unencrypted": "production"}
    repo.component(f"app.enc.{suffix}", entries)
    app(repo, f"../app.enc.{suffix}", values={"A": {}})
    assert set(emitted(repo)) == {"A"}
    repo.component(f"app.enc.{suffix}", entries, environment="staging")
    assert stopped(repo.function(), 5, "tampered")
    repo.component(f"app.enc.{suffix}", entries, environment=None)
    assert stopped(repo.function(), 5, "tampered")


def test_an_unstated_environment_is_a_warning(repo: Repo) -> None:
    token = repo.canary()
    repo.component("app.enc.yaml", {"A": token}, environment=None)
    repo.component("raw.enc", repo.canary().encode())
    app(repo, "../app.enc.yaml", {"path": "../raw.enc", "as": "RAW"}, values={"A": {}, "RAW": {}})
    assert emitted(repo)["A"] == token.encode()
    run = repo.cli("validate", "overlay")
    assert run.code == 0
    assert "warning: app.enc.yaml: SOPSMITH_ENVIRONMENT: does not say which" in run.out
    assert "hint: set SOPSMITH_ENVIRONMENT in it to production" in run.out
    assert "raw.enc" not in run.out  # a whole file has no room to say it


@pytest.mark.parametrize("names", [None, "production,staging", "staging"])
def test_a_component_with_a_seed_names_exactly_its_environment(
    repo: Repo, names: str | None
) -> None:
    repo.component("app.enc.yaml", {"SOPSMITH_SEED_1": repo.seed}, environment=names)
    app(repo, "../app.enc.yaml", values=GENERATED, seeds=repo.seeds())
    run = repo.function()
    assert stopped(run, 5, "wrong-environment")
    assert "production" in run.err


# --- seeds ------------------------------------------------------------------------------------

GENERATED: dict[str, Any] = {"PASSWORD": {"generate": {"password": {}}}}


def test_a_seed_that_is_nowhere(repo: Repo) -> None:
    repo.component("app.enc.yaml", {"A": repo.canary()})
    app(repo, "../app.enc.yaml", values={"A": {}, **GENERATED}, seeds=repo.seeds())
    run = repo.function()
    assert stopped(run, 5, "seed-refused")
    assert "no component holds SOPSMITH_SEED_1" in run.err
    assert repo.kustomize().code


@pytest.mark.parametrize(
    "change",
    [lambda s: s[:62], lambda s: s + "00", str.upper, lambda s: "0" * 64, lambda s: "",
     lambda s: s + "\n", lambda s: s[:63] + "g", lambda s: "٣" * 64],
    ids=["short", "long", "upper-case", "all-zeros", "empty", "line-end", "no-hex", "other-digits"],
)  # fmt: skip
def test_a_seed_that_is_none(repo: Repo, change: Any) -> None:
    seed = change("ab" + repo.seed[2:])
    repo.canaries += [seed] if repo.seed[2:40].upper() in seed.upper() else []
    repo.component("app.enc.yaml", {"SOPSMITH_SEED_1": seed})
    app(repo, "../app.enc.yaml", values=GENERATED, seeds=repo.seeds())
    run = repo.function()
    assert stopped(run, 5, "seed-refused")
    assert "SOPSMITH_SEED_1 is no seed: 64 lower-case hex characters, not all zeros" in run.err


def test_a_planted_seed(repo: Repo) -> None:
    repo.component("app.enc.yaml", {"SOPSMITH_SEED_1": repo.canary("ab" * 32)})
    app(repo, "../app.enc.yaml", values=GENERATED, seeds=repo.seeds())
    run = repo.function()
    assert stopped(run, 5, "seed-refused")
    assert "SOPSMITH_SEED_1 is not the seed that the recipe knows" in run.err
    assert repo.kustomize().code


def test_the_seed_of_another_application_is_refused(repo: Repo) -> None:
    repo.component("app.enc.yaml", {"SOPSMITH_SEED_1": repo.seed})
    app(repo, "../app.enc.yaml", values=GENERATED, seeds=repo.seeds(app="blog"))
    assert stopped(repo.function(), 5, "seed-refused")


def test_a_new_seed_comes_with_the_line_to_add(repo: Repo) -> None:
    repo.component("app.enc.yaml", {"SOPSMITH_SEED_1": repo.seed})
    app(repo, "../app.enc.yaml", values=GENERATED)
    run = repo.function()
    assert stopped(run, 5, "seed-refused")
    line = re.search(r'write under spec: seeds: \{"1": "([0-9a-f]{32})"\}', run.err)
    assert line is not None
    app(repo, "../app.enc.yaml", values=GENERATED, seeds={"1": line[1]})
    assert len(emitted(repo)["PASSWORD"]) == 32


def test_one_seed_in_two_components(repo: Repo) -> None:
    for name in ("a", "b"):
        repo.component(f"{name}.enc.yaml", {"SOPSMITH_SEED_1": repo.seed})
    app(repo, "../a.enc.yaml", "../b.enc.yaml", values=GENERATED, seeds=repo.seeds())
    run = repo.function()
    assert stopped(run, 5, "seed-refused")
    assert "SOPSMITH_SEED_1: stands in two components" in run.err


# --- which keys -------------------------------------------------------------------------------


def test_an_undeclared_key_is_a_warning_and_goes_nowhere(repo: Repo) -> None:
    repo.component("app.enc.yaml", {"A": repo.canary(), "OLD": repo.canary()})
    app(repo, "../app.enc.yaml", values={"A": {}})
    assert set(emitted(repo)) == {"A"}
    run = repo.cli("validate", "overlay")
    assert run.code == 0
    assert "warning: app.enc.yaml:3: OLD: is not declared in the recipe [undeclared-key]" in run.out


def test_a_key_in_two_components(repo: Repo) -> None:
    for name in ("a", "b"):
        repo.component(f"{name}.enc.yaml", {"A": repo.canary()})
    app(repo, "../a.enc.yaml", "../b.enc.yaml", values={"A": {}})
    run = repo.function()
    assert stopped(run, 1, "duplicate-key")
    assert "b.enc.yaml: A: stands in a.enc.yaml as well" in run.err


@pytest.mark.parametrize(
    "value",
    [{"generate": {"password": {}}}, {"derive": {"template": "x$(app)"}}],
    ids=["generated", "derived"],
)
def test_a_key_for_a_value_that_is_made(repo: Repo, value: dict[str, Any]) -> None:
    repo.component("app.enc.yaml", {"SOPSMITH_SEED_1": repo.seed, "MADE": repo.canary()})
    app(repo, "../app.enc.yaml", values={"MADE": value}, seeds=repo.seeds())
    run = repo.function()
    assert stopped(run, 1, "origin-conflict")
    assert "app.enc.yaml: MADE: is " in run.err
    assert repo.kustomize().code


# --- leaves -----------------------------------------------------------------------------------

LEAVES: dict[str, Any] = {
    "int": 5432987612345, "float": 54329.87612345, "bool": True, "null": None,
    "map": {"USER": "Kq7vTz2mPw9xLr4c"}, "list": ["Kq7vTz2mPw9xLr4c"],
    "empty-map": {}, "empty-list": [],
}  # fmt: skip


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES)
@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_leaf_that_is_no_text(repo: Repo, suffix: str, leaf: Any) -> None:
    repo.canaries += ["5432987612345", "54329.87612345", "Kq7vTz2mPw9xLr4c"]
    repo.component(f"app.enc.{suffix}", {"PORT": leaf})
    app(repo, f"../app.enc.{suffix}", values={"PORT": {}})
    run = repo.function()
    assert stopped(run, 1, "not-flat")
    assert f"app.enc.{suffix}: PORT" in run.err
    assert "hint: values are text: give it anew with sopsmith set" in run.err


def test_a_date_is_no_text(repo: Repo) -> None:
    plain = repo.write("plain.yaml", "SOPSMITH_ENVIRONMENT: production\nDAY: 2026-11-21\n")
    flags = ("--config", "/dev/null", "encrypt", "-i", "--age", repo.recipient)
    assert repo.run("sops", *flags, str(plain)).code == 0
    app(repo, "../plain.yaml", values={"DAY": {}})
    assert stopped(repo.function(), 1, "not-flat")


def test_a_number_inside_a_secret(repo: Repo) -> None:
    repo.component("app.enc.yaml", k8s(stringData={"PORT": 5432}), *REGEX)
    app(repo, "../app.enc.yaml", values={"PORT": {}})
    run = repo.function()
    assert stopped(run, 1, "not-flat")
    assert "app.enc.yaml: stringData.PORT: is no text" in run.err


def test_every_leaf_that_is_no_text_is_named_at_once(repo: Repo) -> None:
    repo.component("app.enc.yaml", {"PORT": 5432, "TLS": True, "A": repo.canary()})
    app(repo, "../app.enc.yaml", values={"PORT": {}, "TLS": {}, "A": {}})
    run = repo.function()
    assert stopped(run, 1, "not-flat")
    assert "app.enc.yaml: PORT: " in run.err and "app.enc.yaml: TLS: " in run.err


@pytest.mark.parametrize(
    "encoded", [b64(b"\xff\xfe-not-utf8-"), "no base64!"], ids=["bytes", "no-base64"]
)
def test_data_of_a_secret_that_is_no_text(repo: Repo, encoded: str) -> None:
    repo.component("app.enc.yaml", k8s(data={"A": repo.canary(encoded)}), *REGEX)
    app(repo, "../app.enc.yaml", values={"A": {}})
    run = repo.function()
    assert stopped(run, 1, "not-text")
    assert "keep bytes in a file of their own: {path: …, as: NAME}" in run.err


def test_bytes_in_a_dotenv_that_are_no_text(repo: Repo) -> None:
    sops = ("sops", "--config", "/dev/null", "encrypt", "--age", repo.recipient)
    formats = ("--input-type", "dotenv", "--output-type", "dotenv", "--filename-override", "any")
    content = b"SOPSMITH_ENVIRONMENT=production\nA=" + repo.canary().encode() + b"\xff\n"
    repo.write("app.enc.env", repo.run(*sops, *formats, stdin=content).out)
    app(repo, "../app.enc.env", values={"A": {}})
    assert stopped(repo.function(), 1, "not-text")
