"""The marks of a merge, and which texts only look like one."""

from __future__ import annotations

from sopsmith.components.conflict import conflict, marked


def test_a_merge_leaves_two_marks() -> None:
    found = conflict(b"a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> x\n", "f", encrypted=False)
    assert found
    assert (found.code, found.line) == ("conflict-marker", 2)
    for text in (b"<<<<<<< HEAD\n", b">>>>>>> x\n", b"# <<<<<<< a\n# >>>>>>> b\n", b"=======\n"):
        assert conflict(text, "f", encrypted=False) is None


def test_two_sides_are_marked_whole() -> None:
    text = marked(b"a", b"b\n")
    assert text == b"<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n"
    found = conflict(text, "f", encrypted=True)
    assert found and found.line == 1 and "sopsmith merge f" in str(found.hint)
    assert conflict(marked(b"", b"x"), "f", encrypted=True)
