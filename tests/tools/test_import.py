"""`sopsmith import` with real sops, age and git: plaintext becomes a component and a recipe.

Values are canaries: they may be in none of the files and in nothing that is printed.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.repository import Repo, Run

COMPONENT = "secrets/production/shop.enc.yaml"
RECIPE = "overlays/production/recipe.yaml"


def ruled(repo: Repo) -> Repo:
    """A repository with creation rules and nothing else."""
    rule = f"path_regex: '^secrets/production/.*\\.enc(\\..+)?$', age: {repo.recipient}"
    repo.write(".sops.yaml", f"creation_rules:\n  - {{{rule}}}\n")
    return repo


def imported(repo: Repo, data: str | bytes, *argv: str) -> Run:
    """Import from a pipe; nothing of it may be heard on stdout either."""
    text = data.encode() if isinstance(data, str) else data
    run = repo.run("sopsmith", "import", "-", *argv, stdin=text)
    assert [each for each in repo.canaries if each in run.out] == []
    return run


def dotenv(values: dict[str, str]) -> str:
    return "".join(f"{name}={text}\n" for name, text in values.items())


def shop(repo: Repo) -> dict[str, str]:
    """An application with a database, a token of a third party and a key of data at rest."""
    password = repo.canary(after="/@")
    return {
        "POSTGRES_USER": "shop",
        "POSTGRES_PASSWORD": password,
        "DATABASE_URL": f"postgresql://shop:{quote(password, safe='')}@pg:5432/shop",
        "GOOGLE_CLIENT_SECRET": repo.canary(),
        "ENCRYPTION_KEY": repo.canary(),
        "JWT_SECRET": repo.canary(),
    }


def emitted(repo: Repo, path: str = "overlays/production") -> dict[str, dict[str, bytes]]:
    return repo.cli("render", path).secrets


def recipe(repo: Repo, path: str = RECIPE) -> str:
    return (repo.path / path).read_text()


# --- a new recipe ---------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["none", "derived", "all"])
def test_what_went_in_comes_out_of_a_render(repo: Repo, accept: str) -> None:
    values = shop(ruled(repo))
    app = ("--app", "shop", "-e", "production")
    assert imported(repo, dotenv(values), *app, "--accept", accept).code == 0
    assert emitted(repo) == {"shop": {name: text.encode() for name, text in values.items()}}
    assert repo.cli("validate", "overlays/production").code == 0


def test_kustomize_builds_what_was_made(repo: Repo) -> None:
    values = shop(ruled(repo))
    imported(repo, dotenv(values), "-e", "production", "--app", "shop")
    (data,) = repo.kustomize("overlays/production").built.values()
    assert data == {name: text.encode() for name, text in values.items()}


def test_by_default_every_value_is_given(repo: Repo) -> None:
    imported(ruled(repo), dotenv(shop(repo)), "-e", "production", "--app", "shop")
    for name in ("DATABASE_URL", "POSTGRES_PASSWORD", "ENCRYPTION_KEY"):
        assert f"    {name}: {{}}\n" in recipe(repo)


def test_accepted_lines_are_those_that_were_shown(repo: Repo) -> None:
    values = shop(ruled(repo))
    shown = imported(repo, dotenv(values), "-e", "production", "--app", "shop").out
    repo.run("rm", "-r", "secrets", "overlays")
    imported(repo, dotenv(values), "-e", "production", "--app", "shop", "--accept", "all")
    written = [line for line in recipe(repo).splitlines() if "{" in line and "    " in line]
    for name in ("DATABASE_URL", "POSTGRES_PASSWORD", "ENCRYPTION_KEY", "JWT_SECRET"):
        (line,) = (each for each in written if each.strip().startswith(f"{name}: "))
        assert line.strip() in shown
    assert "rotation: never" in recipe(repo) and "stored: true" in recipe(repo)
    keys = (repo.path / COMPONENT).read_text()
    assert "JWT_SECRET: ENC[" in keys and "DATABASE_URL" not in keys


def test_a_password_that_stood_raw_in_a_url_is_encoded_and_that_is_told(repo: Repo) -> None:
    password = repo.canary(after="/@x")
    url = f"postgresql://shop:{password}@pg/shop"
    text = dotenv({"PG_PASSWORD": password, "DATABASE_URL": url})
    run = imported(ruled(repo), text, "-e", "production", "--app", "shop", "--accept", "derived")
    assert "is written otherwise now, and reads the same:\n  DATABASE_URL\n" in run.out
    assert emitted(repo)["shop"]["DATABASE_URL"].decode() == url.replace(
        password, quote(password, safe="")
    )


def manifest(name: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **fields}


def encoded(data: bytes | str) -> str:
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def test_a_manifest_keeps_its_names_types_and_bytes(repo: Repo) -> None:
    user, key = repo.canary(), bytes(range(256))
    items = [
        manifest("db", type="kubernetes.io/basic-auth", stringData={"password": user}),
        manifest("store", data={"keystore.p12": encoded(key), "password": encoded("other" + user)}),
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    run = imported(ruled(repo), text, "-e", "production", "--app", "shop")
    assert run.code == 0, run.err
    assert emitted(repo) == {
        "db": {"password": user.encode()},
        "store": {"keystore.p12": key, "password": ("other" + user).encode()},
    }
    assert "type: kubernetes.io/basic-auth" in recipe(repo)
    assert (repo.path / "secrets/production/keystore.p12.enc").exists()
    assert "password of store is the value store.password: its own name is taken" in run.out


@pytest.mark.parametrize("folder", ["", "all/"])
def test_bytes_stand_in_a_file_of_their_own_beside_any_component(repo: Repo, folder: str) -> None:
    repo.write(".sops.yaml", f"creation_rules:\n  - age: {repo.recipient}\n")
    key, token = bytes(range(256)), repo.canary()
    secret = manifest("shop", data={"KEYSTORE": encoded(key), "TOKEN": encoded(token)})
    place = ("-e", "production", "--component", f"{folder}app.enc.yaml")
    run = imported(repo, json.dumps(secret), *place)
    assert run.code == 0, run.err
    assert emitted(repo) == {"shop": {"KEYSTORE": key, "TOKEN": token.encode()}}
    assert (repo.path / folder / "KEYSTORE.enc").exists()


def test_a_namespace_goes_to_the_kustomization(repo: Repo) -> None:
    secret = manifest("app", stringData={"TOKEN": repo.canary()})
    secret["metadata"]["namespace"] = "prod"
    assert imported(ruled(repo), json.dumps(secret), "-e", "production").code == 0
    assert "namespace: prod\n" in recipe(repo, "overlays/production/kustomization.yaml")
    built = repo.kustomize("overlays/production")
    assert next(iter(built.manifests.values()))["metadata"]["namespace"] == "prod"


def test_a_kustomization_that_is_there_is_kept_and_its_line_is_told(repo: Repo) -> None:
    ruled(repo).write("overlays/production/kustomization.yaml", "resources: []\n")
    run = imported(repo, dotenv({"TOKEN": repo.canary()}), "-e", "production", "--app", "shop")
    assert run.code == 1 and run.codes == {"recipe-unlisted"}
    assert "hint: add to it: generators: [recipe.yaml]\n" in run.err


def test_a_file_is_read_by_its_name(repo: Repo, tmp_path: Path) -> None:
    token = repo.canary()
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.yaml").write_text(json.dumps(manifest("shop", stringData={"A": token})))
    (source / ".env.production").write_text(f'B="{token}" # quoted\n')
    run = ruled(repo).cli("import", str(source / "a.yaml"), "-e", "production")
    assert run.code == 0 and "still holds the plaintext [plaintext-left]" in run.err
    run = repo.cli("import", str(source / ".env.production"))
    assert run.code == 0, run.err
    assert "B (line 1): the quotes around it were taken off; an inline comment was left" in run.out
    assert "B: {}" in recipe(repo)


# --- a recipe that is there -----------------------------------------------------------------------


def standing(repo: Repo, **spec: Any) -> Path:
    ruled(repo)
    repo.component(COMPONENT, {"SOPSMITH_SEED_1": repo.seed, "OLD": repo.canary()})
    values = {"OLD": {}, "PG_PASSWORD": {"generate": {"password": {}}}, **spec}
    secrets = {"shop": {"keys": ["OLD", "PG_PASSWORD"], "hash": False}}
    return repo.leaf("overlays/production", components=[f"../../{COMPONENT}"], values=values,
                     seeds=repo.seeds(), secrets=secrets)  # fmt: skip


def test_what_is_missing_is_added_and_secrets_stay(repo: Repo) -> None:
    standing(repo)
    before, rendered = recipe(repo), emitted(repo)
    run = imported(repo, dotenv({"NEW": repo.canary()}))
    assert run.code == 0, run.err
    assert "is in no Secret yet; name it in one under spec.secrets:\n  NEW\n" in run.out
    assert emitted(repo) == rendered
    assert "NEW" in recipe(repo) and recipe(repo).count("\n") - before.count("\n") <= 2


def test_what_stands_there_is_never_replaced(repo: Repo) -> None:
    standing(repo)
    files = {path: path.read_bytes() for path in repo.path.rglob("*.yaml")}
    text = dotenv({"OLD": repo.canary(), "PG_PASSWORD": repo.canary()})
    run = imported(repo, text, "-e", "production", "--accept", "all")
    assert run.code == 1 and run.codes == {"import-differs"}
    for name in ("OLD", "PG_PASSWORD"):
        assert f"… | sopsmith import - -e production --accept all --take {name}\n" in run.err
    assert "\nnothing was changed\n" in run.out
    assert files == {path: path.read_bytes() for path in repo.path.rglob("*.yaml")}


def test_a_key_that_is_another_value_s_is_not_written_over(repo: Repo) -> None:
    leaf = standing(repo, MQ_PASSWORD={"optional": True})
    file = repo.component("secrets/production/mq.enc.yaml", {"PASSWORD": repo.canary()})
    picked = {"path": "../../secrets/production/mq.enc.yaml", "as": {"MQ_PASSWORD": "PASSWORD"}}
    document = json.loads(leaf.read_text())
    document["spec"]["components"].append(picked)
    leaf.write_text(json.dumps(document))
    before = file.read_bytes()
    run = imported(repo, dotenv({"PASSWORD": repo.canary()}), "--component", str(file))
    assert (run.code, run.codes) == (3, {"write-conflict"})
    assert file.read_bytes() == before


def test_a_second_import_changes_nothing(repo: Repo) -> None:
    text = dotenv(shop(ruled(repo)))
    where = ("-e", "production", "--app", "shop", "--accept", "derived")
    imported(repo, text, *where)
    files = {path: path.read_bytes() for path in repo.path.rglob("*.yaml")}
    run = imported(repo, text, *where, "--output", "json")
    assert run.document["changed"] == []
    assert {each["state"] for each in run.document["values"]} == {"there already"}
    assert files == {path: path.read_bytes() for path in repo.path.rglob("*.yaml")}


def test_another_component_is_listed_in_the_recipe(repo: Repo) -> None:
    standing(repo)
    token, key = repo.canary(), repo.canary()
    data = {"stringData": {"TOKEN": token}, "data": {"KEYS": encoded(b"\xff" + key.encode())}}
    other = "secrets/production/third-party.enc.yaml"
    run = imported(repo, json.dumps(manifest("x", **data)), "--component", other)
    assert run.code == 0, run.err
    values = repo.cli("list", "overlays/production", "--output", "json").document
    found = {each["value"]: each["from"] for each in values}
    assert found["TOKEN"] == other and found["KEYS"] == "secrets/production/KEYS.enc"


def test_a_url_is_not_derived_from_a_value_that_differs(repo: Repo) -> None:
    standing(repo)
    password = repo.canary()
    text = dotenv({"PG_PASSWORD": password, "DATABASE_URL": f"postgres://a:{password}@pg/a"})
    run = imported(repo, text, "--accept", "derived")
    assert run.code == 2 and "would not be derived as what was imported" in run.err
    assert "hint: --take PG_PASSWORD, or import it without --accept" in run.err
    assert "DATABASE_URL" not in recipe(repo)
    run = imported(repo, text, "--accept", "derived", "--take", "PG_PASSWORD")
    assert run.code == 0 and '"DATABASE_URL": {"derive":' in recipe(repo)
    assert repo.cli("get", "DATABASE_URL").out == f"postgres://a:{password}@pg/a"


@pytest.mark.parametrize("name", ["OLD", "KEYS", "MQ_PASSWORD"])
def test_a_value_is_taken_where_it_stands(repo: Repo, name: str) -> None:
    """In the seed's component, as a file of its own, or under another key elsewhere."""
    standing(repo, KEYS={}, MQ_PASSWORD={})
    repo.component("secrets/production/keys.enc", repo.canary().encode())
    repo.component("secrets/production/mq.enc.yaml", {"password": repo.canary(), "user": "mq"})
    others = "../../secrets/production"
    tree = json.loads(recipe(repo))
    tree["spec"]["components"] = [
        f"../../{COMPONENT}",
        {"path": f"{others}/keys.enc", "as": "KEYS"},
        {"path": f"{others}/mq.enc.yaml", "as": {"MQ_PASSWORD": "password"}},
    ]
    repo.write(RECIPE, json.dumps(tree))
    new, before = repo.canary(), recipe(repo)
    assert imported(repo, dotenv({name: new})).code == 1
    run = imported(repo, dotenv({name: new}), "--take", name)
    assert run.code == 0, run.err
    assert repo.cli("get", name).out == new and recipe(repo) == before
    assert imported(repo, dotenv({name: new})).code == 0


def test_what_is_not_imported_can_not_be_taken(repo: Repo) -> None:
    standing(repo)
    run = imported(repo, dotenv({"NEW": repo.canary()}), "--take", "OLD")
    assert run.code == 2 and "OLD: is not in what is imported" in run.err
    assert "NEW" not in recipe(repo)


# --- a repository that init made ------------------------------------------------------------------


def begun(repo: Repo) -> Repo:
    """What `sopsmith init` makes: a base, a leaf of each environment, generated passwords."""
    repo.env["SOPS_AGE_KEY_FILE"] = str(repo.path.parent / "home/keys.txt")
    assert repo.cli("init", "--name", "shop", "--no-recovery").code == 0
    return repo


def test_empty_values_stay_empty_in_a_leaf_with_a_base(repo: Repo) -> None:
    text = dotenv({"A": "", "B": repo.canary()})
    run = imported(begun(repo), text, "-e", "dev")
    assert run.code == 0, run.err
    assert "    A: {generate: null, rules: {minLength: 0}}\n" in recipe(
        repo, "overlays/dev/recipe.yaml"
    )
    assert repo.cli("get", "A", "-e", "dev").out == ""
    repo.edit(
        "overlays/dev/recipe.yaml",
        lambda text: f"{text}  secrets: {{shop-app: {{data: {{a: A, b: B}}}}}}\n",
    )
    (app,) = (data for name, data in repo.kustomize("overlays/dev").built.items() if "app" in name)
    assert app["a"] == b"" and app["b"].decode() == repo.canaries[-1]
    assert repo.cli("validate").code == 0


def test_an_empty_secret_is_imported_as_it_is(repo: Repo) -> None:
    text = json.dumps(manifest("mail", data={"PASSWORD": ""}))
    assert imported(begun(repo), text, "-e", "dev").code == 0
    assert imported(repo, text, "-e", "dev").out.endswith("\nnothing was changed\n")


def test_what_is_suggested_is_a_line_that_the_leaf_can_hold(repo: Repo) -> None:
    text = dotenv({"ENCRYPTION_KEY": repo.canary()})
    assert "{generate: null, rotation: never}" in imported(begun(repo), text, "-e", "dev").out
    assert imported(repo, text, "-e", "production", "--accept", "all").code == 0
    assert "ENCRYPTION_KEY: {generate: null, rotation: never}" in recipe(repo)
    assert repo.cli("validate").code == 0


def live(repo: Repo) -> dict[str, str]:
    """What runs today, of which init knows nothing."""
    password = repo.canary(after="/@")
    return {
        "POSTGRES_USER": "shop_live",
        "POSTGRES_PASSWORD": password,
        "DATABASE_URL": f"postgresql://shop_live:{quote(password, safe='')}@pg:5433/shop",
        "JWT_SECRET": repo.canary(after="-long-enough-to-pass"),
        "GOOGLE_CLIENT_ID": "1234.apps.example.com",
        "GOOGLE_CLIENT_SECRET": repo.canary(before="GOCSPX-"),
    }


@pytest.mark.parametrize("order", [1, -1])
def test_no_value_that_differs_is_lost_in_silence(repo: Repo, order: int) -> None:
    source = begun(repo).write(".env", dotenv(live(repo)))
    run = repo.cli("import", ".env", "-e", "production")
    assert run.code == 1 and run.codes == {"import-differs"}
    commands = re.findall(r"hint: sopsmith (import .env -e production .*--take (\w+))\n", run.err)
    assert [name for _, name in commands] == ["POSTGRES_PASSWORD", "DATABASE_URL", "JWT_SECRET"]
    assert "keep it: what was not imported may stand nowhere else" in run.err
    assert "shred" not in run.err + run.out
    for command, name in commands[::order]:  # as they are printed, one after the other
        last = repo.cli(*command.split())
        assert last.code in (0, 1) and f"--take {name}\n" not in last.err
    assert last.code == 0 and "shred -u .env" in last.err
    assert "DATABASE_URL: {derive: {url: {" in recipe(repo)  # a URL follows its password on
    source.unlink()


@pytest.mark.parametrize("accept", ["none", "derived", "all"])
def test_what_is_taken_runs_on_as_it_is(repo: Repo, accept: str) -> None:
    values = live(begun(repo))
    takes = [f"--take={name}" for name in ("POSTGRES_PASSWORD", "DATABASE_URL", "JWT_SECRET")]
    run = imported(repo, dotenv(values), "-e", "production", "--accept", accept, *takes)
    assert run.code == 0, run.err
    built = repo.kustomize("overlays/production").built
    together = {key: text.decode() for data in built.values() for key, text in data.items()}
    assert {key: together[key] for key in values} == values
    text = recipe(repo)
    assert "POSTGRES_PASSWORD: {stored: true}" in text and "JWT_SECRET: {stored: true}" in text
    origin = {"none": "generate: null"}.get(accept, "derive: {url: {")
    assert f"    DATABASE_URL: {{{origin}" in text
    assert repo.cli("validate").code == 0
    assert imported(repo, dotenv(values), "-e", "production").out.endswith("nothing was changed\n")


def test_a_password_that_is_taken_reaches_what_is_derived_from_it(repo: Repo) -> None:
    """So the URL that init's recipe makes of it is there already, and nothing is left out."""
    password = repo.canary(after="/@")
    url = f"postgresql://shop:{quote(password, safe='')}@postgres:5432/shop?sslmode=prefer"
    text = dotenv({"POSTGRES_PASSWORD": password, "DATABASE_URL": url})
    run = imported(begun(repo), text, "-e", "production", "--take", "POSTGRES_PASSWORD")
    assert run.code == 0, run.err
    assert re.search(r"^DATABASE_URL +there already ", run.out, re.MULTILINE)
    assert repo.cli("get", "DATABASE_URL", "-e", "production").out == url
    assert repo.cli("validate").code == 0


# --- what validate will find ----------------------------------------------------------------------


@pytest.mark.parametrize("has_recipe", [True, False])
def test_a_value_that_validate_refuses_is_imported_with_a_warning(
    repo: Repo, has_recipe: bool
) -> None:
    ruled(repo) if not has_recipe else begun(repo)
    text = dotenv({"SMTP_PASSWORD": "changeme", "TOKEN": repo.canary()})
    run = imported(repo, text, "-e", "production", "--app", "shop")
    assert run.code == 0
    assert "SMTP_PASSWORD: reads like a placeholder; imported all the same" in run.err
    assert "(placeholder) [imported-unsound]" in run.err and "TOKEN" not in run.err
    found = repo.cli("validate", "overlays/production")
    assert found.code == 1 and "SMTP_PASSWORD: reads like a placeholder [placeholder]" in found.out


def test_half_of_a_group_is_told(repo: Repo) -> None:
    run = imported(begun(repo), dotenv({"GOOGLE_CLIENT_ID": "1234"}), "-e", "production")
    assert run.code == 0 and "GOOGLE_CLIENT_SECRET: is absent while others" in run.err
    again = imported(repo, dotenv({"TOKEN": repo.canary()}), "-e", "production")
    assert "imported-unsound" not in again.err  # it is not of this import


# --- git ------------------------------------------------------------------------------------------


def git(repo: Repo, *argv: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    argv = ("git", *identity, *argv)
    return subprocess.run(
        argv, cwd=repo.path, env=repo.env, check=True, capture_output=True, text=True
    ).stdout


def test_a_commit_holds_what_was_written_and_no_value(repo: Repo) -> None:
    ruled(repo)
    git(repo, "config", "user.name", "t")
    git(repo, "config", "user.email", "t@example.com")
    repo.write("other.txt", "untouched")
    run = imported(repo, dotenv(shop(repo)), "-e", "production", "--app", "shop", "--commit")
    assert run.code == 0, run.err
    message = git(repo, "log", "-1", "--format=%B")
    assert message.startswith("secrets(production): import POSTGRES_USER, POSTGRES_PASSWORD")
    assert "Sopsmith-Command: import\n" in message
    assert "other.txt" not in git(repo, "show", "--stat", "--format=")
    assert [each for each in repo.canaries if each in git(repo, "show")] == []


def test_what_was_imported_and_not_committed_is_committed_by_the_next_run(repo: Repo) -> None:
    ruled(repo)
    git(repo, "config", "user.name", "t")
    git(repo, "config", "user.email", "t@example.com")
    git(repo, "add", ".sops.yaml")
    git(repo, "commit", "-qm", "rules")
    hook = repo.write(".git/hooks/commit-msg", "#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    values = shop(repo)
    refused = imported(repo, dotenv(values), "-e", "production", "--app", "shop", "--commit")
    assert (refused.code, refused.codes, "\nwritten: " in refused.out) == (
        6, {"not-committed"}, True,
    )  # fmt: skip
    hook.unlink()
    run = imported(repo, dotenv(values), "-e", "production", "--app", "shop", "--commit")
    assert run.code == 0 and "nothing was changed\ncommitted " in run.out, run.err
    assert git(repo, "status", "--short") == ""


@pytest.mark.parametrize("gone", ["staged", "committed", "deleted"])
def test_a_source_that_git_has_seen_is_leaked(repo: Repo, gone: str) -> None:
    source = ruled(repo).write(".env", f"TOKEN={repo.canary()}\n")
    content = source.read_bytes()
    git(repo, "add", "-f", ".env")
    if gone != "staged":
        git(repo, "commit", "-qm", "oops")
    if gone == "deleted":
        git(repo, "rm", "-q", ".env")
        git(repo, "commit", "-qm", "gone")
        source.write_bytes(content)
    run = repo.cli("import", ".env", "-e", "production", "--app", "shop")
    source.unlink()
    assert run.code == 0
    assert "is in git: treat every value in it as leaked, and rotate it" in run.err


# --- what can't be --------------------------------------------------------------------------------

REFUSED: dict[str, tuple[tuple[str, ...], str, str]] = {
    "no source": ((), "usage", "name one source"),
    "two sources": (("-", "--secret", "a/b"), "usage", "name one source"),
    "no such file": (("nowhere.env",), "file-unreadable", "does not exist"),
    "no name of a Secret": (("--secret", "a"), "usage", "is no NAMESPACE/NAME"),
    "no environment": (("-",), "usage", "there is no recipe to import into"),
    "no name of one": (("-", "-e", "Pro duction"), "usage", "a new recipe needs its environment"),
    "a rule that covers nothing": (("-", "-e", "staging"), "rule-missing", "no rule of .sops.yaml"),
    "a component outside": (
        ("-", "-e", "production", "--component", "../x.enc.yaml"), "path-refused", "leads outside"),
    "no name of an app": (
        ("-", "-e", "production", "--app", "Shop!"), "usage", "an application's name"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_is_said_and_nothing_is_written(repo: Repo, case: str) -> None:
    argv, code, message = REFUSED[case]
    ruled(repo)
    run = repo.run("sopsmith", "import", *argv, stdin=f"A={repo.canary()}\n".encode())
    assert run.codes == {code} and message in run.err
    assert not (repo.path / "secrets").exists() and not (repo.path / "overlays").exists()


@pytest.mark.parametrize("data", ["", "# nothing\n", "hunter2hunter2\n", "sops_version=3\nA=b\n"])
def test_a_source_without_values_is_refused(repo: Repo, data: str) -> None:
    run = imported(ruled(repo), data, "-e", "production")
    assert run.codes == {"import-source"} and "hunter2" not in run.err


def test_a_component_is_no_source(repo: Repo) -> None:
    ruled(repo).component("a.enc.env", {"A": repo.canary()})
    run = repo.cli("import", "a.enc.env", "-e", "production")
    assert run.codes == {"import-source"} and "is encrypted by sops already" in run.err


def test_without_the_package_a_live_secret_says_how_else(repo: Repo) -> None:
    blocked = repo.write("blocked/kubernetes/__init__.py", "raise ImportError")
    run = ruled(repo).cli("import", "--secret", "shop/app", PYTHONPATH=str(blocked.parent.parent))
    assert run.code == 3 and run.codes == {"program-missing"}
    assert "pip install 'PATH_OF_THE_CHECKOUT[cluster]', or kubectl get secret" in run.err


def test_without_a_kubeconfig_a_live_secret_says_so(repo: Repo) -> None:
    for text in (None, "hunter2hunter2: ["):
        config = repo.path.parent / "kubeconfig"
        if text:
            config.write_text(text)
        run = ruled(repo).cli("import", "--secret", "shop/app", KUBECONFIG=str(config))
        assert run.code == 3 and run.codes == {"cluster-failed"}
        assert "no kubeconfig can be used" in run.err and "hunter2" not in run.err


def test_a_cluster_out_of_reach_says_so(repo: Repo) -> None:
    token = repo.canary()
    tree = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    config = repo.path.parent / "kubeconfig"
    config.write_text(json.dumps(tree))
    run = ruled(repo).cli("import", "--secret", "shop/app", KUBECONFIG=str(config))
    assert run.code == 3 and run.codes == {"cluster-failed"}
    assert "shop/app: the cluster can't be reached" in run.err


def test_a_namespace_adds_nothing_to_the_kustomization(repo: Repo) -> None:
    metadata = {"name": "shop", "namespace": "x\nresources: [https://example.org/x]\ny: "}
    secret = {"kind": "Secret", "metadata": metadata, "stringData": {"TOKEN": repo.canary()}}
    imported(ruled(repo), json.dumps(secret), "-e", "production")
    tree = yaml.safe_load((repo.path / "overlays/production/kustomization.yaml").read_text())
    assert set(tree) == {"apiVersion", "kind", "namespace", "generators", "patches"}
