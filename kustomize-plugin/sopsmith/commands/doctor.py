"""`sopsmith doctor`: which programs and key sources are there, and the one next step."""

from __future__ import annotations

from typing import Any, NamedTuple

from sopsmith import report
from sopsmith.components.sealed import DEMO_RECIPIENT
from sopsmith.errors import SopsmithError
from sopsmith.tools import age, files, process, sops
from sopsmith.voice import Session


class Program(NamedTuple):
    """A program that the work needs."""

    name: str
    arguments: tuple[str, ...]  # print the version
    oldest: tuple[int, ...]
    needed_for: str


PROGRAMS = (
    Program("sops", sops.TELL_VERSION, sops.OLDEST, "decrypting"),
    Program("kustomize", ("version",), (5, 5), "kustomize build"),
    Program("age", ("--version",), (1, 2), "making keys"),
    Program("git", ("--version",), (2, 25), "the root of a checkout"),
    Program("sopsmith-krm", (), (), "kustomize build"),
)


def doctor(session: Session, *, output: str) -> int:
    """Print what was found; 0 where nothing is missing, else 3."""
    programs = [_look(session, program) for program in PROGRAMS]
    keys = list(age.key_sources(session.env, DEMO_RECIPIENT))
    root = _root(session)
    step = _next_step(programs, keys, root)
    if output == "json":
        rows = [key._asdict() for key in keys]
        tree = {"programs": programs, "keys": rows, "root": root, "next": step}
        session.write(report.as_json(tree))
        return 3 if step else 0
    header = ("PROGRAM", "VERSION", "STATE", "PATH")
    rows_text = [(p["name"], p["version"] or "-", p["state"], p["path"] or "-") for p in programs]
    session.write(report.table(header, rows_text, session.colour) + "\n")
    states = [(key.name, "found" if key.found else "-", key.note) for key in keys]
    session.write(report.table(("KEY SOURCE", "STATE", "NOTE"), states, session.colour) + "\n")
    session.write(f"root: {root or 'none'}\n")
    session.write(f"next: {step}\n" if step else "all is there\n")
    return 3 if step else 0


def _look(session: Session, program: Program) -> dict[str, Any]:
    path = process.which(program.name, session.env.get("PATH", ""))
    found = None
    if path and program.arguments:
        found = process.version((path, *program.arguments), _environment(session))
    if path is None:
        state = "missing"
    elif program.arguments and found is None:
        state = "broken"
    else:
        state = "ok" if not found or found >= program.oldest else "too old"
    return {
        "name": program.name,
        "path": path,
        "version": ".".join(map(str, found)) if found else None,
        "oldest": ".".join(map(str, program.oldest)) or None,
        "state": state,
        "needed_for": program.needed_for,
    }


def _environment(session: Session) -> dict[str, str]:
    """Who only tells its version needs no key."""
    return {name: session.env[name] for name in ("PATH", "HOME") if name in session.env}


def _root(session: Session) -> str | None:
    try:
        return files.find_root(".", session.env)
    except SopsmithError:
        return None


def _next_step(
    programs: list[dict[str, Any]], keys: list[age.KeySource], root: str | None
) -> str | None:
    for program in programs:
        if program["state"] != "ok":
            oldest = f" {program['oldest']} or newer" if program["oldest"] else ""
            where = "" if program["state"] == "missing" else f" (found {program['path']})"
            why = program["needed_for"]
            return f"install {program['name']}{oldest} on PATH, needed for {why}{where}"
    wrong = next((key for key in keys if not key.found and key.note.startswith("/")), None)
    if wrong:
        return f"correct {wrong.name}: {wrong.note}"
    if not any(key.found for key in keys):
        return "set SOPS_AGE_KEY_FILE to the absolute path of an age key"
    if root is None:
        return "run in a git checkout, or set SOPSMITH_ROOT: it bounds what is read"
    return None
