"""A report for the terminal and, in the same words, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from saltus.report.report import Report, Watched


def seconds_text(seconds: float | None) -> str:
    """`41.2 s`, `3 m 05 s`; `-` for None."""
    if seconds is None:
        return "-"
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} m {rest:02d} s"


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
        ("stage", "time", "state", "impact planned", "longest outage"),
        [
            (s.id, seconds_text(s.seconds), s.status, s.impact, seconds_text(s.outage_s) if s.outage_s else "none")
            for s in report.stages
        ],
        right=(1, 4),
    )
    if report.watched:
        lines += ["", "## What users noticed", ""]
        lines += [*_watched(report.watched), ""]
        falls = sorted({(o.step or "between steps") for o in report.outages})
        lines += [f"Outages fell in: {', '.join(falls)}." if falls else "No outage was seen."]
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


def _watched(watched: Sequence[Watched]) -> list[str]:
    return table(
        ("target", "what", "asked", "lost", "outage", "longest"),
        [
            (w.target, w.what, str(w.asked), str(w.lost), seconds_text(w.outage_s), seconds_text(w.longest_s))
            for w in sorted(watched, key=lambda w: (w.what == "ping", w.target, w.what))
        ],
        right=(2, 3, 4, 5),
    )
