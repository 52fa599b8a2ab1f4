"""A render is pure: the same commit and key give the same bytes, wherever, whenever and by whom.

And what has to differ does: no two values, versions, environments or applications share one.
"""

from __future__ import annotations

import ast
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

import sopsmith
from tests.repository import Repo, Run

PACKAGE = Path(sopsmith.__file__).parent
PASSWORD = {"generate": {"password": {"length": 24}}}
TOKEN = {"generate": {"bytes": {"size": 24, "encoding": "base64url"}}}
URL = {
    "scheme": "postgresql",
    "user": "$(app)",
    "password": "$(DB_PASSWORD)",
    "host": "$(HOST)",
    "port": 5432,
}
VALUES: dict[str, Any] = {
    "DB_PASSWORD": PASSWORD,
    "ADMIN_PASSWORD": PASSWORD,
    "TOKEN": TOKEN,
    "HOST": {"default": "db"},
    "DB_URL": {"derive": {"url": URL}},
    "CONFIG": {"derive": {"template": "url=$(DB_URL) token=$(TOKEN)"}},
}
GENERATED = ("DB_PASSWORD", "ADMIN_PASSWORD", "TOKEN")

# Everything that some YAML reader gets otherwise, as a person may write it.
RECIPE = """\
# a comment
apiVersion: sopsmith.dev/v1alpha1
kind: SecretRecipe
metadata: {name: shop, annotations: {config.kubernetes.io/function: "exec: {path: sopsmith-krm}"}}
spec:
  values:   # in no order
    TOKEN: {generate: {bytes: {size: 24, encoding: base64url}}, rotated: 2026-11-02, maxAge: 90d}
    DB_PASSWORD: {version: 4294967295, rotated: "2026-11-02", generate: {password: {length: 24}}}
    PIN:
      generate: {password: {length: 64, alphabet: "0123456789"}}
      rules:
        minEntropy: 200
    WORDS: {default: 'yes'}
    OCTAL: {default: "0o17"}
    FLOAT: {default: "1e5"}
    DATE: {default: "2026-11-02"}
    NOTHING: {default: "~"}
    LATIN: {default: größe 密 😀}
    LINES: {default: "a\\n\\n  b\\n"}
    PLAIN:
      default: one
        two
    GIVEN: {}
    DB_URL:
      derive: {url: {scheme: postgresql, user: u, password: $(DB_PASSWORD), host: db, port: 5432,
                     path: "0", query: {sslmode: require, application_name: "1e5"}}}
  secrets:
    shop: {keys: [TOKEN, PIN, WORDS, OCTAL, FLOAT, DATE, NOTHING, LATIN, LINES, PLAIN, GIVEN]}
    db: {hash: false, data: {url: DB_URL, "7": DB_PASSWORD}, labels: {"on": "yes", n: "1e5"}}
  environment: production
  app: shop
  seeds: {"1": "SEED"}
  components: [../shop.enc.yaml]
"""

# A Python without a clock and without fresh randomness: whoever asks for either dies of it.
TIMELESS = """
import datetime, os, random, time

def gone(*args, **kwargs):
    raise RuntimeError("asked for the time or for randomness")

class Gone:
    now = today = utcnow = gone

for name in ("time", "time_ns", "localtime", "gmtime", "ctime", "asctime", "clock_gettime"):
    setattr(time, name, gone)
os.urandom = os.getrandom = random.random = random.SystemRandom = gone
datetime.datetime = type("datetime", (Gone, datetime.datetime), {})
datetime.date = type("date", (Gone, datetime.date), {})
"""


def written(repo: Repo) -> Run:
    """Render the recipe above, from its text."""
    given = repo.canary(after="\x85größe密😀\r\n")
    repo.component("shop.enc.yaml", {"SOPSMITH_SEED_1": repo.seed, "GIVEN": given})
    repo.leaf()
    repo.write("overlay/recipe.yaml", RECIPE.replace("SEED", repo.seeds()["1"]))
    run = repo.function()
    assert run.code == 0, run.err
    return run


def rendered(repo: Repo, **spec: Any) -> dict[str, bytes]:
    """The values of the small application, some of its fields replaced."""
    repo.shop(**{"values": VALUES, **spec})
    return repo.function().secrets["shop"]


def overheard(repo: Repo, folder: str) -> tuple[str, str]:
    """stdin and stdout of the function in a build: a listener stands before it on PATH."""
    post = repo.path.parent / "post"
    post.mkdir()
    real = shutil.which("sopsmith-krm")
    listener = post / "sopsmith-krm"
    listener.write_text(f"#!/bin/sh\ntee {post}/in | {real} | tee {post}/out\n")
    listener.chmod(0o755)
    assert repo.kustomize(folder, PATH=f"{post}:{repo.env['PATH']}").code == 0
    return (post / "in").read_text(), (post / "out").read_text()


# --- the same ---------------------------------------------------------------------------------


def test_twice(repo: Repo) -> None:
    assert written(repo).out == repo.function().out


def test_from_the_file_and_from_the_form_that_kustomize_gives_it(repo: Repo) -> None:
    first = written(repo)
    heard, said = overheard(repo, "overlay")
    assert said == first.out
    assert heard != repo.call().decode()
    assert 'rotated: "2026-11-02T00:00:00Z"' in heard


@pytest.mark.parametrize("name", ["dev", "staging", "production"])
def test_the_example_from_both_forms(example: Repo, name: str) -> None:
    folder = f"overlays/{name}"
    _, said = overheard(example, folder)
    assert said == example.function(folder).out


@pytest.mark.parametrize(
    "env",
    [
        {"TZ": "Pacific/Kiritimati"},
        {"TZ": "America/Anchorage"},
        {"LC_ALL": "C"},
        {"LC_ALL": "C.UTF-8"},
        {"LC_ALL": "tr_TR.UTF-8"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONHASHSEED": "0"},
        {"PYTHONHASHSEED": "4294967295"},
        {"PYTHONOPTIMIZE": "2"},
        {"HOME": None},
        {"HOME": "/nonexistent"},
        {"HOME": "/dev/null"},
        {"USER": "mallory", "LOGNAME": "mallory", "HOSTNAME": "elsewhere"},
    ],
    ids=lambda env: " ".join(f"{name}={text}" for name, text in env.items()),
)
def test_in_another_environment(repo: Repo, env: dict[str, Any]) -> None:
    first = written(repo)
    assert repo.function(**env) == first


@pytest.mark.parametrize("utf8", ["1", "0"])
def test_a_path_that_the_locale_has_no_letters_for(repo: Repo, utf8: str) -> None:
    """A name in git is bytes, whatever the locale makes of them."""
    repo.component("größe.enc.yaml", {"TOKEN": repo.canary()})
    secrets = {"shop": {"keys": ["TOKEN"]}}
    repo.leaf(components=["../größe.enc.yaml"], values={"TOKEN": {}}, secrets=secrets)
    first = repo.function(LC_ALL="C.UTF-8")
    assert first.code == 0, first.err
    assert repo.function(LC_ALL="POSIX", PYTHONUTF8=utf8, PYTHONCOERCECLOCALE="0") == first


def test_with_a_home_that_nobody_can_write(repo: Repo) -> None:
    first = written(repo)
    home = Path(repo.env["HOME"])
    home.chmod(0o500)
    assert repo.function() == first
    assert list(home.iterdir()) == []  # not even by root, whom no mode stops


def test_as_a_user_without_a_name(repo: Repo) -> None:
    first = written(repo)
    stranger = ("unshare", "--user", "--map-user=12345")
    if shutil.which("unshare") is None or repo.run(*stranger, "true").code != 0:
        pytest.skip("user namespaces, which lend another uid, are not to be had here")
    assert repo.run(*stranger, "id", "-u").out == "12345\n"
    assert repo.run(*stranger, "id", "-un").code != 0
    again = repo.run(*stranger, "sopsmith-krm", stdin=repo.call(), cwd="overlay", prints=True)
    assert again == first


def test_in_another_checkout(repo: Repo) -> None:
    first = written(repo)
    shutil.copytree(repo.path, repo.path.parent / "another place")
    repo.path = repo.path.parent / "another place"
    assert repo.function() == first


def test_in_another_folder_of_the_checkout(repo: Repo) -> None:
    first = written(repo)
    (repo.path / "apps").mkdir()
    (repo.path / "overlay").rename(repo.path / "apps/moved")
    repo.edit("apps/moved/recipe.yaml", lambda text: text.replace("../shop", "../../shop"))
    assert repo.function("apps/moved") == first


def test_in_whatever_order_the_components_stand(repo: Repo) -> None:
    given = {f"KEY_{n}": repo.canary() for n in range(6)}
    for name, text in given.items():
        repo.component(f"{name}.yaml", {name: text})
    paths = [f"../{name}.yaml" for name in given]
    values: dict[str, Any] = {name: {} for name in given}
    repo.leaf(components=paths, values=values, secrets={"shop": {"keys": list(given)}})
    first = repo.function()
    assert first.secrets["shop"] == {name: text.encode() for name, text in given.items()}
    reordered = dict(reversed(values.items()))
    secrets = {"shop": {"keys": list(reordered)}}
    repo.leaf(components=paths[::-1], values=reordered, secrets=secrets)
    assert repo.function() == first


# --- on another day ---------------------------------------------------------------------------


def test_where_there_is_no_clock_and_no_randomness(repo: Repo) -> None:
    first = written(repo)
    timeless = repo.path.parent / "timeless"
    timeless.mkdir()
    (timeless / "sitecustomize.py").write_text(TIMELESS)
    for asks in (
        "time.time()",
        "datetime.datetime.now()",
        "datetime.date.today()",
        "os.urandom(1)",
    ):
        asked = repo.run(
            "python", "-c", f"import datetime, os, time; {asks}", PYTHONPATH=str(timeless)
        )
        assert "RuntimeError: asked for the time" in asked.err
    assert repo.function(PYTHONPATH=str(timeless)) == first


def test_no_module_of_the_function_asks_for_the_day_or_draws_lots(repo: Repo) -> None:
    """What `sopsmith-krm` loads knows one clock: it counts the seconds that sops may take."""
    written(repo)
    show = "print(*(name for name in sys.modules if name.startswith('sopsmith')))"
    run = "krm.function(sys.stdin.buffer.read(), os.getcwd(), os.environ)"
    program = f"import os, sys; from sopsmith import krm; {run}; {show}"
    loaded = repo.run("python", "-c", program, stdin=repo.call(), cwd="overlay").out.split()
    assert {"sopsmith.krm", "sopsmith.pipeline.generate", "sopsmith.tools.process"} <= set(loaded)
    assert {(name, each) for name in loaded for each in asks(name)} == {
        ("sopsmith.tools.process", "import time")
    }
    text = (PACKAGE / "tools/process.py").read_text()
    assert text.count("time.") == text.count("time.monotonic()") + text.count("time.sleep(")


def asks(module: str) -> set[str]:
    """How a module's file comes by the time or by randomness when it runs."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(f"import {alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(f"import {node.module}")
        elif isinstance(node, ast.Attribute):
            found.add(f".{node.attr}")
    modules = {f"import {name}" for name in ("time", "random", "secrets", "uuid", "tempfile")}
    return found & {*modules, ".now", ".today", ".utcnow", ".urandom", ".getrandom"}


# --- what kustomize adds ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "effect"),
    [
        ("namePrefix: eu-", "  name: eu-shop\n"),
        ("nameSuffix: -eu", "  name: shop-eu\n"),
        ("namespace: elsewhere", "  namespace: elsewhere\n"),
        ("commonAnnotations: {team: blue}", "    team: blue\n"),
    ],
)
def test_kustomize_changes_names_and_no_value(repo: Repo, field: str, effect: str) -> None:
    repo.shop(values=VALUES)
    (before,) = repo.kustomize().built.values()
    repo.edit("overlay/kustomization.yaml", lambda text: f"{field}\n{text}")
    run = repo.kustomize()
    assert list(run.built.values()) == [before]
    assert effect in run.out


def test_the_name_of_the_recipe_changes_no_value(repo: Repo) -> None:
    repo.shop(values=VALUES)
    before = repo.function()
    repo.edit("overlay/recipe.yaml", lambda text: text.replace('"name": "shop"', '"name": "eu"'))
    assert repo.function() == before


def test_two_overlays_of_one_recipe_in_one_build(repo: Repo) -> None:
    """kustomize runs the function twice here: both runs have to agree."""
    repo.shop(values=VALUES)
    (alone,) = repo.kustomize().built.values()
    for name in ("eu", "us"):
        text = f"namePrefix: {name}-\nresources: [../overlay]\n"
        repo.write(f"{name}/kustomization.yaml", text)
    repo.write("all/kustomization.yaml", "resources: [../eu, ../us]\n")
    assert repo.kustomize("all").built == {"eu-shop": alone, "us-shop": alone}


def test_two_environments_of_one_base_in_one_build(example: Repo) -> None:
    overlays = ["overlays/staging", "overlays/production"]
    alone = [text for each in overlays for text in example.kustomize(each).out.split("---\n")]
    example.write("all/kustomization.yaml", f"resources: [../{overlays[0]}, ../{overlays[1]}]\n")
    run = example.kustomize("all")
    assert run.code == 0, run.err
    assert sorted(run.out.split("---\n")) == sorted(alone)


# --- what has to differ -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rotated", "changed"),
    [
        ("DB_PASSWORD", {"DB_PASSWORD", "DB_URL", "CONFIG"}),
        ("TOKEN", {"TOKEN", "CONFIG"}),
        ("ADMIN_PASSWORD", {"ADMIN_PASSWORD"}),
    ],
)
def test_a_raised_version_changes_what_hangs_on_it_and_nothing_else(
    repo: Repo, rotated: str, changed: set[str]
) -> None:
    before = rendered(repo)
    after = rendered(repo, values={**VALUES, rotated: {**VALUES[rotated], "version": 2}})
    assert {name for name in after if after[name] != before[name]} == changed
    assert set(after) == set(before)


def test_a_lowered_version_brings_the_old_value_back(repo: Repo) -> None:
    versions = [
        rendered(repo, values={**VALUES, "TOKEN": {**TOKEN, "version": version}})
        for version in (1, 2, 1)
    ]
    assert versions[0] == versions[2] != versions[1]


def test_a_renamed_value_stays_what_it_was_by_its_id(repo: Repo) -> None:
    before = rendered(repo, values={"OLD": TOKEN})
    assert rendered(repo, values={"NEW": {**TOKEN, "id": "OLD"}})["NEW"] == before["OLD"]
    assert rendered(repo, values={"NEW": TOKEN})["NEW"] != before["OLD"]


def test_environments_and_applications_share_no_value(repo: Repo) -> None:
    """Even under one seed, which no two of them should have, and names that join up alike."""
    where = [
        (app, env) for app in ("shop", "sho", "store") for env in ("production", "pproduction")
    ]
    held: dict[tuple[str, str], set[bytes]] = {}
    for app, env in where:
        repo.component(f"{env}.yaml", {"SOPSMITH_SEED_1": repo.seed}, environment=env)
        repo.leaf(
            app=app,
            environment=env,
            seeds=repo.seeds(env, app),
            components=["../$(environment).yaml"],
            values=VALUES,
            secrets={"shop": {"keys": list(GENERATED)}},
        )
        held[app, env] = set(repo.function().secrets["shop"].values())
    for one, other in combinations(where, 2):
        assert held[one].isdisjoint(held[other])


def test_no_two_values_or_versions_share_anything(repo: Repo) -> None:
    values = {f"A{n}": PASSWORD for n in range(1, 30)}
    names = list(values)
    drawn = [
        text
        for version in (1, 2, 11)
        for text in rendered(
            repo, values={name: {**PASSWORD, "version": version} for name in names}
        ).values()
    ]
    assert len(set(drawn)) == len(drawn) == 3 * len(names)
