"""`saltus`: the command line. It turns words into calls of `commands/` and answers into tables; nothing more."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import Any

from cliff.app import App
from cliff.commandmanager import CommandManager

import saltus
from saltus.cli.command import DONE, FAILED, INTERRUPTED, print_error
from saltus.commands.settings import Settings
from saltus.errors import Abort, OperatorError


class SaltusApp(App):  # type: ignore[misc]  # cliff has no types
    """The application. Errors for operators are three lines; anything else is a bug and shows its traceback."""

    settings: Settings

    def __init__(self) -> None:
        super().__init__(
            description="Move a running OpenStack cloud across releases: rehearsed on real data, measured, reversible.",
            version=saltus.__version__,
            command_manager=CommandManager("saltus.cli"),
            deferred_help=True,
        )

    def build_option_parser(
        self, description: str, version: str, argparse_kwargs: dict[str, Any] | None = None
    ) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().build_option_parser(description, version, argparse_kwargs)
        parser.add_argument("--model", metavar="DIR", help="reclass tree of the cloud [SALTUS_MODEL; the lab's small]")
        parser.add_argument("--state", metavar="DIR", help="where state is kept [SALTUS_STATE; /var/lib/saltus]")
        parser.add_argument("--journal", metavar="URL", help="the journal [SALTUS_JOURNAL; SQLite in the state]")
        return parser

    def configure_logging(self) -> None:
        super().configure_logging()
        for noisy in ("stevedore", "openstack", "keystoneauth", "urllib3", "salt", "alembic", "asyncio"):
            logging.getLogger(noisy).setLevel(logging.ERROR)

    def initialize_app(self, argv: list[str]) -> None:
        self.settings = Settings.from_options(
            state=self.options.state, model=self.options.model, journal=self.options.journal
        )


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed or refused, 2 usage, 3 waiting, 130 interrupted."""
    words = sys.argv[1:] if argv is None else argv
    try:
        return int(SaltusApp().run(words or ["--help"]) or DONE)
    except OperatorError as error:
        print_error(error)
        return FAILED
    except (KeyboardInterrupt, Abort):
        return INTERRUPTED
