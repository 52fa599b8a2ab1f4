"""Nothing outside the root is read, and nothing but regular files inside it."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.repository import Repo, Run


def name(repo: Repo, field: str, path: str) -> None:
    """A leaf that names the path in this field."""
    fields: dict[str, dict[str, Any]] = {
        "components": {"components": [path]},
        "whole": {"components": [{"path": path, "as": "TOKEN"}]},
        "extends": {"extends": path},
        "recipes": {"recipes": [path], "app": None, "environment": None},
    }
    secrets = {"shop": {"keys": ["TOKEN"], "hash": False}}
    rest: dict[str, Any] = (
        {} if field == "recipes" else {"values": {"TOKEN": {}}, "secrets": secrets}
    )
    repo.leaf(**fields[field], **rest)


FIELDS = pytest.mark.parametrize("field", ["components", "whole", "extends", "recipes"])


def refused(repo: Repo, *texts: str, root: str | None = None) -> Run:
    """The function refuses the path, shows no file's content and says these texts."""
    run = repo.function(SOPSMITH_ROOT=root)
    assert (run.code, run.codes) == (5, {"path-refused"}), run.err
    assert run.document["items"] == []
    assert [text for text in texts if text not in run.err] == []
    return run


def outside(repo: Repo) -> Path:
    """A file beside the repository that would be fine inside it."""
    file = repo.component("app.yaml", {"TOKEN": repo.canary()})
    return file.rename(repo.path.parent / "app.yaml")


# --- by its text ------------------------------------------------------------------------------


@FIELDS
@pytest.mark.parametrize(
    ("path", "trouble"),
    [("/etc/passwd.yaml", "is absolute"), ("/proc/self/environ.yaml", "is absolute"),
     ("//x/y.yaml", "is absolute"), ("../../app.yaml", "leaves the root"),
     ("../a/../../app.yaml", "leaves the root"), ("../../repo2/app.yaml", "leaves the root")],
)  # fmt: skip
def test_a_path_that_leaves_the_root(repo: Repo, field: str, path: str, trouble: str) -> None:
    outside(repo)
    name(repo, field, path)
    refused(repo, f"{path} {trouble}", "hint: paths are relative to the recipe that names them")


@pytest.mark.parametrize("path", ["/proc/self/environ", "../../../../proc/self/environ"])
def test_our_own_environment_is_no_file(repo: Repo, path: str) -> None:
    name(repo, "whole", path)
    run = repo.function(SOME_TOKEN=repo.canary())
    assert (run.code, run.codes) == (5, {"path-refused"})
    assert repo.kustomize().code


def test_an_absolute_path_into_the_repository_is_refused_too(repo: Repo) -> None:
    file = repo.component("app.yaml", {"TOKEN": repo.canary()})
    name(repo, "components", str(file))
    refused(repo, "is absolute")
    assert repo.kustomize().code


def test_the_environment_in_a_path_leads_nowhere_else(repo: Repo) -> None:
    outside(repo)
    name(repo, "components", "../$(environment)/../../app.yaml")
    refused(repo)


# --- by a symlink -----------------------------------------------------------------------------


@FIELDS
def test_a_symlink_to_a_file_outside(repo: Repo, field: str) -> None:
    (repo.path / "link.yaml").symlink_to(outside(repo))
    name(repo, field, "../link.yaml")
    refused(repo, "link.yaml: leads outside the root")
    assert repo.kustomize().code


@FIELDS
def test_a_symlink_to_a_folder_outside(repo: Repo, field: str) -> None:
    outside(repo)
    (repo.path / "folder").symlink_to("..")
    name(repo, field, "../folder/app.yaml")
    refused(repo, "folder/app.yaml: leads outside the root")


@pytest.mark.parametrize("target", ["/dev/zero", "/proc/self/environ", "/", "../repo-2/app.yaml"])
def test_a_symlink_to(repo: Repo, target: str) -> None:
    sibling = repo.path.parent / "repo-2"  # its name starts like the root's
    sibling.mkdir()
    outside(repo).rename(sibling / "app.yaml")
    (repo.path / "link.yaml").symlink_to(target)
    name(repo, "components", "../link.yaml")
    refused(repo, "link.yaml: leads outside the root")


@FIELDS
def test_a_circle_of_symlinks(repo: Repo, field: str) -> None:
    (repo.path / "a.yaml").symlink_to("b.yaml")
    (repo.path / "b.yaml").symlink_to("a.yaml")
    name(repo, field, "../a.yaml")
    refused(repo, "a.yaml: is a symlink that runs in circles")


def test_a_symlink_that_stays_inside_works(repo: Repo) -> None:
    token = repo.canary()
    repo.component("real/app.yaml", {"TOKEN": token})
    (repo.path / "folder").symlink_to("real")
    (repo.path / "link.yaml").symlink_to("folder/app.yaml")
    name(repo, "components", "../link.yaml")
    assert repo.function().secrets == {"shop": {"TOKEN": token.encode()}}


def test_an_overlay_reached_by_a_symlink_is_read_where_it_stands(repo: Repo) -> None:
    token = repo.canary()
    repo.component("app.yaml", {"TOKEN": token})
    name(repo, "components", "../app.yaml")
    (repo.path / "deep/er").mkdir(parents=True)
    (repo.path / "deep/er/overlay").symlink_to("../../overlay")
    assert repo.cli("render", "deep/er/overlay").secrets == {"shop": {"TOKEN": token.encode()}}


def test_a_recipe_outside_by_a_symlink_is_not_rendered(repo: Repo) -> None:
    outside(repo)
    (repo.path / "recipe.yaml").symlink_to("../app.yaml")
    run = repo.cli("render", "recipe.yaml")
    assert (run.code, run.codes) == (5, {"path-refused"})


# --- no regular files -------------------------------------------------------------------------


@FIELDS
def test_a_directory(repo: Repo, field: str) -> None:
    (repo.path / "app.yaml").mkdir()
    name(repo, field, "../app.yaml")
    refused(repo, "app.yaml: is no regular file")
    assert repo.kustomize().code


@FIELDS
def test_a_pipe_is_not_waited_for(repo: Repo, field: str) -> None:
    os.mkfifo(repo.path / "pipe")
    (repo.path / "link.yaml").symlink_to("pipe")
    name(repo, field, "../link.yaml")
    refused(repo, "link.yaml: is no regular file")
    assert repo.kustomize().code


@FIELDS
def test_a_path_below_a_file(repo: Repo, field: str) -> None:
    repo.write("app.yaml", "")
    name(repo, field, "../app.yaml/x.yaml")
    refused(repo, "app.yaml/x.yaml: is no regular file")


def test_a_socket(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as server:
        monkeypatch.chdir(repo.path)  # the name of a socket is short
        server.bind("app.yaml")
        name(repo, "components", "../app.yaml")
        refused(repo, "app.yaml: is no regular file")


@FIELDS
def test_a_device_inside_the_root(repo: Repo, field: str) -> None:
    try:
        os.mknod(repo.path / "zero.yaml", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root may make a device")
    name(repo, field, "../zero.yaml")
    refused(repo, "zero.yaml: is no regular file")
    assert repo.kustomize().code


@FIELDS
def test_a_file_that_is_not_there_is_no_refusal(repo: Repo, field: str) -> None:
    name(repo, field, "../app.yml")
    run = repo.function()
    assert (run.code, run.codes, run.document["items"]) == (3, {"file-unreadable"}, [])
    assert "app.yml: does not exist" in run.err
    assert "hint: paths are relative to the recipe that names them" in run.err


@pytest.mark.parametrize("path", ["x" * 300 + ".yaml", "a/" * 2100 + "app.yaml"])
def test_a_path_too_long_for_the_system(repo: Repo, path: str) -> None:
    name(repo, "components", path)
    run = repo.function()
    assert (run.code, run.codes, run.document["items"]) == (3, {"file-unreadable"}, [])


# --- the root ---------------------------------------------------------------------------------


def bare(repo: Repo) -> None:
    """A folder tree without `.git`, with a component above the overlay."""
    (repo.path / ".git").rename(repo.path.parent / "git")
    repo.component("app.yaml", {"TOKEN": repo.canary()})
    name(repo, "components", "../app.yaml")


def test_without_a_git_folder_nothing_is_read(repo: Repo) -> None:
    bare(repo)
    refused(repo, "no root: no ancestor holds .git", "or set SOPSMITH_ROOT to the folder")
    assert repo.kustomize().code
    assert repo.cli("render", "overlay").code == 5


def test_a_stated_root_takes_the_place_of_git(repo: Repo) -> None:
    bare(repo)
    assert repo.function(SOPSMITH_ROOT=str(repo.path)).code == 0
    assert repo.kustomize(SOPSMITH_ROOT=f"{repo.path}/overlay/..").code == 0


def test_a_stated_root_widens(repo: Repo) -> None:
    outside(repo)
    name(repo, "components", "../../app.yaml")
    refused(repo)
    assert repo.function(SOPSMITH_ROOT=str(repo.path.parent)).code == 0


def test_a_stated_root_narrows(repo: Repo) -> None:
    repo.component("app.yaml", {"TOKEN": repo.canary()})
    name(repo, "components", "../app.yaml")
    refused(repo, root=str(repo.path / "overlay"))


@pytest.mark.parametrize("root", [".", "..", "repo", "/nowhere", "/etc", "/etc/passwd"])
def test_a_stated_root_that_is_none(repo: Repo, root: str) -> None:
    repo.component("app.yaml", {"TOKEN": repo.canary()})
    name(repo, "components", "../app.yaml")
    message = "SOPSMITH_ROOT is no absolute path of a folder that holds the recipe"
    refused(repo, message, root=root)


def test_a_sibling_whose_name_starts_alike_is_outside(repo: Repo) -> None:
    name(repo, "components", "../app.yaml")
    root = repo.path.parent / "re"
    root.mkdir()
    refused(repo, root=str(root))


def test_the_whole_machine_as_root_still_has_no_devices(repo: Repo) -> None:
    name(repo, "whole", os.path.relpath("/dev/zero", (repo.path / "overlay").resolve()))
    refused(repo, "dev/zero: is no regular file", root="/")


def test_the_root_of_a_worktree_is_a_git_file(repo: Repo) -> None:
    bare(repo)
    repo.write(".git", "gitdir: /elsewhere\n")
    assert repo.function().code == 0


def test_no_path_of_the_machine_is_in_a_message(repo: Repo) -> None:
    for path in ("../app.yml", "../../app.yaml", "../overlay"):
        name(repo, "components", path)
        assert str(repo.path) not in repo.function().err
