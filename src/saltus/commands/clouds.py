"""The clouds that the journal knows, and where each stands by its runs: nothing is asked of the clouds themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from saltus.commands.runs import UNREADABLE, RunLine
from saltus.plan import Plan


@dataclass(frozen=True)
class CloudMachine:
    name: str
    release: str


@dataclass(frozen=True)
class CloudLine:
    """One cloud as its latest plan found it, and what came of it since."""

    name: str
    release: str
    """Of the control plane: by the facts of the latest plan, and by what its run has done since."""
    slot: str
    """`a`, `b`, or empty where no plan has seen it."""
    machines: tuple[CloudMachine, ...]
    seen_at: datetime
    last: RunLine
    next: str
    """The command that comes next, or what is waited for."""


def list_clouds(lines: Iterable[RunLine], plan_of: Callable[[str], Plan]) -> list[CloudLine]:
    """From the runs, newest first, one line for each cloud, by name."""
    clouds: dict[str, list[RunLine]] = {}
    for line in lines:
        if line.status != UNREADABLE:
            clouds.setdefault(line.cloud, []).append(line)
    return [_cloud(name, clouds[name], plan_of) for name in sorted(clouds)]


def _cloud(name: str, lines: list[RunLine], plan_of: Callable[[str], Plan]) -> CloudLine:
    last = lines[0]
    facts, seen_at = _facts(lines, plan_of)
    machines = tuple(
        CloudMachine(fact.removesuffix(_DEPLOYED), value) for fact, value in facts.items() if fact.endswith(_DEPLOYED)
    )
    serves = facts.get("virtual address at", "")
    release, slot = facts.get(f"{serves}{_DEPLOYED}", plan_of(last.run).source), _slot_of(serves)
    changed = next((line for line in lines if line.status == "done" and line.plan in _CHANGES), None)
    if changed is not None and changed.created_at >= seen_at:  # the facts are of before that run
        plan = plan_of(changed.run)
        release = plan.source if changed.plan == "rollback" else plan.target
        if changed.plan in ("control", "rollback"):
            slot = {"a": "b", "b": "a"}.get(slot, slot)
    return CloudLine(name, release, slot, machines, seen_at, last, _next(last, changed))


_DEPLOYED = " is deployed as"
_CHANGES = ("deploy", "control", "rollback", "accept")


def _facts(lines: list[RunLine], plan_of: Callable[[str], Plan]) -> tuple[dict[str, str], datetime]:
    """Of the newest plan that was made from any, and when its run was made."""
    for line in lines:
        if facts := plan_of(line.run).facts:
            return facts, line.created_at
    return {}, lines[-1].created_at


def _slot_of(machine: str) -> str:
    return machine[-1] if machine[-2:] in ("-a", "-b") else ""


def _next(last: RunLine, changed: RunLine | None) -> str:
    if last.now.startswith("gate ") and last.status not in ("done", "aborted"):
        return f"an answer to {last.now.removeprefix('gate ')}"
    if last.status == "running":
        return "nothing: a run is at work"
    if last.status not in ("done", "aborted"):
        return f"saltus run {last.run}, or saltus abort {last.run}"
    if changed is not None and changed.plan == "control":
        return "saltus accept keeps the release for good; saltus rollback takes it back"
    return "saltus plan control"
