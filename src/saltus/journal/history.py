"""How long each step took last time, so that progress can say `last time 41 s`."""

from __future__ import annotations

import json

from sqlalchemy import select

from saltus.journal import tables
from saltus.journal.store import Journal


def last_durations(
    journal: Journal, *, plan_name: str, cloud: str, runs: int = 5, before: str | None = None
) -> dict[str, float]:
    """{step id: seconds} from the latest `runs` runs of such a plan on this cloud, the newest first to speak.

    With `before`, the id of a run, from those that were made before it.
    """
    wanted = select(tables.runs.c.id).filter_by(name=plan_name, cloud=cloud)
    if before is not None:
        wanted = wanted.where(tables.runs.c.created_at < journal.find_run(before).created_at.isoformat())
    with journal.db.read() as connection:
        latest = connection.execute(wanted.order_by(tables.runs.c.created_at.desc()).limit(runs)).scalars()
        seconds: dict[str, float] = {}
        for run in latest.all():
            rows = connection.execute(
                select(tables.events.c.step, tables.events.c.json).filter_by(run=run, kind="step.finished")
            )
            for row in rows:
                event = json.loads(row.json)
                if not event.get("verified"):
                    seconds.setdefault(row.step, float(event["seconds"]))
    return seconds
