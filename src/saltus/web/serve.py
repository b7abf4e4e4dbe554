"""Serving the page: uvicorn in this process, with TLS of its own or behind a proxy that has it."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from saltus.errors import OperatorError
from saltus.web.app import make_app
from saltus.web.site import Site


@dataclass(frozen=True)
class Door:
    """Where the page listens."""

    host: str = "127.0.0.1"
    port: int = 8470
    certificate: Path | None = None
    key: Path | None = None
    behind_tls: bool = False
    """A proxy in front of us speaks TLS."""

    @property
    def is_safe(self) -> bool:
        return self.behind_tls or self.certificate is not None or _is_loopback(self.host)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}/"


def check_door(door: Door) -> None:
    """Refuses to send sessions over a network in the clear, and a certificate that cannot be used."""
    if not door.is_safe:
        raise OperatorError(
            what=f"the page is not served on {door.host}",
            because="sessions and passwords would cross the network in the clear",
            do="give --certificate and --key, or listen on 127.0.0.1 behind a proxy with TLS and say --behind-tls",
        )
    if door.certificate is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(door.certificate, door.key)
        except (OSError, ssl.SSLError) as exc:
            raise OperatorError(
                what=f"the certificate {door.certificate} cannot be used",
                because=str(exc),
                do="name a file of PEM with --certificate, and with --key the key that belongs to it",
            ) from exc


def serve(site: Site, door: Door) -> None:
    """Serve until interrupted."""
    check_door(door)
    app = make_app(site)
    config = uvicorn.Config(
        app,
        host=door.host,
        port=door.port,
        ssl_certfile=door.certificate,
        ssl_keyfile=door.key,
        log_level="warning",
        server_header=False,
        proxy_headers=True,  # from 127.0.0.1 only, uvicorn's default
        timeout_graceful_shutdown=3,
    )
    server = _Server(config)
    server.stopping = app.state.stopping
    server.run()


class _Server(uvicorn.Server):
    """Tells the streams to end before it waits for them."""

    stopping: threading.Event

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.stopping.set()
        super().handle_exit(sig, frame)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
