"""Performers of what Salt does as it is: states and single functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from saltus.fleet.port import FoundJob, Job, StateReturn, values
from saltus.plan.actions import ApplyState, CallFunction
from saltus.runner.performer import Outcome, StepContext, Verdict
from saltus.runner.performers.ground import Ground


@dataclass(frozen=True)
class StateApplier:
    ground: Ground

    def perform(self, action: ApplyState, context: StepContext) -> Outcome:
        fleet = self.ground.fleet
        fleet.sync_modules(action.target)
        fleet.refresh_pillar(action.target)
        returns = fleet.apply(
            action.target,
            action.states,
            timeout_s=action.timeout_s,
            on_job=lambda job: context.note({"jid": job.jid}),
            on_return=lambda done: context.say(f"{done.minion}: {len(done.changed)} of {len(done.results)} changed"),
        )
        return Outcome(_summary(returns), {minion: _evidence(done) for minion, done in returns.items()})


def _summary(returns: dict[str, StateReturn]) -> str:
    states = sum(len(done.results) for done in returns.values())
    changed = sum(len(done.changed) for done in returns.values())
    return f"{states} states, {changed} changed"


def _evidence(done: StateReturn) -> Any:
    slowest = sorted(done.results, key=lambda result: -result.duration_s)[:5]
    return {
        "changed": [f"{result.function} {result.name}" for result in done.changed],
        "slowest_s": {f"{result.function} {result.name}": round(result.duration_s, 1) for result in slowest},
    }


@dataclass(frozen=True)
class FunctionCaller:
    ground: Ground

    def perform(self, action: CallFunction, context: StepContext) -> Outcome:
        def noted(job: Job) -> None:
            context.note({"jid": job.jid})

        returns = self.ground.fleet.call(
            action.target, action.function, *action.arguments, timeout_s=action.timeout_s, on_job=noted
        )
        return Outcome(f"{action.function} on {', '.join(sorted(returns))}", {"returns": values(returns)})

    def verify(self, action: CallFunction, context: StepContext) -> Verdict:
        """Ask Salt's job cache what became of the job whose jid was noted."""
        jid = context.noted().get("jid")
        found: FoundJob | None = self.ground.fleet.lookup(str(jid)) if jid else None
        if found is None:
            return Verdict.not_done("the job was never given to Salt")
        if not found.is_finished:
            return Verdict.unknown(f"job {jid}: running on {found.running}, lost on {found.lost}")
        return Verdict.done(f"{action.function}: job {jid} had finished", {"returns": values(found.calls)})
