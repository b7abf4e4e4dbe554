"""For Prometheus, and for those who ask whether we are alive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from saltus import __version__
from saltus.commands.runs import list_runs
from saltus.journal.connection import JournalUnreachable
from saltus.web.access import site_of, who_asks
from saltus.web.site import Site

STATUSES = (
    "created",
    "ready",
    "running",
    "waiting",
    "paused",
    "interrupted",
    "failed",
    "unreadable",
    "done",
    "aborted",
)


def healthz(request: Request) -> Response:
    """200 while the journal answers. Tells nothing else, to anybody."""
    try:
        with site_of(request).journal.db.read():
            pass
    except JournalUnreachable:
        return JSONResponse({"status": "journal unreachable"}, 503)
    return JSONResponse({"status": "ok"})


def metrics(request: Request) -> Response:
    """Takes a token of a viewer: `authorization: {credentials_file: ...}` in Prometheus."""
    who_asks(request)
    text = "\n".join(_lines(site_of(request))) + "\n"
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


def _lines(site: Site) -> Iterator[str]:
    yield "# HELP saltus_info The version of Saltus."
    yield "# TYPE saltus_info gauge"
    yield f'saltus_info{{version="{_escaped(__version__)}"}} 1'
    runs = list_runs(site.journal, site.states.now)
    count = Counter((run.cloud, run.plan, run.status) for run in runs)
    yield "# HELP saltus_runs Runs by where they stand."
    yield "# TYPE saltus_runs gauge"
    for cloud, plan in sorted({(cloud, plan) for cloud, plan, _ in count}):
        for status in STATUSES:
            labels = f'cloud="{_escaped(cloud)}",plan="{_escaped(plan)}",status="{status}"'
            yield f"saltus_runs{{{labels}}} {count[cloud, plan, status]}"
    live = [run for run in runs if run.status not in ("done", "aborted", "unreadable")]
    yield "# HELP saltus_run_steps_done Steps that are over, of runs that are not."
    yield "# TYPE saltus_run_steps_done gauge"
    yield from (f'saltus_run_steps_done{{run="{_escaped(run.run)}"}} {run.done}' for run in live)
    yield "# HELP saltus_run_steps Steps of runs that are not over."
    yield "# TYPE saltus_run_steps gauge"
    yield from (f'saltus_run_steps{{run="{_escaped(run.run)}"}} {run.steps}' for run in live)
    yield "# HELP saltus_gate_waiting Gates that wait for an answer."
    yield "# TYPE saltus_gate_waiting gauge"
    for run in live:
        if run.now.startswith("gate "):
            yield f'saltus_gate_waiting{{run="{_escaped(run.run)}",gate="{_escaped(run.now[5:])}"}} 1'


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
