"""The verbs of accounts: `saltus user ...`."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Iterable
from typing import Any

from saltus.cli.command import DONE, Command, Lister
from saltus.cli.runs import when

Table = tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]
ROLES = ("viewer", "operator", "approver")


class _JournalMixin:
    settings: Any

    def journal(self) -> Any:
        from saltus.commands.journals import open_journal

        return open_journal(self.settings)


class UserList(_JournalMixin, Lister):
    """List the accounts. While there are none, the user of the operating system may do everything."""

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        rows = [
            (
                account.name,
                account.role,
                "open" if account.active else "closed",
                "yes" if account.has_password else "no",
                account.created_by,
                when(account.created_at),
            )
            for account in self.journal().accounts.all()
        ]
        return ("Name", "Role", "State", "Password", "Made by", "Made"), rows


class UserAdd(_JournalMixin, Command):
    """Make an account, and print a token that lets it in once, within a day.

    From the first account on, everybody needs one.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name")
        parser.add_argument("--role", choices=ROLES, required=True, help="may look; and run, pause, skip; and approve")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import users
        from saltus.commands.identity import who_acts

        journal = self.journal()
        account, token = users.add(journal, who_acts(journal), parsed_args.name, parsed_args.role)
        print(f"{account.name} is {account.role}\ntoken (works once, for a day): {token}")
        print("next: saltus user login, as that person")
        return DONE


class UserSet(_JournalMixin, Command):
    """Change an account's role, or close and open it. Closing revokes its tokens."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name")
        parser.add_argument("--role", choices=ROLES)
        state = parser.add_mutually_exclusive_group()
        state.add_argument("--close", dest="active", action="store_false", default=None)
        state.add_argument("--open", dest="active", action="store_true", default=None)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import users
        from saltus.commands.identity import who_acts

        journal = self.journal()
        account = users.change(
            journal, who_acts(journal), parsed_args.name, role=parsed_args.role, active=parsed_args.active
        )
        print(f"{account.name} is {account.role}, {'open' if account.active else 'closed'}")
        return DONE


class UserPassword(_JournalMixin, Command):
    """Set a password for the page: asked for on the terminal, or read from the first line of stdin."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import users
        from saltus.commands.identity import who_acts

        journal = self.journal()
        password = getpass.getpass(f"new password of {parsed_args.name}: ") if sys.stdin.isatty() else _first_line()
        users.set_password(journal, who_acts(journal), parsed_args.name, password)
        print(f"the password of {parsed_args.name} is set")
        return DONE


class UserToken(_JournalMixin, Command):
    """Make a token for an account and print it, this once."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name")
        parser.add_argument("--expires", metavar="TIME", default="30d", help="8h, 30d, ... [30d]")
        parser.add_argument("--label", default="", help="what it is for")
        parser.add_argument("--once", action="store_true", help="it works a single time")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import users
        from saltus.commands.durations import duration
        from saltus.commands.identity import who_acts

        journal = self.journal()
        print(
            users.new_token(
                journal,
                who_acts(journal),
                parsed_args.name,
                lifetime=duration(parsed_args.expires),
                label=parsed_args.label,
                once=parsed_args.once,
            )
        )
        return DONE


class UserTokens(_JournalMixin, Lister):
    """List tokens, never their secrets: one's own, and for approvers all."""

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        from saltus.commands import users
        from saltus.commands.identity import who_acts

        journal = self.journal()
        rows = [
            (token.id, token.account, token.label, "once" if token.once else "", when(token.expires_at))
            for token in users.tokens(journal, who_acts(journal))
        ]
        return ("Id", "Account", "For", "Use", "Expires"), rows


class UserRevoke(_JournalMixin, Command):
    """Revoke a token by its id."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("id", help="as `saltus user tokens` lists it")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import users
        from saltus.commands.identity import who_acts

        journal = self.journal()
        users.revoke(journal, who_acts(journal), parsed_args.id)
        print(f"{parsed_args.id} is revoked")
        return DONE


class UserLogin(_JournalMixin, Command):
    """Keep a token for this user of the operating system: asked for on the terminal, or the first line of stdin.

    A one-time token is exchanged for one that lasts 30 days.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import users

        token = getpass.getpass("token: ") if sys.stdin.isatty() else _first_line()
        account = users.login(self.journal(), token)
        print(f"logged in as {account.name}, {account.role}")
        return DONE


def _first_line() -> str:
    return sys.stdin.readline().rstrip("\n")
