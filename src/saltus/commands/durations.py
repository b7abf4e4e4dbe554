"""Durations as people write them."""

from __future__ import annotations

import re
from datetime import timedelta

from saltus.errors import OperatorError


def duration(text: str) -> timedelta:
    """`90m`, `2h`, `1d`, `45s` as a timedelta."""
    found = re.fullmatch(r"(\d+)\s*([smhd])", text.strip())
    if not found:
        raise OperatorError(
            what=f"{text!r} is no duration", because="a duration is a number and s, m, h or d", do="say 90m, 2h or 1d"
        )
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[found[2]]
    return timedelta(**{unit: int(found[1])})
