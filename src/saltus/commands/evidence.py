"""What steps left as evidence, in the shapes that reports and pages show: schemas moved, lists compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from saltus.journal.fold import RunState
from saltus.plan import Stage, Step
from saltus.plan.actions import CompareLists, ListApis
from saltus.report.report import ComparedList, ListsCompared, SchemaMove


def schema_moves(state: RunState) -> tuple[SchemaMove, ...]:
    """One line for each database of each step that read its schema before and after."""
    return tuple(move for stage, step in _steps(state) for move in _moves(state, stage, step))


def _moves(state: RunState, stage: Stage, step: Step) -> Iterable[SchemaMove]:
    found = state.steps[step.id]
    evidence = found.evidence.get("db_sync", found.evidence)
    if not isinstance(evidence, Mapping):
        return
    before, after = evidence.get("before"), evidence.get("after")
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return
    for database, versions in after.items():
        yield SchemaMove(
            stage=stage.id,
            step=step.id,
            database=str(database),
            before=_spelt(before.get(database)),
            after=_spelt(versions),
            seconds=found.seconds,
        )


def _spelt(versions: object) -> str:
    if isinstance(versions, list | tuple):
        return " ".join(map(str, versions)) or "empty"
    return str(versions) if versions else "empty"


def lists_compared(state: RunState) -> tuple[ListsCompared, ...]:
    """Every comparison of API lists that was made, with the counts of the two steps that kept the lists."""
    kept: dict[str, Mapping[str, Any]] = {}
    found = []
    for stage, step in _steps(state):
        at = state.steps[step.id]
        if isinstance(step.action, ListApis) and at.status == "done":
            kept[step.action.label] = at.evidence
        elif isinstance(step.action, CompareLists) and at.status in ("done", "failed", "skipped"):
            before, after = kept.get(step.action.before, {}), kept.get(step.action.after, {})
            lines = at.evidence.get("lines")
            findings = [str(line) for line in lines[:-1]] if isinstance(lines, list) else []  # the last one counts
            found.append(
                ListsCompared(
                    stage=stage.id,
                    step=step.id,
                    title=step.title,
                    before=step.action.before,
                    after=step.action.after,
                    status=at.status,
                    summary=at.failure.what if at.failure else at.summary,
                    lists=tuple(_lists(before, after)),
                    findings=tuple(at.failure.because.strip().splitlines() if at.failure else findings),
                )
            )
    return tuple(found)


def _lists(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[ComparedList]:
    rows = before.get("rows", {}), after.get("rows", {})
    seconds = before.get("seconds", {}), after.get("seconds", {})
    for name in dict.fromkeys([*rows[0], *rows[1]]):
        yield ComparedList(
            name=name,
            rows=(rows[0].get(name), rows[1].get(name)),
            seconds=(seconds[0].get(name), seconds[1].get(name)),
        )


def _steps(state: RunState) -> Iterable[tuple[Stage, Step]]:
    return ((stage, step) for stage in state.plan.stages for step in stage.steps)
