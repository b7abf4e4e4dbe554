"""The report as one self-contained HTML file: to keep, to send, to print. It loads nothing and runs no script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from saltus.report.chart import describe, outage_chart, watched_rows
from saltus.report.report import Report, SchemaMove
from saltus.report.text import seconds_text


def render_html(report: Report, *, now: datetime | None = None) -> str:
    """The whole report. `now` ends what is not over yet."""
    return _environment().get_template("report.html.j2").render(
        report=report,
        style=Markup(page_style()),
        chart=Markup(outage_chart(report, now=now)),
        watched=watched_rows(report),
        told=describe(report),
    )  # fmt: skip


@cache
def page_style() -> str:
    """The style that reports and pages share."""
    return (resources.files("saltus.report") / "page.css").read_text()


@cache
def style_hash() -> str:
    """Of the style as it stands in the file, for the content security policy of who serves it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(page_style().encode()).digest()).decode()


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("saltus.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    add_filters(made)
    return made


def add_filters(environment: Environment) -> None:
    """What the templates that reports and pages share ask for."""
    environment.filters |= {"seconds": seconds_text, "by_database": by_database}


@dataclass(frozen=True)
class DatabaseRow:
    database: str
    before: str
    after: str
    seconds: dict[str, float | None]
    """{stage: seconds}"""


@dataclass(frozen=True)
class DatabaseTable:
    stages: tuple[str, ...]
    rows: tuple[DatabaseRow, ...]


def by_database(moves: Sequence[SchemaMove]) -> DatabaseTable | None:
    """A row for each database and a column for each stage; None where a stage moved one several times."""
    places = [(move.stage, move.database) for move in moves]
    if len(set(places)) < len(places):
        return None
    rows = []
    for name in dict.fromkeys(move.database for move in moves):
        mine = [move for move in moves if move.database == name]
        rows.append(DatabaseRow(name, mine[0].before, mine[-1].after, {move.stage: move.seconds for move in mine}))
    return DatabaseTable(tuple(dict.fromkeys(move.stage for move in moves)), tuple(rows))
