"""Signing on at the organisation's identity provider, by OpenID Connect: `pip install saltus[oidc]`.

The provider says who somebody is. What they may do stands in the journal, as for those with a password: nobody gets an
account or a role by signing on. Code flow with PKCE, state and nonce; the ID token's signature, issuer, audience and
time are checked by authlib against the keys that the provider publishes.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from saltus.errors import OperatorError
from saltus.journal.accounts import Account, AccountRefused
from saltus.web.access import begin_session, client_of, site_of
from saltus.web.login import inside, show_form
from saltus.web.provider import Provider

log = logging.getLogger(__name__)

PATH = "/login/oidc"
_MINUTES_AT_THE_PROVIDER = 15
_TIMEOUT_S = 10.0


class NotSignedOn(OperatorError):
    """The provider did not say who this is, or whom it named has no open account."""


class SignOn:
    """The way to the provider and back."""

    def __init__(self, provider: Provider) -> None:
        from authlib.integrations.starlette_client import OAuth

        self._provider = provider
        self._client: Any = OAuth().register(
            "provider",
            client_id=provider.client_id,
            client_secret=provider.client_secret,
            server_metadata_url=f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile email",
                "code_challenge_method": "S256",
                "timeout": _TIMEOUT_S,
            },
        )

    def mount(self, *, behind_tls: bool) -> Mount:
        from starlette.middleware.sessions import SessionMiddleware

        # What is remembered while the browser is away: signed, and worth nothing to anybody else.
        way = Middleware(
            SessionMiddleware,
            secret_key=secrets.token_hex(32),
            session_cookie="saltus-oidc",
            max_age=_MINUTES_AT_THE_PROVIDER * 60,
            path=PATH,
            same_site="lax",
            https_only=behind_tls,
        )
        return Mount(PATH, routes=[Route("/away", self._away), Route("/back", self._back)], middleware=[way])

    async def _away(self, request: Request) -> Response:
        request.session["next"] = inside(request.query_params.get("next", "/"))
        scheme = "https" if site_of(request).behind_tls else "http"
        try:
            await self._asked(self._look_at_the_provider())
            back = f"{scheme}://{request.headers.get('host', '')}{PATH}/back"
            redirect: Response = await self._asked(self._client.authorize_redirect(request, back))
        except NotSignedOn as exc:
            return _refused(request, exc)
        return redirect

    async def _back(self, request: Request) -> Response:
        try:
            name = await self._asked(self._name(request))
            account = await run_in_threadpool(self._account, request, name)
        except NotSignedOn as exc:
            return _refused(request, exc)
        response = RedirectResponse(inside(request.session.pop("next", "/")), 303)
        await run_in_threadpool(begin_session, site_of(request), response, account)
        return response

    async def _look_at_the_provider(self) -> None:
        found = (await self._client.load_server_metadata()).get("issuer")
        if found != self._provider.issuer:
            raise NotSignedOn(
                what="nobody can sign on now",
                because=f"the provider calls itself {found}, and saltus web was told {self._provider.issuer}",
                do="start saltus web with --oidc-issuer as the provider calls itself",
            )

    async def _name(self, request: Request) -> str:
        token = await self._client.authorize_access_token(request)
        claims = dict(token.get("userinfo") or {})
        if self._provider.claim not in claims and claims:
            more = await self._client.userinfo(token=token)
            claims = {**more, **claims} if more.get("sub") == claims.get("sub") else claims
        name = claims.get(self._provider.claim)
        if not isinstance(name, str) or not name:
            raise NotSignedOn(
                what="you are not logged in",
                because=f"{self._provider.host} says who you are, but not your {self._provider.claim}",
                do="have the provider say it, or start saltus web with the --oidc-claim that holds the accounts' names",
            )
        if self._provider.claim == "email" and claims.get("email_verified") is not True:
            raise NotSignedOn(
                what="you are not logged in",
                because=f"{self._provider.host} has not verified that {name} is your address",
                do="have it verified there",
            )
        return name

    def _account(self, request: Request, name: str) -> Account:
        try:
            found = site_of(request).journal.accounts.find(name)
        except AccountRefused:
            found = None
        if found is None or not found.active:
            raise NotSignedOn(
                what="you are not logged in",
                because=f"{self._provider.host} says that you are {name}, and there is no open account of that name",
                do=f"an approver makes one, with a role: saltus user add {name} --role viewer",
            )
        return found

    async def _asked(self, question: Any) -> Any:
        """The provider's answer. Whatever it says wrong, or does not say, is an error that tells so."""
        from authlib.common.errors import AuthlibBaseError
        from httpx2 import HTTPError
        from joserfc.errors import JoseError

        try:
            return await question
        except (AuthlibBaseError, JoseError, HTTPError, RuntimeError, ValueError) as exc:
            raise NotSignedOn(
                what="you are not logged in",
                because=f"{self._provider.host} was asked who you are: {str(exc) or type(exc).__name__}",
                do="log in again; a password or a token of your account works, too",
            ) from exc


def _refused(request: Request, exc: NotSignedOn) -> Response:
    log.warning("sign-on refused, from %s: %s", client_of(request), exc.because)
    return show_form(request, request.session.get("next", "/"), f"{exc.because}: {exc.do}.", 403)
