"""Writes docs/commands.md and docs/actions.md from the code, so that they say what it does. `make docs` runs it."""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cliff.lister
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import saltus
from saltus.plan import actions

ROOT = Path(__file__).resolve().parents[1]
AFTER_A_CRASH = {
    "repeat": "it is performed again.",
    "verify": "its performer looks at the world first; what is found done is not done again.",
    "ask": "a person decides.",
}


def commands() -> dict[str, type]:
    """{words: class} of every command, from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {}
    for words, place in sorted(project["entry-points"]["saltus.cli"].items()):
        module, _, name = place.partition(":")
        found[words] = getattr(importlib.import_module(module), name)
    return found


def commands_page() -> str:
    lines = [
        "# Commands",
        "",
        "Written by `docs/generate.py` from the commands themselves. `saltus help COMMAND` says the same.",
        "",
        "Every command takes these before its own words:",
        "",
        "- `--model DIR`: the reclass tree of the cloud [`$SALTUS_MODEL`; the lab's `small`]",
        "- `--state DIR`: where state is kept [`$SALTUS_STATE`; `/var/lib/saltus`, or `~/.local/state/saltus`]",
        "- `--journal URL`: where runs are journalled [`$SALTUS_JOURNAL`; SQLite in the state directory]",
        "",
        "Answers go to stdout, progress and errors to stderr. Exit codes: 0 done, 1 failed or refused, 2 usage,",
        "3 waiting for an approval or paused, 130 interrupted.",
    ]
    for words, command in commands().items():
        lines += ["", f"## saltus {words}", "", *_prose(command), *_options(words, command)]
    return "\n".join(lines) + "\n"


def _options(words: str, command: type) -> Iterator[str]:
    parser = command(None, None).get_parser(f"saltus {words}")
    common = _of_lister() if issubclass(command, cliff.lister.Lister) else set()
    shown = [a for a in parser._actions if a.dest != "help" and a.dest not in common]
    if shown:
        yield ""
    for action in shown:
        yield f"- {_spelled(action)}{': ' + action.help if action.help else ''}"
    if common:
        if not shown:
            yield ""
        yield "- `-f table|json|yaml|csv|value` is the format, `-c COLUMN` a column, `--sort-column COLUMN` orders."


def _of_lister() -> set[str]:
    class Plain(cliff.lister.Lister):  # type: ignore[misc]
        def take_action(self, parsed_args: argparse.Namespace) -> Any: ...

    return {action.dest for action in Plain(None, None).get_parser("plain")._actions}


def _spelled(action: argparse.Action) -> str:
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    if not action.option_strings:
        return f"`{value}`"
    takes = "" if action.nargs == 0 else f" {value}"
    return ", ".join(f"`{option}{takes}`" for option in action.option_strings)


def kinds() -> dict[str, type[BaseModel]]:
    """{kind: class} of every action, in the order of the union."""
    union = typing.get_args(typing.get_args(actions.Action)[0])
    return {action.model_fields["kind"].default: action for action in union}


def actions_page() -> str:
    lines = [
        "# Actions",
        "",
        "What a step of a plan can do: every kind of action. Written by `docs/generate.py` from `plan/`.",
        "`saltus plan show PLAN -f json` shows the actions of a plan with their arguments.",
    ]
    for kind, action in kinds().items():
        rule = typing.cast(type[actions.ActionBase], action).after_a_crash
        lines += ["", f"## {kind}", "", *_prose(action), ""]
        told = _told_fields(action)
        for name, field in action.model_fields.items():
            if name != "kind":
                default = "" if field.default is PydanticUndefined else f" [{_plain(field.default)}]"
                lines.append(f"- `{name}`{default}{': ' + told[name] if name in told else ''}")
        if len(action.model_fields) > 1:
            lines.append("")
        lines.append(f"After a crash in its middle {AFTER_A_CRASH[rule]}")
    return "\n".join(lines) + "\n"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None or value in ((), {}) else str(value)


def _told_fields(action: type[BaseModel]) -> dict[str, str]:
    """{field: the text that stands below it in the source}."""
    found = re.findall(r'^    (\w+): [^\n]*\n    """(.*?)"""', inspect.getsource(action), re.MULTILINE | re.DOTALL)
    return {name: " ".join(text.split()) for name, text in found}


def _prose(documented: type) -> list[str]:
    return (inspect.getdoc(documented) or "").splitlines()


PAGES = {"commands.md": commands_page, "actions.md": actions_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page())
        print(f"docs/{name}: of saltus {saltus.__version__}")
