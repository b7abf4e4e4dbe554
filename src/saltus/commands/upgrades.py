"""Plans and runs: make a plan, show it, run it, and take it up again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

from saltus.commands import runs
from saltus.commands.identity import demand, who_approves_unseen
from saltus.commands.packages import ensure_packages_served
from saltus.commands.watching import users_may_notice, watched
from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.journal.approvals import Person
from saltus.journal.events import WayBackOffered
from saltus.journal.fold import RunState
from saltus.journal.store import Journal, NotFound, NotReadable
from saltus.plan import Plan
from saltus.planner import plans
from saltus.planner.facts import binding_facts
from saltus.runner.gates import Asker, AutoApprover, JournalAsker, TerminalAsker
from saltus.runner.notifications import Notifier, read_channels
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
    return saved(workplace, make)


def plan_rehearsal(workplace: Workplace, target: str | None) -> Plan:
    """The rehearsal alone."""
    release = workplace.catalog.releases.get(target or workplace.cloud.release).name
    return saved(
        workplace,
        lambda: plans.plan_rehearsal(workplace.cloud, workplace.gather(), workplace.catalog, target=release),
    )


def plan_rollback(workplace: Workplace, *, discard_writes: bool) -> Plan:
    """Back from the upgrade that was begun or done and is not accepted."""
    return saved(
        workplace,
        lambda: plans.plan_rollback(
            workplace.cloud, workplace.gather(), workplace.catalog, discard_writes=discard_writes
        ),
    )


def plan_accept(workplace: Workplace) -> Plan:
    """The end of the way back; of what is left of it, where an accept was given up half-way."""
    given_up = next((state.plan for _, state in _begun_accepts(workplace) if state.status == "aborted"), None)
    return saved(
        workplace,
        lambda: plans.plan_accept(workplace.cloud, workplace.gather(), workplace.catalog, begun=given_up),
    )


def unfinished_accept(workplace: Workplace) -> str | None:
    """The accept of this cloud that was begun and is not over."""
    return next((run for run, state in _begun_accepts(workplace) if not state.is_over), None)


def _begun_accepts(workplace: Workplace) -> Iterator[tuple[str, RunState]]:
    """Accepts of this cloud that did something, newest first."""
    for record in reversed(workplace.journal.runs()):
        if record.name == "accept" and record.cloud == workplace.cloud.name:
            try:
                state = workplace.journal.state(record.id)
            except NotReadable:
                continue
            if any(step.attempt for step in state.steps.values()):
                yield record.id, state


def saved(workplace: Workplace, make: Callable[[], Plan]) -> Plan:
    """Make the plan with the master up, and keep it where `saltus run` finds it."""
    workplace.master.ensure_started()
    plan = make()
    workplace.journal.save_plan(plan)
    return plan


def run(workplace: Workplace, name: str, asker: Asker, progress: Progress) -> tuple[str, RunState]:
    """Run the plan, or resume the run, that `name` names; returns the run's id and its state.

    A plan that has a run which is not over is resumed, not begun a second time.
    """
    who = workplace.who
    demand(workplace.journal, who, "operator", f"run {name}")
    run_id = find_or_create_run(workplace, name, who.name)
    workplace.journal.leases.refuse_if_held(run_id)  # before anything is started around the run
    plan = workplace.journal.plan_of(run_id)
    workplace.master.ensure_started()
    if plan.name.startswith("compute"):
        ensure_packages_served(workplace)
    notifier = Notifier(workplace.journal, read_channels(workplace.settings.state / "notify.yml"), by=who.name)
    runner = Runner(
        workplace.journal,
        workplace.performers,
        asker,
        progress=progress,
        by=who.name,
        facts=lambda: binding_facts(workplace.gather()),
        notify=notifier,
    )
    watching = watched(workplace, run_id, progress) if users_may_notice(plan) else nullcontext()
    with watching, closing(notifier):
        state = runner.run(run_id)
    if state.status == "aborted" and state.way_back is None:
        state = offer_way_back(workplace, workplace.journal, run_id, who.name)
    return run_id, state


def abort(workplace: Workplace, journal: Journal, name: str, who: Person, *, reason: str = "") -> tuple[str, RunState]:
    """End the run for good, and offer its way back as a plan; where a runner walks it, that one does both.

    Only `journal` is needed for the abort itself: it holds where model, Salt or cloud are out of reach.
    """
    run_id = runs.abort(journal, name, who, reason=reason)
    state = journal.state(run_id)
    return run_id, offer_way_back(workplace, journal, run_id, who.name) if state.is_over else state


def offer_way_back(workplace: Workplace, journal: Journal, run_id: str, by: str) -> RunState:
    """Make and save the plan that takes an aborted run back, from the facts as they are, and put it on record."""
    state = journal.state(run_id)
    begun = [name for name, step in state.steps.items() if step.attempt]
    plan, says = None, runs.tell_way_back(state)
    try:
        if begun and state.plan.cloud == workplace.cloud.name:
            workplace.master.ensure_started()
            facts = workplace.gather()
            plan = plans.plan_way_back(workplace.cloud, facts, workplace.catalog, of=state.plan, begun=begun)
            if plan is not None:
                workplace.journal.save_plan(plan)
                says = "; ".join(stage.title for stage in plan.stages if stage.steps)
    except OperatorError as exc:
        says = f"{says}. No plan for it can be made now: {exc.what}: {exc.because}. {exc.do}"
    event = WayBackOffered(at=datetime.now(UTC), by=by, plan=plan.fingerprint if plan else None, says=says)
    journal.append(run_id, event)
    return journal.state(run_id)


def find_or_create_run(workplace: Workplace, name: str, by: str) -> str:
    """The run of that id; else the unfinished run of the plan of that fingerprint, or a new one."""
    journal = workplace.journal
    try:
        return journal.find_run(name).id
    except NotFound:
        plan = journal.find_plan(name)
    made = [record.id for record in journal.runs() if record.fingerprint == plan.fingerprint]
    unfinished = [run_id for run_id in made if not journal.state(run_id).is_over]
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
        return AutoApprover(who_approves_unseen(workplace.journal, workplace.who, approve_as))
    return TerminalAsker(workplace.who) if sys.stdin.isatty() else JournalAsker(waits=wait)


def run_detached(
    workplace: Workplace, name: str, *, approve_as: str | None, who: Person | None = None
) -> tuple[str, int, Path]:
    """Run in a process of its own that outlives this terminal: (the run's id, its process id, the file of its output).

    Its gates are answered with `saltus approve` or at the page. `who` asks for it, the person here if left out, and the
    process acts in that name.
    """
    who = who or workplace.who
    demand(workplace.journal, who, "operator", f"run {name}")
    if approve_as:
        who_approves_unseen(workplace.journal, who, approve_as)
    run_id = find_or_create_run(workplace, name, who.name)
    workplace.journal.leases.refuse_if_held(run_id)
    token = _token_for(workplace.journal, who, run_id)
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


def _token_for(journal: Journal, who: Person, run_id: str) -> str | None:
    """Lets the process that runs in the background in once, in the name of who started it; None without an account."""
    if who.role is None:
        return None
    return journal.accounts.new_token(who.name, lifetime=timedelta(minutes=5), label=f"to run {run_id}", once=True)


def latest_run(workplace: Workplace) -> str:
    made = workplace.journal.runs()
    if not made:
        raise OperatorError(
            what="there is no run",
            because="no plan has been run with this journal",
            do="saltus plan control --to RELEASE",
        )
    return made[-1].id
