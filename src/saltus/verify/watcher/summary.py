"""What the watcher saw, in numbers, while it runs or after: every session that wrote into a directory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from saltus.verify.watcher.targets import Kind


class Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Outage(Written):
    """From the last good answer to the next. Without a next one `ended` is None and `seconds` end with the session."""

    target: str
    kind: Kind
    started: AwareDatetime
    first_failure: AwareDatetime
    """When the first question was asked that was not answered well: what was done then is what took the target away."""
    ended: AwareDatetime | None
    seconds: float
    failures: int
    error: str
    """Of the first answer that was not good."""


class ProbeSummary(Written):
    """One target, asked in one way."""

    target: str
    kind: Kind
    period_s: float
    samples: int
    failures: int
    """For pings: the packets lost."""
    slowest_s: float
    """The slowest good answer: slow is not down, and should be seen nevertheless."""
    outages: tuple[Outage, ...]

    @property
    def outage_s(self) -> float:
        return round(sum(outage.seconds for outage in self.outages), 3)

    @property
    def longest_s(self) -> float:
        return max((outage.seconds for outage in self.outages), default=0.0)


class Session(Written):
    """One life of the watcher. `is_clean`: it was stopped, and neither killed nor is it still running."""

    begun: AwareDatetime
    ended: AwareDatetime
    is_clean: bool


class WatchSummary(Written):
    format: Literal[1] = 1
    sessions: tuple[Session, ...]
    probes: tuple[ProbeSummary, ...]

    def probe(self, target: str, kind: Kind) -> ProbeSummary:
        return next(each for each in self.probes if (each.target, each.kind) == (target, kind))

    @property
    def outages(self) -> tuple[Outage, ...]:
        return tuple(sorted((o for probe in self.probes for o in probe.outages), key=lambda o: o.started))

    @property
    def pings_sent(self) -> int:
        return sum(probe.samples for probe in self.probes if probe.kind == "ping")

    @property
    def pings_lost(self) -> int:
        return sum(probe.failures for probe in self.probes if probe.kind == "ping")

    @property
    def unwatched_s(self) -> float:
        """Seconds between the sessions, in which nobody looked: the runner was dead."""
        pairs = zip(self.sessions, self.sessions[1:], strict=False)
        return round(sum(max(0.0, (b.begun - a.ended).total_seconds()) for a, b in pairs), 3)


class StepSpan(Written):
    """When a step ran. `ended` is None while it does."""

    step: str
    started: AwareDatetime
    ended: AwareDatetime | None


class AttributedOutage(Written):
    """An outage and the steps it fell in."""

    outage: Outage
    began_in: str | None
    """The step that ran at the first failure, the first of them when lanes ran; None when it was between steps."""
    seconds: dict[str, float]
    """{step: seconds of the outage in which it ran}, in the order of `steps`; lanes side by side add up to more."""


def attribute(outages: Iterable[Outage], steps: Sequence[StepSpan]) -> tuple[AttributedOutage, ...]:
    return tuple(_attributed(outage, steps) for outage in outages)


def _attributed(outage: Outage, steps: Sequence[StepSpan]) -> AttributedOutage:
    end, first = outage.ended, outage.first_failure
    seconds: dict[str, float] = {}
    for step in steps:
        ends = [each for each in (step.ended, end) if each is not None]
        begun = max(step.started, outage.started)
        overlap = (min(ends) - begun).total_seconds() if ends else outage.seconds
        if overlap > 0:
            seconds[step.step] = round(seconds.get(step.step, 0.0) + overlap, 3)
    running = (step.step for step in steps if step.started <= first and (step.ended is None or first <= step.ended))
    return AttributedOutage(outage=outage, began_in=next(running, None), seconds=seconds)


def summarise(directory: Path) -> WatchSummary:
    """All sessions of `directory` together. Safe while a watcher writes there."""
    sessions: list[Session] = []
    probes: dict[tuple[str, Kind], ProbeSummary] = {}
    for path in sorted(directory.glob("*.state.json")):
        state = json.loads(path.read_text())
        session = Session(begun=state["begun"], ended=state["at"], is_clean=state["ended"])
        sessions.append(session)
        outages = read_outages(path.with_name(path.name.replace(".state.json", ".jsonl")), session.ended)
        for counters in state["probes"]:
            key = (counters["target"], counters["kind"])
            seen = ProbeSummary(**counters, outages=tuple(o for o in outages if (o.target, o.kind) == key))
            probes[key] = seen if key not in probes else _together(probes[key], seen)
    return WatchSummary(sessions=tuple(sessions), probes=tuple(probes.values()))


def read_outages(path: Path, session_ended: datetime) -> list[Outage]:
    """The outages of one session, in the order in which they began."""
    outages: list[Outage] = []
    away: dict[tuple[str, str], int] = {}
    """{(target, kind): index of its open outage}"""
    for event in _events(path):
        key = (event["target"], event["kind"])
        at = datetime.fromisoformat(event["at"])
        if event["event"] == "down":
            away[key] = len(outages)
            so_far = max(0.0, round((session_ended - at).total_seconds(), 3))
            outages.append(
                Outage(
                    target=event["target"],
                    kind=event["kind"],
                    started=at,
                    first_failure=event["first_failure"],
                    ended=None,
                    seconds=so_far,
                    failures=1,
                    error=event["error"],
                )
            )
        else:
            index = away.pop(key)
            seconds = round((at - outages[index].started).total_seconds(), 3)
            changes = {"ended": at, "seconds": seconds, "failures": event["failures"]}
            outages[index] = outages[index].model_copy(update=changes)
    return outages


def _events(path: Path) -> list[dict[str, Any]]:
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]  # a line that is being written has no end yet
    return [json.loads(line) for line in whole.splitlines()]


def _together(a: ProbeSummary, b: ProbeSummary) -> ProbeSummary:
    return a.model_copy(
        update={
            "samples": a.samples + b.samples,
            "failures": a.failures + b.failures,
            "slowest_s": max(a.slowest_s, b.slowest_s),
            "outages": a.outages + b.outages,
        }
    )
