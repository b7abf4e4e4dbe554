"""The pages: clouds, runs, a run with its stages and steps, evidence, outages, audit, the report."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from saltus.commands import clouds as cloud_verbs
from saltus.commands import runs as verbs
from saltus.errors import OperatorError
from saltus.journal.fold import RunState
from saltus.journal.store import NotFound
from saltus.plan import Stage, Step
from saltus.report.chart import describe, outage_charts, watched_rows
from saltus.report.html import render_html, style_hash
from saltus.report.text import render as render_text
from saltus.web.access import Asking, site_of, who_asks
from saltus.web.audit import matching, said, to_csv
from saltus.web.fleet import FleetView, said_on, status_on
from saltus.web.rendering import fragment, render
from saltus.web.site import Site
from saltus.web.views import RunView, StepView

PAGE_STEPS = 200
LOG_LINES = 1000


def clouds(request: Request) -> Response:
    asking, site = who_asks(request), site_of(request)
    lines = verbs.list_runs(site.journal, site.states.now)
    found = cloud_verbs.list_clouds(lines, lambda run: site.states.now(run).plan)
    return render(request, "clouds.html.j2", asking=asking, clouds=found, runs=lines[:12])


def runs(request: Request) -> Response:
    asking, site = who_asks(request), site_of(request)
    return render(request, "runs.html.j2", asking=asking, runs=verbs.list_runs(site.journal, site.states.now))


def run(request: Request) -> Response:
    asking, site, name = _named(request)
    with site.states.at(name) as state:
        view = RunView(site, asking, name, state)
        values: dict[str, Any] = {"head": view.head(), "gate": view.gate(), "stages": view.stages(), "seq": state.seq}
    values["found"] = site.report(name) if values["gate"] else None
    return render(request, "run.html.j2", asking=asking, said=request.query_params.get("said", ""), **values)


def stage(request: Request) -> Response:
    """All steps of one stage, in pages, for stages of thousands; with `?part`, those that the run's page shows."""
    asking, site, name = _named(request)
    if "part" in request.query_params:
        with site.states.at(name) as state:
            part = RunView(site, asking, name, state).stage(*_find_stage(state, request.path_params["stage"]))
        return HTMLResponse("".join(fragment("parts.html.j2", "step_line", step) for step in part.steps))
    wanted = request.query_params.get("status", "")
    page = max(1, int(number)) if (number := request.query_params.get("page", "1")).isdecimal() else 1
    with site.states.at(name) as state:
        index, found = _find_stage(state, request.path_params["stage"])
        view = RunView(site, asking, name, state)
        steps = [step for step in found.steps if not wanted or state.steps[step.id].status == wanted]
        shown = [view.step(step) for step in steps[(page - 1) * PAGE_STEPS : page * PAGE_STEPS]]
        values: dict[str, Any] = {"head": view.head(), "stage": view.stage(index, found, shown=0), "seq": state.seq}
    pages = max(1, -(-len(steps) // PAGE_STEPS))
    return render(
        request, "stage.html.j2", asking=asking, steps=shown, wanted=wanted, page=page, pages=pages, **values
    )  # fmt: skip


def step(request: Request) -> Response:
    """Everything about one step; with `?part`, only the part that the run's page unfolds."""
    asking, site, name = _named(request)
    with site.states.at(name) as state:
        found = _find_step(state, request.path_params["step"])
        view = RunView(site, asking, name, state)
        details = state.steps[found.id]
        values: dict[str, Any] = {
            "head": view.head(),
            "step": view.step(found),
            "action": json.loads(found.action.model_dump_json()),
            "evidence": details.evidence,
            "notes": details.notes,
            "after_a_crash": found.action.after_a_crash,
        }
    log = verbs.read_log(site.journal, name, found.id)
    template = "step-part.html.j2" if "part" in request.query_params else "step.html.j2"
    return render(request, template, asking=asking, log=log[-200:], earlier=max(0, len(log) - 200), **values)


def evidence(request: Request) -> Response:
    asking, site, name = _named(request)
    return render(request, "evidence-page.html.j2", asking=asking, report=site.report(name))


def fleet(request: Request) -> Response:
    asking, site, name = _named(request)
    with site.states.at(name) as state:
        values: dict[str, Any] = {"fleet": FleetView(name, state, site.fleet(name, state.plan)), "seq": state.seq}
    return render(request, "fleet.html.j2", asking=asking, run=name, **values)


def node(request: Request) -> Response:
    """One machine of the fleet: its steps and its log; with `?part`, what the map shows beside itself."""
    asking, site, name = _named(request)
    wanted = request.path_params["node"]
    with site.states.at(name) as state:
        ids = site.fleet(name, state.plan).get(wanted)
        if ids is None:
            raise _not_in_plan(f"machine {wanted}")
        view = RunView(site, asking, name, state)
        steps = [_on(wanted, view.step(step), state) for step in state.plan.steps() if step.id in ids]
        found = FleetView(name, state, {wanted: ids}).nodes[0]
    log = verbs.read_log_of(site.journal, name, ids, machine=wanted)[-200:]
    template = "node-part.html.j2" if "part" in request.query_params else "node.html.j2"
    return render(request, template, asking=asking, node=found, steps=steps, log=log)


def _on(machine: str, step: StepView, state: RunState) -> StepView:
    """The step as it fares on this one of its machines."""
    stands = state.steps[step.id]
    return replace(step, status=status_on(machine, stands), said=said_on(machine, stands) or step.said)


def outages(request: Request) -> Response:
    asking, site, name = _named(request)
    seq, report = site.states.now(name).seq, site.report(name)
    chart = Markup(outage_charts(report, now=site.clock.now()))
    return render(
        request, "outages.html.j2", asking=asking, report=report, chart=chart, told=describe(report),
        rows=watched_rows(report), seq=seq,
    )  # fmt: skip


def audit(request: Request) -> Response:
    asking, site, name = _named(request)
    words = request.query_params.get("q", "")
    lines = matching(verbs.audit(site.journal, name), words)
    return render(request, "audit.html.j2", asking=asking, run=name, lines=lines, words=words)


def log(request: Request) -> Response:
    """Everything that happened, searched: what `saltus log RUN` prints."""
    asking, site, name = _named(request)
    words = request.query_params.get("q", "")
    lines = [line for line in verbs.read_log(site.journal, name) if all(w in said(line) for w in words.lower().split())]
    shown = lines[-LOG_LINES:]
    return render(request, "log.html.j2", asking=asking, run=name, lines=shown, words=words, found=len(lines))


def audit_csv(request: Request) -> Response:
    _, site, name = _named(request)
    out = io.StringIO()
    to_csv(matching(verbs.audit(site.journal, name), request.query_params.get("q", "")), csv.writer(out))
    return _file(out.getvalue(), "text/csv", f"audit-{name}.csv")


def audit_json(request: Request) -> Response:
    """The whole record: what `saltus audit RUN -f json` prints."""
    _, site, name = _named(request)
    text = json.dumps(verbs.audit_record(site.journal, name), indent=1, ensure_ascii=False)
    return _file(text + "\n", "application/json", f"audit-{name}.json")


def report(request: Request) -> Response:
    _, site, name = _named(request)
    html = render_html(site.report(name), now=site.clock.now())
    policy = f"default-src 'none'; style-src '{style_hash()}'; frame-ancestors 'none'; base-uri 'none'"
    headers = {"Content-Security-Policy": policy}
    if "save" in request.query_params:
        headers["Content-Disposition"] = f'attachment; filename="report-{name}.html"'
    return HTMLResponse(html, headers=headers)


def report_markdown(request: Request) -> Response:
    _, site, name = _named(request)
    return _file(render_text(site.report(name)), "text/markdown", f"report-{name}.md")


def _named(request: Request) -> tuple[Asking, Site, str]:
    """Who asks, and the full id of the run in the address."""
    asking, site = who_asks(request), site_of(request)
    return asking, site, site.journal.find_run(request.path_params["run"]).id


def _find_stage(state: RunState, name: str) -> tuple[int, Stage]:
    for index, stage in enumerate(state.plan.stages, start=1):
        if stage.id == name:
            return index, stage
    raise _not_in_plan(f"stage {name}")


def _find_step(state: RunState, name: str) -> Step:
    for step in state.plan.steps():
        if step.id == name:
            return step
    raise _not_in_plan(f"step {name}")


def _not_in_plan(what: str) -> OperatorError:
    return NotFound(what=f"there is no {what}", because="the plan of this run names none such", do="see the run's page")


def _file(text: str, kind: str, name: str) -> Response:
    return Response(text, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
