"""Keeps secrets out of what is written down: known values, and what looks like a secret whoever it belongs to."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from pydantic import JsonValue

HIDDEN = "[hidden]"
_MIN_LENGTH = 6
"""Shorter values would tear holes into ordinary words."""
_LINE_OF_A_KEY = 16

_KEY = "[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?"

# Each keeps what stands before the secret, so that a reader still sees what was there.
_PATTERNS = [
    re.compile(
        r"()-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
        re.DOTALL,
    ),
    re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s\"']+(?=@)", re.IGNORECASE),
    re.compile(r"(\bIDENTIFIED BY (?:PASSWORD )?)'[^']*'", re.IGNORECASE),
    re.compile(
        r"((?:password|passwd|secret|token|api[_-]?key|private[_-]?key|transport_url)[\"']?\s*[=:]\s*[\"']?)"
        r"(?!\[hidden\])[^\s\"',;}]+",
        re.IGNORECASE,
    ),
    re.compile(r"((?:x-(?:auth|subject|service)-token|authorization):?\s+(?:bearer\s+|basic\s+)?)\S+", re.IGNORECASE),
    re.compile(r"()\bgAAAA[A-Za-z0-9_-]{40,}=*"),  # fernet: keystone's tokens, and what heat and cinder encrypt
    re.compile(r"()\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),  # JSON web tokens
]
_HINTS = re.compile(r"://|pass|secret|token|key|transport_url|identified|authorization|gaaaa|eyj", re.IGNORECASE)


class Redactor:
    """Replaces every one of `values`, and what looks like a secret, by `[hidden]`.

    Stands between every output and the journal, log, page and report. Knows the values while Saltus runs and writes
    them nowhere.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        spelt = {spelling for value in values for spelling in _spellings(value)}
        known = sorted((value for value in spelt if len(value) >= _MIN_LENGTH), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def knows_a_secret_in(self, text: str) -> bool:
        return bool(self._known and self._known.search(text))

    def text(self, text: str) -> str:
        if _HINTS.search(text):  # first: a known value that is cut out of a private key would hide where that begins
            for pattern in _PATTERNS:
                text = pattern.sub(rf"\1{HIDDEN}", text)
        return self._known.sub(HIDDEN, text) if self._known else text

    def data(self, value: JsonValue) -> JsonValue:
        """`value` with every string in it redacted; under a key that names a secret, all of it is."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            lines = [item for item in value if isinstance(item, str)]
            if len(lines) == len(value) and any("PRIVATE KEY" in line for line in lines):
                return list(self.text("\n".join(lines)).split("\n"))  # a key goes over several of them
            return [self.data(item) for item in value]
        if isinstance(value, dict):
            return self.mapping(value)
        return value

    def mapping(self, data: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        return {self.text(key): self._under(key, item) for key, item in data.items()}

    def _under(self, key: str, item: JsonValue) -> JsonValue:
        if isinstance(item, str) and item and _SECRET_KEY.search(key):
            return HIDDEN
        return self.data(item)


_SECRET_KEY = re.compile(r"(?:password|passwd|secret|token|api_?key|private_?key|transport_url)$", re.IGNORECASE)


def _spellings(value: str) -> Iterator[str]:
    """How a value may be written: as it is, in a URL, in JSON; and each line of a key, which may be shown alone."""
    yield from (value, quote(value, safe=""), json.dumps(value)[1:-1])
    yield from (line for line in value.splitlines() if len(line) >= _LINE_OF_A_KEY and not line.startswith("-----"))


class _RedactingFormatter(logging.Formatter):
    """What another formatter made, tracebacks included, with the secrets out."""

    def __init__(self, inner: logging.Formatter, redactor: Redactor) -> None:
        super().__init__()
        self._inner, self._redactor = inner, redactor

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor.text(self._inner.format(record))


_of_process = Redactor()


def redact_process(redactor: Redactor) -> None:
    """From now on every line of the log passes `redactor`, whoever writes it, and so does `last_word`."""
    global _of_process
    _of_process = redactor
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_RedactingFormatter(handler.formatter or logging.Formatter(), redactor))
        handler.handleError = _cannot_write  # type: ignore[method-assign]


def _cannot_write(record: logging.LogRecord) -> None:
    """In place of logging's own, which shows arguments and exceptions as they are when a log cannot be written."""
    print(f"a line of the log of {record.name} could not be written", file=sys.stderr)


def last_word(text: str) -> str:
    """`text` as a process may print it where no journal is at hand: an error or a traceback at its end."""
    return _of_process.text(text)
