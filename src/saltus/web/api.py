"""The HTTP API: what the pages show, as JSON, and the same actions. `/api/v1/openapi.json` describes it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from saltus import __version__
from saltus.commands import catalog, clouds, runs, users
from saltus.commands.catalog import Table
from saltus.commands.errands import Errand
from saltus.journal.accounts import Account, Token
from saltus.journal.store import PlanRecord
from saltus.model.cloud import Cloud
from saltus.plan import Plan
from saltus.report.report import Report
from saltus.web import accounts, errands, plans, steering
from saltus.web.access import site_of, who_asks
from saltus.web.actions import Action, Wish
from saltus.web.actions import Answer as Done
from saltus.web.errors import Problem, not_valid
from saltus.web.site import Site

Query = TypeVar("Query", bound=BaseModel)

ACTIONS: tuple[Action, ...] = (*steering.ACTIONS, *plans.ACTIONS, *errands.ACTIONS, *accounts.ACTIONS)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Error(_Answer):
    error: Problem


class ErrandList(_Answer):
    errands: list[Errand]
    """Newest first."""


class ErrandOutput(_Answer):
    errand: Errand
    output: str


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


class Clouds(_Answer):
    clouds: list[clouds.CloudLine]


class Plans(_Answer):
    plans: list[PlanRecord]
    """Newest first."""


class Accounts(_Answer):
    accounts: list[Account]


class Tokens(_Answer):
    tokens: list[Token]
    """Never their secrets: one's own, and for approvers all."""


class Rows(_Answer):
    """A table as the command line prints it."""

    columns: list[str]
    rows: list[list[str]]


class HopQuery(BaseModel):
    older: str = Field(max_length=40)
    newer: str = Field(max_length=40)


class RouteQuery(HopQuery):
    service: str = Field(max_length=40)


@dataclass(frozen=True)
class Reading:
    path: str
    answer: type[Any]
    read: Callable[[Site, Request], Any]
    about: str
    query: type[BaseModel] | None = None


def _named(site: Site, request: Request) -> str:
    return site.journal.find_run(request.path_params["run"]).id


def _asked(request: Request, query: type[Query]) -> Query:
    try:
        return query.model_validate(dict(request.query_params))
    except ValidationError as exc:
        raise not_valid(exc) from None


def _me(site: Site, request: Request) -> Me:
    asking = who_asks(request)
    return Me(name=asking.account.name, role=asking.account.role, csrf=asking.csrf if asking.by_cookie else None)


def _clouds(site: Site, request: Request) -> Clouds:
    lines = runs.list_runs(site.journal, site.states.now)
    return Clouds(clouds=clouds.list_clouds(lines, lambda run: site.states.now(run).plan))


def _status(site: Site, request: Request) -> runs.RunStatus:
    name = _named(site, request)
    with site.states.at(name) as state:
        return runs.show_status(site.journal, name, lambda _run: state)


def _log(site: Site, request: Request) -> Log:
    name, query = _named(site, request), _asked(request, LogQuery)
    return Log(run=name, lines=runs.read_log(site.journal, name, query.step, after_seq=query.after))


def _rows(table: Table) -> Rows:
    columns, rows = table
    return Rows(columns=list(columns), rows=[list(row) for row in rows])


def _diff(site: Site, request: Request) -> Rows:
    query = _asked(request, HopQuery)
    return _rows(catalog.diff_releases(query.older, query.newer))


def _route(site: Site, request: Request) -> Rows:
    query = _asked(request, RouteQuery)
    return _rows(catalog.route_table(catalog.route(query.service, query.older, query.newer)))


def _toolboxes(site: Site, request: Request) -> Rows:
    return _rows(site.demand_desk("toolboxes cannot be listed", "saltus toolbox list").toolboxes())


def _errands(site: Site, request: Request) -> ErrandList:
    return ErrandList(errands=site.demand_desk("there are no errands", "saltus toolbox list").errands.all())


def _errand(site: Site, request: Request) -> ErrandOutput:
    known = site.demand_desk("there are no errands", "saltus toolbox list").errands
    errand = known.find(request.path_params["errand"])
    return ErrandOutput(errand=errand, output=known.output(errand.id))


def _model(site: Site, request: Request) -> Cloud:
    return site.demand_desk("the model cannot be read", "saltus model check").model()


READINGS = (
    Reading("/me", Me, _me, "Who asks, by token or session"),
    Reading("/clouds", Clouds, _clouds, "Each cloud: where it stands, and what comes next"),
    Reading("/runs", Runs, lambda site, _: Runs(runs=runs.list_runs(site.journal, site.states.now)), "All runs"),
    Reading("/runs/{run}", runs.RunStatus, _status, "Where a run stands"),
    Reading("/runs/{run}/plan", Plan, lambda site, r: site.journal.plan_of(_named(site, r)), "The plan that it walks"),
    Reading("/runs/{run}/log", Log, _log, "What happened, in words", LogQuery),
    Reading(
        "/runs/{run}/audit",
        Audit,
        lambda site, r: Audit.model_validate(runs.audit_record(site.journal, _named(site, r))),
        "The whole record: every event as it stands in the journal",
    ),
    Reading("/runs/{run}/report", Report, lambda site, r: site.report(_named(site, r)), "What the run came to"),
    Reading("/plans", Plans, lambda site, _: Plans(plans=site.journal.plans()), "All plans that were made"),
    Reading("/plans/{plan}", Plan, lambda site, r: site.journal.find_plan(r.path_params["plan"]), "One plan"),
    Reading("/accounts", Accounts, lambda site, _: Accounts(accounts=site.journal.accounts.all()), "The accounts"),
    Reading(
        "/tokens",
        Tokens,
        lambda site, r: Tokens(tokens=users.tokens(site.journal, who_asks(r).who)),
        "Tokens, never their secrets: one's own, and for approvers all",
    ),
    Reading("/model", Cloud, _model, "The model, checked against the catalogue"),
    Reading("/catalog", Rows, lambda _site, _: _rows(catalog.list_releases()), "The releases that the catalogue knows"),
    Reading(
        "/catalog/releases/{release}",
        Rows,
        lambda _site, r: _rows(catalog.show_release(r.path_params["release"])),
        "One release: versions, schema heads, floors",
    ),
    Reading("/catalog/diff", Rows, _diff, "What changes between two releases", HopQuery),
    Reading("/catalog/route", Rows, _route, "The stops of one service's databases between two releases", RouteQuery),
    Reading("/toolboxes", Rows, _toolboxes, "The manage tools that are ready"),
    Reading("/errands", ErrandList, _errands, "Tools built and tried, rehearsals of dumps"),
    Reading("/errands/{errand}", ErrandOutput, _errand, "One of them, and the end of what it has said"),
)


def endpoint(reading: Reading) -> Callable[[Request], Response]:
    adapter: TypeAdapter[Any] = TypeAdapter(reading.answer)

    def answer(request: Request) -> Response:
        who_asks(request)
        return Response(adapter.dump_json(reading.read(site_of(request), request)), media_type="application/json")

    return answer


def openapi(request: Request) -> Response:
    return Response(json.dumps(describe_api(), indent=1), media_type="application/json")


_ERRORS = {
    "400": "It cannot be made so",
    "401": "Nobody is known to ask",
    "403": "The account may not do this",
    "404": "There is nothing of that name",
    "409": "The run, or the world, does not allow it",
    "422": "The request was not understood",
    "503": "The journal cannot be reached",
}


def describe_api() -> dict[str, Any]:
    """The description, made of the same table and models that answer."""
    shapes = _Shapes()
    paths: dict[str, Any] = {}
    errors = {code: _response(about, shapes.of(Error)) for code, about in _ERRORS.items()}
    for reading in READINGS:
        paths.setdefault(f"/api/v1{reading.path}", {})["get"] = {
            "summary": reading.about,
            "operationId": "get" + _words(reading.path),
            "parameters": [*_path_parameters(reading.path), *_query_parameters(reading.query)],
            "responses": {"200": _response(reading.about, shapes.of(reading.answer)), **errors},
        }
    for action in ACTIONS:
        body = {"application/json": {"schema": shapes.of(action.wish)}}
        paths.setdefault(f"/api/v1{action.path}", {})["post"] = {
            "summary": action.about,
            "operationId": "post" + _words(action.path),
            "parameters": _path_parameters(action.path),
            "requestBody": {"required": True, "content": body},
            "responses": {"200": _response("Done", shapes.of(Done)), **errors},
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Saltus", "version": __version__, "description": "Runs, their evidence, and their buttons."},
        "paths": paths,
        "components": {
            "schemas": shapes.all,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "saltus user token NAME"}},
        },
        "security": [{"token": []}],
    }


def _words(path: str) -> str:
    return path.replace("{", "").replace("}", "").replace("/", "_")


class _Shapes:
    """The schemas of everything that is sent either way, made together: two models of one name get two names."""

    def __init__(self) -> None:
        kinds: list[type[Any]] = [Error, Done, *(r.answer for r in READINGS), *(a.wish for a in ACTIONS)]
        asked = [(str(kind), _mode(kind), TypeAdapter(kind)) for kind in dict.fromkeys(kinds)]
        made, whole = TypeAdapter.json_schemas(asked, ref_template="#/components/schemas/{model}")
        self.all: dict[str, Any] = whole.get("$defs", {})
        self._refs = {name: schema for (name, _), schema in made.items()}

    def of(self, kind: type[Any]) -> dict[str, Any]:
        return self._refs[str(kind)]


def _mode(kind: type[Any]) -> Literal["validation", "serialization"]:
    return "validation" if issubclass(kind, Wish) else "serialization"


def _response(about: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": about, "content": {"application/json": {"schema": schema}}}


_NAMES = {
    "run": "The id of the run, or its beginning",
    "plan": "The beginning of the plan's fingerprint",
    "name": "The name of the account",
    "token": "The id of the token, not its secret",
    "errand": "The id of the errand",
    "release": "`epoxy`, `2025.1`",
}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "description": _NAMES[name], "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(query: type[BaseModel] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    made = query.model_json_schema()
    return [
        {"name": name, "in": "query", "required": name in made.get("required", ()), "schema": schema}
        for name, schema in made["properties"].items()
    ]
