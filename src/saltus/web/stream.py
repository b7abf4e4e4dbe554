"""A run as it happens, by server-sent events.

Each message carries the number of the last event that it knows, as its id, and the parts of the page that have changed
since, as they are now. A browser that lost the connection names the last id it has; what it missed is one message.
What is in a message depends on the page that asks (`?view=`): the run, its outages, its fleet.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Protocol

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from saltus.errors import OperatorError
from saltus.journal.events import Event
from saltus.plan import Stage
from saltus.report.chart import describe, outage_charts, watched_rows
from saltus.web.access import Asking, site_of, who_asks
from saltus.web.fleet import FleetView
from saltus.web.rendering import fragment, key
from saltus.web.site import Site
from saltus.web.views import RunView

_LOOK_S = 0.4
_WHO_S = 15.0
"""A session that has ended is noticed within this time."""
_ALIVE_S = 10.0
_MOST = 300
"""Changed steps in one message; when there are more, the page is loaded again."""
_IDLE_S = 5.0
"""While nothing is written down, the page is looked at this often: answers expire, and accounts come and go."""
_CHART_S = 2.0
"""The chart is drawn again no more often than this."""


async def stream(request: Request) -> StreamingResponse:
    asking, site = await run_in_threadpool(who_asks, request), site_of(request)
    run = (await run_in_threadpool(site.journal.find_run, request.path_params["run"])).id
    last = request.headers.get("last-event-id") or request.query_params.get("after", "0")
    seq = int(last) if last.isdecimal() and len(last) < 15 else 0
    view = request.query_params.get("view", "")
    desk = _DESKS.get(view, _RunDesk)(site, asking, run, seq)
    messages = _messages(request, desk)
    return StreamingResponse(messages, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _messages(request: Request, desk: _Desk) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    told = asked = time.monotonic()
    while not request.app.state.stopping.is_set():
        if time.monotonic() - asked > _WHO_S:
            asked = time.monotonic()
            try:
                await run_in_threadpool(who_asks, request)
            except OperatorError:
                yield "event: ended\ndata: the session has ended\n\n"
                return
        if message := await run_in_threadpool(desk.news):
            told = time.monotonic()
            yield message
        elif time.monotonic() - told > _ALIVE_S:
            told = time.monotonic()
            yield ": alive\n\n"
        await asyncio.sleep(_LOOK_S)


class _Desk(Protocol):
    """What one browser has seen, and what is new to it."""

    def news(self) -> str:
        """The next message; empty when nothing has changed."""


class _RunDesk:
    """The run's own page: head, gate with its evidence, and every step that has moved."""

    def __init__(self, site: Site, asking: Asking, run: str, seq: int) -> None:
        self._site, self._asking, self._run, self._seq = site, asking, run, seq
        self._sent: dict[str, str] = {}
        self._asked = ""
        self._runner = ""
        self._looked_at = -_IDLE_S

    def news(self) -> str:
        events = self._site.states.since(self._run, self._seq)
        lease = self._site.journal.leases.holder(self._run)
        runner, now = lease.runner if lease else "", time.monotonic()
        if not events and runner == self._runner and now - self._looked_at < _IDLE_S:
            return ""
        self._runner, self._looked_at = runner, now
        with self._site.states.at(self._run) as state:
            events = self._site.states.since(self._run, self._seq)
            seq = events[-1][0] if events else self._seq
            view = RunView(self._site, self._asking, self._run, state)
            steps = {name for _, event in events if (name := getattr(event, "step", None)) in state.steps}
            steps |= set(state.unknown_steps)  # a runner that came or went says nothing of those it left
            if len(steps) > _MOST or _starts_over(event for _, event in events):
                self._seq = seq
                return _message(seq, "reload", {})
            parts = {"head": fragment("parts.html.j2", "head", view.head(), self._asking)}
            gate = view.gate()
            parts["gate"] = fragment("parts.html.j2", "gate", gate, self._asking)
            if events or not self._sent:
                parts |= self._changed(view, steps, state.plan.stages)
        asked = gate.asking if gate else ""
        if asked != self._asked:  # what lies before a gate does not change while it waits
            self._asked = asked
            found = self._site.report(self._run) if gate else None
            parts["gate-evidence"] = fragment("parts.html.j2", "gate_evidence", found)
        new = {name: html for name, html in parts.items() if self._sent.get(name) != html}
        self._sent |= new
        self._seq = seq
        return _message(seq, "parts", new) if new else ""

    def _changed(self, view: RunView, steps: set[str], stages: Iterable[Stage]) -> dict[str, str]:
        parts = {}
        for number, stage in enumerate(stages, start=1):
            shown = view.stage(number, stage, shown=0)
            parts[f"rail-{stage.id}"] = fragment("parts.html.j2", "rail", shown)
            parts[f"sum-{stage.id}"] = fragment("parts.html.j2", "stage_sum", shown)
            for step in stage.steps:
                if step.id in steps:
                    parts[f"step-{key(step.id)}"] = fragment("parts.html.j2", "step_line", view.step(step))
        return parts


_DRAWN = ("outage.seen", "watch.summary", "watch.failed", "step.finished", "step.failed", "run.finished")


class _OutageDesk:
    """The chart and its figures, drawn anew when the watcher or a step has something to say, and while one is away."""

    def __init__(self, site: Site, asking: Asking, run: str, seq: int) -> None:
        self._site, self._run, self._seq = site, run, seq
        self._drawn_at = 0.0
        self._is_away = False
        self._is_due = False

    def news(self) -> str:
        events = self._site.states.since(self._run, self._seq)
        self._seq = events[-1][0] if events else self._seq
        self._is_due = self._is_due or self._is_away or any(event.kind in _DRAWN for _, event in events)
        if not self._is_due or time.monotonic() - self._drawn_at < _CHART_S:
            return ""
        report = self._site.report(self._run)
        self._is_away = any(outage.seconds is None for outage in report.outages) and report.seconds is None
        self._drawn_at, self._is_due = time.monotonic(), False
        chart = Markup(outage_charts(report, now=self._site.clock.now()))
        html = fragment("outage-parts.html.j2", "outages", report, chart, describe(report), watched_rows(report))
        return _message(self._seq, "parts", {"outages": html})


class _FleetDesk:
    """States of nodes by name, a few bytes each; the script colours the cells."""

    def __init__(self, site: Site, asking: Asking, run: str, seq: int) -> None:
        self._site, self._run, self._seq = site, run, seq
        self._sent: dict[str, str] | None = None

    def news(self) -> str:
        events = self._site.states.since(self._run, self._seq)
        if self._sent is not None and not events:
            return ""
        with self._site.states.at(self._run) as state:
            fleet = FleetView(self._run, state, self._site.fleet(self._run, state.plan))
            seq = max(state.seq, self._seq)
            cells = {node.name: node.status for node in fleet.nodes}
        before = self._sent or {}
        changed = {name: status for name, status in cells.items() if before.get(name) != status}
        self._sent, self._seq = cells, seq
        if not changed:
            return ""
        parts = {"fleet-sum": fragment("fleet-parts.html.j2", "summary", fleet)}
        return _message(seq, "parts", parts, cells=changed)


_DESKS: dict[str, Callable[[Site, Asking, str, int], _Desk]] = {"outages": _OutageDesk, "fleet": _FleetDesk}


def _starts_over(events: Iterable[Event]) -> bool:
    """After a retry many steps are as they were at the beginning: the whole page is drawn anew."""
    return any(event.kind == "retry.requested" for event in events)


def _message(seq: int, kind: str, parts: dict[str, str], **more: object) -> str:
    return f"id: {seq}\nevent: {kind}\ndata: {json.dumps({'seq': seq, 'parts': parts, **more})}\n\n"
