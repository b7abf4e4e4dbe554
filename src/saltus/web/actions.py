"""Actions: what a button does. Each is a verb of `commands/`, which says whether it may be done.

Forms and programs come the same way. A form is answered with a page, a program that sends JSON in JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from saltus.web.access import Asking, check_form, site_of, who_asks
from saltus.web.errors import NotValid, not_valid
from saltus.web.rendering import render
from saltus.web.site import Site

Comment = Field(default="", max_length=2000)


class Wish(BaseModel):
    """What every request for an action may carry: nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Answer(BaseModel):
    """An action that was done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    said: str
    secret: str = ""
    """A token, shown this once."""
    run: str = ""
    plan: str = ""
    errand: str = ""


Do = Callable[[Site, Asking, dict[str, str], Any], Answer]


@dataclass(frozen=True)
class Action:
    """`path` is below /api/v1 and names what `do` gets beside the wish; `page` is where a form goes on."""

    path: str
    wish: type[Wish]
    do: Do
    about: str
    page: str

    @property
    def name(self) -> str:
        return self.path.strip("/").replace("{", "").replace("}", "").replace("/", "_")


def endpoint(action: Action) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def act(request: Request) -> Response:
        asking = await run_in_threadpool(who_asks, request)
        is_form = "json" not in request.headers.get("content-type", "json")
        sent, mark = await _sent(request, is_form)
        check_form(request, asking, mark)
        try:
            wish = action.wish.model_validate(sent)
        except ValidationError as exc:
            raise not_valid(exc) from None
        answer = await run_in_threadpool(action.do, site_of(request), asking, dict(request.path_params), wish)
        if not is_form:
            return JSONResponse(answer.model_dump(exclude_defaults=True))
        page = action.page.format(run=answer.run, plan=answer.plan, errand=answer.errand)
        if answer.secret:
            return await run_in_threadpool(render, request, "secret.html.j2", asking=asking, answer=answer, back=page)
        return RedirectResponse(f"{page}?said={quote(answer.said)}", 303)

    return act


async def _sent(request: Request, is_form: bool) -> tuple[dict[str, Any], str]:
    """What was sent, and the mark against forged requests."""
    if is_form:
        form = await request.form(max_files=0, max_fields=20)
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
