"""From the journal of a run to its report."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime

from saltus.catalog.notes import notes_between
from saltus.commands.differences import differences
from saltus.commands.evidence import lists_compared, schema_moves
from saltus.commands.forecast import foreseen, of_stage
from saltus.commands.watching import users_may_notice
from saltus.commands.workplace import Workplace
from saltus.journal.events import (
    AnswerRefused,
    DriftSeen,
    Event,
    GateApproved,
    GateRejected,
    OutageSeen,
    Paused,
    RunFinished,
    RunResumed,
    StepFailed,
    WatchFailed,
    WatchSummary,
)
from saltus.journal.fold import RunState, fold
from saltus.journal.history import last_durations
from saltus.journal.store import Journal
from saltus.plan import Plan, Stage
from saltus.planner.refusals import LOOKED_FOR
from saltus.report.report import (
    Answer,
    Outage,
    Refusal,
    ReleaseNote,
    Report,
    StageLine,
    StepLine,
    Watched,
)


def make_report(workplace: Workplace, run: str) -> Report:
    """The report of a run, whether it is over or not."""
    return report_of(workplace.journal, run)


def report_of(journal: Journal, run: str, *, last_s: Mapping[str, float] | None = None) -> Report:
    """The same, from the journal alone. `last_s` is for those who have at hand what the steps took in earlier runs."""
    record = journal.find_run(run)
    numbered = journal.read(record.id)
    genuine = journal.signer.genuine if journal.signer else None
    state = fold(journal.find_plan(record.fingerprint), numbered, genuine=genuine)
    events = [event for _, event in numbered]
    plan = state.plan
    outages, totals = outages_of(events), {(e.target, e.what): e for e in events if isinstance(e, WatchSummary)}
    if last_s is None:
        last_s = last_durations(journal, plan_name=plan.name, cloud=plan.cloud, before=record.id)
    expected, is_watched = foreseen(state, last_s), bool(outages or totals)
    ended = state.ended_at
    return Report(
        run=record.id,
        plan=record.fingerprint,
        name=plan.name,
        cloud=plan.cloud,
        source=plan.source,
        target=plan.target,
        status=state.status,
        reason=state.reason,
        started=state.started_at,
        seconds=(ended - state.started_at).total_seconds() if ended and state.started_at else None,
        stages=tuple(_stage(stage, state, outages if is_watched else None, expected) for stage in plan.stages),
        versions=_versions(state),
        watched=tuple(
            Watched(
                target=e.target, what=e.what, asked=e.asked, lost=e.lost, outage_s=e.outage_s, longest_s=e.longest_s
            )
            for e in totals.values()
        ),
        outages=outages,
        schemas=schema_moves(state),
        compared=lists_compared(state),
        differences=differences(state),
        notes=_notes(plan),
        refusals=tuple(_refusals(events, plan)),
        looked_for=LOOKED_FOR if plan.name in ("control", "rehearse") else (),
        not_watched=_not_watched(events, plan, is_watched=is_watched),
        answers=_answers(events),
        highlights=tuple(_highlights(state)),
        way_back=_way_back(state),
    )


def outages_of(events: Sequence[Event]) -> tuple[Outage, ...]:
    """Each once, as it was last written down, in the order in which they began."""
    known = {(e.target, e.what, e.started): e for e in events if isinstance(e, OutageSeen)}
    ends = _ends_of_watching(events)
    return tuple(sorted((_outage(event, ends) for event in known.values()), key=lambda outage: outage.started))


def _ends_of_watching(events: Sequence[Event]) -> list[datetime]:
    """When a runner stopped, and the watcher with it; of one that was killed, when it last wrote something down."""
    ends = []
    for before, event in itertools.pairwise(events):
        if isinstance(event, RunFinished | Paused):
            ends.append(event.at)
        elif isinstance(event, RunResumed):
            ends.append(before.at)
    return ends


def _outage(event: OutageSeen, ends: Sequence[datetime]) -> Outage:
    """Of one that had not ended when its watcher stopped, nobody knows how long it lasted: the next began anew."""
    unseen = None if event.ended else next((at for at in ends if at > event.started), None)
    ended = event.ended or unseen
    return Outage(
        target=event.target,
        what=event.what,
        started=event.started,
        seconds=(ended - event.started).total_seconds() if ended else None,
        step=event.step,
        lost=event.lost,
        at_least=unseen is not None,
    )


def _not_watched(events: Sequence[Event], plan: Plan, *, is_watched: bool) -> str:
    """Why nothing was measured, or not all; empty when the watcher looked all the time."""
    failed = [event for event in events if isinstance(event, WatchFailed)]
    if failed:
        return failed[-1].because
    if is_watched:
        return ""
    return "no watcher has written anything down" if users_may_notice(plan) else "the plan says that nobody notices it"


_CHECKS = ("facts.check", "api.compare", "database.check-writes")


def _refusals(events: Sequence[Event], plan: Plan) -> list[Refusal]:
    """Answers that did not count, a cloud that had changed, checks that did not pass."""
    steps = {step.id: step for step in plan.steps()}
    found = []
    for event in events:
        match event:
            case AnswerRefused():
                what = f"an answer to {event.gate}"
                found.append(Refusal(at=event.at, by=event.by, what=what, because=event.because))
            case DriftSeen():
                because = "; ".join(event.differences)
                found.append(Refusal(at=event.at, by=event.by, what="to go on: the cloud has changed", because=because))
            case StepFailed() if event.step in steps and steps[event.step].action.kind in _CHECKS:
                found.append(Refusal(at=event.at, by=event.by, what=event.what, because=event.because.strip()))
    return found


def _notes(plan: Plan) -> tuple[ReleaseNote, ...]:
    services = {name for step in plan.steps() if (name := getattr(step.action, "service", None))}
    return tuple(
        ReleaseNote(release=note.release, service=note.service, says=note.says, done=note.done, source=note.source)
        for note in notes_between(plan.source, plan.target, services)
    )


def _stage(stage: Stage, state: RunState, outages: Sequence[Outage] | None, expected: Mapping[str, float]) -> StageLine:
    """`outages` is None where nobody looked."""
    ids = {step.id for step in stage.steps}
    steps = [state.steps[step.id] for step in stage.steps]
    started = [step.started_at for step in steps if step.started_at]
    ended = [step.ended_at for step in steps if step.ended_at]
    statuses = {step.status for step in steps}
    finished = "done" if statuses <= {"done", "skipped"} else "partly done" if started else "pending"
    if not steps and stage.gate and state.gates[stage.gate.id].status != "approved":
        finished = "pending"
    status: str = next((s for s in ("failed", "unknown", "running") if s in statuses), finished)
    mine = [outage.seconds or 0.0 for outage in outages or () if outage.step in ids and outage.what != "ping"]
    return StageLine(
        id=stage.id,
        title=stage.title,
        impact=str(stage.impact),
        way_back=stage.way_back,
        status=status,
        seconds=(max(ended) - min(started)).total_seconds() if started and ended else None,
        outage_s=None if outages is None else max(mine, default=0.0),
        forecast_s=of_stage(stage, expected),
        foreseen=sum(step.id in expected for step in stage.steps),
        steps=tuple(
            StepLine(
                id=step.id,
                title=step.title,
                status=state.steps[step.id].status,
                seconds=state.steps[step.id].seconds,
                summary=state.steps[step.id].summary,
                started=state.steps[step.id].started_at,
                forecast_s=expected.get(step.id),
            )
            for step in stage.steps
        ),
    )


def _versions(state: RunState) -> dict[str, tuple[str | None, str | None]]:
    """{component on node: before, after}. A node's machines in both slots are one node: what serves is what counts."""
    before = _by_node(state, "check/versions") or _by_node(state, "test/versions")
    after = _by_node(state, "verify/versions") or _by_node(state, "finish/versions")
    return {name: (before.get(name), after.get(name)) for name in sorted({*before, *after})} if after else {}


def _by_node(state: RunState, step: str) -> dict[str, str]:
    found: dict[str, str] = {}
    evidence = state.steps[step].evidence.get("versions") if step in state.steps else None
    serving = state.steps[step].evidence.get("serving") if step in state.steps else None
    if not isinstance(evidence, dict) or not isinstance(serving, dict):
        return found
    for machine, versions in evidence.items():
        node = serving.get(machine)
        if isinstance(versions, dict) and isinstance(node, str):
            found |= {f"{component} on {node}": str(version) for component, version in versions.items()}
    return found


def _answers(events: Sequence[Event]) -> tuple[Answer, ...]:
    return tuple(
        Answer(
            gate=event.gate,
            answer="approved" if isinstance(event, GateApproved) else "rejected",
            by=event.by,
            at=event.at,
            comment=event.comment,
        )
        for event in events
        if isinstance(event, GateApproved | GateRejected)
    )


TOLD = (
    *("api.compare", "instance.boot", "database.restore", "database.back-up"),
    *("packages.compare", "packages.upgrade", "computes.prove", "computes.budget", "nodes.restore", "services.manage"),
)
"""Kinds of action whose outcome everybody wants to read first."""


def _highlights(state: RunState) -> list[str]:
    return [
        f"{step.title}: {state.steps[step.id].summary or 'done'}"
        for step in state.plan.steps()
        if step.action.kind in TOLD and state.steps[step.id].status == "done"
    ]


def _way_back(state: RunState) -> str:
    """From where the run stands now: from the last stage in which something was done."""
    if (offered := state.way_back) is not None:
        return f"`saltus run {offered.plan[:12]}`: {offered.says}" if offered.plan else offered.says
    if state.plan.name != "control":
        reached = [stage for stage in state.plan.stages if any(state.steps[step.id].attempt for step in stage.steps)]
        return reached[-1].way_back if reached else "nothing was done"
    frozen = state.steps.get("real-upgrade/freeze")
    if frozen is None or not frozen.is_over:
        if any(state.steps[step].attempt for step in state.steps if step.startswith("real-upgrade/stop-")):
            return (
                "Services are stopped, and nothing is frozen yet: no database has changed, so there is nothing to"
                " restore. Mend the cause, and `saltus run` goes on from the step that failed; or `saltus rollback`,"
                " which only starts the old services again."
            )
        return "The window was not reached: nothing of the running cloud has changed, and nothing is to be taken back."
    return (
        f"`saltus rollback` takes the control plane back to {state.plan.source}: the databases to the moment of the"
        f" freeze, the old machines with their disks. It refuses when tenants have written through {state.plan.target},"
        " unless `--discard-writes` is given. `saltus accept` gives the way back up and removes the old machines."
    )
