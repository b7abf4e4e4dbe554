"""The audit, searched and written out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from saltus.commands.runs import AuditLine, LogLine
from saltus.web.rendering import moment


def matching(lines: Iterable[AuditLine], words: str) -> list[AuditLine]:
    """Those in which every word stands somewhere, whatever its case."""
    wanted = words.lower().split()
    return [line for line in lines if all(word in _text(line) for word in wanted)]


def _text(line: AuditLine) -> str:
    return " ".join((moment(line.at), line.by, line.what, line.text, line.origin, line.signature)).lower()


def said(line: LogLine) -> str:
    """A line of the log as it is searched."""
    return " ".join((moment(line.at), line.by, line.kind, line.text)).lower()


def to_csv(lines: Iterable[AuditLine], writer: Any) -> None:
    """A header and a row for each. A cell that a spreadsheet would take for a formula gets an apostrophe."""
    writer.writerow(("seq", "at", "by", "kind", "what", "from", "signature"))
    for line in lines:
        row = (line.seq, line.at.isoformat(), line.by, line.what, line.text, line.origin, line.signature)
        writer.writerow([f"'{cell}" if str(cell)[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in row])
