"""The watcher's token and what came with it. The old one is used until a new one is got: keystone may be away.

While keystone is down, other APIs cannot validate a token and answer 401 or 503. That is what a user sees, so it counts
as their outage, with that answer as its cause.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from saltus.verify.watcher.asking import Answer, Asker
from saltus.verify.watcher.targets import Targets

RENEW_AT = 0.6
"""The part of a token's life after which the next one is asked for."""
RETRY_S = 2.0


class BadLogin(Exception):
    """Keystone answers and does not accept the login: waiting does not help."""


@dataclass(frozen=True)
class Token:
    id: str
    user: str
    project: str
    endpoints: dict[str, str]
    """{service type: public URL in the region}."""
    renew_at: float
    """On the clock of time.monotonic()."""


class Session:
    """Holds the newest token. `renew` is called by one thread; `token` is read by all."""

    def __init__(self, targets: Targets, password: str, asker: Asker) -> None:
        self._targets, self._password, self._asker = targets, password, asker
        self._refused = threading.Event()
        self.token: Token | None = None

    def refused(self) -> None:
        """An API answered 401: perhaps the token is no longer good."""
        self._refused.set()

    def log_in(self) -> Answer:
        """Ask for a token. Raises BadLogin when there will never be one."""
        targets = self._targets
        domain = {"name": targets.domain}
        user = {"name": targets.username, "domain": domain, "password": self._password}
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": targets.project, "domain": domain}},
            }
        }
        answer = self._asker.ask("POST", f"{targets.auth_url}/auth/tokens", {}, body, good=(200, 201))
        if answer.status == 401 and self.token is None:
            raise BadLogin(f"keystone at {targets.auth_url} does not accept {targets.username} in {targets.project}")
        if answer.is_good:
            try:
                self.token = read_token(answer, targets.region)
            except (KeyError, ValueError):
                return Answer("the answer is not a token", answer.status)
            self._refused.clear()
        return answer

    def keep_fresh(self, stop: threading.Event) -> None:
        """Renew the token in time, and at once when an API refuses it, until `stop`."""
        while not stop.wait(RETRY_S):
            token = self.token
            if token is None or self._refused.is_set() or time.monotonic() > token.renew_at:
                # A keystone that comes up may refuse for a moment what it will accept: its database is still empty.
                with contextlib.suppress(BadLogin):
                    self.log_in()


def read_token(answer: Answer, region: str) -> Token:
    token = answer.json()["token"]
    expires = datetime.fromisoformat(token["expires_at"].replace("Z", "+00:00"))
    life_s = (expires - datetime.now(UTC)).total_seconds()
    endpoints = {
        service["type"]: endpoint["url"].rstrip("/")
        for service in token["catalog"]
        for endpoint in service["endpoints"]
        if endpoint["interface"] == "public" and endpoint["region"] == region
    }
    return Token(
        id=(answer.headers or {})["x-subject-token"],
        user=token["user"]["id"],
        project=token["project"]["id"],
        endpoints=endpoints,
        renew_at=time.monotonic() + max(life_s, 10) * RENEW_AT,
    )
