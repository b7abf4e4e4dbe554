"""A report for the terminal and, in the same words, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from saltus.report.report import Differences, Outage, Report, StageLine, Watched


def seconds_text(seconds: float | None) -> str:
    """`41.2 s`, `3 m 05 s`; `-` for None."""
    if seconds is None:
        return "-"
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} m {rest:02d} s"


def outage_text(seconds: float | None) -> str:
    """`41.0 s`, `none`; `not watched` for None."""
    return "not watched" if seconds is None else seconds_text(seconds) if seconds else "none"


def forecast_text(stage: StageLine) -> str:
    """`38.2 s`; `3.1 s for 4 of 9 steps` where no more of them are known; `-` where none is."""
    if stage.forecast_s is None:
        return "-"
    whole = stage.foreseen == len(stage.steps)
    return seconds_text(stage.forecast_s) + ("" if whole else f" for {stage.foreseen} of {len(stage.steps)} steps")


def count_text(number: int, what: str) -> str:
    """`1 package`, `2 packages`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """A Markdown table that is aligned for a terminal too; columns in `right` are numbers."""
    cells = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * (width - 1) + ":" if column in right else "-" * width for column, width in enumerate(widths)]
    return [line(cells[0]), "|" + "|".join(f" {part} " for part in rule) + "|", *(line(row) for row in cells[1:])]


def render(report: Report) -> str:
    """The whole report as Markdown."""
    title = f"{report.cloud}: {report.name}, {report.source} to {report.target}"
    lines = [f"# {title}", ""]
    started = f"{report.started:%Y-%m-%d %H:%M:%S} UTC" if report.started else "not started"
    lines += [f"Run {report.run} of plan {report.plan[:12]}: **{report.status}**, started {started},"]
    lines += [f"{seconds_text(report.seconds)} in all.{' ' + report.reason if report.reason else ''}", ""]
    lines += [f"- {highlight}" for highlight in report.highlights]
    lines += ["", "## Stages", ""]
    lines += table(
        ("stage", "time", "forecast", "state", "impact planned", "longest outage"),
        [
            (s.id, seconds_text(s.seconds), forecast_text(s), s.status, s.impact, outage_text(s.outage_s))
            for s in report.stages
        ],
        right=(1, 2, 5),
    )
    lines += ["", "## What users noticed", ""]
    if report.not_watched:
        lines += [f"{'Not watched in all of the run' if report.is_watched else 'Not watched'}: {report.not_watched}."]
    if report.watched:
        lines += [""] if report.not_watched else []
        lines += [*_watched(report.watched), ""]
        falls = sorted({(o.step or "between steps") for o in report.outages})
        lines += [f"Outages fell in: {', '.join(falls)}." if falls else "No outage was seen."]
        lines += _pings_lost(report.outages)
    lines += [*_differences(report.differences), *_notes(report), *_refusals(report)]
    if report.versions:
        lines += ["", "## Versions", ""]
        lines += table(
            ("component", "before", "after"),
            [(name, before or "-", after or "-") for name, (before, after) in sorted(report.versions.items())],
        )
    lines += ["", "## Steps", ""]
    lines += table(
        ("step", "time", "state", "outcome"),
        [
            (step.id, seconds_text(step.seconds), step.status, step.summary.replace("|", "/"))
            for stage in report.stages
            for step in stage.steps
        ],
        right=(1,),
    )
    if report.answers:
        lines += ["", "## Approvals", ""]
        lines += table(
            ("gate", "answer", "by", "at", "comment"),
            [(a.gate, a.answer, a.by, f"{a.at:%Y-%m-%d %H:%M:%S}", a.comment) for a in report.answers],
        )
    lines += ["", "## The way back", "", report.way_back, ""]
    return "\n".join(lines)


SHOWN_PACKAGES = 20
"""The rest is in the HTML report and in the JSON: a list of hundreds reads badly in Markdown."""


def _differences(found: Sequence[Differences]) -> list[str]:
    lines = []
    for each in found:
        lines += ["", f"## What differs: {each.stage}", ""]
        for group in each.packages:
            lines += [f"{count_text(len(group.changes), 'package')} on {', '.join(group.nodes)}:", ""]
            rows = [(c.name, c.before or "-", c.after or "-") for c in group.changes[:SHOWN_PACKAGES]]
            lines += [*table(("package", "before", "after"), rows), ""]
            more = len(group.changes) - SHOWN_PACKAGES
            lines += [f"and {more} more, in the HTML report.", ""] if more > 0 else []
        files = [(f.path, ", ".join(f.nodes), f"-{f.removed}", f"+{f.added}") for f in each.files]
        lines += [*table(("file", "on", "lines gone", "lines new"), files, right=(2, 3))] if files else []
    return lines


def _notes(report: Report) -> list[str]:
    if not report.notes:
        return []
    said = (f"- **{n.service}** of {n.release}: {n.says}{f' ({n.done})' if n.done else ''}" for n in report.notes)
    return ["", "## Release notes that matter", "", *said]


def _refusals(report: Report) -> list[str]:
    if not report.refusals:
        return []
    lines = (f"- {each.at:%H:%M:%S} {each.by}: {each.what}: {each.because}" for each in report.refusals)
    return ["", "## What was refused", "", *lines]


def _pings_lost(outages: Sequence[Outage]) -> list[str]:
    """Packets lost, by the step in which the loss began."""
    lost: Counter[tuple[str, str]] = Counter()
    for outage in outages:
        if outage.what == "ping":
            lost[outage.step or "between steps", outage.target] += outage.lost
    if not lost:
        return []
    rows = [(step, target, str(count)) for (step, target), count in lost.items()]
    return ["", *table(("pings lost in", "instance", "lost"), rows, right=(2,))]


def _watched(watched: Sequence[Watched]) -> list[str]:
    return table(
        ("target", "what", "asked", "lost", "outage", "longest"),
        [
            (w.target, w.what, str(w.asked), str(w.lost), seconds_text(w.outage_s), seconds_text(w.longest_s))
            for w in sorted(watched, key=lambda w: (w.what == "ping", w.target, w.what))
        ],
        right=(2, 3, 4, 5),
    )
