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

from saltus.report.chart import describe, outage_charts, watched_rows
from saltus.report.report import Differences, Report, SchemaMove
from saltus.report.text import count_text, forecast_text, outage_text, seconds_text


def render_html(report: Report, *, now: datetime | None = None) -> str:
    """The whole report. `now` ends what is not over yet."""
    return _environment().get_template("report.html.j2").render(
        report=report,
        style=Markup(page_style()),
        chart=Markup(outage_charts(report, now=now)),
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
    environment.filters |= {
        "seconds": seconds_text,
        "outage": outage_text,
        "forecast_text": forecast_text,
        "count": count_text,
        "by_database": by_database,
        "by_step": by_step,
        "package_count": package_count,
        "nodes": nodes_text,
        "diff_kind": diff_kind,
    }


def by_step(moves: Sequence[SchemaMove]) -> list[SchemaMove]:
    """One move for each step: the time of a step that moved several databases counts once."""
    return [move for move in {move.step: move for move in moves}.values() if move.seconds is not None]


def package_count(found: Sequence[Differences]) -> int:
    """Different packages that change anywhere."""
    return len({change.name for each in found for group in each.packages for change in group.changes})


def nodes_text(nodes: Sequence[str]) -> str:
    """`cmp01`, `cmp01 and cmp02`, `cmp01, cmp02, cmp03 and 96 more`."""
    if len(nodes) > 5:
        return f"{', '.join(nodes[:3])} and {len(nodes) - 3} more"
    return " and ".join(filter(None, (", ".join(nodes[:-1]), nodes[-1])))


def diff_kind(line: str) -> str:
    """The class of a line of a unified diff."""
    return {"+": "added", "-": "removed", "@": "hunk"}.get(line[:1], "same")


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
