"""A check of one file, as at every commit, reads and keeps little of the others."""

from __future__ import annotations

import tracemalloc

import pytest

from sopsmith.components.sealed import Trust
from sopsmith.guard.check import check

SEALED = """\
TOKEN: ENC[AES256_GCM,data:AAAA,iv:aXY=,tag:dGFn,type:str]
sops:
  mac: ENC[AES256_GCM,data:AAAA,iv:bWFj,tag:bWFj,type:str]
  version: 3.9.0
"""
ONE, TWIN = "secrets/one.enc.yaml", "secrets/two.enc.yaml"
LARGE = [f"assets/{number}.png" for number in range(40)]
MEGABYTE = 1024 * 1024


class Files:
    """A repository that counts what is read of it; every text is made anew, as from a disk."""

    def __init__(self, rules: str) -> None:
        self.read: list[str] = []
        self.texts = {".sops.yaml": rules.encode(), ONE: SEALED.encode(), TWIN: SEALED.encode()}

    def __call__(self, file: str) -> bytes:
        self.read.append(file)
        return self.texts.get(file) or b"\x89PNG" + bytes(MEGABYTE)

    def checked(self, *asked: str) -> int:
        """Check these, and the most bytes that were in memory for it."""
        tracemalloc.start()
        try:
            check([*self.texts, *LARGE], self, Trust(), asked or None)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_only_what_a_rule_covers_can_be_a_copy_and_is_read() -> None:
    files = Files("creation_rules:\n  - path_regex: ^secrets/\n    age: age1one\n")
    files.checked(ONE)
    assert {ONE, TWIN} <= {*files.read} and not {*files.read} & {*LARGE}


@pytest.mark.parametrize("file", [ONE, TWIN])
def test_where_a_rule_covers_all_nothing_of_the_others_is_kept(file: str) -> None:
    files = Files("creation_rules:\n  - age: age1one\n")
    assert files.checked(file) < 10 * MEGABYTE < len(LARGE) * MEGABYTE
    assert {*LARGE} <= {*files.read}


def test_a_check_of_all_reads_each_file_once() -> None:
    files = Files("creation_rules:\n  - age: age1one\n")
    files.checked()
    assert sorted(files.read) == sorted({*files.read}) and {*LARGE} <= {*files.read}
