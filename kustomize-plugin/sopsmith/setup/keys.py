"""The environments' own keys: made where there is none, and put where nothing publishes them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.guard import leaks
from sopsmith.setup.scaffold import Application
from sopsmith.tools import age, git, keyring

_ELSEWHERE = "set SOPS_AGE_KEY_FILE to the absolute path of a file outside of it"


class Key(NamedTuple):
    """An environment's own key."""

    environment: str
    recipient: str
    file: str  # that holds the private half
    is_new: bool


def own(
    root: str, env: Mapping[str, str], app: Application, unruled: Sequence[str], day: str
) -> tuple[Key, ...]:
    """Each environment's own key: those without a rule get one, unless a stopped run made it.

    Private halves go into the file that sops reads, outside the repository, and nowhere else.
    Raises SopsmithError: path-refused and demo-key where that file is or may be published, what
    age-keygen and the file's own checks raise.
    """
    path = keyring.location(env)
    labels = {each: keyring.label(app.name, each, root) for each in app.environments}
    content = keyring.content(path)
    if unruled:
        _refuse_published(path, content, root, env)
    present = keyring.labelled(content)
    fresh = []
    for environment in unruled:
        if labels[environment] not in present:
            key = age.new_identity(env)
            fresh.append(keyring.Identity(labels[environment], age.recipient_of(key, env), key))
    if fresh:
        keyring.append(path, fresh, day)
    new = {each.label: each.recipient for each in fresh}
    known = {**present, **new}
    return tuple(
        Key(environment, known[label], path, label in new)
        for environment, label in labels.items()
        if label in known
    )


def _refuse_published(path: str, content: bytes, root: str, env: Mapping[str, str]) -> None:
    """Refuse a file that everyone has, or that the next `git add` of whatever repository takes."""
    if any(each.code == "demo-key" for each in leaks.private_keys(content, path, demo_key=False)):
        message = "holds the demo key, so it is published, and no place for keys of your own"
        hint = "unset SOPS_AGE_KEY_FILE, or set it to the absolute path of a file of your own"
        raise SopsmithError(Finding("demo-key", message, path, hint=hint))
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    if real.startswith(root.rstrip(os.sep) + os.sep):
        message = "the key file lies inside the repository, one `git add` from being published"
        raise SopsmithError(Finding("path-refused", message, path, hint=_ELSEWHERE))
    tree = _work_tree(real)
    # Of that repository alone: a hook's GIT_DIR speaks of the one that we run in.
    elsewhere = {name: text for name, text in env.items() if not name.startswith("GIT_")}
    if tree is not None and not git.ignores(git.Repository(tree, elsewhere), real):
        message = f"the key file lies in the git repository {tree}, which does not ignore it"
        hint = f"{_ELSEWHERE}, or name it in the .gitignore there"
        raise SopsmithError(Finding("path-refused", message, path, hint=hint))


def _work_tree(path: str) -> str | None:
    """The nearest folder above a file that holds a .git."""
    folder = os.path.dirname(path)
    while not os.path.lexists(os.path.join(folder, ".git")):
        if folder == os.path.dirname(folder):
            return None
        folder = os.path.dirname(folder)
    return folder
