"""The application: every address of the page and of the API, and what stands around them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from importlib import resources

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from saltus.errors import OperatorError
from saltus.report.html import page_style
from saltus.web import accounts, api, errands, knowledge, login, metrics, pages, plans
from saltus.web.access import Tries
from saltus.web.actions import endpoint
from saltus.web.errors import on_bug, on_http_exception, on_operator_error
from saltus.web.headers import SafeHeaders
from saltus.web.sign_on import SignOn
from saltus.web.site import Site
from saltus.web.stream import stream

_STATIC = {
    "page.css": "text/css",
    "saltus.css": "text/css",
    "saltus.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


def make_app(site: Site) -> Starlette:
    app = Starlette(
        routes=[
            *([SignOn(site.provider).mount(behind_tls=site.behind_tls)] if site.provider else []),
            Route("/", pages.clouds),
            Route("/runs", pages.runs),
            Route("/runs/{run}", pages.run),
            Route("/runs/{run}/stages/{stage}", pages.stage),
            Route("/runs/{run}/steps/{step:path}", pages.step),
            Route("/runs/{run}/evidence", pages.evidence),
            Route("/runs/{run}/fleet", pages.fleet),
            Route("/runs/{run}/nodes/{node}", pages.node),
            Route("/runs/{run}/outages", pages.outages),
            Route("/runs/{run}/audit", pages.audit),
            Route("/runs/{run}/audit.csv", pages.audit_csv),
            Route("/runs/{run}/audit.json", pages.audit_json),
            Route("/runs/{run}/report.html", pages.report),
            Route("/runs/{run}/report.md", pages.report_markdown),
            Route("/runs/{run}/events", stream),
            Route("/runs/{run}/log", pages.log),
            Route("/plans", plans.plans),
            Route("/plans/{plan}", plans.plan),
            Route("/tools", errands.tools),
            Route("/tools/{errand}", errands.tool),
            Route("/accounts", accounts.accounts),
            Route("/catalog", knowledge.catalog),
            Route("/catalog/{release}", knowledge.release),
            Route("/model", knowledge.model),
            Route("/login", login.form, methods=["GET"]),
            Route("/login", login.login, methods=["POST"]),
            Route("/logout", login.logout, methods=["POST"]),
            Mount(
                "/api/v1",
                routes=[
                    Route("/openapi.json", api.openapi),
                    *(Route(reading.path, api.endpoint(reading), methods=["GET"]) for reading in api.READINGS),
                    *(Route(action.path, endpoint(action), methods=["POST"]) for action in api.ACTIONS),
                ],
            ),
            Route("/healthz", metrics.healthz),
            Route("/metrics", metrics.metrics),
            Route("/static/{name}", _static),
        ],
        middleware=[Middleware(SafeHeaders, behind_tls=site.behind_tls)],
        exception_handlers={
            OperatorError: on_operator_error,
            HTTPException: on_http_exception,
            Exception: on_bug,
        },
        lifespan=_lifespan,
    )
    app.state.site, app.state.tries, app.state.stopping = site, Tries(), threading.Event()
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    try:
        yield
    finally:
        app.state.stopping.set()


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        raise HTTPException(404)
    text = page_style() if name == "page.css" else (resources.files("saltus.web") / "static" / name).read_text()
    return Response(text, media_type=_STATIC[name], headers={"Cache-Control": "max-age=300"})
