"""Comments of encrypted files: which of them sops would have encrypted."""

from __future__ import annotations

import json
import subprocess

import pytest

from sopsmith.components.comments import clear_comments
from sopsmith.components.selection import Selection
from sopsmith.model import Format
from tests.repository import Repo

PLAIN = """\
# head
A: "one # no comment" # inline
B:
    # in B
    C: two # behind C
    D: # behind D
        E: x
    # foot of B
L:
    # in the list
    - a # behind a
    - b
T: |- # behind the mark
    # no comment
    text
#
F: ""
# foot
"""
ALL = [1, 2, 4, 5, 6, 8, 10, 11, 13, 18]


def lines(
    text: str | bytes, selection: Selection | None = None, form: Format = "yaml"
) -> list[int]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(clear_comments(data, form, selection or Selection()))


def test_every_comment_is_found_and_nothing_else() -> None:
    assert lines(PLAIN) == ALL
    assert lines("A=1 # the value's\n# yes\n#\nB=#no\n #A=1\n", form="dotenv") == [2]
    assert lines('{"a": "# no"}', form="json") == []
    assert lines("A: [\n# broken\n") == []


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection("encrypted_regex", "^B$"), [4, 5, 6, 8]),
        (Selection("encrypted_regex", "^L$"), [10, 11]),
        (Selection("unencrypted_regex", "^B$"), [1, 2, 10, 11, 13, 18]),
        (Selection("encrypted_suffix", "_secret"), []),
    ],
)
def test_a_comment_goes_by_the_map_that_it_stands_in(
    selection: Selection, expected: list[int]
) -> None:
    assert lines(PLAIN, selection) == expected


def sealed(repo: Repo, name: str, text: str, *flags: str) -> bytes:
    """What real sops makes of a file with comments."""
    call = ["sops", "--config", "/dev/null", "encrypt", "--age", repo.recipient, *flags]
    done = subprocess.run(
        [*call, "--filename-override", name, "--input-type", name, "--output-type", name],
        input=text.encode(),
        capture_output=True, env=repo.env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_sops_wrote_passes(repo: Repo) -> None:
    assert lines(sealed(repo, "yaml", PLAIN)) == []
    assert lines(sealed(repo, "dotenv", "# a\nA=1\n# b\n#\n"), form="dotenv") == []


@pytest.mark.parametrize("regex", ["^B$", "^L$", "^[BL]$"])
def test_what_a_crypt_rule_of_sops_leaves_clear_passes(repo: Repo, regex: str) -> None:
    data = sealed(repo, "yaml", PLAIN, "--encrypted-regex", regex)
    assert data.count(b"# ") > 0
    assert lines(data, Selection("encrypted_regex", regex)) == []


def test_text_behind_an_encrypted_comment_is_clear(repo: Repo) -> None:
    data = sealed(repo, "yaml", "# a\nA: 1\n")
    assert lines(data.replace(b"type:comment]", b"type:comment] PASSWORD=x")) == [1]
    assert lines(data.replace(b",tag:", b",tag:A")) == [1]
    moved = json.dumps("x").encode()
    assert lines(data.replace(b"#ENC", b"#" + moved + b"ENC", 1)) == [1]
