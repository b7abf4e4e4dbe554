"""The slot pipeline beside the naive order, in one run on one machine: API outages and pings lost of both.

    .venv/bin/python bench/naive_vs_slots.py

Needs the lab (`saltus lab up`) and root. Puts the lab back to its golden copy before each of the two. The naive order:
stop everything, dump, new machines with packages installed beforehand, configure, load, db_sync one after another,
start, switch. Packages are in the images of both; the watcher asks both the same questions at the same pace.
"""

from __future__ import annotations

from collections.abc import Iterator

from saltus.commands import lab, reporting, upgrades
from saltus.commands.settings import Settings
from saltus.commands.workplace import Workplace
from saltus.plan import Impact, Plan, Stage, Step
from saltus.plan.actions import (
    ApplyState,
    BuildImage,
    CheckFacts,
    CreateMachine,
    StartServices,
    StopMachine,
    StopServices,
    SwitchProxy,
)
from saltus.plan.databases import BackUpDatabases, DbSync, RestoreDatabases
from saltus.report.report import Report
from saltus.report.text import seconds_text, table
from saltus.runner.gates import AutoApprover
from saltus.runner.progress import TerminalProgress

DUMP = "naive"


def naive(slots: Plan) -> Plan:
    """The same hop with the same actions as `slots`, in the order of one who does it by hand."""

    def of(kind: type) -> list[Step]:
        return [step for step in slots.steps() if isinstance(step.action, kind)]

    ready = [Step(id="check/facts", title="Compare the facts", action=CheckFacts())]
    for number, step in enumerate(of(BuildImage)):
        ready.append(Step(id=f"check/image-{number}", title=step.title, action=step.action))
    window = list(_window(slots, of))
    steps = [
        Step(id=f"window/{n:02}-{step.action.kind}", title=step.title, action=step.action)
        for n, step in enumerate(window)
    ]
    stages = (
        Stage(
            id="check", title="Packages beforehand", impact=Impact.NONE, way_back="nothing to undo", steps=tuple(ready)
        ),
        Stage(
            id="window", title="Everything else", impact=Impact.API_DOWN, way_back="none: a bench", steps=tuple(steps)
        ),
    )
    return slots.model_copy(update={"name": "naive", "stages": stages})


def _window(slots: Plan, of: object) -> Iterator[Step]:
    real = [step for step in slots.steps() if step.id.startswith(("real-upgrade/", "prepare/"))]

    def pick(kind: type) -> list[Step]:
        return [step for step in real if isinstance(step.action, kind)]

    frozen = pick(BackUpDatabases)[0].action
    assert isinstance(frozen, BackUpDatabases)
    yield from pick(StopServices)
    yield Step(
        id="w/dump",
        title="Dump",
        action=BackUpDatabases(server=frozen.server, label=DUMP, databases=frozen.databases, method="logical"),
    )
    for step in pick(StopServices):
        assert isinstance(step.action, StopServices)
        yield Step(id="w/off", title="Power the old machine off", action=StopMachine(machine=step.action.machine))
    yield from pick(CreateMachine)
    yield from pick(ApplyState)
    yield Step(
        id="w/load",
        title="Load",
        action=RestoreDatabases(server=frozen.server, label=DUMP, databases=frozen.databases),
    )
    yield from pick(DbSync)
    machines = dict.fromkeys(
        step.action.machine for step in pick(StartServices) if isinstance(step.action, StartServices)
    )
    for machine in sorted(machines, key=lambda name: name.startswith("prx")):
        yield Step(id="w/start", title=f"Start {machine}", action=StartServices(machine=machine))
    yield from pick(SwitchProxy)


def measured(workplace: Workplace, make_naive: bool) -> Report:
    progress = TerminalProgress()
    lab.up(workplace, progress, pristine=True)
    plan = upgrades.plan_control(workplace, "epoxy", expires_after=None)
    if make_naive:
        plan = naive(plan)
        workplace.journal.save_plan(plan)
    run, state = upgrades.run(workplace, plan.fingerprint, AutoApprover("bench"), progress)
    progress.close()
    if state.status != "done":
        raise SystemExit(f"{run}: {state.status}: {state.reason}")
    if make_naive:
        # Its run is over and its slot serves: the golden copy takes all of that back.
        workplace.journal.locks.give_back(run)
    return reporting.make_report(workplace, run)


def main() -> None:
    settings = Settings.from_options(state=None, model=None, journal=None)
    by_hand = measured(Workplace(settings), make_naive=True)
    slots = measured(Workplace(settings), make_naive=False)
    first = {(w.target, w.what): w for w in by_hand.watched}
    rows = []
    for w in sorted(slots.watched, key=lambda w: (w.what, w.target)):
        other = first.get((w.target, w.what))
        if other is None:
            continue
        ratio = f"{w.outage_s / other.outage_s:.2f}" if other.outage_s else "-"
        rows.append(
            (w.target, w.what, seconds_text(other.outage_s), seconds_text(w.outage_s), ratio, f"{other.lost}/{w.lost}")
        )
    print("\n".join(table(("target", "what", "naive", "slots", "slots/naive", "lost"), rows, right=(2, 3, 4, 5))))
    writes = [(w.outage_s, first[(w.target, w.what)].outage_s) for w in slots.watched if w.what == "write"]
    worst = max(writes)[0] / max(other for _, other in writes)
    pings = [w.lost for report in (by_hand, slots) for w in report.watched if w.what == "ping"]
    print(f"\nlongest API write outage, slots/naive: {worst:.2f}; pings lost in both: {sum(pings)}")


if __name__ == "__main__":
    main()
