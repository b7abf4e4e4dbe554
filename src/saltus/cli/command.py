"""What every command has: the three lines of an error, and the exit codes."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from typing import TYPE_CHECKING

import cliff.command
import cliff.lister

from saltus.errors import OperatorError
from saltus.journal.redactor import last_word

if TYPE_CHECKING:
    from saltus.commands.settings import Settings

DONE, FAILED, USAGE, WAITING, INTERRUPTED = 0, 1, 2, 3, 130


def print_error(error: OperatorError) -> None:
    """Three lines on stderr: what happened, why, what to do. Without secrets: what failed may have quoted one."""
    print(last_word(f"error: {error}"), file=sys.stderr)


class _Operator:
    """Errors for operators end in three lines and exit code 1; anything else is a bug of ours and shows a traceback."""

    app: object

    @property
    def settings(self) -> Settings:
        return self.app.settings  # type: ignore[attr-defined, no-any-return]  # SaltusApp, which imports this module

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)  # type: ignore[misc]
        parser.formatter_class = argparse.RawDescriptionHelpFormatter  # a docstring's lists stay lists
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            return int(super().run(parsed_args) or DONE)  # type: ignore[misc]
        except OperatorError as error:
            print_error(error)
            return FAILED
        except BrokenPipeError:
            # Whoever read our output (`| head`) has seen enough; nothing is left to be flushed at the end either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        except Exception:
            print(last_word(traceback.format_exc()), end="", file=sys.stderr)
            return FAILED


class Command(_Operator, cliff.command.Command):  # type: ignore[misc]  # cliff has no types
    """A command that does something and prints facts, then one `next:` line."""


class Lister(_Operator, cliff.lister.Lister):  # type: ignore[misc]
    """A command that answers with a table: `take_action` returns (columns, rows).

    On a terminal the table is as wide as that is, its cells wrapped; in a pipe every row is one line.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.set_defaults(fit_width=sys.stdout.isatty())
        return parser
