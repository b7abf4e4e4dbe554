"""The journal: plans, runs and their events in a database. Append-only, and the only truth about a run."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import BindParameter, bindparam, func, insert, select

from saltus import __version__
from saltus.errors import OperatorError
from saltus.journal import tables
from saltus.journal.accounts import Accounts
from saltus.journal.connection import Database
from saltus.journal.events import FORMAT, Event, RunCreated, parse_event
from saltus.journal.fold import RunState, fold
from saltus.journal.leases import Leases, Locks
from saltus.journal.redactor import Redactor
from saltus.journal.signatures import Signer
from saltus.plan.plan import Plan

_NOT_REDACTED = frozenset(
    {"kind", "format", "at", "step", "gate", "asking", "fingerprint", "signature", "runner", "expires_at"}
)
"""What events are told apart and verified by. Saltus writes these itself; no output of a command gets here."""


_RUN: BindParameter[str] = bindparam("run")
_LOCK_RUN = select(tables.runs.c.id).where(tables.runs.c.id == _RUN).with_for_update()
# A statement of its own: one that waits for the lock would read by its snapshot from before the wait.
_NOW_OF_RUN = select(
    func.coalesce(select(func.max(tables.events.c.seq)).where(tables.events.c.run == _RUN).scalar_subquery(), 0),
    select(tables.leases.c.runner).where(tables.leases.c.run == _RUN).scalar_subquery(),
)


class NotFound(OperatorError):
    """No plan or run of that name, or more than one."""


class NotReadable(OperatorError):
    """A plan or an event that this version of Saltus does not know."""


class JournalMoved(Exception):
    """Somebody appended in between: the events after `expected_seq` must be read first."""


@dataclass(frozen=True)
class RunRecord:
    id: str
    fingerprint: str
    name: str
    cloud: str
    created_at: datetime
    created_by: str
    undoes: str | None


@dataclass(frozen=True)
class PlanRecord:
    fingerprint: str
    name: str
    cloud: str
    saved_at: datetime


class Journal:
    """Opens the journal at `url` and brings its tables up to date. Safe to share between threads."""

    def __init__(self, url: str, *, redactor: Redactor | None = None, signer: Signer | None = None) -> None:
        """Without `signer` answers are neither signed nor checked: for tests."""
        self.db = Database(url)
        self.redactor = redactor or Redactor()
        self.signer = signer
        self.leases = Leases(self.db)
        self.locks = Locks(self.db)
        self.accounts = Accounts(self.db)

    def close(self) -> None:
        self.db.close()

    # -- plans

    def save_plan(self, plan: Plan, *, at: datetime | None = None) -> str:
        """Keep `plan`; returns its fingerprint. Saving it twice is nothing to do."""
        text, fingerprint = plan.to_json(), plan.fingerprint
        if self.redactor.knows_a_secret_in(text):
            raise OperatorError(
                what=f"the plan {plan.short} was not saved",
                because="a secret of the cloud's secret store stands in it",
                do="this is a bug of Saltus: a plan names secrets by their path only; please report it",
            )
        with self.db.write() as connection:
            if not connection.execute(select(tables.plans.c.name).filter_by(fingerprint=fingerprint)).first():
                connection.execute(
                    insert(tables.plans).values(
                        fingerprint=fingerprint,
                        name=plan.name,
                        cloud=plan.cloud,
                        json=text,
                        saved_at=(at or _now()).isoformat(),
                    )
                )
        return fingerprint

    def find_plan(self, prefix: str) -> Plan:
        """The plan whose fingerprint begins with `prefix`."""
        with self.db.read() as connection:
            rows = connection.execute(
                select(tables.plans.c.fingerprint, tables.plans.c.json)
                .where(tables.plans.c.fingerprint.startswith(prefix, autoescape=True))
                .limit(3)
            ).all()
        row = _the_one(rows, prefix, "plan", "saltus plan control --to RELEASE makes one")
        return self._plan(row.json, row.fingerprint)

    def plans(self) -> list[PlanRecord]:
        """All that were saved, newest first."""
        columns = (tables.plans.c.fingerprint, tables.plans.c.name, tables.plans.c.cloud, tables.plans.c.saved_at)
        with self.db.read() as connection:
            rows = connection.execute(select(*columns).order_by(tables.plans.c.saved_at.desc())).all()
        return [PlanRecord(r.fingerprint, r.name, r.cloud, datetime.fromisoformat(r.saved_at)) for r in rows]

    def _plan(self, text: str, fingerprint: str, run: str | None = None) -> Plan:
        if hashlib.sha256(text.encode()).hexdigest() != fingerprint:
            raise NotReadable(
                what=f"the plan {fingerprint[:12]} is not what was saved",
                because="its text has another fingerprint now: it was changed in the database",
                do="plan again, and run the new plan; what was approved is what runs",
            )
        try:
            return Plan.as_saved(text)
        except ValidationError as exc:
            raise _not_readable(f"the plan {fingerprint[:12]}", _format_in(text), exc, self._ran_last(run)) from exc

    # -- runs

    def create_run(self, plan: Plan, *, by: str, undoes: str | None = None, at: datetime | None = None) -> str:
        """A new run of `plan`: its id, readable: `control-34bf58242e7e-1`."""
        fingerprint, at = self.save_plan(plan, at=at), at or _now()
        with self.db.write() as connection:
            if not self.db.is_sqlite:  # numbers are given one after another
                connection.execute(
                    select(tables.plans.c.name).filter_by(fingerprint=fingerprint).with_for_update()
                ).all()
            count = select(func.count()).select_from(tables.runs).filter_by(fingerprint=fingerprint)
            run = f"{plan.name}-{plan.short}-{connection.execute(count).scalar_one() + 1}"
            connection.execute(
                insert(tables.runs).values(
                    id=run,
                    fingerprint=fingerprint,
                    name=plan.name,
                    cloud=plan.cloud,
                    created_at=at.isoformat(),
                    created_by=by,
                    undoes=undoes,
                )
            )
            event = RunCreated(at=at, by=by, fingerprint=fingerprint, plan=plan.name, cloud=plan.cloud, undoes=undoes)
            connection.execute(insert(tables.events), self._row(run, 1, event))
        return run

    def find_run(self, prefix: str) -> RunRecord:
        """The run whose id is or begins with `prefix`; of several that begin so, the one that is named in full."""
        with self.db.read() as connection:
            rows = connection.execute(
                select(tables.runs)
                .where(tables.runs.c.id.startswith(prefix, autoescape=True))
                .order_by(tables.runs.c.created_at)
                .limit(12)
            ).all()
        exact = [row for row in rows if row.id == prefix]
        return _record(_the_one(exact or rows, prefix, "run", "saltus runs lists them"))

    def runs(self) -> list[RunRecord]:
        """All runs, oldest first."""
        with self.db.read() as connection:
            rows = connection.execute(select(tables.runs).order_by(tables.runs.c.created_at, tables.runs.c.id)).all()
        return [_record(row) for row in rows]

    def plan_of(self, run: str) -> Plan:
        record = self.find_run(run)
        with self.db.read() as connection:
            query = select(tables.plans.c.json).filter_by(fingerprint=record.fingerprint)
            text = connection.execute(query).scalar_one()
        return self._plan(text, record.fingerprint, record.id)

    # -- events

    def append(self, run: str, *events: Event, expected_seq: int | None = None, runner: str | None = None) -> int:
        """Append `events` together; returns the sequence number of the last.

        With `expected_seq`, raises JournalMoved unless that is the last one so far. With `runner`, raises LeaseLost
        unless that runner still holds the run's lease: one that slept through its own expiry cannot write any more.
        """
        with self.db.write(promise=any(event.is_promise for event in events)) as connection:
            if not self.db.is_sqlite:
                connection.execute(_LOCK_RUN, {"run": run})
            last, holder = connection.execute(_NOW_OF_RUN, {"run": run}).one()
            if runner is not None:
                self.leases.demand(run, runner, holder)
            if expected_seq is not None and last != expected_seq:
                raise JournalMoved
            if events:
                rows = [self._row(run, seq, event) for seq, event in enumerate(events, start=last + 1)]
                connection.execute(insert(tables.events), rows)
            return int(last) + len(events)

    def _row(self, run: str, seq: int, event: Event) -> dict[str, Any]:
        data = event.model_dump(mode="json")
        for key, value in data.items():
            if key not in _NOT_REDACTED:
                data[key] = self.redactor.data(value)
        return {
            "run": run,
            "seq": seq,
            "kind": event.kind,
            "step": data.get("step"),
            "json": json.dumps(data, ensure_ascii=False, separators=(",", ":")),
        }

    def read(self, run: str, after_seq: int = 0, *, steps: Collection[str] | None = None) -> list[tuple[int, Event]]:
        """The events behind `after_seq`, with their sequence numbers; with `steps`, those of these steps alone."""
        query = select(tables.events.c.seq, tables.events.c.json).filter_by(run=run).order_by(tables.events.c.seq)
        if after_seq:
            query = query.where(tables.events.c.seq > after_seq)
        if steps is not None:
            query = query.where(tables.events.c.step.in_(steps))
        with self.db.read() as connection:
            rows = connection.execute(query).all()
        return [(row.seq, self._event(run, row.seq, row.json)) for row in rows]

    def _event(self, run: str, seq: int, text: str) -> Event:
        try:
            return parse_event(text)
        except ValidationError as exc:
            what = f"event {seq} of the run {run}"
            raise _not_readable(what, _format_in(text), exc, self._ran_last(run)) from exc

    def _ran_last(self, run: str | None) -> str | None:
        """The version of Saltus that took `run` up last, by its event as it stands, whatever else is in it."""
        query = (
            select(tables.events.c.json)
            .where(tables.events.c.run == run, tables.events.c.kind.in_(("run.started", "run.resumed")))
            .order_by(tables.events.c.seq.desc())
        )
        with self.db.read() as connection:
            found = connection.execute(query).scalars().first()
        return str(json.loads(found).get("saltus")) if found else None

    def follow(
        self, run: str, after_seq: int = 0, *, until: Callable[[], bool] = lambda: False, every_s: float = 0.3
    ) -> Iterator[tuple[int, Event]]:
        """Events as they come, until `until` says so."""
        while True:
            last_look = until()
            for seq, event in self.read(run, after_seq):
                after_seq = seq
                yield seq, event
            if last_look:
                return
            time.sleep(every_s)

    def state(self, run: str) -> RunState:
        """The state of the run by all its events."""
        return fold(self.plan_of(run), self.read(run), genuine=self.signer.genuine if self.signer else None)


def _now() -> datetime:
    return datetime.now(UTC)


def _record(row: Any) -> RunRecord:
    return RunRecord(
        id=row.id,
        fingerprint=row.fingerprint,
        name=row.name,
        cloud=row.cloud,
        created_at=datetime.fromisoformat(row.created_at),
        created_by=row.created_by,
        undoes=row.undoes,
    )


def _the_one(rows: Sequence[Any], prefix: str, what: str, make: str) -> Any:
    if len(rows) == 1:
        return rows[0]
    if not rows:
        raise NotFound(
            what=f"there is no {what} {prefix}", because="the journal has none whose name begins so", do=make
        )
    names = ", ".join(str(row[0])[:40] for row in rows)
    raise NotFound(what=f"{prefix} is more than one {what}", because=f"these begin so: {names}", do="name one in full")


def _format_in(text: str) -> object:
    try:
        return json.loads(text).get("format")
    except (ValueError, AttributeError):
        return None


def _not_readable(what: str, found: object, exc: ValidationError, ran_last: str | None) -> NotReadable:
    if isinstance(found, int) and found > FORMAT:
        because = f"it is of format {found}, and Saltus {__version__} reads formats up to {FORMAT}"
    else:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        unknown = first["type"] == "union_tag_invalid"
        what_is_wrong = f"there is no kind {first['ctx']['tag']}" if unknown else first["msg"]
        because = f"Saltus {__version__} does not know what stands in it: {where}: {what_is_wrong}"
    return NotReadable(
        what=f"{what} cannot be read",
        because=because,
        do=f"finish the run with Saltus {ran_last}, which ran it last; or plan again"
        if ran_last
        else "use the version of Saltus that made it; or plan again",
    )
