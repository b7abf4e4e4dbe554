"""The verbs of accounts: list, add, set, password, token, revoke, login."""

from __future__ import annotations

import os
from datetime import timedelta

from saltus.commands.identity import NotAllowed, demand, token_file
from saltus.journal.accounts import Account, Role, Token
from saltus.journal.approvals import Person
from saltus.journal.store import Journal


def may_keep_accounts(journal: Journal, who: Person) -> None:
    """Approvers may, and so may root of the journal's host: it can write to the file anyway; its name is recorded."""
    if who.role is None and os.geteuid() == 0 and journal.db.is_sqlite:
        return
    demand(journal, who, "approver", "keep accounts")


def add(
    journal: Journal, who: Person, name: str, role: Role, *, lifetime: timedelta = timedelta(days=1)
) -> tuple[Account, str]:
    """A new account, and a token that lets it in once: with it the person sets a password or takes a longer token."""
    may_keep_accounts(journal, who)
    account = journal.accounts.create(name, role, by=who.name)
    return account, journal.accounts.new_token(name, lifetime=lifetime, label=f"from {who.name}", once=True)


def change(
    journal: Journal, who: Person, name: str, *, role: Role | None = None, active: bool | None = None
) -> Account:
    may_keep_accounts(journal, who)
    return journal.accounts.change(name, role=role, active=active)


def set_password(journal: Journal, who: Person, name: str, password: str) -> None:
    """One's own, or as a keeper of accounts anybody's."""
    if who.role is None or who.name != name:
        may_keep_accounts(journal, who)
    journal.accounts.set_password(name, password)


def new_token(
    journal: Journal, who: Person, name: str, *, lifetime: timedelta, label: str = "", once: bool = False
) -> str:
    if who.role is None or who.name != name:
        may_keep_accounts(journal, who)
    return journal.accounts.new_token(name, lifetime=lifetime, label=label, once=once)


def tokens(journal: Journal, who: Person) -> list[Token]:
    """One's own; for keepers of accounts, all."""
    if who.role in ("viewer", "operator"):
        return journal.accounts.tokens(who.name)
    may_keep_accounts(journal, who)
    return journal.accounts.tokens()


def revoke(journal: Journal, who: Person, ident: str) -> None:
    if not any(token.id == ident and token.account == who.name for token in journal.accounts.tokens()):
        may_keep_accounts(journal, who)
    journal.accounts.revoke_token(ident)


def login(journal: Journal, token: str, *, lifetime: timedelta = timedelta(days=30)) -> Account:
    """Exchange `token` (also a one-time token) for one that is kept in the user's own file and lasts `lifetime`."""
    account = journal.accounts.check_token(token)
    if account is None:
        raise NotAllowed(
            what="the token is refused",
            because="it has expired, was revoked or used up, or belongs to another journal",
            do="ask an approver for a new one: saltus user token NAME",
        )
    kept = journal.accounts.new_token(account.name, lifetime=lifetime, label="saltus user login")
    path = token_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(kept + "\n")
    return account
