"""Whether a db_sync worked is read from the schema, not from an exit code. Each refusal was seen on real commands."""

import pytest

from saltus.database import db_sync
from saltus.database.executor import FakeExecutor
from saltus.database.judge import SyncFailed
from saltus.plan.databases import Command, DbSync

API = Command(argv=("nova-manage", "api_db", "sync"), user="nova")
MAIN = Command(argv=("nova-manage", "db", "sync"), user="nova")
ONLINE = Command(argv=("nova-manage", "db", "online_data_migrations"), user="nova", exit_codes=(0, 1))
HEADS = {"nova": ("d60bddf7a903",), "nova_api": ("cdeec0c85668",)}
BEFORE = {"nova": ("ccb0fa1a2252",), "nova_api": ("b30f573d3377",)}


def action(*commands: Command) -> DbSync:
    return DbSync(
        service="nova",
        machine="ctl01-b",
        database_server="dbs01",
        release="epoxy",
        commands=commands or (API, MAIN, ONLINE),
        heads=HEADS,
    )


def moves(command: Command, versions: dict[str, tuple[str, ...]]) -> None:
    if command == API:
        versions["nova_api"] = HEADS["nova_api"]
    if command == MAIN:
        versions["nova"] = HEADS["nova"]


def test_a_db_sync_that_reaches_every_head_tells_from_where_to_where() -> None:
    executor = FakeExecutor(dict(BEFORE), {ONLINE.argv: (1, "5 rows matched query, 5 migrated")}, moves)
    said: list[str] = []
    done = db_sync.run(action(), executor, say=lambda text, fraction: said.append(text))
    assert executor.ran == [API.argv, MAIN.argv, ONLINE.argv]
    assert (done.before, done.after) == (BEFORE, HEADS)
    assert done.commands[2].exit_code == 1
    assert "nova ccb0fa1a2252 -> d60bddf7a903" in done.summary()
    assert said[0] == "nova-manage api_db sync on ctl01-b"


def test_done_again_it_runs_the_commands_and_finds_the_schema_there() -> None:
    executor = FakeExecutor(dict(HEADS), {}, moves)
    assert "was there already" in db_sync.run(action(), executor).summary()
    assert executor.ran == [API.argv, MAIN.argv, ONLINE.argv]


@pytest.mark.parametrize(
    ("code", "output", "told"),
    [
        (1, "Running upgrade ccb0fa1a2252 -> 960aac0e09ea, de\nOperationalError: gone", "revision 960aac0e09ea"),
        (0, "ERROR: could not access cell mapping database - has it been configured?", "could not access cell mapping"),
        (0, "Traceback (most recent call last):\n  File x\nKeyError: 'y'", "KeyError: 'y'"),
        (1, "", "exit code 1"),
        (124, "killed after 5 s", "killed after 5 s"),
    ],
)
def test_a_command_that_failed_or_printed_an_error_ends_it_there(code: int, output: str, told: str) -> None:
    executor = FakeExecutor(dict(BEFORE), {MAIN.argv: (code, output)}, lambda c, v: moves(API, v))
    with pytest.raises(SyncFailed) as failed:
        db_sync.run(action(), executor)
    assert executor.ran == [API.argv, MAIN.argv]
    error = failed.value
    assert error.what.startswith("the db_sync of nova to epoxy on ctl01-b failed: nova-manage db sync failed")
    assert told in str(error)
    assert "nova was at ccb0fa1a2252, is at ccb0fa1a2252" in error.because
    assert "nova_api was at b30f573d3377, is at cdeec0c85668" in error.because
    assert "resume the run" in error.do


def test_commands_that_all_exit_0_and_leave_the_schema_behind_have_failed() -> None:
    executor = FakeExecutor(dict(BEFORE), {ONLINE.argv: (0, "nothing to do")}, lambda c, v: moves(API, v))
    with pytest.raises(SyncFailed) as failed:
        db_sync.run(action(), executor)
    assert "nova is at ccb0fa1a2252, expected d60bddf7a903" in failed.value.because
    assert "nova_api is" not in failed.value.because
    assert "nothing to do" in failed.value.because
