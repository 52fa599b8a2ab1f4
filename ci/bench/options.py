"""What the benches' options have in common."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """A number from 1 on; raises argparse.ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)
