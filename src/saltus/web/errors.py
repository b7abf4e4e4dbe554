"""Errors on their way out: three lines on a page, one JSON shape for programs, the right status for both."""

from __future__ import annotations

import logging
from http import HTTPStatus
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from saltus.catalog.releases import UnknownRelease
from saltus.commands.identity import NotAllowed
from saltus.errors import OperatorError
from saltus.journal.accounts import AccountRefused
from saltus.journal.approvals import AnswerNotCounted
from saltus.journal.connection import JournalUnreachable
from saltus.journal.store import NotFound
from saltus.web.access import Forged, NotLoggedIn, TooManyTries, site_of
from saltus.web.login import inside
from saltus.web.rendering import render

log = logging.getLogger(__name__)

_STATUS: tuple[tuple[type[OperatorError], int], ...] = (
    (NotLoggedIn, 401),
    (NotAllowed, 403),
    (Forged, 403),
    (NotFound, 404),
    (UnknownRelease, 404),
    (AnswerNotCounted, 409),
    (AccountRefused, 400),
    (TooManyTries, 429),
    (JournalUnreachable, 503),
)


class Problem(BaseModel):
    """What went wrong, why, and what to do: the one shape of every error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: int
    what: str
    because: str
    do: str


class NotValid(OperatorError):
    """The request is not in the shape that it should have."""


def status_of(error: OperatorError) -> int:
    """409 where nothing else fits: the request is well made, and the run or the world does not allow it."""
    if isinstance(error, NotValid):
        return 422
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 409)


def not_valid(exc: ValidationError) -> NotValid:
    first = exc.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the request"
    return NotValid(
        what="the request was not understood", because=f"{where}: {first['msg']}", do="see /api/v1/openapi.json"
    )


def wants_json(request: Request) -> bool:
    """Programs, and the parts of the page that load by script."""
    return request.url.path.startswith("/api/") and "text/html" not in request.headers.get("accept", "")


def on_operator_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, OperatorError)
    if isinstance(exc, NotLoggedIn) and not wants_json(request):
        return _to_login(request)
    text = site_of(request).journal.redactor.text
    problem = Problem(status=status_of(exc), what=text(exc.what), because=text(exc.because.strip()), do=text(exc.do))
    return _answer(request, problem)


def on_http_exception(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    known = {
        404: ("there is no such page", "nothing is at this address", "start from the first page"),
        405: ("this cannot be done here", f"{request.method} is not for this address", "see /api/v1/openapi.json"),
        413: ("the request is too large", "forms here are short", "shorten the comment"),
    }
    said = HTTPStatus(exc.status_code).phrase
    what, because, do = known.get(exc.status_code, (said, exc.detail or said, "load the page again"))
    response = _answer(request, Problem(status=exc.status_code, what=what, because=because, do=do))
    response.headers.update(exc.headers or {})
    return response


def on_bug(request: Request, exc: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=exc)
    return _answer(
        request,
        Problem(status=500, what="Saltus made a mistake", because=type(exc).__name__, do="see the log of saltus web"),
    )


def _to_login(request: Request) -> Response:
    here = request.url.path if request.method == "GET" else "/"
    return RedirectResponse(f"/login?next={here}", 303)


def _answer(request: Request, problem: Problem) -> Response:
    if wants_json(request):
        headers = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
        return JSONResponse({"error": problem.model_dump()}, problem.status, headers)
    return render(request, "error.html.j2", status=problem.status, problem=problem, back=_back(request))


def _back(request: Request) -> str | None:
    """The page of ours on which the button was pressed."""
    if request.method != "POST":
        return None
    try:
        page = urlsplit(request.headers.get("referer", ""))
    except ValueError:  # whatever somebody may send there
        return None
    ours = page.netloc == request.headers.get("host")
    return inside(page._replace(scheme="", netloc="", fragment="").geturl()) if ours else None
