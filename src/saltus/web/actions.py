"""The buttons: each is a verb of `commands/`, which says whether it may be done. Forms and programs come the same way.

A form is answered with the page that it came from; a program that sends JSON is answered in JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from saltus.commands import runs
from saltus.commands.identity import demand
from saltus.errors import OperatorError
from saltus.web.access import Asking, check_form, site_of, who_asks
from saltus.web.errors import NotValid, not_valid
from saltus.web.site import Site

Comment = Field(default="", max_length=2000)


class Wish(BaseModel):
    """What every request for an action may carry: nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AnswerWish(Wish):
    gate: str | None = Field(default=None, max_length=300)
    """The gate that is meant; the one that waits when it is left out."""
    comment: str = Comment


class ReasonWish(Wish):
    reason: str = Comment


class RetryWish(Wish):
    step: str | None = Field(default=None, max_length=300)
    """This step and everything behind it; what failed or is unknown when it is left out."""


class SkipWish(Wish):
    step: str = Field(max_length=300)
    because: str = Field(max_length=2000)


class Done(BaseModel):
    """An action that was done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    said: str


def _approve(site: Site, asking: Asking, run: str, wish: Any) -> str:
    answer = runs.approve(site.journal, run, asking.who, gate=wish.gate, comment=wish.comment, clock=site.clock)
    return f"{answer.gate} approved by {answer.by}"


def _reject(site: Site, asking: Asking, run: str, wish: Any) -> str:
    answer = runs.reject(site.journal, run, asking.who, gate=wish.gate, comment=wish.comment, clock=site.clock)
    return f"{answer.gate} rejected by {answer.by}"


def _pause(site: Site, asking: Asking, run: str, wish: Any) -> str:
    runs.pause(site.journal, run, asking.who, reason=wish.reason, clock=site.clock)
    return "It pauses when its running step is done."


def _resume(site: Site, asking: Asking, run: str, wish: Any) -> str:
    runs.resume(site.journal, run, asking.who, clock=site.clock)
    return "It goes on."


def _accept_drift(site: Site, asking: Asking, run: str, wish: Any) -> str:
    runs.accept_drift(site.journal, run, asking.who, comment=wish.reason, clock=site.clock)
    return "The cloud is taken as it was found; the run can go on."


def _abort(site: Site, asking: Asking, run: str, wish: Any) -> str:
    runs.abort(site.journal, run, asking.who, reason=wish.reason, clock=site.clock)
    if not site.journal.state(run).is_over:
        return "It ends when its running step is done."
    if site.offer_way_back is not None:
        site.offer_way_back(run, asking.who)
    return f"It is aborted. Way back: {runs.show_status(site.journal, run).way_back}"


def _retry(site: Site, asking: Asking, run: str, wish: Any) -> str:
    runs.retry(site.journal, run, asking.who, step=wish.step, clock=site.clock)
    return "What failed or is unknown will be done again." if wish.step is None else f"It goes on from {wish.step}."


def _skip(site: Site, asking: Asking, run: str, wish: Any) -> str:
    runs.skip(site.journal, run, asking.who, step=wish.step, because=wish.because, clock=site.clock)
    return f"{wish.step} is skipped."


def _start(site: Site, asking: Asking, run: str, wish: Any) -> str:
    demand(site.journal, asking.who, "operator", f"run {run}")
    if site.start is None:
        raise OperatorError(
            what=f"{run} was not started", because="this page starts no runners", do=f"saltus run {run}"
        )
    if lease := site.journal.leases.holder(run):
        raise OperatorError(
            what=f"{run} was not started",
            because=f"process {lease.pid} on {lease.host} is running it",
            do="see how far it has come",
        )
    site.start(run, asking.who)
    return "A runner takes it up."


Verb = Literal["approve", "reject", "pause", "resume", "accept-drift", "abort", "retry", "skip", "start"]
ACTIONS: dict[Verb, tuple[type[Wish], Callable[[Site, Asking, str, Any], str], str]] = {
    "approve": (AnswerWish, _approve, "Approve the gate that waits"),
    "reject": (AnswerWish, _reject, "Reject the gate that waits: the run ends"),
    "pause": (ReasonWish, _pause, "Pause when the running step is done"),
    "resume": (Wish, _resume, "Take a pause back before it takes hold"),
    "accept-drift": (ReasonWish, _accept_drift, "Go on in spite of the differences that paused the run"),
    "abort": (ReasonWish, _abort, "End the run for good when the running step is done"),
    "retry": (RetryWish, _retry, "Do again what failed or is unknown"),
    "skip": (SkipWish, _skip, "Take a step out of the run, with the reason on record"),
    "start": (Wish, _start, "Let a runner take the run up"),
}
"""{verb: (what is sent, what is done, in a sentence)}. Which role each takes is said by `commands/`."""


async def act(request: Request) -> Response:
    wish_of, do, _ = ACTIONS[request.scope["path"].rpartition("/")[2]]
    asking = await run_in_threadpool(who_asks, request)
    is_form = "json" not in request.headers.get("content-type", "json")
    sent, mark = await _sent(request, is_form)
    check_form(request, asking, mark)
    try:
        wish = wish_of.model_validate(sent)
    except ValidationError as exc:
        raise not_valid(exc) from None
    site = site_of(request)
    run = (await run_in_threadpool(site.journal.find_run, request.path_params["run"])).id
    said = await run_in_threadpool(do, site, asking, run, wish)
    if is_form:
        return RedirectResponse(f"/runs/{run}?said={quote(said)}", 303)
    return JSONResponse(Done(run=run, said=said).model_dump())


async def _sent(request: Request, is_form: bool) -> tuple[dict[str, Any], str]:
    """What was sent, and the mark against forged requests."""
    if is_form:
        form = await request.form(max_files=0, max_fields=10)
        fields = {name: value for name, value in form.items() if isinstance(value, str) and value}
        return fields, fields.pop("csrf", "")
    body = await request.body()
    try:
        data = await request.json() if body else {}
    except (ValueError, RecursionError):
        raise NotValid(
            what="the request was not understood", because="its body is no JSON", do="see /api/v1/openapi.json"
        ) from None
    return data, request.headers.get("x-csrf-token", "")
