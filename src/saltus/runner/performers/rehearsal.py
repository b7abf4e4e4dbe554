"""Performers of a rehearsal on dumps: toolboxes, manage commands on the clone, and what its rows say."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import pymysql
from pydantic import JsonValue

from saltus.catalog.services import CONFIG
from saltus.database.executor import CommandResult
from saltus.database.judge import (
    SyncFailed,
    failed_migrations,
    judge_command,
    judge_versions,
    last_lines,
    last_revision,
)
from saltus.database.local import CELL0_URL, CONFIG_FILE, LocalTools, fill_names
from saltus.database.moving import take_over
from saltus.database.private import PrivateServer
from saltus.errors import OperatorError
from saltus.plan.databases import BuildToolbox, CheckRows, Command, CountRows, CureRows, ManageDatabases, MoveTables
from saltus.runner.performer import Outcome, Performers, StepContext, stop_if_cancelled
from saltus.toolbox.build import build
from saltus.toolbox.given import given_for
from saltus.toolbox.recipes import CannotBuild
from saltus.toolbox.shelf import Shelf

_STUCK_AFTER = 3
_MOVED = re.compile(r"^\|\s*(?P<name>\w+)\s*\|\s*(?P<total>\d+)\s*\|\s*(?P<done>\d+)\s*\|", re.MULTILINE)


@dataclass
class Clone:
    """The ground of a rehearsal: the private MariaDB, the toolboxes, and a directory for configuration and logs."""

    server: PrivateServer
    shelf: Shelf
    workspace: Path
    sources: dict[str, Path] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def up(self) -> PrivateServer:
        """The server, started when a crash or a reboot took it away."""
        with self.lock:
            self.server.start()
        return self.server


def performers(clone: Clone) -> Performers:
    return {
        "toolbox.build": ToolboxBuilder(clone),
        "database.manage": DatabaseManager(clone),
        "database.cure": RowCurer(clone),
        "database.move-tables": TableMover(clone),
        "database.check-rows": RowChecker(clone),
        "database.count-rows": RowCounter(clone),
    }


@dataclass(frozen=True)
class ToolboxBuilder:
    clone: Clone

    def perform(self, action: BuildToolbox, context: StepContext) -> Outcome:
        sources = given_for(action.release, {n: p for n, p in self.clone.sources.items() if n in action.services})
        toolbox = build(self.clone.shelf, action.release, action.services, sources=sources, say=context.say)
        packages = {name: toolbox.record.packages[name] for name in action.services}
        return Outcome(", ".join(packages.values()), {"python": toolbox.record.python, "packages": dict(packages)})


@dataclass(frozen=True)
class DatabaseManager:
    clone: Clone

    def perform(self, action: ManageDatabases, context: StepContext) -> Outcome:
        server = self.clone.up()
        for database in action.create:
            server.create_database(database)
        toolbox = self.clone.shelf.find(action.release)
        if toolbox is None:
            raise CannotBuild(
                what=f"the toolbox of {action.release} is gone",
                because="it was ready when the rehearsal began",
                do=f"saltus toolbox build {action.release}",
            )
        tools = LocalTools(toolbox, action.service, server, self.clone.workspace)
        argv = tuple(_looked_up(word, action, server) for word in action.command.argv)
        command = action.command.model_copy(update={"argv": argv})
        before = {database: server.read_versions(database) for database in _watched(action)}
        written = sum(_write(statement, action, server) for statement in action.ahead)
        told = _run_ahead(action, tools, context)
        try:
            runs, last, moved = self._until_done(action, command, tools, context)
        except SyncFailed as exc:
            raise self._with_versions(exc, before, server) from exc
        found = {database: server.read_versions(database) for database in _watched(action)}
        judge_versions(found, action.expect, after=_spoken(argv), do=self._how_to_go_on())
        return Outcome(
            _summary(before, found, runs, moved or written),
            {
                "argv": list(last.argv),
                "runs": runs,
                "exit_code": last.exit_code,
                "moved": moved,
                "written_ahead": written,
                "ahead": told,
                "tolerated": list(failed_migrations(last.output)),
                "before": {d: list(v) for d, v in before.items()},
                "after": {d: list(v) for d, v in found.items()},
                "revision": last_revision(last.output),
                "output": last_lines(last.output, 12),
            },
        )

    def _until_done(
        self, action: ManageDatabases, command: Command, tools: LocalTools, context: StepContext
    ) -> tuple[int, CommandResult, int]:
        """Run it while its exit code asks for more; (runs, the last result, rows that it says it moved)."""
        told = _Told(context, _spoken(command.argv))
        runs = still = 0
        while True:
            result = tools.run_watched(command, cancelled=lambda: context.cancelled, tick=told.tick)
            stop_if_cancelled(context)
            runs += 1
            judge_command(
                result,
                (*action.command.exit_codes, *action.repeat_on),
                do=self._how_to_go_on(),
                tolerates=action.tolerates,
            )
            batch = sum(int(match["done"]) for match in _MOVED.finditer(result.output))
            told.moved += batch
            if result.exit_code not in action.repeat_on:
                return runs, result, told.moved
            still = still + 1 if batch == 0 else 0
            if still >= _STUCK_AFTER and "map_instances" not in command.argv:
                raise SyncFailed(
                    what=f"{_spoken(command.argv)} asks for more, and moves nothing",
                    because=f"{still} runs in a row moved no row; the last lines:\n{last_lines(result.output)}",
                    do=self._how_to_go_on(),
                )

    def _how_to_go_on(self) -> str:
        return (
            f"the clone is left as it is, its logs in {self.clone.workspace}; put it right there, then say saltus"
            f" rehearse again: it goes on from here. To look into it: {self.clone.server.how_to_look}"
        )

    @staticmethod
    def _with_versions(exc: SyncFailed, before: dict[str, tuple[str, ...]], server: PrivateServer) -> SyncFailed:
        stands = "; ".join(
            f"{database} stood at {' '.join(versions) or 'nothing'} and stands at"
            f" {' '.join(server.read_versions(database)) or 'nothing'}"
            for database, versions in before.items()
        )
        return SyncFailed(what=exc.what, because=f"{exc.because}\n{stands}", do=exc.do)


class _Told:
    """What is said while a command runs: how long, and how many rows it moved so far."""

    def __init__(self, context: StepContext, command: str) -> None:
        self._context, self._command, self._began = context, command, time.monotonic()
        self.moved = 0

    def tick(self, seconds: float) -> None:
        rate = self.moved / (time.monotonic() - self._began)
        rows = f", {self.moved} rows so far, {rate:.0f}/s" if self.moved else ""
        self._context.say(f"{self._command}: {seconds:.0f} s{rows}")


def _spoken(argv: Sequence[str]) -> str:
    """A command as it is told to people: without its configuration."""
    return " ".join(word for word in argv if word not in (CONFIG, CONFIG_FILE, CELL0_URL))


def _watched(action: ManageDatabases) -> tuple[str, ...]:
    return tuple(action.expect)


def _looked_up(word: str, action: ManageDatabases, server: PrivateServer) -> str:
    sql = action.lookups.get(word.strip("{}")) if word.startswith("{") else None
    if sql is None:
        return word
    rows = server.query(fill_names(sql, server))
    if not rows:
        raise OperatorError(
            what=f"{word} was not found in the clone",
            because="the command before should have written it",
            do=f"look there: {sql}",
        )
    return str(rows[0][0])


def _write(statement: str, action: ManageDatabases, server: PrivateServer) -> int:
    """Run one statement with what the step looks up; the rows that it wrote."""
    for word in action.lookups:
        statement = statement.replace("{" + word + "}", _looked_up("{" + word + "}", action, server))
    connection = server.connect()
    try:
        with connection.cursor() as cursor:
            return int(cursor.execute(fill_names(statement, server)))
    finally:
        connection.close()


def _run_ahead(action: ManageDatabases, tools: LocalTools, context: StepContext) -> str:
    """What the script that goes ahead of the command said. Where it fails, the command does all by itself."""
    if not action.ahead_script:
        return ""
    with resources.as_file(resources.files("saltus.catalog").joinpath("data", "ahead", action.ahead_script)) as script:
        words = Command(argv=("python", str(script), "{config-file}"), user=action.command.user)
        result = tools.run_watched(words, cancelled=lambda: context.cancelled, tick=_Told(context, script.name).tick)
    stop_if_cancelled(context)
    return last_lines(result.output, 3 if result.exit_code == 0 else 12)


def _summary(before: dict[str, tuple[str, ...]], after: dict[str, tuple[str, ...]], runs: int, moved: int) -> str:
    parts = []
    for database, versions in after.items():
        was, is_now = " ".join(before[database]) or "empty", " ".join(versions)
        parts.append(f"{database} {was} -> {is_now}" if was != is_now else f"{database} stays at {is_now}")
    if moved:
        parts.append(f"{moved} rows moved")
    if runs > 1:
        parts.append(f"{runs} runs")
    return ", ".join(parts)


@dataclass(frozen=True)
class RowCurer:
    clone: Clone

    def perform(self, action: CureRows, context: StepContext) -> Outcome:
        server, changed = self.clone.up(), 0
        for database in action.create:
            server.create_database(database)
        connection = server.connect()
        try:
            with connection.cursor() as cursor:
                for statement in action.statements:
                    context.say(statement)
                    changed += cursor.execute(fill_names(statement, server))
        finally:
            connection.close()
        return Outcome(f"{changed} rows", {"rows": changed, "statements": list(action.statements)})


@dataclass(frozen=True)
class TableMover:
    clone: Clone

    def perform(self, action: MoveTables, context: StepContext) -> Outcome:
        moved = take_over(self.clone.up(), action.source, action.target, action.tables, say=context.say)
        told = ", ".join(f"{rows} {table}" for table, rows in moved.items() if rows)
        return Outcome(
            f"from {action.source} to {action.target}: {told or 'the tables, which hold no rows'}",
            {"moved": dict(moved), "because": action.because},
        )


@dataclass(frozen=True)
class RowChecker:
    clone: Clone

    def perform(self, action: CheckRows, context: StepContext) -> Outcome:
        server = self.clone.up()
        wrong = {holds: n for holds, sql in action.checks.items() if (n := _count(server, action.service, holds, sql))}
        doubtful = {h: n for h, sql in action.warnings.items() if (n := _count(server, action.service, h, sql))}
        if wrong:
            raise OperatorError(
                what=f"the rows of {action.service} are not as they must be",
                because="; ".join(
                    f"{count} rows for which this does not hold: {holds}" for holds, count in wrong.items()
                ),
                do="on the cloud itself the online data migrations of its release may not have been finished; look into"
                f" the clone: {self.clone.server.how_to_look}",
            )
        warnings: list[JsonValue] = [
            f"{action.service}: {count} rows for which this does not hold: {holds}" for holds, count in doubtful.items()
        ]
        return Outcome(
            "; ".join(map(str, warnings)) or "all hold: " + "; ".join([*action.checks, *action.warnings]),
            {"checked": list(action.checks), "warnings": warnings},
        )


def _count(server: PrivateServer, service: str, holds: str, sql: str) -> int:
    """The rows for which it does not hold."""
    try:
        return int(server.query(fill_names(sql, server))[0][0] or 0)
    except pymysql.Error as exc:
        raise OperatorError(
            what=f"{service} could not be asked: {holds}", because=str(exc), do=f"the question was: {sql}"
        ) from exc


@dataclass(frozen=True)
class RowCounter:
    clone: Clone

    def perform(self, action: CountRows, context: StepContext) -> Outcome:
        server = self.clone.up()
        here = set(server.databases())
        counted = [database for database in action.databases if database in here]
        tables = {database: server.count_rows(database) for database in counted}
        rows: dict[str, JsonValue] = {database: dict(counts) for database, counts in tables.items()}
        versions: dict[str, JsonValue] = {database: list(server.read_versions(database)) for database in counted}
        total = sum(sum(counts.values()) for counts in tables.values())
        return Outcome(f"{total} rows in {sum(map(len, tables.values()))} tables", {"rows": rows, "versions": versions})
