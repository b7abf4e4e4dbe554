"""What a rehearsal on dumps came to: schemas, times, rows, and what the real window will take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from saltus.catalog.rows import Difference
from saltus.report.text import seconds_text, table


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CommandLine(_Data):
    """One step as it went."""

    service: str
    release: str
    """The stop whose tools ran; empty for what Saltus did itself."""
    title: str
    lane: str | None
    status: str
    seconds: float | None
    summary: str
    schemas: dict[str, tuple[str, str]] = {}
    """{database: (before, after)}"""


class RehearsalReport(_Data):
    format: Literal[1] = 1
    run: str
    dumps: str
    source: str
    target: str
    status: str
    reason: str
    routes: dict[str, tuple[str, ...]]
    """{service: its stops}"""
    load_s: float
    commands: tuple[CommandLine, ...]
    differences: tuple[Difference, ...]
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]
    cpus: int

    @property
    def lanes(self) -> dict[str, float]:
        """{lane: seconds of all its commands}: lanes run side by side."""
        found: dict[str, float] = {}
        for line in self.commands:
            if line.lane:
                found[line.lane] = found.get(line.lane, 0) + (line.seconds or 0)
        return found

    @property
    def critical_lane(self) -> str | None:
        """The lane that all others wait for."""
        lanes = self.lanes
        return max(lanes, key=lambda lane: lanes[lane]) if lanes else None

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        return tuple(d for d in self.differences if not d.is_explained)


def render_rehearsal(report: RehearsalReport) -> str:
    """The whole report as Markdown, that reads well on a terminal too."""
    lines = [f"# Rehearsal on {report.dumps}: {report.source} to {report.target}", ""]
    lines += [f"Run {report.run}: **{report.status}**.{' ' + report.reason if report.reason else ''}", ""]
    lines += [*_forecast(report), ""]
    lines += ["## Schemas", "", *_schemas(report), ""]
    lines += ["## Time of every command", "", *_times(report), ""]
    lines += ["## Rows", "", *_rows(report.differences), ""]
    warnings = list(report.warnings)
    if report.left_out:
        warnings.append(f"not in the dumps, and so not rehearsed: {', '.join(report.left_out)}")
    if warnings:
        lines += ["## Warnings", "", *(f"- {warning}" for warning in warnings), ""]
    return "\n".join(lines)


def _forecast(report: RehearsalReport) -> list[str]:
    lanes, critical = report.lanes, report.critical_lane
    if critical is None:
        return []
    return [
        f"Forecast of the window's db_sync: {seconds_text(lanes[critical])} with the services side by side, as here on"
        f" {report.cpus} CPUs; {seconds_text(sum(lanes.values()))} one after another.",
        f"The critical path is {critical}. Loading the dumps took {seconds_text(report.load_s)}: that is no part"
        " of the window.",
    ]


def _schemas(report: RehearsalReport) -> list[str]:
    rows = [
        (database, line.release, before or "-", after)
        for line in report.commands
        for database, (before, after) in sorted(line.schemas.items())
        if before != after
    ]
    return table(("database", "tools of", "before", "after"), rows) if rows else ["No schema changed."]


def _times(report: RehearsalReport) -> list[str]:
    rows = [
        (line.service, line.release, line.title, seconds_text(line.seconds), line.status) for line in report.commands
    ]
    return table(("service", "tools of", "step", "time", "state"), rows, right=(3,))


def _rows(differences: Sequence[Difference]) -> list[str]:
    if not differences:
        return ["Every table has as many rows as before."]
    flagged = sum(not d.is_explained for d in differences)
    head = f"{len(differences)} tables differ, {flagged} of them for no reason that is known: look at these."
    rows = [
        (
            f"{d.database}.{d.table}",
            "-" if d.before is None else str(d.before),
            "-" if d.after is None else str(d.after),
            d.because or "**unexplained**",
        )
        for d in sorted(differences, key=lambda d: d.is_explained)
    ]
    return [head, "", *table(("table", "before", "after", "why"), rows, right=(1, 2))]
