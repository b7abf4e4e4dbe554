"""Rows per table before and after a hop: which differences are known, and why; what nobody can explain is flagged."""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Mapping
from importlib import resources
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from saltus.catalog.releases import load_releases

Change = Literal["more", "fewer", "new", "gone"]


class RowRule(BaseModel):
    """A change that is known to happen when a hop passes `at`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: str
    tables: tuple[str, ...]
    """Names or patterns."""
    change: tuple[Change, ...]
    at: str
    """The first release whose tools make the change."""
    last: str | None = None
    """The last release whose tools still make it; None: they still do."""
    because: str
    source: str


class Difference(BaseModel):
    """One table whose rows changed in number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: str
    table: str
    before: int | None
    """None: there was no such table."""
    after: int | None
    because: str | None
    """None: nobody knows; a person should look."""

    @property
    def is_explained(self) -> bool:
        return self.because is not None


@functools.cache
def load_row_rules() -> tuple[RowRule, ...]:
    text = resources.files("saltus.catalog").joinpath("data/rows.yaml").read_text(encoding="utf-8")
    return tuple(RowRule.model_validate(rule) for rule in yaml.safe_load(text)["rules"])


def compare_rows(
    before: Mapping[str, Mapping[str, int]], after: Mapping[str, Mapping[str, int]], source: str, target: str
) -> tuple[Difference, ...]:
    """Every table whose number of rows differs, with the reason where the catalogue knows one.

    A table that is new and empty, or was empty and is gone, is schema and no difference of rows.
    """
    found = []
    for database in sorted({*before, *after}):
        old, new = before.get(database, {}), after.get(database, {})
        for table in sorted({*old, *new}):
            was, is_now = old.get(table), new.get(table)
            if (was or 0) != (is_now or 0):
                because = explain(database, table, was, is_now, source, target)
                found.append(Difference(database=database, table=table, before=was, after=is_now, because=because))
    return tuple(found)


def explain(database: str, table: str, before: int | None, after: int | None, source: str, target: str) -> str | None:
    """Why that table's rows changed on the way from `source` to `target`; None when no rule says so."""
    order = load_releases()
    change: Change = "new" if before is None else "gone" if after is None else "more" if after > before else "fewer"
    for rule in load_row_rules():
        if (
            fnmatch.fnmatchcase(database, rule.database)
            and change in rule.change
            and any(fnmatch.fnmatchcase(table, pattern) for pattern in rule.tables)
            and order.index(rule.at) <= order.index(target)
            and (rule.last is None or order.index(source) < order.index(rule.last))
        ):
            return rule.because
    return None
