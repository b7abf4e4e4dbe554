"""The fleet of a run: every machine that its steps name, and how it fares; as cells of a map, and one at a time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from saltus.journal.fold import RunState, StepState
from saltus.plan import Plan
from saltus.runner.parts import machines_of

Fleet = Mapping[str, tuple[str, ...]]
"""{machine: ids of its steps, in the plan's order}"""

NOTED = "node "
"""Beginning of the notes by which a step of many machines tells, while it runs, on which of them it has worked."""

STATES = ("failed", "unknown", "running", "begun", "pending", "skipped", "done")
"""Of a machine, the gravest first. `begun`: some of its steps are over, and none runs now."""


@dataclass(frozen=True)
class NodeView:
    """One machine: a cell."""

    run: str
    name: str
    status: str
    done: int
    total: int


class FleetView:
    """All machines of one run as they stand. Made while the state is held still."""

    def __init__(self, run: str, state: RunState, fleet: Fleet) -> None:
        self.run = run
        self.nodes = [_node(run, name, [state.steps[step] for step in steps]) for name, steps in fleet.items()]
        count = Counter(node.status for node in self.nodes)
        self.counts = {status: count[status] for status in STATES if count[status]}


def steps_by_machine(plan: Plan) -> Fleet:
    """Sorted as people count: cmp2 before cmp10."""
    found: dict[str, list[str]] = {}
    for step in plan.steps():
        for machine in machines_of(step.action):
            found.setdefault(machine, []).append(step.id)
    return {name: tuple(found[name]) for name in sorted(found, key=_counted)}


def _counted(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _node(run: str, name: str, steps: list[StepState]) -> NodeView:
    count = Counter(status_on(name, step) for step in steps)
    done = count["done"] + count["skipped"]
    status: str = next((status for status in ("failed", "unknown", "running") if count[status]), "")
    if not status:
        status = "pending" if not done else "begun" if done < len(steps) else "done" if count["done"] else "skipped"
    return NodeView(run, name, status, done, len(steps))


def status_on(machine: str, step: StepState) -> str:
    """How `step` fares on one of its machines: a step of many tells node by node what worked and what failed."""
    for told, status in (("failed", "failed"), ("skipped", "skipped"), ("worked", "done")):
        found = step.evidence.get(told)
        if isinstance(found, Mapping) and machine in found:
            return status
    if step.status in ("running", "unknown", "failed") and f"{NOTED}{machine}" in step.notes:
        return "done"
    return step.status


def said_on(machine: str, step: StepState) -> str:
    """What the step says of that machine; empty where it says nothing of single ones."""
    for told in ("failed", "skipped"):
        found = step.evidence.get(told)
        if isinstance(found, Mapping) and machine in found:
            return str(found[machine])
    return ""
