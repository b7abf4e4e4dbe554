"""Did a manage command do its work? An exit code alone is never believed."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping

from saltus.database.executor import CommandResult
from saltus.errors import OperatorError

_PRINTED_ERROR = re.compile(
    r"^(ERROR: .*|Traceback \(most recent call last\):|An error has occurred:|\S.* CRITICAL .*|error: .*)$",
    re.MULTILINE,
)
# nova-manage of Ocata prints "ERROR: could not access cell mapping database" and exits 0 (seen on 15.1.5).

_FAILED_MIGRATION = re.compile(r"^Error attempting to run (?:<function )?(\w+)", re.MULTILINE)

_REVISION = re.compile(
    r"Running upgrade [\w., ]*-> (?P<alembic>\w+)|(?:^|migrate\.versioning\.api .*\s)(?P<migrate>\d+) -> \d+\.\.\.",
    re.MULTILINE,
)

_LAST_LINES = 40

_KILLED = "somebody, or the kernel (for want of memory, mostly: dmesg says so), ended it"

_IGNORED = re.compile(r"^Exception ignored in: .*\n(?:Traceback .*\n(?:[ \t]+.*\n)*.*\n?)?", re.MULTILINE)
"""What Python itself tells and passes over: eventlet's locks say so in every fork, until they know Python 3.9."""


class SyncFailed(OperatorError):
    """A manage command did not do its work; the database stands where it stopped."""


def printed_error(output: str) -> str | None:
    """The first line of the output that is an error whatever the exit code says; None when there is none."""
    found = _PRINTED_ERROR.search(_IGNORED.sub("", output))
    return found.group(0).strip() if found else None


def failed_migrations(output: str) -> tuple[str, ...]:
    """The data migrations that the output says failed, whatever the exit code: Ocata's nova-manage then exits 0."""
    return tuple(dict.fromkeys(_FAILED_MIGRATION.findall(output)))


def last_revision(output: str) -> str | None:
    """The revision that the output was last at, as alembic and sqlalchemy-migrate tell it on their way."""
    at = None
    for match in _REVISION.finditer(output):
        at = match.group("alembic") or match.group("migrate")
    return at


def last_lines(output: str, count: int = _LAST_LINES) -> str:
    return "\n".join(output.rstrip().splitlines()[-count:])


def judge_command(
    result: CommandResult, exit_codes: tuple[int, ...], *, do: str, tolerates: tuple[str, ...] = ()
) -> None:
    """Raise SyncFailed, with the revision and the last lines, unless the command exited well and printed no error.

    When nothing but data migrations of `tolerates` failed, the exit code that says so is let pass.
    """
    said, failed = printed_error(result.output), failed_migrations(result.output)
    if said is None and failed:
        if set(failed) <= set(tolerates) and result.exit_code in (*exit_codes, 2):
            return
        said = f"these data migrations failed: {', '.join(failed)}"
    if result.exit_code in exit_codes and said is None:
        return
    at, killed = last_revision(result.output), _killed_by(result.exit_code)
    where = f" at revision {at}" if at else ""
    raise SyncFailed(
        what=f"{' '.join(result.argv)} failed{where}, {killed or f'exit code {result.exit_code}'}",
        because=(f"it printed: {said}" if said else _KILLED if killed else "its exit code says so")
        + f"; its last lines:\n{last_lines(result.output)}",
        do=do,
    )


def _killed_by(exit_code: int) -> str | None:
    """The signal that ended a command: below zero as Python has it, above 128 as a shell says it."""
    number = -exit_code if exit_code < 0 else exit_code - 128
    return f"killed by {signal.Signals(number).name}" if number in set(signal.Signals) else None


def judge_versions(
    found: Mapping[str, tuple[str, ...]], expected: Mapping[str, tuple[str, ...]], *, after: str, do: str
) -> None:
    """Raise SyncFailed with every database whose schema is not where the catalogue says that it must be."""
    wrong = [
        f"{database} is at {' '.join(found.get(database, ())) or 'no version'}, expected {' '.join(heads)}"
        for database, heads in expected.items()
        if set(found.get(database, ())) != set(heads)
    ]
    if wrong:
        raise SyncFailed(what=f"{after} did not bring the schema to where it belongs", because="; ".join(wrong), do=do)
