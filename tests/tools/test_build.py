"""`sopsmith build`: kustomize's build, and no program of a kustomization's choice runs in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.repository import FUNCTION, Repo

EVIL = """\
apiVersion: example.org/v1
kind: Evil
metadata:
  name: evil
  annotations: {config.kubernetes.io/function: "exec: {path: ../evil.sh}"}
"""
BUILTIN = """\
apiVersion: builtin
kind: PrefixSuffixTransformer
metadata: {name: prefix}
prefix: p-
fieldSpecs: [{path: metadata/name}]
"""


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """An application, and beside it a program that leaves a trace when it is run."""
    repo.shop({"TOKEN": repo.canary()})
    evil = repo.write("evil.sh", f"#!/bin/sh\ntouch {repo.path}/ran\ncat\n")
    evil.chmod(0o755)
    return repo


def listed(repo: Repo, more: str, folder: str = "overlay") -> None:
    repo.write(f"{folder}/kustomization.yaml", f"generators: [recipe.yaml]\n{more}")


def is_refused(repo: Repo, code: str = "function-foreign", **env: str) -> str:
    done = repo.cli("build", "overlay", **env)
    assert not (repo.path / "ran").exists(), "the program was run"
    assert (done.code, done.out, done.codes) == (5, "", {code}), done.err
    assert [*repo.temp.iterdir()] == []
    return done.err


# --- the build ------------------------------------------------------------------------------------


def test_it_builds_what_kustomize_builds(shop: Repo) -> None:
    listed(shop, "transformers: [prefix.yaml]\nnamespace: shop\n")
    shop.write("overlay/prefix.yaml", BUILTIN)
    done = shop.cli("build", "overlay")
    assert done.code == 0 and done.out == shop.kustomize().out and "p-shop" in done.out


def test_a_recipe_in_a_base_and_one_written_inline_are_built(shop: Repo) -> None:
    shop.write("top/kustomization.yaml", "resources: [../overlay]\n")
    assert shop.cli("build", "top").out == shop.kustomize("overlay").out
    recipe = json.loads((shop.path / "overlay/recipe.yaml").read_text())
    shop.write("overlay/kustomization.yaml", json.dumps({"generators": [json.dumps(recipe)]}))
    assert "kind: Secret" in shop.cli("build", "overlay").out


def test_the_function_comes_from_the_installation_whatever_path_says(shop: Repo) -> None:
    fake = shop.write("bin/sopsmith-krm", f"#!/bin/sh\ntouch {shop.path}/ran\n")
    fake.chmod(0o755)
    done = shop.cli("build", "overlay", PATH=f"{fake.parent}:{os.environ['PATH']}")
    assert done.code == 0 and not (shop.path / "ran").exists()


def test_what_argo_cd_passes_from_an_application_reaches_no_program(shop: Repo) -> None:
    """Told by a kustomize that notes its environment."""
    note = shop.path.parent / "environment"
    real = shutil.which("kustomize")
    recorder = f'#!/bin/sh\nenv > {note}\nexec {real} "$@"\n'
    folder = shop.path.parent / "recorder"
    folder.mkdir()
    (folder / "kustomize").write_text(recorder)
    (folder / "kustomize").chmod(0o755)
    hostile = {"ARGOCD_ENV_PATH": "/tmp", "ARGOCD_APP_NAME": "x", "PARAM_X": "y",
               "KUSTOMIZE_PLUGIN_HOME": "/tmp", "PYTHONPATH": "/tmp", "LD_PRELOAD": ""}  # fmt: skip
    done = shop.cli("build", "overlay", PATH=f"{folder}:{os.environ['PATH']}", **hostile)
    assert done.code == 0, done.err
    seen = {line.partition("=")[0] for line in note.read_text().splitlines()}
    assert seen & {*hostile} == set()
    path = next(line for line in note.read_text().splitlines() if line.startswith("PATH="))
    assert path.startswith(f"PATH={Path(sys.executable).parent}:")


def test_detect_names_the_recipes_that_would_run_and_is_silent_elsewhere(shop: Repo) -> None:
    shop.write("top/kustomization.yaml", "resources: [../overlay]\n")
    shop.write("plain/kustomization.yaml", "resources: []\n")
    assert shop.cli("build", "top", "--detect").out == "overlay/recipe.yaml\n"
    for folder in ("plain", "."):
        done = shop.cli("build", folder, "--detect")
        assert (done.code, done.out) == (0, "")


# --- functions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["generators", "transformers", "validators"])
@pytest.mark.parametrize("form", ["file", "inline", "json", "folder", "case", "base", "component"])
def test_no_other_function_runs_wherever_it_stands(shop: Repo, field: str, form: str) -> None:
    own = "generators:\n- recipe.yaml\n"
    evil = "\n".join(f"  {line}" for line in EVIL.splitlines())
    shop.write("overlay/evil.yaml", EVIL)
    shop.write("overlay/dir/kustomization.yaml", "resources: [../evil.yaml]\n")
    entry = {"inline": f"- |\n{evil}\n", "folder": "- dir\n"}.get(form, "- evil.yaml\n")
    if form == "json":
        annotations = {"config.kubernetes.io/function": "exec: {path: ../evil.sh}"}
        tree = {"apiVersion": "example.org/v1", "kind": "Evil",
                "metadata": {"name": "evil", "annotations": annotations}}  # fmt: skip
        entry = f"- '{json.dumps(tree)}'\n"
    name = field.capitalize() if form == "case" else field
    text = f"{own}{entry}" if name == "generators" else f"{own}{name}:\n{entry}"
    if form in ("base", "component"):
        kind = (
            "v1alpha1\nkind: Component" if form == "component" else "v1beta1\nkind: Kustomization"
        )
        head = f"apiVersion: kustomize.config.k8s.io/{kind}\n"
        shop.write("lib/kustomization.yaml", f"{head}{field}:\n- evil.yaml\n")
        shop.write("lib/evil.yaml", EVIL)
        text = f"{own}{'components' if form == 'component' else 'resources'}: [../lib]\n"
    shop.write("overlay/kustomization.yaml", text)
    is_refused(shop, "kustomization-unclear" if form == "case" else "function-foreign")


@pytest.mark.parametrize(
    "annotation",
    [
        "exec: {path: ./sopsmith-krm}",
        "exec: {path: /usr/bin/sopsmith-krm}",
        "exec: {path: ../evil.sh}",
        "{exec: {path: sopsmith-krm}, container: {image: evil}}",
        "exec: {path: sopsmith-krm, args: [x]}",
        "exec: {path: sopsmith-krm, envs: [PATH=/tmp]}",
        "container: {image: evil}",
    ],
)
def test_a_recipe_that_declares_anything_but_the_bare_name_is_refused(
    shop: Repo, annotation: str
) -> None:
    (declared,) = map(json.dumps, FUNCTION.values())
    shop.edit("overlay/recipe.yaml", lambda text: text.replace(declared, json.dumps(annotation)))
    done = shop.cli("build", "overlay")
    assert done.code == 5 and done.codes <= {"function-foreign", "function-refused"}
    assert not (shop.path / "ran").exists()


def test_a_function_in_the_metadata_or_in_a_second_annotation_is_refused(shop: Repo) -> None:
    recipe = json.loads((shop.path / "overlay/recipe.yaml").read_text())
    for metadata in (
        {"configFn": {"container": {"image": "evil"}}},
        {"annotations": {**FUNCTION, "config.k8s.io/function": "exec: {path: ../evil.sh}"}},
    ):
        changed = {**recipe, "metadata": {**recipe["metadata"], **metadata}}
        shop.write("overlay/recipe.yaml", json.dumps(changed))
        is_refused(shop)


@pytest.mark.parametrize(
    "text",
    [
        "x: &a [recipe.yaml]\ngenerators: *a\n",
        "generators: [recipe.yaml]\ngenerators: [recipe.yaml]\n",
        "generators: [!!binary cmVjaXBlLnlhbWw=]\n",
        "generators: [recipe.yaml]\n---\ngenerators: [evil.yaml]\n",
        "generators: recipe.yaml\n",
        "generators: [recipe.yaml]\nresource: [x.yaml]\n",
    ],
)
def test_what_kustomize_could_read_otherwise_is_refused(shop: Repo, text: str) -> None:
    shop.write("overlay/kustomization.yaml", text)
    is_refused(shop, "kustomization-unclear")


def indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())


LISTED = json.dumps({"apiVersion": "builtin", "kind": "EvilList", "metadata": {"name": "l"},
                     "items": [yaml.safe_load(EVIL)]})  # fmt: skip
HARMLESS = "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: ok}\n"


@pytest.mark.parametrize("field", ["generators", "transformers", "validators"])
@pytest.mark.parametrize("form", ["file", "inline"])
def test_a_list_of_functions_is_no_plugin_of_kustomizes(shop: Repo, field: str, form: str) -> None:
    shop.write("overlay/list.json", LISTED)
    entry = "list.json" if form == "file" else LISTED
    own = ["recipe.yaml"] if field != "generators" else ["recipe.yaml", entry]
    tree = {"generators": own} | ({} if field == "generators" else {field: [entry]})
    shop.write("overlay/kustomization.yaml", json.dumps(tree))
    is_refused(shop)


@pytest.mark.parametrize(
    "text",
    [
        f"{HARMLESS}---#a:\n{indented(EVIL)}",
        f"#\n--- #\r{HARMLESS.replace(chr(10), chr(13))}x:\n{indented(EVIL)}",
        f"{HARMLESS}#{'x' * 9_000_000}\n---\n{EVIL}",
    ],
    ids=["a key that kustomize takes for a separator", "a line break of another kind", "padding"],
)
def test_a_document_that_only_kustomize_sees_never_runs(shop: Repo, text: str) -> None:
    """What was read is what is built."""
    shop.write("overlay/plugin.yaml", text)
    shop.write("overlay/kustomization.yaml", "generators: [recipe.yaml, plugin.yaml]\n")
    done = shop.cli("build", "overlay")
    assert not (shop.path / "ran").exists()
    assert done.code in (0, 5) and "Evil" not in done.out


def test_what_is_hidden_in_a_recipe_never_runs(shop: Repo) -> None:
    recipe = yaml.safe_load((shop.path / "overlay/recipe.yaml").read_text())
    shop.write("overlay/recipe.yaml", f"{yaml.safe_dump(recipe)}---#a:\n{indented(EVIL)}")
    done = shop.cli("build", "overlay")
    assert not (shop.path / "ran").exists() and done.code != 0


@pytest.mark.parametrize("start", ["--- ", "&a ", "!!map ", "\ufeff"])
def test_an_entry_that_kustomize_takes_for_text_is_no_path(shop: Repo, start: str) -> None:
    entry = start + json.dumps(yaml.safe_load(EVIL))
    file = shop.path / "overlay" / os.path.normpath(entry)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(HARMLESS)
    listed = {"generators": ["recipe.yaml", entry]}
    shop.write("overlay/kustomization.yaml", json.dumps(listed, ensure_ascii=False))
    done = shop.cli("build", "overlay")
    assert not (shop.path / "ran").exists() and done.code in (3, 5)


@pytest.mark.parametrize(
    "text", ["apiVersion: builtin\nmetadata: {name: x}\n", "kind: SecretRecipe\n", "[]", "text"]
)
def test_what_is_no_configuration_is_refused_and_no_bug(shop: Repo, text: str) -> None:
    shop.write("overlay/plugin.yaml", text)
    shop.write("overlay/kustomization.yaml", "generators: [recipe.yaml, plugin.yaml]\n")
    is_refused(shop)


@pytest.mark.parametrize(
    "more",
    [
        "patches: [{path: 'https://example.com/x.yaml'}]\n",
        "configMapGenerator: [{name: a, files: ['a=https://example.com/x']}]\n",
        "crds: ['https://example.com/x.yaml']\n",
        "configurations: ['https://example.com/x.yaml']\n",
        "openapi: {path: 'https://example.com/x.yaml'}\n",
        "replacements: [{path: 'https://example.com/x.yaml'}]\n",
    ],
)
def test_data_from_elsewhere_is_refused(shop: Repo, more: str) -> None:
    listed(shop, more)
    is_refused(shop, "remote-base")


def test_helm_is_named(shop: Repo) -> None:
    listed(shop, "helmCharts: [{name: x}]\n")
    assert "helmCharts: would start helm" in is_refused(shop, "kustomization-unclear")


def test_what_was_sealed_for_flux_is_not_built_as_ciphertext(shop: Repo) -> None:
    shop.component("overlay/values.enc.env", {"TOKEN": shop.canary()}, environment=None)
    listed(shop, "secretGenerator: [{name: app, envs: [values.enc.env]}]\n")
    is_refused(shop, "sealed-for-flux")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("recipe.yaml", "{", "{: ["),
        ("kustomization.yaml", "generators", "foo: [\ngenerators"),
        ("recipe.yaml", "sopsmith-krm", "/bin/sh"),
        ("recipe.yaml", '"annotations"', '"labels"'),
    ],
)
def test_detect_names_what_may_be_meant_so_that_the_build_can_say_what_is_wrong(
    shop: Repo, file: str, old: str, new: str
) -> None:
    shop.edit(f"overlay/{file}", lambda text: text.replace(old, new, 1))
    assert shop.cli("build", "overlay", "--detect").out == "overlay/recipe.yaml\n"
    assert shop.cli("build", "overlay").code in (2, 5)


@pytest.mark.parametrize("odd", ["\x85", "\u2028", "\x7f"])
def test_an_entry_that_kustomize_would_read_otherwise_is_refused(shop: Repo, odd: str) -> None:
    """It folds such characters into a space, and would enter another folder."""
    shop.write(f"overlay/x{odd}y", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n")
    shop.write("overlay/x y/kustomization.yaml", "generators: [evil.yaml]\n")
    shop.write("overlay/x y/evil.yaml", EVIL.replace("../evil.sh", "../../evil.sh"))
    listed(shop, f'resources: ["x\\u{ord(odd):04x}y"]\n')
    is_refused(shop, "kustomization-unclear")


def test_what_a_plugin_says_is_handed_on_as_it_is(shop: Repo) -> None:
    note = 'commonAnnotations: {note: "p\\u0085q\\u2028r"}\n'
    listed(shop, note)
    assert shop.cli("build", "overlay").out == shop.kustomize().out


def test_what_git_keeps_for_itself_is_no_base(shop: Repo) -> None:
    shop.write(".git/sub/kustomization.yaml", "resources: []\n")
    listed(shop, "resources: [../.git/sub]\n")
    assert shop.cli("build", "overlay").code == 3


def test_a_temporary_folder_inside_the_repository_is_left_out(shop: Repo) -> None:
    (shop.path / "tmp").mkdir()
    done = shop.cli("build", "overlay", TMPDIR=str(shop.path / "tmp"))
    assert done.code == 0 and [*(shop.path / "tmp").iterdir()] == []


def test_a_second_kustomization_beside_it_is_refused(shop: Repo) -> None:
    shop.write("overlay/Kustomization", "resources: []\n")
    is_refused(shop, "kustomization-unclear")


def test_a_folder_behind_a_symlink_is_read_where_it_lies(shop: Repo) -> None:
    """kustomize resolves the link first, so `../lib` is beside the link's target."""
    shop.write("far/lib/kustomization.yaml", "generators: [evil.yaml]\n")
    shop.write("far/lib/evil.yaml", EVIL.replace("../evil.sh", "../../evil.sh"))
    shop.write("far/base/kustomization.yaml", "resources: [../lib]\n")
    shop.write("lib/kustomization.yaml", "resources: []\n")
    (shop.path / "base").symlink_to("far/base")
    listed(shop, "resources: [../base]\n")
    assert "far/lib/evil.yaml" in is_refused(shop)


@pytest.mark.parametrize("entry", ["../../outside", "/etc", "../link"])
def test_bases_outside_the_root_are_refused(shop: Repo, entry: str) -> None:
    outside = shop.path.parent / "outside"
    outside.mkdir()
    (outside / "kustomization.yaml").write_text("resources: []\n")
    (shop.path / "link").symlink_to(outside)
    listed(shop, f"resources: [{entry}]\n")
    is_refused(shop, "path-refused")


# --- remote bases ---------------------------------------------------------------------------------


class Server(BaseHTTPRequestHandler):
    """git's own smart HTTP server, over loopback."""

    root = Path()

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.root), "PATH_INFO": path,
               "GIT_HTTP_EXPORT_ALL": "1", "REQUEST_METHOD": self.command, "QUERY_STRING": query,
               "CONTENT_TYPE": self.headers.get("Content-Type", ""), "REMOTE_ADDR": "127.0.0.1",
               "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
               "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", "")}  # fmt: skip
        done = subprocess.run(["git", "http-backend"], env=env, input=self.rfile.read(length),
                              capture_output=True)  # fmt: skip
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, text in fields.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *words: object) -> None:
        """Silence."""


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[str]:
    """A git server with one repository: `base` is plain, `evil` runs a program."""
    work = tmp_path / "served/lib"
    files = {"base/kustomization.yaml": "resources: [map.yaml]\n",
             "base/map.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: far}}\n",
             "evil/kustomization.yaml": "generators: [evil.yaml]\n", "evil/evil.yaml": EVIL,
             "nested/kustomization.yaml": "resources: [../evil]\n"}  # fmt: skip
    for name, text in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    who = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "x"),
                  ("config", "uploadpack.allowAnySHA1InWant", "true")):  # fmt: skip
        subprocess.run(["git", "-C", str(work), *words], check=True)
    handler = type("Handler", (Server,), {"root": work.parent})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    commit = subprocess.run(["git", "-C", str(work), "rev-parse", "HEAD"], check=True,
                            capture_output=True, text=True).stdout.strip()  # fmt: skip
    yield f"http://127.0.0.1:{server.server_port}/lib/.git//FOLDER?ref={commit}"
    server.shutdown()
    server.server_close()


def test_a_remote_base_at_a_commit_is_looked_through_and_built(shop: Repo, remote: str) -> None:
    listed(shop, f"resources: ['{remote.replace('FOLDER', 'base')}']\n")
    done = shop.cli("build", "overlay")
    assert done.code == 0 and "name: far" in done.out, done.err


@pytest.mark.parametrize("folder", ["evil", "nested"])
def test_a_function_in_a_remote_base_is_refused_by_its_file(
    shop: Repo, remote: str, folder: str
) -> None:
    listed(shop, f"resources: ['{remote.replace('FOLDER', folder)}']\n")
    assert "//evil/evil.yaml: runs another function" in is_refused(shop)


def test_two_commits_of_one_base_are_both_looked_at(
    shop: Repo, remote: str, tmp_path: Path
) -> None:
    work = tmp_path / "served/lib"
    (work / "evil/kustomization.yaml").write_text("resources: []\n")
    who = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    git = ["git", "-C", str(work)]
    subprocess.run([*git, *who, "commit", "-qam", "good"], check=True)
    good = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    bad = remote.replace("FOLDER", "evil")
    both = [bad, f"{bad.rpartition('=')[0]}={good.stdout.strip()}"]
    for entries in (both, both[::-1]):
        listed(shop, f"resources: {json.dumps(entries)}\n")
        is_refused(shop)


def test_a_folder_of_a_remote_base_behind_a_link_is_read_where_it_lies(
    shop: Repo, remote: str, tmp_path: Path
) -> None:
    work = tmp_path / "served/lib"
    files = {"deep/dir/kustomization.yaml": "resources: [../x]\n", "deep/x/evil.yaml": EVIL,
             "deep/x/kustomization.yaml": "generators: [evil.yaml]\n",
             "x/kustomization.yaml": "resources: []\n"}  # fmt: skip
    for name, text in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    (work / "link").symlink_to("deep/dir")
    listed(shop, f"resources: ['{committed(work, remote).replace('FOLDER', 'link')}']\n")
    is_refused(shop)


def test_a_recipe_of_a_remote_base_gets_no_key(shop: Repo, remote: str, tmp_path: Path) -> None:
    work = tmp_path / "served/lib"
    (work / "base/recipe.yaml").write_bytes((shop.path / "overlay/recipe.yaml").read_bytes())
    (work / "base/kustomization.yaml").write_text("generators: [recipe.yaml]\n")
    listed(shop, f"resources: ['{committed(work, remote).replace('FOLDER', 'base')}']\n")
    assert "is a recipe in a remote base" in is_refused(shop)


def test_a_remote_base_reaches_no_file_of_ours_nor_we_one_of_its(
    shop: Repo, remote: str, tmp_path: Path
) -> None:
    work = tmp_path / "served/lib"
    victim = tmp_path / "victim"
    victim.mkdir()
    (work / "d").symlink_to(victim)
    for folder in (".sopsmith-remote/0", "remote/0"):
        shop.write(f"{folder}/d/program", "changed")
    listed(shop, f"resources: ['{committed(work, remote).replace('FOLDER', 'base')}']\n")
    assert shop.cli("build", "overlay").code == 0
    assert [*victim.iterdir()] == []


def test_a_folder_of_a_remote_base_that_is_called_like_a_url_is_entered(
    shop: Repo, remote: str, tmp_path: Path
) -> None:
    work = tmp_path / "served/lib"
    inner = work / "top/github.com/org/lib"
    inner.mkdir(parents=True)
    (inner / "kustomization.yaml").write_text("resources: [map.yaml]\n")
    shutil.copy(work / "base/map.yaml", inner)
    pinned = committed(work, remote).replace("FOLDER", "top/github.com/org/lib")
    (work / "top/kustomization.yaml").write_text(f"resources: ['{pinned}']\n")
    listed(shop, f"resources: ['{committed(work, remote).replace('FOLDER', 'top')}']\n")
    done = shop.cli("build", "overlay")
    assert done.code == 0 and "name: far" in done.out, done.err


def committed(work: Path, remote: str) -> str:
    """Commit what changed in the served repository; the entry that pins it."""
    who = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    for words in (("add", "."), (*who, "commit", "-qm", "x")):
        subprocess.run(["git", "-C", str(work), *words], check=True)
    head = ["git", "-C", str(work), "rev-parse", "HEAD"]
    new = subprocess.run(head, check=True, capture_output=True, text=True).stdout.strip()
    return f"{remote.rpartition('=')[0]}={new}"


@pytest.mark.parametrize(
    "entry",
    [
        "https://example.com/org/lib//base?ref=main",
        "https://example.com/org/lib//base",
        "https://example.com/install.yaml",
        "github.com/org/lib/base?ref=v1",
        "git@example.com:org/lib.git//base?ref=v1",
        "git::https://example.com/org/lib//base",
        "ssh://git@example.com/org/lib//base?ref=0123",
        "file:///srv/lib//base?ref=0123456789012345678901234567890123456789",
        "https://example.com/_git/lib//base?ref=0123456789012345678901234567890123456789",
        "https://example.com/foo_git/a/b//base?ref=0123456789012345678901234567890123456789",
        "https://example.com/a//x_git/b/base?ref=0123456789012345678901234567890123456789",
        "https://example.com/a//b//base?ref=0123456789012345678901234567890123456789",
        "https://example.com/a//../b?ref=0123456789012345678901234567890123456789",
    ],
)
def test_a_remote_base_that_can_change_is_refused(shop: Repo, entry: str) -> None:
    listed(shop, f"resources: ['{entry}']\n")
    is_refused(shop, "remote-base")


def test_a_remote_base_is_refused_also_where_a_local_file_has_its_name(shop: Repo) -> None:
    """A file that is no YAML would make kustomize ask github.com for the folder."""
    shop.write("overlay/github.com/org/lib", "{")
    listed(shop, "resources: [github.com/org/lib]\n")
    is_refused(shop, "remote-base")


def test_a_commit_that_is_not_there_is_refused(shop: Repo, remote: str) -> None:
    entry = remote.replace("FOLDER", "base").rpartition("=")[0] + "=" + "0" * 40
    listed(shop, f"resources: ['{entry}']\n")
    is_refused(shop, "remote-base")


# --- what kustomize and the function say ----------------------------------------------------------


def test_the_functions_own_findings_come_through_with_its_code(shop: Repo) -> None:
    shop.shop({"TOKEN": "CHANGE_ME"})
    done = shop.cli("build", "overlay")
    assert (done.code, done.codes) == (1, {"placeholder"})
    assert "sopsmith: hint: " in done.err and "kustomize" not in done.err
    shop.edit("overlay/recipe.yaml", lambda text: text.replace('"hash"', '"hush"'))
    broken = shop.cli("build", "overlay")
    assert (broken.code, broken.codes) == (2, {"recipe-field"})
    assert "error: overlay/recipe.yaml: spec.secrets.shop.hush" in broken.err
    shop.shop({"TOKEN": shop.canary()})
    no_key = shop.cli("build", "overlay", SOPS_AGE_KEY_FILE="/nowhere")
    assert (no_key.code, no_key.codes) == (3, {"no-key"})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("patches: [{path: none.yaml}]\n", "none.yaml"),
        ("patches: [{patch: '{apiVersion: v1, kind: Secret, metadata: {name: other}}'}]\n",
         "no matches for Id Secret"),
    ],
)  # fmt: skip
def test_kustomizes_harmless_words_are_shown(shop: Repo, more: str, words: str) -> None:
    listed(shop, more)
    done = shop.cli("build", "overlay")
    assert (done.code, done.codes) == (3, {"build-failed"})
    assert words in done.err


def test_kustomizes_words_that_quote_a_secret_are_not_shown(shop: Repo) -> None:
    """It prints both Secrets whole where two of one name meet in one namespace."""
    one = {"name": "app", "keys": ["TOKEN"], "hash": False, "namespace": "one"}
    secrets = {"a": one, "b": {**one, "namespace": "two"}}
    shop.shop({"TOKEN": shop.canary()}, secrets=secrets)
    listed(shop, "namespace: three\n")
    done = shop.cli("build", "overlay")
    assert (done.code, done.codes) == (3, {"build-failed"})


def test_an_id_that_was_made_of_a_value_is_not_shown(shop: Repo) -> None:
    """Replacements can put a value into a name, which kustomize then quotes."""
    secrets = {"app": {"keys": ["TOKEN"], "hash": False}}
    shop.shop({"TOKEN": shop.canary()}, secrets=secrets)
    config = "{apiVersion: v1, kind: ConfigMap, metadata: {name: NAME}}\n"
    shop.write(
        "overlay/map.yaml", config.replace("NAME", "a") + "---\n" + config.replace("NAME", "b")
    )
    source = {"kind": "Secret", "name": "app", "fieldPath": "data.TOKEN"}
    targets = [{"select": {"kind": "ConfigMap"}, "fieldPaths": ["metadata.name"]}]
    replacements = json.dumps([{"source": source, "targets": targets}])
    listed(shop, f"resources: [map.yaml]\nreplacements: {replacements}\n")
    shop.write("top/kustomization.yaml", "resources: [../overlay]\n")
    done = shop.cli("build", "top")
    assert done.code == 3, done.out


def test_nothing_built_is_no_success(shop: Repo) -> None:
    shop.write("empty/kustomization.yaml", "resources: []\nnamePrefix: x\n")
    assert shop.cli("build", "empty").code == 3


@pytest.mark.parametrize("path", ["nowhere", "overlay/recipe.yaml"])
def test_what_is_no_folder_is_usage(shop: Repo, path: str) -> None:
    assert shop.cli("build", path).code == 2


def test_kustomize_that_is_missing_is_named(shop: Repo) -> None:
    sopsmith = str(Path(sys.executable).parent / "sopsmith")
    done = shop.run(sopsmith, "build", "overlay", PATH="/nowhere")
    assert (done.code, done.codes) == (3, {"program-missing"})
