"""A command that exits 0 has not therefore worked."""

import pytest

from saltus.database.executor import CommandResult
from saltus.database.judge import SyncFailed, judge_command, judge_versions, last_revision


def result(code, output):
    return CommandResult(("nova-manage", "db", "sync"), code, output, 1.0)


def test_an_error_printed_with_exit_code_0_is_a_failure():
    said = "ERROR: could not access cell mapping database - has it been created?\n"
    with pytest.raises(SyncFailed, match="could not access cell mapping"):
        judge_command(result(0, said), (0,), do="-")


def test_what_python_says_that_it_ignores_is_no_failure_and_hides_none():
    ignored = (
        "Exception ignored in: <function _after_fork at 0x7f>\nTraceback (most recent call last):\n"
        '  File "threading.py", line 1490, in _after_fork\n    thread._reset_internal_locks(True)\n'
        "AttributeError: 'Semaphore' object has no attribute '_at_fork_reinit'\n"
    )
    judge_command(result(0, ignored + "INFO migrate.versioning.api [-] 134 -> 135... \n"), (0,), do="-")
    with pytest.raises(SyncFailed, match="Traceback"):
        judge_command(result(0, ignored + "Traceback (most recent call last):\n  ...\nKeyError: 1\n"), (0,), do="-")


def test_a_data_migration_that_failed_is_a_failure_whatever_the_exit_code():
    said = "Error attempting to run <function migrate_flavors at 0x7f>\n"
    with pytest.raises(SyncFailed, match="migrate_flavors"):
        judge_command(result(0, said), (0,), do="-")


def test_a_data_migration_that_needs_running_services_is_let_pass_when_it_alone_failed():
    said = "Error attempting to run shared_targets_online_data_migration\n"
    judge_command(result(2, said), (0,), do="-", tolerates=("shared_targets_online_data_migration",))
    more = said + "Error attempting to run service_uuids_online_data_migration\n"
    with pytest.raises(SyncFailed, match="service_uuids"):
        judge_command(result(2, more), (0,), do="-", tolerates=("shared_targets_online_data_migration",))


def test_the_revision_of_a_failure_is_told():
    alembic = "INFO  [alembic.runtime.migration] Running upgrade 97c25b0d2353 -> 2e0d7a8a1586, message\nboom"
    assert last_revision(alembic) == "2e0d7a8a1586"
    migrate = "2026-11-22 INFO migrate.versioning.api [req-1] 329 -> 330... \nboom"
    assert last_revision(migrate) == "329"


@pytest.mark.parametrize("code", [-9, 137])
def test_a_command_that_was_killed_is_told_as_that(code):
    with pytest.raises(SyncFailed) as caught:
        judge_command(result(code, "migrating\n"), (0,), do="-")
    assert caught.value.what == "nova-manage db sync failed, killed by SIGKILL"
    assert "want of memory" in caught.value.because
    with pytest.raises(SyncFailed, match="exit code 255"):
        judge_command(result(255, ""), (0,), do="-")


def test_versions_that_are_not_the_catalogues_are_a_failure():
    with pytest.raises(SyncFailed, match="nova is at 344, expected 347"):
        judge_versions({"nova": ("344",)}, {"nova": ("347",)}, after="nova-manage db sync", do="-")
    judge_versions({"neutron": ("b", "a")}, {"neutron": ("a", "b")}, after="-", do="-")
