"""Who is asking: sessions, tokens, and the proof that a form was sent by our own page.

A session is a token of the account, kept in a cookie that scripts cannot read: it ends by itself, at log-out and when
the account is closed, and outlives a restart of the server. Accounts are the journal's; nothing of them is kept here.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from saltus.commands.identity import demand
from saltus.errors import OperatorError
from saltus.journal.accounts import Account
from saltus.journal.approvals import Person, why_not_allowed
from saltus.web.site import Site

log = logging.getLogger(__name__)

SESSION = timedelta(hours=10)
"""A working day: who is on call logs in once."""

_TRIES, _TRIES_S = 8, 900.0


class NotLoggedIn(OperatorError):
    """Nobody is known to ask."""


class Forged(OperatorError):
    """The request was not sent by a page of ours."""


class TooManyTries(OperatorError):
    """Too many wrong passwords or tokens."""


@dataclass(frozen=True)
class Asking:
    """Who asks, and by what right."""

    who: Person
    account: Account
    token: str
    by_cookie: bool

    @property
    def csrf(self) -> str:
        """What a form of this session carries. Only who knows the session's token can make it, and no script does."""
        return hmac.new(self.token.encode(), b"form", hashlib.sha256).hexdigest()

    def may(self, site: Site, role: str) -> bool:
        return why_not_allowed(site.journal, self.who, role) is None


def site_of(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


def cookie_name(site: Site) -> str:
    return "__Host-saltus" if site.behind_tls else "saltus"


def who_asks(request: Request, role: str = "viewer") -> Asking:
    """The account behind the bearer token or the session. Raises NotLoggedIn, or NotAllowed when the role is less."""
    site = site_of(request)
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    by_cookie = scheme.lower() != "bearer"
    token = request.cookies.get(cookie_name(site), "") if by_cookie else bearer.strip()
    account = site.journal.accounts.check_token(token) if token else None
    if account is None:
        raise NotLoggedIn(
            what="you are not logged in",
            because="the session or token has ended, was revoked or used up, or there was none",
            do="log in again; an approver makes tokens: saltus user token NAME",
        )
    who = Person(account.name, f"{client_of(request)} by {'page' if by_cookie else 'API'}", account.role)
    demand(site.journal, who, role, "see this" if role == "viewer" else "do this")
    return Asking(who, account, token, by_cookie)


def client_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def begin_session(site: Site, response: Response, account: Account) -> None:
    token = site.journal.accounts.new_token(account.name, lifetime=SESSION, label="page")
    response.set_cookie(
        cookie_name(site), token, max_age=int(SESSION.total_seconds()), path="/", httponly=True,
        secure=site.behind_tls, samesite="lax",
    )  # fmt: skip


def end_session(site: Site, response: Response, token: str) -> None:
    parts = token.split("_")
    if len(parts) == 3:
        try:
            site.journal.accounts.revoke_token(parts[1])
        except OperatorError:
            log.info("a session that had ended was logged out")
    response.delete_cookie(cookie_name(site), path="/", httponly=True, secure=site.behind_tls, samesite="lax")


# -- forged requests


def check_origin(request: Request) -> None:
    """A browser says from where a form came: nowhere but here will do. Programs without a browser say nothing."""
    came_from = request.headers.get("origin")
    elsewhere = came_from is not None and urlsplit(came_from).netloc != request.headers.get("host", "")
    if elsewhere or request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise _forged(f"the form was sent by {came_from or 'another site'}")


def check_form(request: Request, asking: Asking, sent: str) -> None:
    """Raise Forged unless a request by cookie carries what only our own page of this session can know."""
    if not asking.by_cookie:
        return
    check_origin(request)
    if not hmac.compare_digest(sent.encode(), asking.csrf.encode()):
        raise _forged("the form does not carry this session's mark; it may be older than the session")


def check_login_form(request: Request, sent: str) -> None:
    check_origin(request)
    if not sent or not hmac.compare_digest(sent.encode(), request.cookies.get("saltus-login", "").encode()):
        raise _forged("the login form does not carry its mark; cookies may be refused by this browser")


def new_login_mark() -> str:
    return secrets.token_urlsafe(24)


def _forged(because: str) -> Forged:
    return Forged(what="nothing was done", because=because, do="load the page again and press the button there")


# -- guessing


class Tries:
    """Wrong logins of the last quarter of an hour, by address and by name: in this process, which is the only door."""

    def __init__(self) -> None:
        self._wrong: defaultdict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def check(self, *keys: str) -> None:
        with self._lock:
            for key in keys:
                wrong = self._wrong[key]
                while wrong and wrong[0] < time.monotonic() - _TRIES_S:
                    wrong.popleft()
                if len(wrong) >= _TRIES:
                    raise TooManyTries(
                        what="no login is tried now",
                        because=f"{len(wrong)} wrong ones came within {_TRIES_S / 60:.0f} minutes",
                        do="wait a quarter of an hour",
                    )

    def wrong(self, *keys: str) -> None:
        with self._lock:
            if len(self._wrong) > 10_000:  # an attacker who varies names must not fill the memory
                self._wrong.clear()
            for key in keys:
                self._wrong[key].append(time.monotonic())
