"""Which encrypted files are copies of one another: by what is random in them, and nothing else."""

from __future__ import annotations

import base64
from secrets import token_bytes

import pytest

from sopsmith.components.change import Policy
from sopsmith.components.copies import Held, copied
from sopsmith.components.selection import Selection

SSH = b"age-encryption.org/v1\n-> ssh-ed25519 xK3v5w "


def armored(header: bytes, line_end: str) -> bytes:
    """A data key that is wrapped for one reader, as age and sops write it in a file."""
    text = base64.b64encode(header + base64.b64encode(token_bytes(150))).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    ends = ("-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----")
    return line_end.join((ends[0], *lines, ends[1])).encode()


def found(*files: bytes) -> set[str]:
    """The files that are copies, of some that are each for a reader of its own."""
    rules = [Policy((frozenset({f"age:{n}"}),), None, Selection()) for n in range(len(files))]
    pairs = zip(files, rules, strict=True)
    held = {f"{n}.yaml": Held(data, rule, rule) for n, (data, rule) in enumerate(pairs)}
    return {each.file for each in copied(held)}


@pytest.mark.parametrize("line_end", ["\n", "\n            ", "\\n"])
def test_what_is_wrapped_for_one_ssh_key_begins_alike_and_is_no_copy(line_end: str) -> None:
    """Of the first line only 24 bits are random, and here none is."""
    same_start = SSH + b"AAAAA"
    one, other = (armored(same_start, line_end) for _ in range(2))
    assert one.split(b"FILE-----")[1][:64] == other.split(b"FILE-----")[1][:64]
    assert found(one, other) == set()
    assert found(one, other, one) == {"0.yaml", "2.yaml"}
