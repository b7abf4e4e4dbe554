"""The order in which a plan is walked: blocks of steps that may run side by side, and the gates between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from saltus.plan.plan import Gate, Plan, Stage, Step


@dataclass(frozen=True)
class Block:
    """Steps between two barriers: `lanes` run side by side, each in order. A step without a lane stands alone."""

    stage: Stage
    lanes: tuple[tuple[Step, ...], ...]

    @property
    def steps(self) -> Iterator[Step]:
        for lane in self.lanes:
            yield from lane


@dataclass(frozen=True)
class GateAhead:
    """The gate at the end of a stage."""

    stage: Stage
    gate: Gate


def walk(plan: Plan) -> Iterator[Block | GateAhead]:
    """The plan from its first block to its last gate. No block reaches over the end of a stage."""
    for stage in plan.stages:
        yield from blocks(stage)
        if stage.gate:
            yield GateAhead(stage, stage.gate)


def blocks(stage: Stage) -> Iterator[Block]:
    lanes: dict[str, list[Step]] = {}
    for step in stage.steps:
        if step.lane is not None:
            lanes.setdefault(step.lane, []).append(step)
            continue
        if lanes:
            yield Block(stage, tuple(tuple(steps) for steps in lanes.values()))
            lanes = {}
        yield Block(stage, ((step,),))
    if lanes:
        yield Block(stage, tuple(tuple(steps) for steps in lanes.values()))
