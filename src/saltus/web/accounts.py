"""Accounts at the page: for oneself a password and tokens; for who may keep them, everybody's."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from saltus.commands import users
from saltus.commands.durations import duration
from saltus.journal.accounts import ROLES, Role
from saltus.web.access import Asking, site_of, who_asks
from saltus.web.actions import Action, Answer, Wish
from saltus.web.rendering import render
from saltus.web.site import Site


class AccountWish(Wish):
    name: str = Field(max_length=64)
    role: Role


class ChangeWish(Wish):
    role: Role | None = None
    state: Literal["open", "closed"] | None = None


class PasswordWish(Wish):
    password: str = Field(max_length=256)


class TokenWish(Wish):
    expires: str = Field(default="30d", max_length=20)
    label: str = Field(default="", max_length=60)
    once: Literal[True, False, "on"] = False


def _add(site: Site, asking: Asking, names: dict[str, str], wish: Any) -> Answer:
    account, token = users.add(site.journal, asking.who, wish.name, wish.role)
    return Answer(said=f"{account.name} is {account.role}. This token lets in once, within a day.", secret=token)


def _set(site: Site, asking: Asking, names: dict[str, str], wish: Any) -> Answer:
    active = None if wish.state is None else wish.state == "open"
    account = users.change(site.journal, asking.who, names["name"], role=wish.role, active=active)
    return Answer(said=f"{account.name} is {account.role}, {'open' if account.active else 'closed'}.")


def _password(site: Site, asking: Asking, names: dict[str, str], wish: Any) -> Answer:
    users.set_password(site.journal, asking.who, names["name"], wish.password)
    return Answer(said=f"The password of {names['name']} is set.")


def _token(site: Site, asking: Asking, names: dict[str, str], wish: Any) -> Answer:
    token = users.new_token(
        site.journal, asking.who, names["name"], lifetime=duration(wish.expires), label=wish.label, once=bool(wish.once)
    )
    return Answer(said=f"A token of {names['name']}, for {wish.expires}.", secret=token)


def _revoke(site: Site, asking: Asking, names: dict[str, str], wish: Any) -> Answer:
    users.revoke(site.journal, asking.who, names["token"])
    return Answer(said=f"{names['token']} is revoked.")


ACTIONS = (
    Action("/accounts", AccountWish, _add, "Make an account, and a token that lets it in once", "/accounts"),
    Action("/accounts/{name}/set", ChangeWish, _set, "Give another role; close or open the account", "/accounts"),
    Action("/accounts/{name}/password", PasswordWish, _password, "Set a password for the page", "/accounts"),
    Action("/accounts/{name}/token", TokenWish, _token, "Make a token; it is shown this once", "/accounts"),
    Action("/tokens/{token}/revoke", Wish, _revoke, "Revoke a token", "/accounts"),
)


def accounts(request: Request) -> Response:
    asking, site = who_asks(request), site_of(request)
    return render(
        request, "accounts.html.j2", asking=asking, accounts=site.journal.accounts.all(), roles=ROLES,
        tokens=users.tokens(site.journal, asking.who), may_keep=asking.may(site, "approver"),
        said=request.query_params.get("said", ""),
    )  # fmt: skip
