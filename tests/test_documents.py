"""What is generated from the code is what is committed, and what the README says is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sopsmith import __version__
from sopsmith.catalogue import CATALOGUE
from sopsmith.recipes.schema import json_schema
from sopsmith.report import as_json, findings_page
from tests.repository import ROOT, Repo
from tests.silence import drawn, kept_by_git

README = (ROOT / "README.md").read_text()
PLUGIN = (ROOT / "kustomize-plugin/README.md").read_text()


BASE = "secrets/shop.recipe.yaml"  # of `init --name shop`


def blocks(kind: str) -> list[str]:
    """The README's code blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_published_schema_is_that_of_the_code() -> None:
    published = (ROOT / "kustomize-plugin/secretrecipe.schema.json").read_text()
    assert published == as_json(json_schema()), "run: sopsmith schema > kustomize-plugin/…json"


def test_the_page_of_findings_is_that_of_the_catalogue() -> None:
    assert findings_page() in PLUGIN, "run: sopsmith schema --findings"


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_finding_explains_itself(code: str) -> None:
    entry = CATALOGUE[code]
    assert entry.title and entry.cause.endswith(".") and entry.fix.endswith(".")


def test_the_exit_codes_of_the_readme_are_those_of_the_catalogue() -> None:
    table = README.partition("## Exit codes")[2].partition("## ")[0]
    documented = {int(code) for code in re.findall(r"^\| (\d+) ", table, re.MULTILINE)}
    assert {entry.exit for entry in CATALOGUE.values()} <= documented


def test_links_lead_to_files() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("[!.]*/**/*.md")]  # .venv, .tools: others write there
    assert len(pages) > 5
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_demo_is_shown_by_line_25() -> None:
    lines = README.splitlines()
    assert "$ make demo" in lines[:25] and any("***" in line for line in lines[:25])


def test_every_page_and_hint_installs_it_alike() -> None:
    """From a checkout: no index has it, so a bare name would bring nothing, or another's."""
    code = "".join(path.read_text() for path in (ROOT / "kustomize-plugin/sopsmith").rglob("*.py"))
    named = re.findall(r"pip install '([^']+)'", README + PLUGIN + code)
    assert len(named) >= 4 and {each.partition("[")[0] for each in named} == {
        "PATH_OF_THE_CHECKOUT"
    }


def test_every_make_target_that_the_readme_names_exists() -> None:
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`make ([a-z0-9-]+)", README)) <= set(targets)


def test_the_commands_about_the_example_work(example: Repo) -> None:
    (commands,) = (block for block in blocks("sh") if "demo-only" in block)
    done = example.run("bash", "-euo", "pipefail", "-c", commands)
    assert done.code == 0, done.err


def test_the_recipe_that_is_explained_is_one(repo: Repo) -> None:
    recipe = blocks("yaml")[0]
    (check,) = repo.seeds().values()
    repo.component("secrets/shop.enc.yaml", {"SOPSMITH_SEED_1": repo.seed})
    known = recipe.replace("seeds: {}", f'seeds: {{"1": "{check}"}}')
    repo.write("overlays/production/recipe.yaml", known)
    done = repo.cli("validate", "overlays/production/recipe.yaml")
    assert done.code == 0, done.out + done.err


def initialised(repo: Repo) -> str:
    """What `init` declares, without the one role that the pages replace."""
    repo.env.pop("SOPS_AGE_KEY_FILE")  # init adds a key to it, and other tests read it
    assert repo.cli("init", "--name", "shop", "--environments", "dev", "--no-recovery").code == 0
    own = r"^    POSTGRES_(?:USER|PASSWORD): .*\n"
    return re.sub(own, "", (repo.path / BASE).read_text(), flags=re.MULTILINE)


def test_the_recipe_of_a_running_database_fits_one_of_init(repo: Repo) -> None:
    """What the page declares, put in place of what `init` declares, is sound and all in use."""
    page = PLUGIN.partition("## The running database")[2].partition("```yaml\n")[2]
    values, _, secrets = page.partition("```")[0].partition("  secrets:")
    declared = initialised(repo).partition("    shop-postgres:")
    repo.write(BASE, declared[0].replace("  values:\n", f"  values:\n{values}")
               + secrets.partition("\n")[2])  # fmt: skip
    done = repo.cli("validate")
    assert done.code == 0 and "0 errors, 0 warnings" in done.out, done.out + done.err


def test_the_lines_of_the_readme_let_two_roles_take_turns(repo: Repo) -> None:
    (values,) = (block for block in blocks("yaml") if "ROLE_A" in block)
    declared = initialised(repo)
    repo.write(BASE, declared.replace("  values:\n", f"  values:\n{values}"))
    done = repo.cli("validate")  # the superuser of a new server is still one of the two
    assert done.code == 0 and "0 errors, 1 warning\n" in done.out, done.out + done.err
    assert "[db-first-start]" in done.out and "spec.secrets.shop-postgres" in done.out
    rotated = repo.cli("rotate", "POSTGRES_PASSWORD")
    assert rotated.code == 0 and "warning" not in rotated.out
    assert repo.cli("get", "POSTGRES_USER").out == "shop_b"


def test_your_own_repository_in_five_minutes(repo: Repo) -> None:
    """The README's session, typed as it stands; in between a person edits the recipe.

    It is typed where the example was looked at, and nothing of that leaks into it.
    """
    _, begin, go_on, _ = blocks("console")
    declared = blocks("yaml")[1]
    published = (ROOT / "secrets/demo-only.agekey").read_bytes()
    demo = repo.path.parent / "demo-only.agekey"
    demo.write_bytes(published)
    who = [f"GIT_{role}_{field}" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")]
    repo.env |= dict.fromkeys(who, "Ann") | {
        "ID": "1234.apps.example.com", "SECRET": repo.canary(before="GOCSPX-"),
        "COLLEAGUE": repo.recipient, "PRE_COMMIT_HOME": str(repo.path.parent / "pre-commit"),
    }  # fmt: skip
    repo.env |= {"SOPS_AGE_KEY_FILE": str(demo), "SOPSMITH_ALLOW_DEMO_KEY": "1"}
    replay(repo, begin, ".")
    assert demo.read_bytes() == published
    for name in ("SOPS_AGE_KEY_FILE", "SOPSMITH_ALLOW_DEMO_KEY"):
        del repo.env[name]
    name = declared.split(":")[0].strip()
    base, keys = "shop/secrets/shop.recipe.yaml", "      keys:\n"
    repo.edit(base, lambda text: text.replace("  values:\n", f"  values:\n{declared}"))
    repo.edit(base, lambda text: text.replace(keys, f"{keys}        - {name}\n", 1))
    replay(repo, go_on, "shop")
    secrets = set(drawn(repo.path / "shop", repo.env))
    assert len(secrets) >= 10  # seeds, private keys, what was set: the search is for something
    for secret in secrets:
        repo.canary(secret)
    kept = kept_by_git(repo.path / "shop")
    assert [canary for canary in repo.canaries if canary.encode() in kept] == []


def replay(repo: Repo, session: str, cwd: str) -> None:
    """Run a session's commands in one shell and find what it shows in what each of them prints.

    A command that shows an error has to fail, and any other to succeed. `…` cuts a line, columns
    may be wider than shown.
    """
    _, *calls = re.split(r"^\$ ", session, flags=re.MULTILINE)
    script = "".join(f"{call.partition(chr(10))[0]}\nprintf '\\n--- %s\\n' $?\n" for call in calls)
    run = repo.run("bash", "-c", f"exec 2>&1\n{script}", cwd=cwd)
    printed = re.split(r"^--- ([0-9]+)\n", run.out, flags=re.MULTILINE)
    for call, out, code in zip(calls, printed[::2], printed[1::2], strict=False):
        shown = call.splitlines()[1:]
        assert (code != "0") is any("error:" in line for line in shown), f"{call}{out}"
        lines = [line.split() for line in out.splitlines()]
        for line in shown:
            words = line.partition("…")[0].split()
            assert any(is_shown(words, each) for each in lines), f"{line}\n{out}"
    assert len(printed) == 2 * len(calls) + 1


def is_shown(words: list[str], line: list[str]) -> bool:
    """Whether a line begins with these words, the last of them maybe cut."""
    whole, last = words[:-1], "".join(words[-1:])
    return line[: len(whole)] == whole and "".join(line[len(whole) : len(words)]).startswith(last)


def test_the_package_installs_from_a_checkout(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(tmp_path)]
    done = subprocess.run([*pip, *offline, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"sopsmith", "sopsmith-krm"} <= {file.name for file in (tmp_path / "bin").iterdir()}
    assert (tmp_path / f"sopsmith-{__version__}.dist-info").is_dir()


def test_the_demo_prints_what_the_readme_shows() -> None:
    """Line by line but for what is cut with …; columns may be wider than shown."""
    shown = README.partition("$ make demo\n")[2].partition("```")[0].splitlines()
    done = subprocess.run([sys.executable, "ci/demo.py"], cwd=ROOT, capture_output=True, text=True)
    printed = [line.split() for line in done.stdout.splitlines()]
    for line in shown:
        words = line.partition("…")[0].split()
        assert any(each[: len(words)] == words for each in printed), line
