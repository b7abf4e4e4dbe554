"""A run as it happens, by server-sent events.

Each message carries the number of the last event that it knows, as its id, and the parts of the page that have changed
since, as they are now. A browser that lost the connection names the last id it has; what it missed is one message.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from saltus.errors import OperatorError
from saltus.journal.events import Event
from saltus.plan import Stage
from saltus.web.access import Asking, site_of, who_asks
from saltus.web.rendering import fragment, key
from saltus.web.site import Site
from saltus.web.views import RunView

_LOOK_S = 0.4
_WHO_S = 15.0
"""A session that has ended is noticed within this time."""
_ALIVE_S = 10.0
_MOST = 300
"""Changed steps in one message; when there are more, the page is loaded again."""


async def stream(request: Request) -> StreamingResponse:
    asking, site = await run_in_threadpool(who_asks, request), site_of(request)
    run = (await run_in_threadpool(site.journal.find_run, request.path_params["run"])).id
    last = request.headers.get("last-event-id") or request.query_params.get("after", "0")
    seq = int(last) if last.isdecimal() and len(last) < 15 else 0
    messages = _messages(request, site, asking, run, seq)
    return StreamingResponse(messages, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _messages(request: Request, site: Site, asking: Asking, run: str, seq: int) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    desk = _Desk(site, asking, run, seq)
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


class _Desk:
    """What one browser has seen, and what is new to it."""

    def __init__(self, site: Site, asking: Asking, run: str, seq: int) -> None:
        self._site, self._asking, self._run, self._seq = site, asking, run, seq
        self._sent: dict[str, str] = {}

    def news(self) -> str:
        """The next message; empty when nothing has changed."""
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
            parts["gate"] = fragment("parts.html.j2", "gate", view.gate(), self._asking)
            if events or not self._sent:
                parts |= self._changed(view, steps, state.plan.stages)
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


def _starts_over(events: Iterable[Event]) -> bool:
    """After a retry many steps are as they were at the beginning: the whole page is drawn anew."""
    return any(event.kind == "retry.requested" for event in events)


def _message(seq: int, kind: str, parts: dict[str, str]) -> str:
    return f"id: {seq}\nevent: {kind}\ndata: {json.dumps({'seq': seq, 'parts': parts})}\n\n"
