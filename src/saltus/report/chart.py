"""The outage chart: time on one axis, a row for each API (read, write) and instance, outages over the steps that ran.

Plain SVG made here, without a script: the page and the report draw the same picture. Colours come from `page.css`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from saltus.plan import Impact
from saltus.report.report import Outage, Report, StageLine, StepLine, Watched
from saltus.report.text import forecast_text, seconds_text

_LEFT, _PLOT, _RIGHT = 190, 680, 130
_WIDTH = _LEFT + _PLOT + _RIGHT
_ROW, _STEP = 24, 18
_TICKS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)


@dataclass(frozen=True)
class _Axis:
    begun: datetime
    ended: datetime
    zero: datetime
    """What the ticks count from: the first question that got no answer."""

    @property
    def span(self) -> timedelta:
        return self.ended - self.begun

    def shows(self, outage: Outage) -> bool:
        return outage.started < self.ended and (_end(outage) or self.ended) > self.begun

    def seconds_of(self, outage: Outage) -> float:
        """How much of it lies in the picture."""
        begun, ended = max(outage.started, self.begun), min(_end(outage) or self.ended, self.ended)
        return max(0.0, (ended - begun).total_seconds())

    def x(self, at: datetime) -> float:
        share = (at - self.begun) / (self.ended - self.begun)
        return round(_LEFT + _PLOT * min(1.0, max(0.0, share)), 1)

    def ticks(self) -> Iterator[tuple[float, str]]:
        span_s = (self.ended - self.begun).total_seconds()
        each_s = next((tick for tick in _TICKS_S if span_s / tick <= 9), _TICKS_S[-1])
        first = math.ceil((self.begun - self.zero).total_seconds() / each_s)
        last = math.floor((self.ended - self.zero).total_seconds() / each_s)
        for number in range(first, last + 1):
            yield self.x(self.zero + timedelta(seconds=number * each_s)), _tick_text(number * each_s)


def outage_charts(report: Report, *, now: datetime | None = None) -> str:
    """The chart of the whole run; before it one of the stage that users were to notice, where that is a small part."""
    whole = _axis(report, now) if report.started else None
    stage = _noticed(report)
    window = _axis_of(report, stage, now) if stage else None
    if stage is None or whole is None or window is None or whole.span < 3 * window.span:
        return outage_chart(report, now=now)
    parts = (f"<h3>{escape(stage.id)}</h3>", outage_chart(report, now=now, axis=window), "<h3>The whole run</h3>")
    return "".join((*parts, outage_chart(report, now=now)))


def outage_chart(report: Report, *, now: datetime | None = None, axis: _Axis | None = None) -> str:
    """The chart as one `<svg>`; empty when nothing was watched. `now` ends what is not over yet."""
    rows = watched_rows(report)
    if not rows or report.started is None:
        return ""
    whole = axis is None
    axis = axis or _axis(report, now)
    lines = _pack(_steps_within(report, axis), axis)
    expected = _forecasts(report, axis)
    under = 26 + _STEP * len(lines)
    top = under + (_STEP if expected else 0) + 10
    height = top + _ROW * len(rows) + 8
    parts = [
        f'<svg class="outages" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(describe(report))}">',
        *_grid(axis, height),
        *_bands(report, axis, top, height),
        f'<text class="label" x="0" y="{26 + 13}">steps</text>' if lines else "",
    ]
    for number, line in enumerate(lines):
        parts += [_step(step, axis, 26 + _STEP * number) for step in line]
    if expected:
        parts += [f'<text class="label" x="0" y="{under + 12}">forecast</text>', *_expected_bars(expected, axis, under)]
    for number, row in enumerate(rows):
        mine = [o for o in report.outages if (o.target, o.what) == (row.target, row.what) and axis.shows(o)]
        seen = row if whole else row.model_copy(update={"outage_s": sum(axis.seconds_of(o) for o in mine)})
        parts += _row(seen, mine, axis, top + _ROW * number)
    return "".join([*parts, "</svg>"])


def describe(report: Report) -> str:
    """The chart in a sentence, for those who do not see it."""
    rows = watched_rows(report)
    apis = [row for row in rows if row.what != "ping"]
    pings = [row for row in rows if row.what == "ping" and row.asked]
    longest = max(apis, key=lambda row: row.longest_s, default=None)
    told = []
    if report.not_watched:
        told.append(f"Not watched{' in all of the run' if report.is_watched else ''}: {report.not_watched}.")
    away: dict[str, list[str]] = {}
    for outage in sorted(report.outages, key=lambda outage: (outage.target, outage.what)):
        if outage.seconds is None and outage.what not in away.setdefault(outage.target, []):
            away[outage.target].append(outage.what)
    away = {target: kinds for target, kinds in away.items() if kinds}
    if away:
        names = (name if kinds == ["read", "write"] else f"{name} ({kinds[0]})" for name, kinds in away.items())
        told.append(f"Not back yet: {', '.join(names)}.")
    if longest is not None:
        of = f"{longest.target} ({longest.what})"
        told.append(f"The longest API outage is {seconds_text(longest.longest_s)}, of {of}." if longest.longest_s
                    else "No API had an outage." if not away else "")  # fmt: skip
    stage = _noticed(report)
    if stage and stage.outage_s and longest is not None and stage.outage_s < longest.longest_s:
        told.append(f"In {stage.id} the longest is {seconds_text(stage.outage_s)}.")
    if pings:
        lost = sum(row.lost for row in pings)
        told.append(f"Instances lost {lost} of {sum(row.asked for row in pings)} pings.")
    return " ".join(filter(None, told))


def watched_rows(report: Report) -> list[Watched]:
    """Reads and writes of each API together, then instances. Of outages without totals yet, what is known."""
    known = {(row.target, row.what): row for row in report.watched}
    for outage in report.outages:
        key = (outage.target, outage.what)
        if key not in known:
            mine = [o.seconds or 0.0 for o in report.outages if (o.target, o.what) == key]
            known[key] = Watched(target=key[0], what=key[1], asked=0, lost=0, outage_s=sum(mine), longest_s=max(mine))
    return sorted(known.values(), key=lambda row: (row.what == "ping", row.target, row.what))


def _axis(report: Report, now: datetime | None) -> _Axis:
    """The outages with a margin; the whole run when there were none."""
    assert report.started is not None
    ended = report.started + timedelta(seconds=report.seconds) if report.seconds else (now or report.started)
    if not report.outages:
        return _Axis(report.started, max(ended, report.started + timedelta(seconds=1)), report.started)
    first = min(outage.started for outage in report.outages)
    last = max((_end(outage) or ended) for outage in report.outages)
    margin = max(timedelta(seconds=4), (last - first) * 0.12)
    return _Axis(first - margin, max(last, first) + margin, first)


def _noticed(report: Report) -> StageLine | None:
    """The stage that the plan says users notice and that has begun; of several the one with the longest outage."""
    begun = [s for s in report.stages if s.impact != Impact.NONE and any(step.started for step in s.steps)]
    return max(begun, key=lambda stage: stage.outage_s or 0.0, default=None)


def _axis_of(report: Report, stage: StageLine, now: datetime | None) -> _Axis | None:
    """The stage with a margin, and with what began in it to its end; None when nobody was away then."""
    begun = min(step.started for step in stage.steps if step.started)
    spans = [(s.started, s.started + timedelta(seconds=s.seconds)) for s in stage.steps if s.started and s.seconds]
    is_over = all(step.seconds is not None or step.status == "skipped" for step in stage.steps)
    ended = max((end for _, end in spans), default=begun) if is_over or now is None else now
    ids = {step.id for step in stage.steps}
    mine = [outage for outage in report.outages if outage.step in ids]
    if not mine:
        return None
    ended = max([ended, *(end for outage in mine if (end := _end(outage)))])
    margin = max(timedelta(seconds=4), (ended - begun) * 0.06)
    return _Axis(begun - margin, ended + margin, min(outage.started for outage in mine))


def _end(outage: Outage) -> datetime | None:
    return None if outage.seconds is None else outage.started + timedelta(seconds=outage.seconds)


def _steps_within(report: Report, axis: _Axis) -> list[StepLine]:
    found = []
    for stage in report.stages:
        for step in stage.steps:
            if step.started is None or not step.seconds:
                continue
            if step.started < axis.ended and step.started + timedelta(seconds=step.seconds) > axis.begun:
                found.append(step)
    return sorted(found, key=lambda step: step.started or axis.begun)[:60]


def _pack(steps: Iterable[StepLine], axis: _Axis) -> list[list[StepLine]]:
    """Steps that ran side by side in lines of their own: each goes to the first line that is free."""
    lines: list[list[StepLine]] = []
    free: list[float] = []
    for step in steps:
        begun, end = _span(step, axis)
        line = next((number for number, at in enumerate(free) if at <= begun + 0.5), len(lines))
        if line == len(lines):
            lines.append([])
            free.append(0.0)
        lines[line].append(step)
        free[line] = end
    return lines


def _span(step: StepLine, axis: _Axis) -> tuple[float, float]:
    assert step.started is not None
    return axis.x(step.started), axis.x(step.started + timedelta(seconds=step.seconds or 0))


def _step(step: StepLine, axis: _Axis, y: int) -> str:
    begun, end = _span(step, axis)
    width = max(1.5, end - begun - 1)
    name = step.id.rpartition("/")[2]
    shown = name if len(name) * 6.2 + 8 < width else ""
    label = f'<text class="in-step" x="{begun + 5:.1f}" y="{y + 12}">{escape(shown)}</text>' if shown else ""
    foreseen = f", forecast {seconds_text(step.forecast_s)}" if step.forecast_s is not None else ""
    title = f"<title>{escape(step.id)}: {seconds_text(step.seconds)}{foreseen}</title>"
    bar = f'<rect class="step is-{step.status}" x="{begun}" y="{y}" width="{width:.1f}" height="{_STEP - 3}" rx="3"/>'
    return f"<g>{title}{bar}{label}</g>"


@dataclass(frozen=True)
class _Forecast:
    """What a stage was expected to take, from where it began."""

    stage: StageLine
    begun: datetime
    seconds: float


def _forecasts(report: Report, axis: _Axis) -> list[_Forecast]:
    """Of the stages that lie in the picture."""
    found = []
    for stage in report.stages:
        begun = min((step.started for step in stage.steps if step.started), default=None)
        inside = begun is not None and stage.seconds is not None and begun < axis.ended
        if begun and inside and stage.forecast_s and begun + timedelta(seconds=stage.seconds or 0) > axis.begun:
            found.append(_Forecast(stage, begun, stage.forecast_s))
    return found


def _expected_bars(found: Iterable[_Forecast], axis: _Axis, y: int) -> Iterator[str]:
    """An outline for each stage, as long as its forecast; what it says stands in it where there is room."""
    for each in found:
        begun, end = axis.x(each.begun), axis.x(each.begun + timedelta(seconds=each.seconds))
        width, text = max(2.0, end - begun - 1), f"{each.stage.id} {forecast_text(each.stage)}"
        title = f"<title>forecast of {escape(text)}, measured {seconds_text(each.stage.seconds)}</title>"
        least = "" if each.stage.foreseen == len(each.stage.steps) else "≥ "
        shown = text if len(text) * 6.2 + 8 < width else f"{least}{seconds_text(each.seconds)}" if width > 58 else ""
        label = f'<text class="in-step" x="{begun + 5:.1f}" y="{y + 12}">{escape(shown)}</text>' if shown else ""
        bar = f'<rect class="forecast" x="{begun}" y="{y + 1}" width="{width:.1f}" height="{_STEP - 5}" rx="3"/>'
        yield f"<g>{title}{bar}{label}</g>"


def _grid(axis: _Axis, height: int) -> Iterator[str]:
    for x, text in axis.ticks():
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="20" y2="{height}"/>'
        yield f'<text class="tick" x="{x}" y="13" text-anchor="middle">{text}</text>'


def _bands(report: Report, axis: _Axis, top: int, height: int) -> Iterator[str]:
    """The steps in which an outage began, drawn through all rows."""
    named = {outage.step for outage in report.outages}
    for step in _steps_within(report, axis):
        if step.id in named:
            begun, end = _span(step, axis)
            width = max(1.0, end - begun)
            yield f'<rect class="band" x="{begun}" y="{top - 6}" width="{width:.1f}" height="{height - top}"/>'


def _row(row: Watched, outages: Sequence[Outage], axis: _Axis, y: int) -> list[str]:
    middle = y + _ROW / 2
    away = any(outage.seconds is None for outage in outages)
    total = "away now" if away else seconds_text(row.outage_s) if row.outage_s or outages else "no outage"
    parts = [
        f'<text class="label" x="0" y="{middle + 4}">{escape(row.target)}<tspan class="kind" dx="6">{row.what}</tspan>'
        "</text>",
        f'<line class="rail is-{row.what}" x1="{_LEFT}" x2="{_LEFT + _PLOT}" y1="{middle}" y2="{middle}"/>',
        f'<text class="total" x="{_WIDTH}" y="{middle + 4}" text-anchor="end">{total}</text>',
    ]
    for outage in outages:
        begun, end = axis.x(outage.started), axis.x(_end(outage) or axis.ended)
        where = f" in {outage.step}" if outage.step else ""
        lasted = f"{'at least ' if outage.at_least else ''}{seconds_text(outage.seconds)}"
        title = f"{row.target} {row.what}: {lasted} from {outage.started:%H:%M:%S} UTC{where}"
        parts.append(
            f'<rect class="outage is-{row.what}" x="{begun}" y="{y + 5}" width="{max(2.0, end - begun):.1f}"'
            f' height="{_ROW - 10}" rx="3"><title>{escape(title)}</title></rect>'
        )
    return parts


def _tick_text(seconds: float) -> str:
    if abs(seconds) < 120:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if abs(seconds) < 7200 else f"{seconds / 3600:g} h"
