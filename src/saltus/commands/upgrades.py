"""Plans and runs: make a plan, show it, run it, and take it up again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, nullcontext
from datetime import timedelta
from pathlib import Path

from saltus.commands.identity import demand, who_acts
from saltus.commands.watching import users_may_notice, watched
from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.journal.approvals import Person
from saltus.journal.fold import RunState
from saltus.journal.store import NotFound, NotReadable
from saltus.plan import Plan
from saltus.planner import plans
from saltus.runner.gates import Asker, AutoApprover, JournalAsker, TerminalAsker
from saltus.runner.notifications import Notifier, read_channels
from saltus.runner.performers.registry import performers
from saltus.runner.performers.verify import differing_facts
from saltus.runner.progress import Progress
from saltus.runner.run import Runner


def plan_control(workplace: Workplace, target: str | None, *, expires_after: timedelta | None) -> Plan:
    """The control plane to `target`, which defaults to the model's release. Saved; nothing is touched."""
    target = workplace.catalog.releases.get(target or workplace.cloud.release).name
    make: Callable[[], Plan] = lambda: plans.plan_control(  # noqa: E731
        workplace.cloud,
        workplace.gather(),
        workplace.catalog,
        target=target,
        expires_after=expires_after,
    )
    return _saved(workplace, make)


def plan_rehearsal(workplace: Workplace, target: str | None) -> Plan:
    """The rehearsal alone."""
    release = workplace.catalog.releases.get(target or workplace.cloud.release).name
    return _saved(
        workplace,
        lambda: plans.plan_rehearsal(workplace.cloud, workplace.gather(), workplace.catalog, target=release),
    )


def plan_rollback(workplace: Workplace, *, discard_writes: bool) -> Plan:
    """Back from the upgrade that was begun or done and is not accepted."""
    return _saved(
        workplace,
        lambda: plans.plan_rollback(
            workplace.cloud, workplace.gather(), workplace.catalog, discard_writes=discard_writes
        ),
    )


def plan_accept(workplace: Workplace) -> Plan:
    """The end of the way back."""
    return _saved(workplace, lambda: plans.plan_accept(workplace.cloud, workplace.gather(), workplace.catalog))


def _saved(workplace: Workplace, make: Callable[[], Plan]) -> Plan:
    workplace.master.ensure_started()
    plan = make()
    workplace.journal.save_plan(plan)
    return plan


def run(workplace: Workplace, name: str, asker: Asker, progress: Progress) -> tuple[str, RunState]:
    """Run the plan, or resume the run, that `name` names; returns the run's id and its state.

    A plan that has a run which is not over is resumed, not begun a second time.
    """
    who = who_acts(workplace.journal)
    demand(workplace.journal, who, "operator", f"run {name}")
    run_id = find_or_create_run(workplace, name, who.name)
    workplace.journal.leases.refuse_if_held(run_id)  # before anything is started around the run
    plan = workplace.journal.plan_of(run_id)
    workplace.master.ensure_started()
    notifier = Notifier(workplace.journal, read_channels(workplace.settings.state / "notify.yml"), by=who.name)
    runner = Runner(
        workplace.journal,
        performers(workplace.ground),
        asker,
        progress=progress,
        by=who.name,
        drift=lambda state: _drift(workplace, state),
        notify=notifier,
    )
    watching = watched(workplace, run_id, progress) if users_may_notice(plan) else nullcontext()
    with watching, closing(notifier):
        return run_id, runner.run(run_id)


def _drift(workplace: Workplace, state: RunState) -> list[str]:
    """A run that has done something has changed the facts itself: they are compared before its first step only."""
    if any(step.is_over for step in state.steps.values()):
        return []
    return differing_facts(workplace.ground, state.plan.facts)


def find_or_create_run(workplace: Workplace, name: str, by: str) -> str:
    """The run of that id; else the unfinished run of the plan of that fingerprint, or a new one."""
    journal = workplace.journal
    try:
        return journal.find_run(name).id
    except NotFound:
        plan = journal.find_plan(name)
    runs = [record.id for record in journal.runs() if record.fingerprint == plan.fingerprint]
    unfinished = [run_id for run_id in runs if not journal.state(run_id).is_over]
    if unfinished:
        return unfinished[-1]
    return journal.create_run(plan, by=by, undoes=_undone(workplace, plan))


def _undone(workplace: Workplace, plan: Plan) -> str | None:
    """The run that a rollback or an accept takes over from: the last upgrade of the same hop, or a rollback of it that
    did not come to its end."""
    if plan.name not in ("rollback", "accept"):
        return None
    journal = workplace.journal
    for record in reversed(journal.runs()):
        try:
            other = journal.find_plan(record.fingerprint)
        except NotReadable:  # of another version of Saltus, which alone could undo it
            continue
        stuck = other.name == "rollback" and not journal.state(record.id).is_over
        if (other.name == "control" or stuck) and (other.cloud, other.source, other.target) == (
            plan.cloud,
            plan.source,
            plan.target,
        ):
            return record.id
    return None


def asker(workplace: Workplace, approve_as: str | None, *, wait: bool = False) -> Asker:
    """`--approve-as NAME` answers every gate in that name; else the terminal is asked.

    Where there is none, the run stops at its gate and is taken up again, unless it is to `wait` for `saltus approve`.
    """
    if approve_as:
        return AutoApprover(approve_as)
    return TerminalAsker(who_acts(workplace.journal)) if sys.stdin.isatty() else JournalAsker(waits=wait)


def run_detached(
    workplace: Workplace, name: str, *, approve_as: str | None, who: Person | None = None, token: str | None = None
) -> tuple[str, int, Path]:
    """Run in a process of its own that outlives this terminal: (the run's id, its process id, the file of its output).

    Its gates are answered with `saltus approve` or at the page. `who` asks for it, the person here if left out; the
    process acts for the one whose `token` it gets.
    """
    who = who or who_acts(workplace.journal)
    demand(workplace.journal, who, "operator", f"run {name}")
    run_id = find_or_create_run(workplace, name, who.name)
    workplace.journal.leases.refuse_if_held(run_id)
    output = workplace.settings.runs / run_id / "output"
    output.parent.mkdir(parents=True, exist_ok=True)
    settings = workplace.settings
    options = ["--state", str(settings.state), "--model", str(settings.model)]
    argv = [sys.executable, "-m", "saltus", *options, "run", run_id, "--wait"]
    argv += ["--approve-as", approve_as] if approve_as else []
    environment = {**os.environ, "SALTUS_JOURNAL": settings.journal_url}  # not in argv: it may hold a password
    if token:
        environment["SALTUS_TOKEN"] = token
    with output.open("ab") as file:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, start_new_session=True
        )
    return run_id, process.pid, output


def latest_run(workplace: Workplace) -> str:
    runs = workplace.journal.runs()
    if not runs:
        raise OperatorError(
            what="there is no run",
            because="no plan has been run with this journal",
            do="saltus plan control --to RELEASE",
        )
    return runs[-1].id
