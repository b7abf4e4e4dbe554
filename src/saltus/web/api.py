"""The HTTP API: what the pages show, as JSON, and the same actions. `/api/v1/openapi.json` describes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from saltus import __version__
from saltus.commands import runs
from saltus.commands.reporting import report_of
from saltus.plan import Plan
from saltus.report.report import Report
from saltus.web.access import site_of, who_asks
from saltus.web.actions import ACTIONS, Done
from saltus.web.errors import Problem, not_valid
from saltus.web.site import Site


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Error(_Answer):
    error: Problem


class Me(_Answer):
    name: str
    role: str
    csrf: str | None
    """What a request by cookie must send as `X-CSRF-Token`; none is needed with a bearer token."""


class Runs(_Answer):
    runs: list[runs.RunLine]
    """Newest first."""


class Log(_Answer):
    run: str
    lines: list[runs.LogLine]


class Audit(_Answer):
    run: str
    plan: str
    cloud: str
    events: list[JsonValue]


class LogQuery(BaseModel):
    step: str | None = Field(default=None, max_length=300)
    after: int = Field(default=0, ge=0, lt=2**31)
    """The number of the last event that is known already."""


@dataclass(frozen=True)
class Reading:
    path: str
    answer: type[Any]
    read: Callable[[Site, Request], Any]
    about: str
    query: type[BaseModel] | None = None


def _named(site: Site, request: Request) -> str:
    return site.journal.find_run(request.path_params["run"]).id


def _me(site: Site, request: Request) -> Me:
    asking = who_asks(request)
    return Me(name=asking.account.name, role=asking.account.role, csrf=asking.csrf if asking.by_cookie else None)


def _runs(site: Site, request: Request) -> Runs:
    return Runs(runs=runs.list_runs(site.journal, site.states.now))


def _status(site: Site, request: Request) -> runs.RunStatus:
    name = _named(site, request)
    with site.states.at(name) as state:
        return runs.show_status(site.journal, name, lambda _run: state)


def _log(site: Site, request: Request) -> Log:
    name = _named(site, request)
    try:
        query = LogQuery.model_validate(dict(request.query_params))
    except ValidationError as exc:
        raise not_valid(exc) from None
    return Log(run=name, lines=runs.read_log(site.journal, name, query.step, after_seq=query.after))


READINGS = (
    Reading("/me", Me, _me, "Who asks, by token or session"),
    Reading(
        "/runs",
        Runs,
        lambda site, _: Runs(runs=runs.list_runs(site.journal, site.states.now)),
        "All runs, newest first",
    ),
    Reading("/runs/{run}", runs.RunStatus, _status, "Where a run stands"),
    Reading(
        "/runs/{run}/plan", Plan, lambda site, r: site.journal.plan_of(_named(site, r)), "The plan that the run walks"
    ),
    Reading("/runs/{run}/log", Log, _log, "What happened, in words", LogQuery),
    Reading(
        "/runs/{run}/audit",
        Audit,
        lambda site, r: Audit.model_validate(runs.audit_record(site.journal, _named(site, r))),
        "The whole record: every event as it stands in the journal",
    ),
    Reading(
        "/runs/{run}/report", Report, lambda site, r: report_of(site.journal, _named(site, r)), "What the run came to"
    ),
)


def endpoint(reading: Reading) -> Callable[[Request], Response]:
    adapter: TypeAdapter[Any] = TypeAdapter(reading.answer)

    def answer(request: Request) -> Response:
        who_asks(request)
        return Response(adapter.dump_json(reading.read(site_of(request), request)), media_type="application/json")

    return answer


def openapi(request: Request) -> Response:
    return Response(json.dumps(describe_api(), indent=1), media_type="application/json")


_ERRORS = ("401", "403", "404", "409", "422", "503")


def describe_api() -> dict[str, Any]:
    """The description, made of the same table and models that answer."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    errors = {
        code: _response("An error", _schema(Error, schemas)) for code in ("401", "403", "404", "409", "422", "503")
    }
    for reading in READINGS:
        paths[f"/api/v1{reading.path}"] = {
            "get": {
                "summary": reading.about,
                "operationId": "get" + reading.path.replace("/{run}", "_run").replace("/", "_"),
                "parameters": [*_path_parameters(reading.path), *_query_parameters(reading.query)],
                "responses": {"200": _response(reading.about, _schema(reading.answer, schemas)), **errors},
            }
        }
    for verb, (wish, _, about) in ACTIONS.items():
        paths[f"/api/v1/runs/{{run}}/{verb}"] = {
            "post": {
                "summary": about,
                "operationId": f"{verb}_run",
                "parameters": _path_parameters("{run}"),
                "requestBody": {"required": True, "content": {"application/json": {"schema": _schema(wish, schemas)}}},
                "responses": {"200": _response("Done", _schema(Done, schemas)), **errors},
            }
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Saltus", "version": __version__, "description": "Runs, their evidence, and their buttons."},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "saltus user token NAME"}},
        },
        "security": [{"token": []}],
    }


def _schema(kind: type[Any], into: dict[str, Any]) -> dict[str, str]:
    made = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    into.update(made.pop("$defs", {}))
    into[kind.__name__] = made
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _response(about: str, schema: dict[str, str]) -> dict[str, Any]:
    return {"description": about, "content": {"application/json": {"schema": schema}}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    if "{run}" not in path:
        return []
    about = "The id of the run, or its beginning"
    return [{"name": "run", "in": "path", "required": True, "description": about, "schema": {"type": "string"}}]


def _query_parameters(query: type[BaseModel] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    properties = query.model_json_schema()["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]
