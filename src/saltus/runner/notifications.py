"""Tells people that a gate waits, that a step failed, that a run ended: webhook, e-mail, any command.

Sent from a thread of its own: a channel that fails or hangs never stops a run; the journal says that it failed.
"""

from __future__ import annotations

import json
import logging
import queue
import smtplib
import subprocess
import threading
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated, Literal, Protocol

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from saltus.errors import OperatorError
from saltus.journal.events import NotificationFailed
from saltus.journal.fold import RunState
from saltus.journal.store import Journal
from saltus.runner.clock import Clock, SystemClock

log = logging.getLogger(__name__)

_TIMEOUT_S = 15


@dataclass(frozen=True)
class News:
    """What is told. Holds no secrets: it comes from events, which the redactor has passed."""

    run: str
    cloud: str
    status: str
    line: str

    @property
    def text(self) -> str:
        return f"saltus: {self.cloud}: {self.run}: {self.line}"


class Channel(Protocol):
    @property
    def name(self) -> str:
        """For the journal; without the address, which may be a secret."""

    def send(self, news: News) -> None:
        """Tell it, or raise any exception."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Webhook(_Settings):
    """POSTs `{"text": ..., "run": ..., "cloud": ..., "status": ...}`, which Slack and its like understand."""

    kind: Literal["webhook"]
    url: str = Field(pattern=r"^https?://")

    @property
    def name(self) -> str:
        return "webhook"

    def send(self, news: News) -> None:
        body = {"text": news.text, "run": news.run, "cloud": news.cloud, "status": news.status}
        request = urllib.request.Request(
            self.url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S):
            pass


class Email(_Settings):
    """Plain SMTP to a relay that accepts mail from this host."""

    kind: Literal["email"]
    to: tuple[str, ...]
    sender: str
    relay: str = "localhost"
    port: int = 25

    @property
    def name(self) -> str:
        return f"e-mail to {', '.join(self.to)}"

    def send(self, news: News) -> None:
        message = EmailMessage()
        message["Subject"] = f"saltus: {news.cloud}: {news.line.splitlines()[0][:120]}"
        message["From"], message["To"] = self.sender, ", ".join(self.to)
        message.set_content(f"{news.text}\n\nsaltus status {news.run}\n")
        with smtplib.SMTP(self.relay, self.port, timeout=_TIMEOUT_S) as smtp:
            smtp.send_message(message)


class Command(_Settings):
    """Runs `argv` with the sentence as its last argument, and the rest in SALTUS_RUN, SALTUS_CLOUD, SALTUS_STATUS."""

    kind: Literal["command"]
    argv: tuple[str, ...] = Field(min_length=1)

    @property
    def name(self) -> str:
        return f"command {self.argv[0]}"

    def send(self, news: News) -> None:
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "SALTUS_RUN": news.run,
            "SALTUS_CLOUD": news.cloud,
            "SALTUS_STATUS": news.status,
        }
        argv = [*self.argv, news.text]
        subprocess.run(
            argv, env=environment, check=True, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL, capture_output=True
        )


class _File(_Settings):
    channels: tuple[Annotated[Webhook | Email | Command, Field(discriminator="kind")], ...] = ()


def read_channels(path: Path) -> tuple[Channel, ...]:
    """The channels of `notify.yml`; none when it is not there. Raises OperatorError for what it cannot mean."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return ()
    try:
        return _File.model_validate(yaml.safe_load(text) or {}).channels
    except ValidationError as exc:
        found = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in exc.errors())
    except yaml.YAMLError as exc:
        found = " ".join(str(exc).split())
    raise OperatorError(
        what=f"{path} cannot be read", because=found, do="correct it; docs/notifications.md shows each kind of channel"
    )


class Notifier:
    """Hands news to every channel. Is a `Notify` of the runner; `close` waits a little for what is still on its way."""

    def __init__(self, journal: Journal, channels: Sequence[Channel], *, by: str, clock: Clock | None = None) -> None:
        self._journal, self._channels, self._by = journal, channels, by
        self._clock = clock or SystemClock()
        self._queue: queue.Queue[News | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, daemon=True, name="notifications")
        self._thread.start()

    def __call__(self, run: str, state: RunState, line: str) -> None:
        if self._channels:
            text = self._journal.redactor.text(line)
            self._queue.put(News(run, state.plan.cloud, state.status, text))

    def close(self, *, timeout_s: float = 2 * _TIMEOUT_S) -> None:
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (news := self._queue.get()) is not None:
            for channel in self._channels:
                try:
                    channel.send(news)
                except Exception as exc:  # whatever a channel does, the run goes on
                    self._failed(news, channel, exc)

    def _failed(self, news: News, channel: Channel, exc: Exception) -> None:
        because = f"{type(exc).__name__}: {exc}"[:300]
        log.warning("%s: %s", channel.name, because)
        try:
            event = NotificationFailed(at=self._clock.now(), by=self._by, channel=channel.name, because=because)
            self._journal.append(news.run, event)
        except Exception:
            log.exception("the failure of %s could not be journalled", channel.name)
