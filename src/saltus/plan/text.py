"""A plan as prose that an operator can read: what happens, what users may notice, how to go back, who is asked."""

from __future__ import annotations

import textwrap
from datetime import timedelta

from saltus.plan.order import blocks
from saltus.plan.plan import Gate, Plan, Stage

_WIDTH = 110


def write_plan(plan: Plan) -> str:
    """The whole plan: every stage with its impact, its way back, its steps in order and its gate."""
    hop = f"{plan.source} to {plan.target}" if plan.source != plan.target else plan.target
    lines = [f"{plan.name}: {plan.cloud}, {hop}", ""]
    for number, stage in enumerate(plan.stages, start=1):
        lines += [f"{number}. {stage.id}: {stage.title}", *_facts_of(stage), *_steps_of(stage)]
        if stage.gate:
            lines += _gate(stage.gate)
        lines.append("")
    lines.append(write_totals(plan))
    return "\n".join(lines) + "\n"


def write_summary(plan: Plan) -> str:
    """A few lines for the end of `saltus plan`: each stage, its impact and way back; then what is next."""
    width = max((len(stage.id) for stage in plan.stages), default=0) + 3
    lines = []
    for stage in plan.stages:
        lines.append(f"{stage.id:<{width}}{stage.title}")
        gate = ", then a gate" if stage.gate else ""
        lines.append(f"{'':<{width}}{stage.impact}; {_count(len(stage.steps), 'step')}{gate}")
        lines.append(f"{'':<{width}}way back: {stage.way_back}")
    lines += [write_totals(plan), f"next: saltus run {plan.short}"]
    return "\n".join(lines) + "\n"


def write_totals(plan: Plan) -> str:
    steps, gates = sum(1 for _ in plan.steps()), sum(1 for _ in plan.gates())
    counted = [_count(len(plan.stages), "stage"), _count(steps, "step"), _count(gates, "gate") if gates else "no gate"]
    return f"plan {plan.short}: {', '.join(counted)}"


def _facts_of(stage: Stage) -> list[str]:
    return [f"   impact: {stage.impact}", *_wrapped(f"way back: {stage.way_back}", "   ", "             ")]


def _steps_of(stage: Stage) -> list[str]:
    lines = []
    for block in blocks(stage):
        if len(block.lanes) == 1:
            for step in block.lanes[0]:
                lines += _wrapped(f"- {step.title}", "   ", "     ")
            continue
        lines.append("   - side by side:")
        for lane in block.lanes:
            name = f"{lane[0].lane}: "
            lines += _wrapped(name + "; then ".join(step.title for step in lane), "       ", "         ")
    return lines


def _gate(gate: Gate) -> list[str]:
    who = f"one person who is {gate.role}" if gate.answers == 1 else f"{gate.answers} persons who are {gate.role}"
    if gate.answers > 1:
        who += ", not counting who started the run"
    until = "no expiry"
    if gate.expires_after is not None:
        then = "the run is aborted" if gate.on_expiry == "abort" else "the run pauses"
        until = f"without an answer within {spell(gate.expires_after)} {then}"
    return [*_wrapped(f"? gate {gate.id}: {gate.question}", "   ", "     "), f"     asks {who}; {until}"]


def spell(duration: timedelta) -> str:
    """`2 h`, `90 min`, `30 s`: the largest unit that says it exactly."""
    seconds = round(duration.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False)
