"""Performers of what is done to computes through nova: kept from new instances, emptied, proved, let in again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from datetime import time as clock_time

from pydantic import JsonValue

from saltus.errors import OperatorError
from saltus.journal.fold import ASKED
from saltus.plan import Step
from saltus.plan.actions import WaitFor
from saltus.plan.data_plane import (
    AwaitAgents,
    CheckAllUpgraded,
    CheckBudget,
    DisableComputes,
    DrainComputes,
    EnableComputes,
    ProveComputes,
    RecordNodes,
)
from saltus.runner.performer import Outcome, PauseRun, StepContext, stop_if_cancelled
from saltus.runner.performers.fanout import brief, leave_out_down, left_behind, open_tally
from saltus.runner.performers.ground import Ground
from saltus.runner.performers.instances import prove
from saltus.verify.computes import How, await_agents

MOVED_AT_ONCE = 4
"""Computes that are drained side by side: each migration takes memory and network of two."""
LOOK_EVERY_S = 30.0
BEYOND = f"{ASKED}about"
"""Key of the note that holds the nodes beyond the budget which a person was shown."""


@dataclass(frozen=True)
class ComputeDisabler:
    """Also where nodes that are down are found."""

    ground: Ground

    def perform(self, action: DisableComputes, context: StepContext) -> Outcome:
        tally, nodes = open_tally(context, action.nodes)
        nodes = leave_out_down(self.ground, tally, nodes)
        tally.failed |= self.ground.computes().disable(nodes, action.reason) if nodes else {}
        for node in nodes:
            if node not in tally.failed:
                tally.done(node, action.reason)
        return tally.outcome("disabled")


@dataclass(frozen=True)
class ComputeDrainer:
    ground: Ground

    def perform(self, action: DrainComputes, context: StepContext) -> Outcome:
        tally, nodes = open_tally(context, action.nodes)
        computes = self.ground.computes()

        def drain(node: str) -> JsonValue:
            how: How = "none"
            if node in action.live:
                how = "live-migrate"
            elif node in action.cold:
                how = "cold-migrate"
            moved = computes.drain(node, how, action.timeout_s, context.say)
            return [f"{one.name}: {one.how}, {one.seconds} s" for one in moved]

        with ThreadPoolExecutor(MOVED_AT_ONCE) as pool:
            list(pool.map(lambda node: tally.attempt(node, lambda: drain(node)), nodes))
        count = sum(len(answer) for answer in tally.worked.values() if isinstance(answer, list))
        return tally.outcome(f"ready, {count} instances moved")


@dataclass(frozen=True)
class AgentsAwaiter:
    ground: Ground

    def perform(self, action: AwaitAgents, context: StepContext) -> Outcome:
        tally, nodes = open_tally(context, action.nodes)
        if nodes:
            tally.failed |= await_agents(
                self.ground.computes(),
                nodes,
                action.agents,
                timeout_s=action.timeout_s,
                wait=context.wait,
                on_alive=lambda node, seconds: tally.done(node, round(seconds, 1)),
            )
        return tally.outcome("alive")


@dataclass(frozen=True)
class ComputeProver:
    ground: Ground

    def perform(self, action: ProveComputes, context: StepContext) -> Outcome:
        tally, nodes = open_tally(context, action.nodes)
        computes = self.ground.computes()
        closed = computes.closed(nodes) if nodes else {}
        for node in nodes:
            stop_if_cancelled(context)
            if node in closed:  # placement hands it out to nobody, and to open it for a proof is not ours
                tally.done(node, f"not asked: somebody keeps it disabled ({closed[node]})")
                continue
            computes.enable([node])
            try:
                tally.done(node, self._proved(node, action.retries, context))
            except OperatorError as error:
                computes.disable([node], f"Saltus: {error.what}")
                tally.failed[node] = f"{error.what}: {error.because}"
        return tally.outcome("have booted an instance")

    def _proved(self, node: str, retries: int, context: StepContext) -> str:
        """What was seen: a port that libvirt and Open vSwitch set up at the same moment may stay down, once."""
        in_vain: list[str] = []
        while True:
            try:
                return "; ".join([prove(self.ground, context, node), *in_vain])
            except OperatorError as error:
                if len(in_vain) == retries:
                    raise
                in_vain.append(f"one before it did not: {error.what}")
                context.say(f"another instance on {node}: {error.what}")
                stop_if_cancelled(context)


@dataclass(frozen=True)
class ComputeEnabler:
    ground: Ground

    def perform(self, action: EnableComputes, context: StepContext) -> Outcome:
        tally, nodes = open_tally(context, action.nodes)
        computes = self.ground.computes()
        tally.failed |= computes.enable(nodes) if nodes else {}
        for node in nodes:
            if node not in tally.failed:
                self.ground.record_release(node, action.release)
                self.ground.relabel(node, action.release)
                tally.done(node, action.release)
        closed = computes.closed(action.nodes)
        told = f" ({', '.join(sorted(closed))} disabled, as somebody had left it)" if closed else ""
        return tally.outcome(f"serve on {action.release}{told}")


@dataclass(frozen=True)
class BudgetChecker:
    ground: Ground

    def perform(self, action: CheckBudget, context: StepContext) -> Outcome:
        failed = failures(context)
        # What failed before it was disabled is as it was, and may go on serving.
        touched = {n for s in context.plan.steps() for n in worked_in(context, s, DisableComputes)}
        here = {node: why for node, why in failed.items() if node in action.nodes and node in touched}
        if here:
            computes = self.ground.computes()
            for node, why in here.items():
                computes.disable([node], f"Saltus: {brief(why)}")
        counted = sorted(node for node in failed if node not in accepted(context))
        if len(counted) > action.max_failures and context.noted().get(BEYOND) != counted:
            context.note({BEYOND: [*counted]})
            raise PauseRun(
                what=f"{len(counted)} {'nodes have' if len(counted) > 1 else 'node has'} failed,"
                f" more than the {action.max_failures} of the budget: {', '.join(counted)}",
                because="; ".join(f"{node}: {brief(failed[node])}" for node in counted),
                do=f"mend them, then `saltus retry {context.run} --from {action.again}` and `saltus run {context.run}`"
                f" do them again; `saltus run {context.run}` alone leaves them disabled and goes on with the others",
            )
        down = sorted(node for node, why in left_behind(context).items() if node in action.nodes and node not in failed)
        told = f"{len(counted)} failed so far, of {action.max_failures} that may"
        if len(counted) > action.max_failures:
            told = f"goes on without {', '.join(counted)}"
        if down:
            told += f"; left out because they are down: {', '.join(down)}"
        over = counted if len(counted) > action.max_failures else []
        return Outcome(told, {"all_failed": dict(failed), "down": [*down], "accepted": [*over]})


@dataclass(frozen=True)
class AllUpgradedChecker:
    ground: Ground

    def perform(self, action: CheckAllUpgraded, context: StepContext) -> Outcome:
        behind = {node: why for node, why in left_behind(context).items() if node in action.nodes}
        if not behind:
            self.ground.forget_older(action.nodes)
            return Outcome(f"all {len(action.nodes)} have been upgraded")
        first = next(
            step.id
            for step in context.plan.steps()
            if isinstance(step.action, RecordNodes) and behind.keys() & set(step.action.nodes)
        )
        raise PauseRun(
            what=f"the transition cannot end without {', '.join(sorted(behind))}",
            because="; ".join(f"{node}: {brief(why)}" for node, why in sorted(behind.items())),
            do=f"mend them, then `saltus retry {context.run} --from {first}` and `saltus run {context.run}`; or"
            f" `saltus abort {context.run}`: what is upgraded serves on, and a later plan ends the transition",
        )


def worked_in(context: StepContext, step: Step, kind: type) -> set[str]:
    """The nodes on which a step of that kind has worked; none when it is of another."""
    told = context.evidence_of(step.id).get("worked") if isinstance(step.action, kind) else None
    return set(told) if isinstance(told, dict) else set()


def accepted(context: StepContext) -> set[str]:
    """The nodes that had failed when a person took the run up again to go on without them: they count no more."""
    found: set[str] = set()
    for step in context.plan.steps():
        if step.id == context.step.id:
            break
        told = context.evidence_of(step.id).get("accepted")
        found |= {str(node) for node in told} if isinstance(told, list) else set()
    return found


def failures(context: StepContext) -> dict[str, str]:
    """{node: why} of all that have failed in the run so far and have not been done since."""
    found: dict[str, str] = {}
    for step in context.plan.steps():
        if step.id == context.step.id:
            break
        told = context.evidence_of(step.id).get("failed")
        if isinstance(told, dict):
            found |= {node: str(why) for node, why in told.items()}
    return found


@dataclass(frozen=True)
class Waiter:
    """Waits by the wall clock of this machine."""

    ground: Ground
    now: Callable[[], datetime] = datetime.now

    def perform(self, action: WaitFor, context: StepContext) -> Outcome:
        began = time.monotonic()
        if action.seconds:
            context.say(f"waiting {action.seconds:.0f} s")
            context.wait(action.seconds)
        while action.window and not is_open(action.window, self.now().time()):
            context.say(f"waiting for the window {action.window}")
            context.wait(LOOK_EVERY_S)
        return Outcome(f"waited {time.monotonic() - began:.0f} s")


def is_open(window: str, now: clock_time) -> bool:
    """Whether `22:00-06:00` is open at `now`; one that ends before it begins goes over midnight."""
    opens, closes = (clock_time.fromisoformat(word) for word in re.split("-", window))
    return opens <= now < closes if opens <= closes else now >= opens or now < closes
