"""Packages for machines that reach nothing but this host: a caching proxy, where the model says that it is here."""

from __future__ import annotations

import os
import socket
import sys
import time
import urllib.parse

from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.fleet.process import DaemonProcess

STARTING_S = 15.0


def ensure_packages_served(workplace: Workplace) -> None:
    """Start the proxy when the model's `package_proxy` is at the Salt master's address; one elsewhere is not ours."""
    place = _place(workplace)
    if place is None or _process(workplace).pid is not None:
        return
    address, port = place
    directory = workplace.settings.packages
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "proxy.log"
    argv = [sys.executable, "-m", "saltus.machines.package_proxy", "--listen", f"{address}:{port}"]
    _process(workplace).start([*argv, "--cache", str(directory / "cache")], log=log, environment=os.environ)
    deadline = time.monotonic() + STARTING_S
    while not _answers(address, port):
        if _process(workplace).pid is None or time.monotonic() > deadline:
            lines = log.read_text(errors="replace").strip().splitlines()
            raise OperatorError(
                what=f"the proxy for packages did not start at {address}:{port}",
                because=lines[-1] if lines else f"it did not answer within {STARTING_S:.0f} s",
                do=f"read {log}; another process may have the port (cloud:package_proxy in the model names it)",
            )
        time.sleep(0.1)


def stop_serving_packages(workplace: Workplace) -> bool:
    """Whether it ran."""
    return _process(workplace).stop()


def _place(workplace: Workplace) -> tuple[str, int] | None:
    proxy = urllib.parse.urlsplit(workplace.cloud.package_proxy or "")
    if proxy.hostname is None or proxy.hostname != str(workplace.cloud.networks.management.master):
        return None
    return proxy.hostname, proxy.port or 80


def _process(workplace: Workplace) -> DaemonProcess:
    return DaemonProcess(workplace.settings.packages / "proxy.pid")


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True
