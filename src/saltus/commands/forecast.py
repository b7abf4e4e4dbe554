"""What a run was expected to take: what was rehearsed in the run itself, else what the step took last time."""

from __future__ import annotations

from collections.abc import Mapping

from saltus.journal.fold import RunState
from saltus.plan import Stage
from saltus.plan.order import blocks


def foreseen(state: RunState, last_s: Mapping[str, float]) -> dict[str, float]:
    """{step: seconds}. `db_sync-nova` of the window takes what `rehearse/db_sync-nova` of this run took."""
    found = {step: seconds for step, seconds in last_s.items() if step in state.steps}
    for step in state.steps:
        stage, _, name = step.partition("/")
        rehearsed = state.steps.get(f"rehearse/{name}")
        if stage == "real-upgrade" and rehearsed and rehearsed.status == "done" and rehearsed.seconds is not None:
            found[step] = rehearsed.seconds
    return found


def of_stage(stage: Stage, seconds: Mapping[str, float]) -> float | None:
    """Steps one after another, lanes side by side; None when nothing is known of any of them."""
    if not any(step.id in seconds for step in stage.steps):
        return None
    return sum(max(sum(seconds.get(step.id, 0.0) for step in lane) for lane in block.lanes) for block in blocks(stage))
