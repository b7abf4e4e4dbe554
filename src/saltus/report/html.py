"""The report as one self-contained HTML file: to keep, to send, to print. It loads nothing and runs no script."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from saltus.report.chart import describe, outage_chart, watched_rows
from saltus.report.report import Report
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
    made.filters["seconds"] = seconds_text
    return made
