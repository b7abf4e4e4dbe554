"""One HTTP request on a connection of its own, as a fresh client makes it: no old one hides or invents an outage."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What came back. `error` is empty when the answer is good."""

    error: str
    status: int = 0
    headers: dict[str, str] | None = None
    body: bytes = b""

    @property
    def is_good(self) -> bool:
        return not self.error

    def json(self) -> dict[str, Any]:
        """The body; an empty object when it is none, as from a proxy that answers in an API's place."""
        try:
            body = json.loads(self.body)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


@dataclass(frozen=True)
class Asker:
    """How long an API may take: to accept the connection, and to answer."""

    connect_timeout_s: float
    answer_timeout_s: float

    def ask(
        self, method: str, url: str, headers: dict[str, str], body: Any = None, good: tuple[int, ...] = (200,)
    ) -> Answer:
        """Never raises for what a network or a server can do."""
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self.connect_timeout_s)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Accept": "application/json", "Connection": "close", "User-Agent": "saltus-watch", **headers}
        payload = None
        if body is not None:
            payload, headers["Content-Type"] = json.dumps(body), "application/json"
        deadline = time.monotonic() + self.connect_timeout_s + self.answer_timeout_s
        reached = False
        try:
            connection.connect()
            reached = True
            connection.sock.settimeout(self.answer_timeout_s)
            connection.request(method, target, body=payload, headers=headers)
            response = connection.getresponse()
            content = b""
            while chunk := response.read1(65536):
                content += chunk
                if time.monotonic() > deadline:
                    raise TimeoutError
        except TimeoutError:
            phase = f"no answer within {self.answer_timeout_s:g} s" if reached else "cannot connect: timed out"
            return Answer(phase)
        except (OSError, http.client.HTTPException) as exc:
            reason = (exc.strerror if isinstance(exc, OSError) else None) or str(exc) or type(exc).__name__
            return Answer(f"cannot connect: {reason}" if not reached else f"connection broke: {reason}")
        finally:
            connection.close()
        error = "" if response.status in good else f"{response.status} {response.reason}".strip()
        return Answer(error, response.status, {k.lower(): v for k, v in response.getheaders()}, content)
