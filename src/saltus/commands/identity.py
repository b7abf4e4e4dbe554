"""Who is at the command line: an account by its token, else the user of the operating system."""

from __future__ import annotations

import os
from pathlib import Path

from saltus.errors import OperatorError
from saltus.journal.approvals import Person, why_not_allowed
from saltus.journal.store import Journal
from saltus.runner.gates import this_person


class NotAllowed(OperatorError):
    """This person may not do that."""


def token_file() -> Path:
    """Where `saltus user login` keeps the token of this user (mode 0600)."""
    return Path(os.environ.get("XDG_CONFIG_HOME", "~/.config")).expanduser() / "saltus" / "token"


def who_acts(journal: Journal) -> Person:
    """The account of the token in `SALTUS_TOKEN` or of `saltus user login`; without a token, the user of the system.

    The user and host are recorded as the origin either way.
    """
    here = this_person()
    token = os.environ.get("SALTUS_TOKEN", "")
    if not token and token_file().exists():
        token = token_file().read_text().strip()
    if not token:
        return here
    account = journal.accounts.check_token(token)
    if account is None:
        raise NotAllowed(
            what="the token is refused",
            because="it has expired, was revoked or used up, or belongs to another journal",
            do="saltus user login with a new one (an approver makes it: saltus user token NAME)",
        )
    return Person(account.name, here.origin, account.role)


def demand(journal: Journal, who: Person, role: str, what: str) -> None:
    """Raise NotAllowed unless `who` may do what takes `role`."""
    if because := why_not_allowed(journal, who, role):
        raise NotAllowed(
            what=f"{who.name} may not {what}",
            because=because,
            do="saltus user login, or ask one who may: saltus user list",
        )


def who_approves_unseen(journal: Journal, who: Person, name: str) -> Person:
    """In whose name `--approve-as NAME` answers. Anybody's while there are no accounts; then one's own, as an approver.

    Raises NotAllowed before anything is started: at the gate it would be late to hear that the answer does not count.
    """
    if not journal.accounts.any():
        return Person(name, f"--approve-as, {who.origin}")
    because = why_not_allowed(journal, who, "approver")
    if because is None and who.name != name:
        because = f"{who.name} is logged in here, and nobody answers in the name of another"
    if because is not None:
        raise NotAllowed(
            what=f"gates cannot be approved as {name}",
            because=because,
            do=f"log in as {name}, an approver (saltus user login); or answer with saltus approve instead",
        )
    return Person(who.name, f"--approve-as, {who.origin}", who.role)
