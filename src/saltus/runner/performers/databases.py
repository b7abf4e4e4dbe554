"""Performers of what is done to databases: backup, clone, db_sync, restore, and what a restore would lose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from saltus.database import clone, db_sync
from saltus.database.executor import NodeExecutor
from saltus.errors import OperatorError
from saltus.plan.databases import (
    BackUpDatabases,
    CheckWrites,
    CloneDatabases,
    DbSync,
    ForgetBackup,
    PrepareBackup,
    PrepareDbSync,
    RestoreDatabases,
)
from saltus.runner.performer import Outcome, StepContext, Verdict
from saltus.runner.performers.ground import Ground

BACKUP_TIMEOUT_S = 4 * 3600.0
SHOWN_WRITES = 20


@dataclass(frozen=True)
class BackupTaker:
    ground: Ground

    def perform(self, action: BackUpDatabases, context: StepContext) -> Outcome:
        taken = self.ground.call(
            context,
            action.server,
            "saltus_mariadb.back_up",
            action.label,
            timeout_s=BACKUP_TIMEOUT_S,
            method=action.method,
            databases=list(action.databases),
            frozen=action.frozen,
            # A frozen backup is what a rollback returns to: never replaced, least of all when db_sync has begun.
            replace=not action.frozen,
        )
        return self._outcome(action, taken)

    def verify(self, action: BackUpDatabases, context: StepContext) -> Verdict:
        """A backup appears whole or not at all; no frozen one was there when the plan was made."""
        taken = self.ground.call(context, action.server, "saltus_mariadb.list_backups").get(action.label)
        if not action.frozen or not taken:
            return Verdict.not_done("it may be taken again")
        return Verdict("done", self._outcome(action, taken))

    def _outcome(self, action: BackUpDatabases, taken: dict[str, Any]) -> Outcome:
        return Outcome(f"{action.method} backup {action.label} in {taken['seconds']} s", {"backup": taken})


@dataclass(frozen=True)
class BackupPreparer:
    ground: Ground

    def perform(self, action: PrepareBackup, context: StepContext) -> Outcome:
        self.ground.call(context, action.server, "saltus_mariadb.prepare", action.label, timeout_s=BACKUP_TIMEOUT_S)
        return Outcome(f"the backup {action.label} can be put back without further work")


@dataclass(frozen=True)
class BackupForgetter:
    ground: Ground

    def perform(self, action: ForgetBackup, context: StepContext) -> Outcome:
        self.ground.call(context, action.server, "saltus_mariadb.remove_backup", action.label)
        return Outcome(f"the backup {action.label} is gone")


@dataclass(frozen=True)
class Restorer:
    ground: Ground

    def perform(self, action: RestoreDatabases, context: StepContext) -> Outcome:
        restored: dict[str, Any] = self.ground.call(
            context, action.server, "saltus_mariadb.restore", action.label, timeout_s=BACKUP_TIMEOUT_S
        )
        if restored["differences"]:
            shown = "".join(f"\n  - {difference}" for difference in restored["differences"][:SHOWN_WRITES])
            raise OperatorError(
                what=f"{len(restored['differences'])} tables are not as they were at the freeze",
                because=shown,
                do=f"the databases of before the restore are kept in {restored['kept']} on {action.server}",
            )
        return Outcome(
            f"{restored['compared']} tables are as they were at the freeze, by CHECKSUM TABLE;"
            f" {restored['seconds']} s, MariaDB down {restored['stopped_seconds']} s",
            {"restored": restored},
        )


@dataclass(frozen=True)
class WritesChecker:
    ground: Ground

    def perform(self, action: CheckWrites, context: StepContext) -> Outcome:
        writes = self.ground.call(context, action.server, "saltus_writes.since", action.label)
        lines = [write_line(write) for write in writes]
        if lines and not action.discard:
            more = f"\n  - and {len(lines) - SHOWN_WRITES} more" if len(lines) > SHOWN_WRITES else ""
            raise OperatorError(
                what=f"a rollback would lose {len(lines)} writes of tenants",
                because="".join(f"\n  - {line}" for line in lines[:SHOWN_WRITES]) + more,
                do="saltus rollback --discard-writes loses them; saltus accept keeps the new release",
            )
        if not lines:
            return Outcome("tenants wrote nothing since the freeze")
        return Outcome(
            f"{len(lines)} writes of tenants will be lost, as --discard-writes says", {"writes": list(lines)}
        )


@dataclass(frozen=True)
class Cloner:
    ground: Ground

    def perform(self, action: CloneDatabases, context: StepContext) -> Outcome:
        address = str(self.ground.cloud.machine(action.to).address)
        done = clone.clone(
            self.ground.fleet,
            label=action.label,
            source=action.server,
            target=action.to,
            own_address=address,
            say=context.say,
            on_job=lambda job: context.note({"jid": job.jid}),
        )
        return Outcome(
            f"{len(action.databases)} databases, {done.bytes_carried / 1e6:.1f} MB packed; {done.turned} addresses"
            f" turned to {address}, none left that points home",
            {"clone": done.model_dump(mode="json")},
        )


@dataclass(frozen=True)
class DbSyncPreparer:
    ground: Ground

    def perform(self, action: PrepareDbSync, context: StepContext) -> Outcome:
        commands = [command.model_dump(mode="json", include={"argv", "user"}) for command in action.commands]
        programs = self.ground.call(context, action.machine, "saltus_commands.prepare", commands)
        ready = sorted(name for name, told in programs.items() if told["ready"])
        others = sorted(set(programs) - set(ready))
        summary = f"{len(ready)} programs wait on {action.machine}"
        if others:
            summary += f"; {', '.join(others)} will start when called"
        return Outcome(summary, {"programs": programs})


@dataclass(frozen=True)
class DbSyncer:
    ground: Ground

    def perform(self, action: DbSync, context: StepContext) -> Outcome:
        executor = NodeExecutor(
            self.ground.fleet, machine=action.machine, database_server=action.database_server, note=context.note
        )
        done = db_sync.run(action, executor, say=context.say)
        return Outcome(done.summary(), {"db_sync": done.model_dump(mode="json")})


def write_line(write: dict[str, str]) -> str:
    """One write of a tenant, as `saltus_writes.since` tells it, in a line."""
    return f"{write['at'] or 'since then'}: {write['verb']} {write['kind']} {write['name']} {write['id']}".rstrip()
