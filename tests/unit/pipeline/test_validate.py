"""What is found of values: each code of the catalogue is produced, and a near miss does not."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sopsmith.catalogue import CATALOGUE
from sopsmith.model import Sensitive
from sopsmith.pipeline.validate import _ONE_CHARACTER, _PLACEHOLDER, validate
from sopsmith.recipes.kinds import FROM_STREAM, KINDS
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import Source, resolve
from tests.repository import ROOT, Repo

# --- every code of the catalogue ------------------------------------------------------------------

OPTIONAL = {"optional": True}
DIGEST = {"hash": True}
GENERATED: dict[str, Any] = {"TOKEN": {"generate": {"password": {}}}}
LONG_AGO = {"generate": {"password": {}}, "maxAge": "90d", "rotated": "2024-01-01"}


def shop(*given: str, **spec: Any) -> Callable[[Repo], Any]:
    """A shop whose component holds these `NAME=text` values."""
    pairs = dict(each.split("=", 1) for each in given)
    return lambda repo: repo.shop({name: repo.canary(text) for name, text in pairs.items()}, **spec)


def emitting(fields: dict[str, Any]) -> dict[str, Any]:
    """One Secret with these fields."""
    return {"secrets": {"shop": {"hash": False, **fields}}}


def two_files(second: dict[str, str]) -> Callable[[Repo], Any]:
    """A shop with a second component."""

    def build(repo: Repo) -> None:
        repo.component("other.enc.yaml", {name: repo.canary(t) for name, t in second.items()})
        given = {"TOKEN": repo.canary(after="a")}
        repo.shop(given, components=["../shop.enc.yaml", "../other.enc.yaml"])

    return build


def component(entries: dict[str, Any], **how: Any) -> Callable[[Repo], Any]:
    """A leaf whose only component holds this."""

    def build(repo: Repo) -> None:
        repo.component("only.enc.yaml", entries, **how)
        values: dict[str, Any] = {"TOKEN": {}, "OTHER": {"default": "public"}}
        spec = emitting({"keys": ["TOKEN", "OTHER"]})
        repo.leaf(components=["../only.enc.yaml"], values=values, **spec)

    return build


def whole(data: bytes, **value: Any) -> Callable[[Repo], Any]:
    """A leaf with a whole file as its value."""

    def build(repo: Repo) -> None:
        repo.component("a.bin.enc", data)
        components = [{"path": "../a.bin.enc", "as": "FILE"}]
        values = {"FILE": {"default": None} | value}
        repo.leaf(components=components, values=values, **emitting({"data": {"a.bin": "FILE"}}))

    return build


def guarded(name: str) -> Callable[[Repo], Any]:
    """An overlay with a patch of a Secret of this name; without a name, with no patch."""

    def build(repo: Repo) -> None:
        repo.shop(values=GENERATED)
        repo.write("overlay/guard.yaml", f"kind: Secret\nmetadata: {{name: {name}}}\n")
        patches = "patches: [{path: guard.yaml}]\n" if name else ""
        repo.write("overlay/kustomization.yaml", f"generators: [recipe.yaml]\n{patches}")

    return build


def rules(**rules: Any) -> dict[str, Any]:
    """TOKEN with these rules."""
    return {"TOKEN": {"rules": rules}}


def url(**parts: Any) -> dict[str, Any]:
    """A derived URL of these parts."""
    return {"URL": {"derive": {"url": {"scheme": "a", "host": "b", **parts}}}}


BOTH = {"TOKEN": {**OPTIONAL, "group": "g"}, "OTHER": {**OPTIONAL, "group": "g"}}
CIPHERTEXT = "ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]"
BASE64 = "c29tZSB0ZXh0IHRoYXQgd2FzIGVuY29kZWQ="
MIB = 1024 * 1024

# code: what produces it, and what comes close and does not
TABLE: dict[str, tuple[Callable[[Repo], Any], Callable[[Repo], Any]]] = {
    "missing": (shop(values={"TOKEN": {}}), shop(values={"TOKEN": OPTIONAL, **GENERATED})),
    "stored-missing": (
        shop(values={"TOKEN": {"generate": {"ecdsa": {}}}}),
        shop("TOKEN=drawn-once-and-kept-here", values={"TOKEN": {"generate": {"ecdsa": {}}}}),
    ),
    "origin-conflict": (shop("TOKEN=given-by-hand", values=GENERATED), shop(values=GENERATED)),
    "duplicate-key": (two_files({"TOKEN": "another-one"}), two_files({"token": "another-one"})),
    "not-flat": (component({"TOKEN": 5432}), component({"TOKEN": "5432"})),
    "not-text": (
        whole(b"\xff\xfe", rules={"pattern": "a"}),
        whole(b"\xff\xfe", rules={"minLength": 2}),
    ),
    "group-incomplete": (shop("TOKEN=one-of-two", values=BOTH), shop(values=BOTH | GENERATED)),
    "min-length": (
        shop("TOKEN=fifteen-letters", values=rules(minLength=16)),
        shop("TOKEN=sixteen-letters-", values=rules(minLength=16)),
    ),
    "max-length": (
        shop("TOKEN=nine-char", values=rules(maxLength=8)),
        shop("TOKEN=8-chars-", values=rules(maxLength=8)),
    ),
    "weak": (
        shop("TOKEN=hunter2-hunter2", values=rules(minEntropy=128)),
        shop("TOKEN=hunter2-hunter2"),
    ),
    "placeholder": (
        shop("TOKEN=CHANGE_ME!!!"),
        shop("TOKEN=CHANGE_ME", values=rules(placeholder=True)),
    ),
    "pattern": (
        shop("TOKEN=pk_live_abc", values=rules(pattern="sk_live_[a-z]+")),
        shop("TOKEN=sk_live_abc", values=rules(pattern="sk_live_[a-z]+")),
    ),
    "same-value": (
        shop("TOKEN=the-same-text", "OTHER=the-same-text", values=rules(differsFrom="OTHER")),
        shop("TOKEN=the-same-text", "OTHER=the-same-texts", values=rules(differsFrom="OTHER")),
    ),
    "url-format": (
        shop("TOKEN=postgresql://app:p@ss/word@db/shop", values=rules(format="url")),
        shop("TOKEN=postgresql://app:p%40ss%2Fword@db/shop", values=rules(format="url")),
    ),
    "not-parsed-back": (
        shop("PORT=99999", values=url(port="$(PORT)")),
        shop("PORT=65535", values=url(port="$(PORT)")),
    ),
    "literal-password": (
        shop(values=url(user="u", password="hunter2-hunter2")),
        shop("TOKEN=not-in-the-recipe", values=url(user="u", password="$(TOKEN)")),
    ),
    "leftover-ciphertext": (shop(f"TOKEN=x{CIPHERTEXT}"), shop("TOKEN=ENC[AES256-GCM,data:x]")),
    "secret-key": (
        shop("TOKEN=some-given-text", **emitting({"data": {"a b": "TOKEN"}})),
        shop("TOKEN=some-given-text", **emitting({"data": {"a.b": "TOKEN"}})),
    ),
    "secret-size": (whole(b"\xff" * (MIB + 1)), whole(b"\xff" * MIB)),
    "secret-type": (
        shop("TOKEN=a", **emitting({"data": {"tls.key": "TOKEN"}, "type": "kubernetes.io/tls"})),
        shop("TOKEN=a", **emitting({"data": {"tls.key": "TOKEN"}, "type": "example.com/tls"})),
    ),
    "secret-empty": (
        shop(values={"TOKEN": OPTIONAL}),
        shop("TOKEN=some-given-text", values={"TOKEN": OPTIONAL}),
    ),
    "undeclared-key": (
        component({"TOKEN": "some-given-text", "OLD": "another-text"}),
        component({"TOKEN": "some-given-text"}),
    ),
    "unused-value": (
        shop(values={**GENERATED, "A": {"default": "b"}}, **emitting({"keys": ["TOKEN"]})),
        shop(values={**GENERATED, **url(path="$(TOKEN)")}, **emitting({"keys": ["URL"]})),
    ),
    "environment-unstated": (
        component({"TOKEN": "some-given-text"}, environment=None),
        component({"TOKEN": "some-given-text"}, environment="staging, production"),
    ),
    "leftover-encoding": (shop(f"TOKEN={BASE64}"), shop(f"TOKEN={BASE64[:-1]}")),
    "leftover-space": (
        shop("TOKEN=some-given-text\n"),
        shop("TOKEN=-----BEGIN X\nAA==\n-----END X\n"),
    ),
    "leftover-quotes": (shop('TOKEN="some-given-text"'), shop('TOKEN=some "given" text')),
    "guard-missing": (guarded(""), guarded("shop")),
    "guard-stale": (guarded("another"), guarded("shop")),
    "secret-large": (whole(b"\xff" * (190 * 1024 + 1)), whole(b"\xff" * 190 * 1024)),
    "hash-guessable": (
        shop("TOKEN=hunter2-hunter2", **emitting({"keys": ["TOKEN"], **DIGEST})),
        shop(values=GENERATED, **emitting({"keys": ["TOKEN"], **DIGEST})),
    ),
    "overdue": (
        shop(values={"TOKEN": LONG_AGO}),
        shop(values={"TOKEN": {**LONG_AGO, "maxAge": "99999d"}}),
    ),
}  # fmt: skip


def found(repo: Repo, code: str) -> set[str]:
    """The codes that `sopsmith validate` finds; it agrees with itself about the exit code."""
    path = "overlay" if code.startswith("guard-") else "overlay/recipe.yaml"
    run = repo.cli("validate", path, "--output", "json")
    findings = run.document["findings"]
    assert run.code == max((CATALOGUE[f["code"]].exit for f in findings
                            if f["severity"] == "error"), default=0)  # fmt: skip
    return {each["code"] for each in findings}


@pytest.mark.parametrize("code", TABLE)
def test_a_code_is_produced(repo: Repo, code: str) -> None:
    TABLE[code][0](repo)
    assert found(repo, code) == {code}


@pytest.mark.parametrize("code", TABLE)
def test_a_near_miss_is_not_found(repo: Repo, code: str) -> None:
    TABLE[code][1](repo)
    assert code not in found(repo, code)


@pytest.mark.parametrize("code", TABLE)
def test_errors_emit_nothing_and_warnings_do_not_stop(repo: Repo, code: str) -> None:
    TABLE[code][0](repo)
    run = repo.function()
    of_overlay = code.startswith("guard-")  # which the function sees nothing of
    is_error = CATALOGUE[code].severity == "error" and not of_overlay
    assert run.code == (1 if is_error else 0)
    assert bool(run.document["items"]) is not is_error
    assert run.codes == ({code} if is_error else set())


def test_the_table_holds_every_code_of_exit_1_that_a_recipe_can_get() -> None:
    package = ROOT / "kustomize-plugin/sopsmith"
    steps = [*package.glob("pipeline/*.py"), *package.rglob("consistency.py")]
    for name in ("derivations", "overlay", "guards", "schedule", "limits"):
        steps += package.rglob(f"{name}.py")
    found = set().union(*map(words, steps))
    assert set(TABLE) == {code for code in found & set(CATALOGUE) if CATALOGUE[code].exit == 1}


def test_every_code_is_produced_somewhere_in_the_package() -> None:
    produced: set[str] = set()
    for file in (ROOT / "kustomize-plugin/sopsmith").rglob("*.py"):
        if file.name != "catalogue.py":
            produced |= words(file)
    assert set(CATALOGUE) <= produced


def words(file: Path) -> set[str]:
    """The text constants of a module."""
    tree = ast.walk(ast.parse(file.read_text()))
    return {n.value for n in tree if isinstance(n, ast.Constant) and isinstance(n.value, str)}


# --- the fine print of one value ------------------------------------------------------------------


def codes(text: str | bytes, **fields: Any) -> set[str]:
    """What is found of one given value."""
    return of_values({"TOKEN": text}, TOKEN=fields)


def of_values(given: dict[str, str | bytes], **values: Any) -> set[str]:
    """What is found of these values, of which some are given."""
    spec = {"app": "a", "environment": "b", "values": values, **emitting({"keys": list(values)})}
    head = {"apiVersion": "sopsmith.dev/v1alpha1", "kind": "SecretRecipe"}
    (leaf,) = resolve(Source("r.yaml", "", {**head, "spec": spec}), lambda file: b"")
    known = {name: Sensitive(text) for name, text in given.items()}
    return {each.code for each in validate(parse(leaf), known, dict.fromkeys(given, "c.yaml"))}


@pytest.mark.parametrize(
    "text",
    ["CHANGE_ME", "changeme", "Change-It!", "change me", "<password>", "[secret]", "${PASSWORD}",
     "{{ password }}", "TODO", "tbd", "FIXME", "xxx", "XXXXXXXX", "****", "...", "…", "placeholder",
     "your-password-here", "MY_TOKEN_HERE", "replace_me", " CHANGE_ME ", "CHANGE_ME_CHANGE_ME_",
     "changeme-changeme", "todo todo", "your-secret-here-please", "a" * 20, "00000000"],
)  # fmt: skip
def test_a_placeholder_is_found(text: str) -> None:
    assert "placeholder" in codes(text)
    assert "placeholder" not in codes(text, rules={"placeholder": True})


@pytest.mark.parametrize("text", ["00000000", "========", "aAaAaAaA "])
def test_what_a_recipe_writes_out_may_be_one_character_over_and_over(text: str) -> None:
    """It is public, and nobody was to replace it; what stands in a component instead is not."""
    assert "placeholder" not in codes(text, default=text)
    assert "placeholder" not in of_values({"LINE": text}, LINE={"derive": {"template": text}})
    assert "placeholder" in codes(text, default="a public word")
    assert "placeholder" in codes("CHANGE_ME", default="CHANGE_ME")


@pytest.mark.parametrize(
    "text",
    [
        "CHANGE_ME_NOT_NOW",
        "xx",
        "a<b>c",
        "<a><b>",
        "changemend",
        "todos",
        "my-dear",
        "[a]b",
        "changeme-changed",
        "my-heretic",
        "aaaaaaa",
        "aaaaaaaab",
    ],
)
def test_what_only_begins_like_one_is_none(text: str) -> None:
    assert "placeholder" not in codes(text)


@pytest.mark.parametrize(
    "generate",
    [{"password": {}}, {"password": {"length": 8}}, {"bytes": {}}, {"bytes": {"encoding": "hex"}},
     {"bytes": {"encoding": "base64url"}}, {"password": {"length": 16, "alphabet": "0123456789"}}],
)  # fmt: skip
def test_no_random_value_is_a_placeholder(generate: dict[str, Any]) -> None:
    ((kind, options),) = generate.items()
    stream = (byte for n in count() for byte in sha256(n.to_bytes(4)).digest())
    full = {**KINDS[kind].defaults, **options}
    made = (FROM_STREAM[kind](full, stream) for _ in range(1000))
    left = (_PLACEHOLDER, _ONE_CHARACTER)
    assert [text for text in made if any(each.fullmatch(text) for each in left)] == []


def test_what_the_seed_gives_is_no_placeholder_whatever_its_alphabet() -> None:
    weak = {"generate": {"password": {"alphabet": "xX", "length": 8}}, "rules": {"minEntropy": 1}}
    assert of_values({"TOKEN": "xXxXXXxx"}, TOKEN=weak) == set()


@pytest.mark.parametrize(
    ("text", "least", "fits"),
    [("", 0, True), ("", 1, False), ("é😀", 2, True), ("é😀", 3, False), (b"\xff\xff", 2, True),
     (b"\xff\xff", 3, False), ("é".encode(), 1, True), ("é".encode(), 2, False)],
)  # fmt: skip
def test_length_counts_characters_of_text_and_bytes_of_the_rest(
    text: str | bytes, least: int, fits: bool
) -> None:
    assert ("min-length" not in codes(text, rules={"minLength": least})) is fits


@pytest.mark.parametrize(
    ("text", "code"),
    [("a ", "leftover-space"), ("\ta", "leftover-space"), ("a\r\nb", "leftover-space"),
     ("a\n", "leftover-space"), ("a\nb\n", None), ("a b", None), ("\ufeffa", "leftover-encoding"),
     ("aGVsbG8gd29ybGQ=", "leftover-encoding"), ("/+9//////w==", None), ("eHg=", None),
     ("abcd" * 4, None)],
)  # fmt: skip
def test_traces_of_copying_are_warnings(text: str, code: str | None) -> None:
    assert codes(text) == ({code} if code else set())


@pytest.mark.parametrize(
    ("text", "valid"),
    [("https://a", True), ("postgresql://u:p%40@db:5432/x?y=z", True), ("redis://:p@h/0", True),
     ("https://[::1]:8080/", True), ("https://a/@b", True), ("a", False), ("https://", False),
     ("://a", False), ("https://a b", False), ("https://a:port", False), ("https://a:0", False),
     ("https://a:99999", False), ("a://u:p@ss@h", False), ("a://u:p@ss/w@h", False),
     ("a://u:p#w@h", False), ("a://u:p?w@h", False), ("https://é", False), ("https://a%", False),
     ("https://[x]", False), ("https://a\n", False)],
)  # fmt: skip
def test_a_url_is_valid_or_found(text: str, valid: bool) -> None:
    assert ("url-format" not in codes(text, rules={"format": "url"})) is valid


@pytest.mark.parametrize(
    ("parts", "part"),
    [({"host": "a b"}, "host"), ({"host": "db:5432"}, "host"), ({"host": "a%20b"}, "host"),
     ({"host": ""}, "host"), ({"host": "u@h"}, "host"), ({"host": "a]"}, "host"),
     ({"host": "::zz"}, "host"), ({"scheme": "a b"}, "scheme"), ({"scheme": "5"}, "scheme"),
     ({"port": "0"}, "port"), ({"port": "http"}, "port"), ({"port": "05432"}, "port"),
     ({"port": ""}, "port"), ({"port": "-1"}, "port"), ({"port": "80/x"}, "port")],
)  # fmt: skip
def test_a_url_that_does_not_read_back_names_its_part(
    repo: Repo, parts: dict[str, str], part: str
) -> None:
    spec = url(**{"port": 80, **parts})
    spec["URL"]["derive"]["url"] |= {name: f"$({name})" for name in parts}
    lenient = {"rules": {"minLength": 0}}
    repo.shop(parts, values=spec | dict.fromkeys(parts, lenient))
    run = repo.function()
    assert (run.code, run.codes) == (1, {"not-parsed-back"})
    assert f"does not read back: {part} [" in run.err


@pytest.mark.parametrize("host", ["db", "DB.example", "10.0.0.1", "2001:db8::1", "/run/postgresql"])
def test_a_host_that_reads_back_is_fine(repo: Repo, host: str) -> None:
    repo.shop({"HOST": host}, values={"HOST": {}, **url(host="$(HOST)")})
    assert repo.function().code == 0


def test_a_value_that_is_due_in_ten_thousand_years_is_not_due(repo: Repo) -> None:
    far = {"generate": {"password": {}}, "rotated": "9999-12-31", "maxAge": "99999d"}
    repo.shop(values={"TOKEN": far})
    for command in ("validate", "list"):
        assert repo.cli(command, "overlay/recipe.yaml").code == 0


def test_all_findings_come_at_once(repo: Repo) -> None:
    given = {"A": "", "B": "CHANGE_ME", "C": "tiny", "D": "same-text", "E": "same-text"}
    rules = {"C": {"rules": {"minLength": 9}}, "D": {"rules": {"differsFrom": "E"}}, "F": {}}
    repo.shop(given, values=rules)
    run = repo.function()
    assert run.codes == {"min-length", "placeholder", "same-value", "missing"}
    fields = [each["tags"]["field"] for each in json.loads(run.out)["results"]]
    assert sorted(fields) == ["A", "B", "C", "D", "F"]
