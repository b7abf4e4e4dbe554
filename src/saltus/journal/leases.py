"""Who may walk a run, and which parts of a cloud a run holds. Never two at once, on one host or on several."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from saltus.errors import OperatorError
from saltus.journal import tables
from saltus.journal.connection import Database

WHOLE_CLOUD = "*"


@dataclass(frozen=True)
class Lease:
    """The right of one runner to walk a run, until `until` by the database's clock."""

    run: str
    runner: str
    host: str
    pid: int
    by: str
    until: datetime


class LeaseHeld(OperatorError):
    """Another runner walks the run."""


class LeaseLost(OperatorError):
    """This runner did not renew its lease in time, and another has taken over."""


class LockHeld(OperatorError):
    """Another run holds a part of the cloud."""


def here() -> str:
    """Names the boot of this machine and the pid namespace: a pid means the same process only within both."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return secrets.token_hex(16)  # equal to nothing: leases then end by their time only


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _held(run: str, holder: Any, left_s: float) -> LeaseHeld:
    return LeaseHeld(
        what=f"{run} is being run already",
        because=f"process {holder.pid} on {holder.host}, started by {holder.by}, holds its lease",
        do=f"saltus status {run} --follow; should that process be dead, say this again in {max(1, left_s):.0f} s",
    )


class Leases:
    def __init__(self, db: Database) -> None:
        self._db = db

    def take(self, run: str, *, runner: str, host: str, pid: int, by: str, ttl_s: float) -> None:
        """Take the lease of `run` for `ttl_s`, or raise LeaseHeld saying who has it and until when.

        A lease ends by its time, or at once when its process ran here and is gone.
        """
        with self._db.write() as connection:
            if not self._db.is_sqlite:
                connection.execute(select(tables.runs.c.id).filter_by(id=run).with_for_update()).all()
            now = self._db.now(connection)
            row = connection.execute(select(tables.leases).filter_by(run=run)).first()
            if row and row.until > now and not (row.place == here() and is_gone(row.pid)):
                raise _held(run, row, row.until - now)
            connection.execute(delete(tables.leases).filter_by(run=run))
            connection.execute(
                insert(tables.leases).values(
                    run=run, runner=runner, host=host, pid=pid, place=here(), by=by, until=now + ttl_s
                )
            )

    def refuse_if_held(self, run: str) -> None:
        """Raise LeaseHeld when somebody walks `run`. The lease may be taken at any time behind this."""
        if lease := self.holder(run):
            raise _held(run, lease, (lease.until - datetime.now(UTC)).total_seconds())

    def renew(self, run: str, runner: str, *, ttl_s: float) -> None:
        with self._db.write(promise=False) as connection:
            self.check(connection, run, runner)
            until = self._db.now(connection) + ttl_s
            connection.execute(
                update(tables.leases)
                .where(tables.leases.c.run == run, tables.leases.c.runner == runner)
                .values(until=until)
            )

    def give_back(self, run: str, runner: str) -> None:
        """End the lease, if it is still this runner's."""
        with self._db.write() as connection:
            connection.execute(
                delete(tables.leases).where(tables.leases.c.run == run, tables.leases.c.runner == runner)
            )

    def check(self, connection: Connection, run: str, runner: str) -> None:
        """Within a transaction: raise LeaseLost unless the lease is still this runner's."""
        self.demand(run, runner, connection.execute(select(tables.leases.c.runner).filter_by(run=run)).scalar())

    @staticmethod
    def demand(run: str, runner: str, holder: str | None) -> None:
        if holder != runner:
            raise LeaseLost(
                what=f"this process may not go on with {run}",
                because="it did not renew its lease in time, and another runner took over"
                if holder
                else "its lease was given back",
                do=f"saltus status {run} --follow",
            )

    def holder(self, run: str) -> Lease | None:
        """Who walks `run` now; None when nobody does."""
        with self._db.read() as connection:
            row = connection.execute(select(tables.leases).filter_by(run=run)).first()
            if row is None or row.until <= self._db.now(connection) or (row.place == here() and is_gone(row.pid)):
                return None
        return Lease(row.run, row.runner, row.host, row.pid, row.by, datetime.fromtimestamp(row.until, UTC))


class Locks:
    """Parts of clouds held by runs, from a run's start to its end, whether it runs, waits or has stopped half-way."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def take(self, run: str, cloud: str, parts: frozenset[str], *, over_from: str | None = None) -> None:
        """Hold `parts` of `cloud` for `run`, or raise LockHeld and hold none. The locks of `over_from` pass over."""
        with self._db.write() as connection:
            if not self._db.is_sqlite:  # one taker at a time: rows that are not there yet cannot be locked
                connection.exec_driver_sql("LOCK TABLE locks IN SHARE ROW EXCLUSIVE MODE")
            if over_from:
                connection.execute(delete(tables.locks).filter_by(run=over_from))
            others = connection.execute(
                select(tables.locks.c.part, tables.locks.c.run)
                .where(tables.locks.c.cloud == cloud, tables.locks.c.run != run)
                .order_by(tables.locks.c.part)
            ).all()
            clash = [row for row in others if row.part in parts or WHOLE_CLOUD in (row.part, *parts)]
            if clash:
                holder = clash[0].run
                held = ", ".join(sorted({row.part for row in clash if row.run == holder}))
                raise LockHeld(
                    what=f"{run} may not start",
                    because=f"{holder} is not over and holds {'the whole' if held == WHOLE_CLOUD else held + ' of'}"
                    f" cloud {cloud}",
                    do=f"saltus status {holder}; then saltus run {holder} to go on with it,"
                    f" or saltus abort {holder} to give it up",
                )
            connection.execute(delete(tables.locks).filter_by(run=run))
            if parts:
                connection.execute(
                    insert(tables.locks), [{"cloud": cloud, "part": part, "run": run} for part in sorted(parts)]
                )

    def give_back(self, run: str) -> None:
        with self._db.write() as connection:
            connection.execute(delete(tables.locks).filter_by(run=run))

    def held(self, cloud: str) -> dict[str, str]:
        """{part: run}"""
        with self._db.read() as connection:
            rows = connection.execute(select(tables.locks.c.part, tables.locks.c.run).filter_by(cloud=cloud)).all()
        return {row.part: row.run for row in rows}
