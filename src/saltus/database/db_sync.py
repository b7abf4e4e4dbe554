"""The db_sync of one service: its commands in order, judged one by one, and the schema compared with the catalogue."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict

from saltus.database.executor import CommandResult, Executor
from saltus.database.judge import SyncFailed, judge_command, judge_versions
from saltus.errors import OperatorError
from saltus.plan.databases import DbSync

Versions = dict[str, tuple[str, ...]]
Say = Callable[[str, float | None], None]


class CommandDone(BaseModel):
    """One manage command that did its work."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    argv: tuple[str, ...]
    exit_code: int
    seconds: float


class DbSyncDone(BaseModel):
    """What a db_sync came to. Only one whose schema is where the catalogue says is ever made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: str
    release: str
    before: Versions
    after: Versions
    commands: tuple[CommandDone, ...]

    @property
    def seconds(self) -> float:
        return sum(command.seconds for command in self.commands)

    def summary(self) -> str:
        moved = [
            f"{database} {spelt(self.before[database])} -> {spelt(versions)}"
            for database, versions in self.after.items()
            if versions != self.before[database]
        ]
        return f"{self.service} in {self.seconds:.1f} s: {'; '.join(moved) or 'its schema was there already'}"


def run(action: DbSync, executor: Executor, *, say: Say | None = None, timeout_s: float = 4 * 3600) -> DbSyncDone:
    """Run the commands of `action` where `executor` runs them. The service must be stopped. `timeout_s` is of each.

    Safe to repeat: finished revisions are skipped by alembic and sqlalchemy-migrate alike. Raises SyncFailed, which
    tells the versions before and after, the last lines of output and how to go on.
    """
    before = _versions(action, executor)
    done: list[CommandResult] = []
    for number, command in enumerate(action.commands):
        if say:
            say(f"{' '.join(command.argv)} on {action.machine}", number / len(action.commands))
        result = executor.run(command, timeout_s=timeout_s)
        try:
            judge_command(result, command.exit_codes, do=_how_to_go_on(action))
        except SyncFailed as failed:
            raise _with_versions(failed, action, executor, before) from None
        done.append(result)
    after = _versions(action, executor)
    try:
        judge_versions(after, action.heads, after=_commands_of(action), do=_how_to_go_on(action))
    except SyncFailed as failed:
        raise _with_versions(failed, action, executor, before, done[-1] if done else None) from None
    return DbSyncDone(
        service=action.service,
        release=action.release,
        before=before,
        after=after,
        commands=tuple(CommandDone(argv=one.argv, exit_code=one.exit_code, seconds=one.seconds) for one in done),
    )


def spelt(versions: tuple[str, ...]) -> str:
    return " ".join(versions) or "no version"


def _versions(action: DbSync, executor: Executor) -> Versions:
    found = executor.read_versions(action.heads)
    return {database: tuple(sorted(found[database])) for database in action.heads}


def _commands_of(action: DbSync) -> str:
    return ", then ".join(f"`{' '.join(command.argv)}`" for command in action.commands)


def _how_to_go_on(action: DbSync) -> str:
    return (
        f"the whole output is in /var/log/saltus on {action.machine}; mend the cause and resume the run, which repeats"
        " the commands and skips what they have finished; or roll back"
    )


def _with_versions(
    failed: SyncFailed, action: DbSync, executor: Executor, before: Mapping[str, tuple[str, ...]],
    last: CommandResult | None = None,
) -> SyncFailed:  # fmt: skip
    """The same failure, with where the schemas were and where they stand."""
    now: Mapping[str, tuple[str, ...]] = {}
    # The failure is what must be told; a database that cannot be asked now must not hide it.
    with contextlib.suppress(OperatorError):
        now = _versions(action, executor)
    at = {database: spelt(now[database]) if database in now else "an unknown version" for database in before}
    moves = [f"{database} was at {spelt(versions)}, is at {at[database]}" for database, versions in before.items()]
    because = f"{'; '.join(moves)}; {failed.because}"
    if last and last.output.strip():
        because += "; the last command printed:\n" + "\n".join(last.output.rstrip().splitlines()[-40:])
    what = f"the db_sync of {action.service} to {action.release} on {action.machine} failed: {failed.what}"
    return SyncFailed(what=what, because=because, do=failed.do)
