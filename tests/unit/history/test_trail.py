"""What a commit says."""

from __future__ import annotations

from sopsmith.history.trail import message, trailers


def test_a_message_is_conventional_and_carries_trailers() -> None:
    assert message("rotate", "production", ["POSTGRES_PASSWORD"], "rotate") == (
        "secrets(production): rotate POSTGRES_PASSWORD\n"
        "\n"
        "Sopsmith-Command: rotate\n"
        "Sopsmith-Environment: production\n"
        "Sopsmith-Value: POSTGRES_PASSWORD\n"
    )


def test_many_names_shorten_the_subject_and_not_the_trailers() -> None:
    text = message("fill", None, ["A", "B", "C", "D", "E"], "fill")
    assert text.splitlines()[0] == "secrets: fill A, B, C and 2 more"
    assert trailers(text)["Sopsmith-Value"] == ["A", "B", "C", "D", "E"]


def test_trailers_are_read_back_and_other_lines_are_not() -> None:
    body = "Some text\nNot-Ours: x\nSopsmith-Command: set\n"
    assert trailers(body) == {"Sopsmith-Command": ["set"]}
