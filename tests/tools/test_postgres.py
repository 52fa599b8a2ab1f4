"""`sopsmith postgres`: a real server and a recipe, from the first role to a rotation's end."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from threading import Timer
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from sopsmith.postgres import endpoint
from sopsmith.postgres.observation import Mark
from tests.database import Make, Shop, mounted, published, shops
from tests.past import git
from tests.repository import Repo
from tests.servers import RULES, Server


@pytest.fixture
def make(repo: Repo, postgres18: Server) -> Iterator[Make]:
    with shops(repo, postgres18) as made:
        yield made


def test_a_database_gets_its_roles_and_then_a_password(make: Make) -> None:
    one = make()
    one.bootstrap()
    run = one.postgres("apply")
    assert run.code == 0, run.err
    assert one.logs_in() == (one.name + "_owner", one.name)
    again = one.postgres("apply")
    assert again.code == 0 and "changed" not in again.out


def test_what_git_could_lose_is_named(make: Make) -> None:
    one = make()
    published(one)
    assert "not committed" not in one.postgres("apply").err
    one.rotate()
    for verb, *flags in (("bootstrap", "--via", one.via), ("recover", "--no-cluster"), ("apply",)):
        run = one.postgres(verb, *flags)
        assert run.code == 0
        assert "not committed, so it could be lost: overlay/recipe.yaml" in run.err


def test_the_rotation_that_a_hint_names_is_in_git_for_good(make: Make) -> None:
    one = make()
    published(one)
    role, held = one.roles[0], one.repo.canary(token_hex(16))
    one.server.change(role, held)  # by hand
    with psycopg.connect(one.server.url(role, held, one.name)):
        run = one.postgres("recover", "--no-cluster")
    rotation = "rotate POSTGRES_PASSWORD -e production --commit"
    assert run.code == 5 and f"hint: sopsmith {rotation} and git push; then sopsmith" in run.err
    assert one.repo.cli(*rotation.split()).code == 0
    git(one.repo, "push", "-q")
    again = one.postgres("recover", "--no-cluster")
    assert again.code == 0 and one.logs_in() and "not committed" not in again.err


@pytest.mark.parametrize("strategy", ["alternating", "in-place"])
def test_who_applies_an_older_version_is_told(make: Make, strategy: str) -> None:
    one = make(strategy)
    one.bootstrap()
    text = (one.repo.path / "overlay/recipe.yaml").read_text()
    one.rotate()
    assert "takes the place" not in one.postgres("apply").err
    (one.repo.path / "overlay/recipe.yaml").write_text(text)  # as in an old clone
    run = one.postgres("apply")
    assert run.code == 0
    assert "POSTGRES_PASSWORD version 1 takes the place of version 2" in run.err


@pytest.mark.parametrize("output", ["text", "json"])
def test_what_stops_halfway_tells_what_is_done(make: Make, output: str) -> None:
    one = make()
    one.server.role(one.name + "_owner")
    run = one.postgres("bootstrap", "--via", one.via, "--output", output)
    made = f"{one.name}_rotator is made"
    told = run.document["ensured"] if output == "json" else run.out.split("ensured  ")
    assert run.code == 5 and made in map(str.strip, told)


def test_a_superuser_is_made_no_rotator(make: Make) -> None:
    one = make()
    name, held = f"{one.name}_rotator", one.repo.canary(token_hex(16))
    one.server.role(name, held, "LOGIN SUPERUSER")
    run = one.postgres("bootstrap", "--via", one.via)
    assert run.code == 3 and run.codes == {"db-privilege"}
    assert one.logs_in(one.server.url(name, held, one.name))


def test_a_role_of_another_application_is_made_no_rotator(make: Make) -> None:
    one = make(
        ROTATOR_PASSWORD={"generate": {"password": {}}},
        ROLES={"derive": {"rolesOf": ["POSTGRES_PASSWORD"]}},
    )
    name, held = f"{one.name}_rotator", one.repo.canary(token_hex(16))
    one.server.role(name, held)
    mark = Mark("blog", "production", "PASSWORD", "a", 1, None)
    one.server.owner_run(SQL("COMMENT ON ROLE {} IS {}").format(Identifier(name), mark.text))
    run = one.postgres("bootstrap", "--via", one.via)
    assert run.code == 5 and run.codes == {"db-other-app"}
    assert one.logs_in(one.server.url(name, held, one.name))


@pytest.mark.parametrize("verb", ["apply", "recover"])
def test_as_json_too(make: Make, verb: str) -> None:
    one = make()
    one.bootstrap()
    one.rotate("ROTATOR_PASSWORD")
    with psycopg.connect(one.value("DATABASE_URL")):
        one.server.change(one.roles[0], one.repo.canary(token_hex(16)))  # which stops the second
        flags = () if verb == "apply" else ("--no-cluster",)
        run = one.postgres(verb, *flags, "--output", "json")
    assert run.code == 5 and run.codes == {"db-in-use"}
    (done,) = run.document["done"]
    assert "gets the password of ROTATOR_PASSWORD version 2" in done["changes"][0]


def test_a_rotation_takes_the_other_role_and_the_former_stays(make: Make) -> None:
    one = make()
    one.bootstrap()
    before = one.value("DATABASE_URL")
    one.rotate()
    assert one.leaf()["POSTGRES_PASSWORD"]["slot"] == "b"
    assert one.logs_in() is None
    run = one.postgres("apply")
    assert run.code == 0, run.err
    assert one.logs_in() and one.logs_in(before)
    assert one.roles[1] in one.value("DATABASE_URL")


def rotated(one: Shop) -> str:
    """Bootstrapped, rotated and applied; the URL of before."""
    one.bootstrap()
    before = one.value("DATABASE_URL")
    one.rotate()
    run = one.postgres("apply")
    assert run.code == 0, run.err
    return before


def test_the_former_role_is_closed_and_stays_so(make: Make) -> None:
    one = make()
    before = rotated(one)
    run = one.postgres("retire", "--no-cluster")
    assert run.code == 0 and "is closed" in run.out, run.err
    assert one.logs_in() and one.logs_in(before) is None
    again = one.postgres("retire", "--no-cluster")
    assert again.code == 0 and "as it is" in again.out


@pytest.mark.parametrize("verb", ["retire", "recover"])
def test_a_former_role_that_has_expired_is_closed_too(make: Make, verb: str) -> None:
    one = make()
    before = rotated(one)
    one.server.owner_run(f"ALTER ROLE {one.roles[0]} VALID UNTIL '2020-01-01'")
    assert f"{one.roles[0]} is closed" in one.postgres(verb, "--no-cluster").out
    one.server.owner_run(f"ALTER ROLE {one.roles[0]} LOGIN VALID UNTIL 'infinity'")
    assert one.logs_in() and one.logs_in(before) is None


def test_a_role_with_a_session_is_not_closed(make: Make) -> None:
    one = make()
    before = rotated(one)
    with psycopg.connect(before + "&application_name=worker"):
        run = one.postgres("retire", "--no-cluster")
    assert run.code == 5 and "a session of worker" in run.err
    assert one.logs_in(before)


def test_another_operators_probe_is_no_session(make: Make) -> None:
    one = make()
    before = rotated(one)
    probe = endpoint.parse(before).probe(one.roles[0], None)
    with psycopg.connect(before, application_name=probe.options["application_name"]):
        run = one.postgres("retire", "--no-cluster")
    assert run.code == 0 and "is closed" in run.out, run.err


@pytest.mark.parametrize("verb", ["retire", "recover"])
def test_who_has_to_wait_for_the_grace_hears_until_when(make: Make, verb: str) -> None:
    one = make()
    rotated(one)
    words = rf"sopsmith: looking for 1 s, until ..:..:.., that nobody comes as {one.roles[0]}\n"
    with psycopg.connect(one.value("DATABASE_URL")):
        run = one.postgres(verb, "--no-cluster", "--grace", "1s")
        again = one.postgres(verb, "--no-cluster", "--grace", "1h")
    assert run.code == 0 and re.search(words, run.err), run.err
    assert f"{one.roles[0]} is closed" in run.out
    assert again.code == 0 and "looking" not in again.err  # there is nothing to wait for


def test_who_comes_within_the_grace_keeps_the_role_open(make: Make) -> None:
    one = make()
    before = rotated(one)
    late: list[psycopg.Connection[tuple[Any, ...]]] = []
    timer = Timer(1.5, lambda: late.append(psycopg.connect(before)))
    timer.start()
    run = one.postgres("retire", "--no-cluster", "--grace", "20s")
    timer.join()  # the server may show a session before we have it
    late[0].close()
    assert run.code == 5 and run.codes == {"db-in-use"}


def test_a_role_that_pods_may_hold_is_refused_before_any_harm(make: Make) -> None:
    one = make()
    before = rotated(one)
    one.rotate()  # back to the first role, which nobody has closed
    run = one.postgres("apply")
    assert run.code == 5 and run.codes == {"db-in-use"}
    assert one.logs_in(before)


def test_a_retired_version_never_comes_back(make: Make) -> None:
    one = make()
    text = (one.repo.path / "overlay/recipe.yaml").read_text()
    rotated(one)
    assert one.postgres("retire", "--no-cluster").code == 0
    (one.repo.path / "overlay/recipe.yaml").write_text(text)  # as git revert does
    run = one.postgres("apply")
    assert run.code == 5 and run.codes == {"db-retired"}
    forward = "hint: sopsmith postgres rotate POSTGRES_PASSWORD -e production --now"
    assert forward in run.err and forward in one.postgres("check").out


def test_what_was_retired_keeps_no_rotator_from_its_password(make: Make) -> None:
    """After a `git revert` of both."""
    one = make()
    text = (one.repo.path / "overlay/recipe.yaml").read_text()
    before = rotated(one)
    one.rotate("ROTATOR_PASSWORD")
    assert one.postgres("apply").code == one.postgres("retire", "--no-cluster").code == 0
    (one.repo.path / "overlay/recipe.yaml").write_text(text)
    assert one.postgres("recover", "--no-cluster").codes == {"db-login"}
    one.bootstrap()  # as the hint says
    run = one.postgres("recover", "--no-cluster")
    assert "sopsmith postgres rotate POSTGRES_PASSWORD -e production --now" in run.err
    assert one.logs_in(before) is None


def test_rotations_go_round(make: Make) -> None:
    one = make()
    rotated(one)
    for _ in range(3):
        assert one.postgres("retire", "--no-cluster").code == 0
        one.rotate()
        assert one.postgres("apply").code == 0
        assert one.logs_in()


def test_in_place_the_previous_password_is_the_way_in(make: Make) -> None:
    one = make("in-place")
    one.bootstrap()
    one.rotate("ROTATOR_PASSWORD", "POSTGRES_PASSWORD")
    run = one.postgres("apply")
    assert run.code == 0, run.err
    assert one.logs_in() and one.logs_in(one.value("ROTATOR_URL"))


def test_in_a_cluster_no_key_is_needed(make: Make) -> None:
    one = make()
    one.bootstrap()
    one.rotate()
    folder = mounted(one)
    run = one.postgres("apply", "--from", str(folder), SOPS_AGE_KEY_FILE=None)
    assert run.code == 0, run.err
    assert one.logs_in()
    shutil.rmtree(folder)


def test_a_first_start_makes_all_of_it(make: Make) -> None:
    one = make(INIT={"derive": {"bootstrapOf": ["ROTATOR_PASSWORD", "POSTGRES_PASSWORD"]}})
    script = one.value("INIT")
    assert script == one.value("INIT")  # a render is the same every time
    one.server.owner_run(script, one.name)
    assert one.logs_in()
    assert "changed" not in one.postgres("apply").out


def test_check_names_the_version_that_the_database_holds(make: Make) -> None:
    one = make()
    one.bootstrap()
    one.rotate()
    run = one.postgres("check")
    assert run.code == 1
    assert f"the database holds version 1, of {one.roles[0]}; git says version 2" in run.out
    one.postgres("apply")
    assert one.postgres("check").code == 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("-d nowhere", "no database of the name that psql gives; -d names one"),
        ("-U nobody", "the server does not let psql log in"),
        ("-p 1", "no server listens at that port or socket"),
        ("--nonsense", "does not know its options"),
    ],
)
def test_a_command_that_reaches_nobody_says_why(make: Make, flags: str, words: str) -> None:
    one = make()
    run = one.postgres("apply", "--via", f"{one.via} {flags}")
    assert run.code == 3 and run.codes == {"db-unreachable"} and "by hand" in run.err
    assert words in run.err


def test_a_program_that_is_not_there_is_told_with_one_that_may_be(make: Make) -> None:
    run = make().postgres("apply", "--via", "pqsl -U postgres")
    assert run.codes == {"program-missing"} and "-- psql -U postgres'" in run.err


def test_who_is_shut_out_by_a_rule_is_not_told_to_rotate(make: Make) -> None:
    one = make()
    one.bootstrap()
    one.server.reload(hba=f"host all {one.roles[0]} all reject\n{RULES}")
    shown = one.postgres("status", "--no-cluster")
    assert "check says why" in shown.out and "rotate" not in shown.out
    assert one.postgres("recover", "--no-cluster").codes == {"db-waiting"}
    one.server.reload(hba=RULES)


def test_status_names_what_puts_it_right(make: Make) -> None:
    one = make()
    one.bootstrap()
    one.rotate()
    run = one.postgres("status", "--no-cluster")
    assert run.code == 1 and "hint: sopsmith postgres recover -e production" in run.out


def test_status_shows_what_each_side_has(make: Make) -> None:
    one = make()
    one.bootstrap()
    one.rotate()
    shown = one.postgres("status", "--no-cluster", "--output", "json")
    assert shown.code == 1, shown.err
    mine = next(each for each in shown.document if each["value"] == "POSTGRES_PASSWORD")
    assert (mine["slot"], mine["action"]) == ("b", "apply")
    assert [each["holds"] for each in mine["roles"]] == ["before", "nothing"]


def test_a_role_that_was_dropped_is_missing(make: Make) -> None:
    one = make()
    one.bootstrap()
    one.server.owner_run(SQL("DROP ROLE {}").format(Identifier(one.roles[1])))
    shown = one.postgres("status", "--no-cluster").out
    row, verdict = (line for line in shown.splitlines() if one.roles[1] in line)
    assert "missing" in row and "closed" not in row
    assert verdict.endswith(f"{one.roles[1]} is missing, which the next rotation takes")


def test_recover_makes_what_the_next_rotation_takes(make: Make) -> None:
    one = make()
    published(one)
    one.server.owner_run(SQL("DROP ROLE {}").format(Identifier(one.roles[1])))
    assert one.postgres("rotate", "POSTGRES_PASSWORD", "--no-cluster", "--dry-run").code == 0
    run = one.postgres("recover", "--no-cluster")
    assert run.code == 0 and f"changed  {one.roles[1]} is made" in run.out, run.err
    assert "missing" not in one.postgres("status", "--no-cluster").out


AS_JSON = {
    "bootstrap": ["--via", "VIA"], "adopt": ["POSTGRES_PASSWORD", "--via", "VIA", "--dry-run"],
    "apply": [], "check": [], "status": ["--no-cluster"], "recover": ["--no-cluster"],
    "rotate": ["POSTGRES_PASSWORD", "--no-cluster"],
    "rollback": ["POSTGRES_PASSWORD", "--no-cluster"], "retire": ["--no-cluster"],
}  # fmt: skip
README = Path(__file__).parents[2] / "kustomize-plugin/README.md"


def test_the_json_of_each_verb_is_as_the_readme_says(make: Make) -> None:
    one = make()
    rows = re.findall(r"^\| (`.*`) \| (a list|an object)(.*) \|$", README.read_text(), re.MULTILINE)
    said = {verb: (kind, re.findall(r"`(\w+)`", words)) for verbs, kind, words in rows
            for verb in re.findall(r"\w+", verbs)}  # fmt: skip
    said["recover"] = ("a list", [*said["status"][1], *said["recover"][1]])
    assert said.keys() == AS_JSON.keys()
    for verb, argv in AS_JSON.items():
        given = [one.via if each == "VIA" else each for each in argv]
        tree = one.postgres(verb, *given, "--output", "json").document
        found = ("an object", tree) if isinstance(tree, dict) else ("a list", tree[-1])
        assert (found[0], sorted(found[1])) == (said[verb][0], sorted(said[verb][1])), verb


def test_of_a_rotator_nobody_notes_what_was_applied(make: Make) -> None:
    one = make()
    one.bootstrap()
    one.rotate("ROTATOR_PASSWORD")
    assert one.postgres("apply").code == 0
    told = one.postgres("status", "--no-cluster", "--output", "json").document
    assert [each["applied"] and each["applied"]["version"] for each in told] == [None, 1]


def test_in_place_what_only_the_application_knows_takes_an_apply(make: Make) -> None:
    one = make("in-place")
    held = one.repo.canary(token_hex(16))
    one.server.role(one.roles[0], held)
    url = one.server.url(one.roles[0], held, one.name)
    one.bootstrap()
    run = one.postgres("recover", "--no-cluster")
    assert run.code == 5 and run.codes == {"db-in-use"} and one.logs_in(url)
    words = "sopsmith postgres apply -e production sets git's, and shuts out who holds the other"
    assert words in run.err and words in one.postgres("status", "--no-cluster").out
    assert one.postgres("apply").code == 0 and one.logs_in()


def test_recover_goes_on_from_wherever_it_stopped(make: Make) -> None:
    one = make()
    one.bootstrap()
    before = one.value("DATABASE_URL")
    one.rotate()
    assert one.postgres("recover", "--no-cluster").code == 0  # as apply does
    assert one.logs_in() and one.logs_in(before)
    with psycopg.connect(one.value("DATABASE_URL")):
        assert one.postgres("recover", "--no-cluster").code == 0  # as retire does
    assert one.logs_in() and one.logs_in(before) is None
    assert "agree" in one.postgres("recover", "--no-cluster").out


def test_while_nobody_came_as_the_new_role_recover_closes_none(make: Make) -> None:
    """Who connects now and then is not seen either; `retire` is how a person knows better."""
    one = make()
    before = rotated(one)
    words = f"nobody was seen as {one.roles[1]} yet, so {one.roles[0]} stays open"
    shown = one.postgres("status", "--no-cluster")
    run = one.postgres("recover", "--no-cluster", "--grace", "1s")
    assert re.search(rf"looking for 1 s, .*, whether somebody comes as {one.roles[1]}\n", run.err)
    assert words in shown.out and words in run.err and run.codes == {"db-waiting"}
    for said in (shown.out, run.err):
        ends = "where no application runs, or all have the new URL, sopsmith postgres retire"
        assert f"{ends} POSTGRES_PASSWORD -e" in said
    assert one.logs_in() and one.logs_in(before)
    assert one.postgres("retire", "--no-cluster").code == 0 and one.logs_in(before) is None


def test_two_rotations_ahead_who_would_be_shut_out_is_not_told_to_restart(make: Make) -> None:
    one = make()
    before = rotated(one)
    one.rotate()
    shown, run = (one.postgres(verb, "--no-cluster") for verb in ("status", "recover"))
    assert run.codes == {"db-waiting"} and one.logs_in(before) and one.logs_in() is None
    words = "restart nothing yet: POSTGRES_PASSWORD version 3 is not applied"
    closes = f"once nobody uses {one.roles[0]}, sopsmith postgres retire POSTGRES_PASSWORD -e"
    for said in (shown.out, run.err):
        assert words in said and closes in said and "restart what uses" not in said
    for verb in ("retire", "recover"):
        assert one.postgres(verb, "--no-cluster").code == 0
    assert one.logs_in() and one.logs_in(before) is None


def test_recover_changes_nothing_that_pods_may_hold(make: Make) -> None:
    one = make()
    before = rotated(one)
    one.rotate()
    with psycopg.connect(before):
        run = one.postgres("recover", "--no-cluster")
    assert run.code == 5 and run.codes == {"db-in-use"}
    assert one.logs_in(before)


def test_what_recover_must_leave_keeps_no_other_password_from_it(make: Make) -> None:
    one = make()
    before = rotated(one)
    one.rotate()
    one.rotate("ROTATOR_PASSWORD")
    with psycopg.connect(before):
        run = one.postgres("recover", "--no-cluster", "--output", "json")
    assert run.code == 5 and run.codes == {"db-in-use"}
    assert [each["value"] for each in run.document["done"]] == ["ROTATOR_PASSWORD"]
    assert one.logs_in(one.value("ROTATOR_URL"))


def test_recover_makes_up_for_a_forgotten_retirement(make: Make) -> None:
    one = make()
    first = rotated(one)
    second = one.value("DATABASE_URL")
    one.rotate()
    with psycopg.connect(second):
        assert one.postgres("recover", "--no-cluster").code == 0
    assert one.logs_in(first) is None and one.logs_in(second)
    assert one.postgres("recover", "--no-cluster").code == 0
    assert one.logs_in() and one.logs_in(second)


@pytest.mark.parametrize("verb", ["apply", "retire", "recover", "rotate"])
def test_who_is_two_rotations_ahead_rotates_once_more(make: Make, verb: str) -> None:
    one = make()
    first = rotated(one)
    second = one.value("DATABASE_URL")
    one.rotate()
    one.rotate()  # to the role that serves, where nothing may be changed
    flags = [] if verb == "apply" else ["--no-cluster"]
    flags += ["POSTGRES_PASSWORD"] if verb == "rotate" else []
    run = one.postgres(verb, *flags)
    assert run.code == 5 and "sopsmith rotate POSTGRES_PASSWORD -e production" in run.err
    one.rotate()
    assert one.postgres("retire", "--no-cluster").code == 0
    assert one.logs_in(first) is None and one.logs_in(second)
    assert one.postgres("apply").code == 0
    assert one.logs_in() and one.logs_in(second)


def test_what_is_reverted_closes_nothing_that_git_says(make: Make) -> None:
    one = make()
    rotated(one)
    text = (one.repo.path / "overlay/recipe.yaml").read_text()
    assert one.postgres("retire", "--no-cluster").code == 0
    one.rotate()
    assert one.postgres("apply").code == 0
    (one.repo.path / "overlay/recipe.yaml").write_text(text)  # as git revert does
    run = one.postgres("retire", "--no-cluster")
    assert run.code == 5 and "sopsmith postgres apply" in run.err
    assert one.logs_in()


def test_what_recover_notes_is_told_and_what_comes_then(make: Make) -> None:
    one = make()
    before = rotated(one)
    assert one.postgres("rollback", "POSTGRES_PASSWORD", "--no-cluster").code == 0
    run = one.postgres("recover", "--no-cluster")
    assert "changed  POSTGRES_PASSWORD version 1 is noted as applied last" in run.out, run.err
    again = "sopsmith postgres recover -e production --no-cluster --grace 0s again"
    assert f"{again} closes {one.roles[1]} once nobody uses it" in run.out
    with psycopg.connect(before):
        assert f"{one.roles[1]} is closed" in one.postgres("recover", "--no-cluster").out
    assert one.logs_in(before)


def test_what_status_promises_recover_does(make: Make) -> None:
    """Git went back to what the database still has, and nobody knows that it was rotated."""
    one = make()
    one.bootstrap()
    text = (one.repo.path / "overlay/recipe.yaml").read_text()
    one.rotate()
    assert one.postgres("apply").code == 0
    (one.repo.path / "overlay/recipe.yaml").write_text(text)
    assert "hint: sopsmith postgres recover" in one.postgres("status", "--no-cluster").out
    run = one.postgres("recover", "--no-cluster")
    assert run.code == 0 and "takes the place of version 2" in run.err
    with psycopg.connect(one.value("DATABASE_URL")):
        assert f"{one.roles[1]} is closed" in one.postgres("recover", "--no-cluster").out
    run = one.postgres("status", "--no-cluster")
    assert one.logs_in() and run.code == 0 and "agree" in run.out


def test_recover_shows_the_same_as_status(make: Make) -> None:
    one = make()
    with psycopg.connect(rotated(one)):
        for _ in range(3):
            one.rotate()
        shown = [one.postgres(verb, "--no-cluster").out for verb in ("status", "recover")]
    rows = [[line.split() for line in each.splitlines() if "not asked" in line] for each in shown]
    assert rows[0] == rows[1] != [] and "version 1" in shown[1]


@pytest.mark.parametrize("strategy", ["alternating", "in-place"])
def test_a_rotator_with_another_password_needs_the_break_glass(make: Make, strategy: str) -> None:
    one = make(strategy)
    one.bootstrap()
    one.server.change(f"{one.name}_rotator", "another")
    words = "sopsmith postgres bootstrap -e production --via"
    for verb in ("status", "recover"):
        run = one.postgres(verb, "--no-cluster")
        assert run.codes == {"db-login"} and words in run.err
    for verb in ("check", "apply"):
        run = one.postgres(verb)
        assert run.code and words in run.out + run.err
    run = one.postgres("apply", "POSTGRES_PASSWORD")
    assert run.codes == {"db-login"} and words in run.err
    one.bootstrap()
    assert one.postgres("apply").code == 0


@pytest.mark.parametrize("verb", ["apply", "retire", "status", "recover"])
def test_what_may_go_by_names_the_command_to_run_again(make: Make, verb: str) -> None:
    one = make()
    one.bootstrap()
    flags = () if verb == "apply" else ("--no-cluster",)
    one.server.stop()
    try:
        run = one.postgres(verb, *flags)
    finally:
        one.server.start()
    assert run.code == 3 and f"run it again: sopsmith postgres {verb} -e production" in run.err


def test_a_forgotten_retirement_is_made_up_for(make: Make) -> None:
    one = make()
    first = rotated(one)
    second = one.value("DATABASE_URL")
    one.rotate()
    refused = one.postgres("apply")
    assert refused.code == 5 and "sopsmith postgres retire" in refused.err
    with psycopg.connect(first):
        assert one.postgres("retire", "--no-cluster").code == 5
    assert one.postgres("retire", "--no-cluster").code == 0
    assert one.logs_in(first) is None and one.logs_in(second)
    assert one.postgres("apply").code == 0
    assert one.logs_in() and one.logs_in(second)


def test_a_url_may_name_an_encoding(make: Make) -> None:
    one = make()
    one.bootstrap()
    url = one.value("DATABASE_URL") + "&client_encoding=latin1"
    run = one.postgres("check", "--env", "APP_URL", APP_URL=url)
    assert run.code == 0, run.err


def test_two_rotations_before_a_sync_need_a_third(make: Make) -> None:
    one = make()
    one.bootstrap()
    assert one.postgres("apply").code == 0
    before = one.value("DATABASE_URL")
    one.rotate()
    one.rotate()
    refused = one.postgres("apply")
    assert refused.code == 5 and "sopsmith rotate" in refused.err
    one.rotate()
    assert one.postgres("apply").code == 0
    assert one.logs_in() and one.logs_in(before)


@pytest.mark.parametrize("strategy", ["alternating", "in-place"])
def test_a_password_that_expired_is_none(make: Make, strategy: str) -> None:
    one = make(strategy)
    one.bootstrap()
    one.server.owner_run(f"ALTER ROLE {one.roles[0]} VALID UNTIL '2020-01-01'")
    assert one.logs_in() is None
    assert one.postgres("recover", "--no-cluster", "--via", one.via).code == 0
    assert one.logs_in()
