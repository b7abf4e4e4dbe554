"""Logging in with a password or a token, and out."""

from __future__ import annotations

import logging
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from saltus.errors import OperatorError
from saltus.journal.accounts import Account
from saltus.web.access import (
    Tries,
    begin_session,
    check_form,
    check_login_form,
    client_of,
    end_session,
    new_login_mark,
    site_of,
    who_asks,
)
from saltus.web.rendering import render
from saltus.web.site import Site

log = logging.getLogger(__name__)


def form(request: Request) -> Response:
    return show_form(request, request.query_params.get("next", "/"), "", 200)


async def login(request: Request) -> Response:
    sent = await request.form(max_files=0, max_fields=10)
    fields = {name: value for name, value in sent.items() if isinstance(value, str)}
    check_login_form(request, fields.get("mark", ""))
    name, word, after = fields.get("name", "").strip(), fields.get("word", ""), fields.get("next", "/")
    account = await run_in_threadpool(_check, site_of(request), request, name, word)
    if account is None:
        return show_form(request, after, "That name and password, or that token, let nobody in.", 403)
    response = RedirectResponse(inside(after), 303)
    await run_in_threadpool(begin_session, site_of(request), response, account)
    response.delete_cookie("saltus-login", path="/")
    return response


def _check(site: Site, request: Request, name: str, word: str) -> Account | None:
    """The account of that name and password, or of a token, whose name need not be said. Wrong ones are counted."""
    tries: Tries = request.app.state.tries
    keys = (f"from {client_of(request)}", f"as {name}")
    tries.check(*keys)
    accounts = site.journal.accounts
    account = (accounts.check_password(name, word) if name else None) or accounts.check_token(word)
    if account is None or name not in ("", account.name):
        tries.wrong(*keys)
        log.warning("login refused: %r from %s", name or "a token", client_of(request))
        return None
    return account


async def logout(request: Request) -> Response:
    response: Response = RedirectResponse("/login", 303)
    try:
        asking = await run_in_threadpool(who_asks, request)
    except OperatorError:
        return response
    sent = await request.form(max_files=0, max_fields=10)
    check_form(request, asking, str(sent.get("csrf", "")))
    await run_in_threadpool(end_session, site_of(request), response, asking.token)
    return response


def show_form(request: Request, after: str, said: str, status: int) -> Response:
    """The form, with what is said about the last try; it leads to `after`, an address of this site."""
    mark, site = new_login_mark(), site_of(request)
    response = render(
        request, "login.html.j2", status=status, mark=mark, after=inside(after), said=said, provider=site.provider
    )
    response.set_cookie(
        "saltus-login", mark, max_age=3600, path="/", httponly=True, secure=site.behind_tls, samesite="strict"
    )
    return response


def inside(address: str) -> str:
    """An address of this site; anything else is the first page."""
    ours = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return quote(address, safe="/?=&-._~%") if ours else "/"
