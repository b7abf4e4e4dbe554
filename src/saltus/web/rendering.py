"""Templates, and how figures and times are spelt in them."""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from saltus.report.html import add_filters


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A whole page. `asking` in `values` is who is logged in; without it the page shows nobody."""
    values.setdefault("asking", None)
    html = environment().get_template(template).render(path=request.url.path, **values)
    return HTMLResponse(html, status)


def fragment(template: str, macro: str, *arguments: Any) -> str:
    """One part of a page, as its macro writes it."""
    module = environment().get_template(template).module
    return str(getattr(module, macro)(*arguments))


@cache
def environment() -> Environment:
    made = Environment(
        loader=ChoiceLoader([PackageLoader("saltus.web"), PackageLoader("saltus.report")]),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    add_filters(made)
    made.filters |= {"clock": clock, "moment": moment, "key": key, "pretty": pretty}
    return made


def moment(at: datetime | None) -> str:
    """`2026-11-22 19:43:02 UTC`"""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "-"


def clock(at: datetime | None) -> str:
    return f"{at:%H:%M:%S}" if at else ""


def key(name: str) -> str:
    """An id of HTML for the id of a step or gate: no two of them get the same."""
    return re.sub(r"[^A-Za-z0-9-]", lambda found: f"_{ord(found[0]):x}_", name)


def pretty(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True)
