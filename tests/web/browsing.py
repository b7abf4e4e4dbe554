"""What the tests in the browser and the pictures share: headless Chromium, and the page in a process of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from saltus.journal.accounts import Role

PASSWORD = "a password of some length"
PEOPLE: dict[str, Role] = {"ann": "operator", "bob": "approver", "eve": "viewer"}

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


class Server:
    """`saltus web` on the fake cloud, in a process of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        here = Path(__file__).parent
        argv = [sys.executable, str(here / "served.py"), f"sqlite:///{self._directory}/journal.db",
                str(self._directory / "journal.key"), str(self._port)]  # fmt: skip
        output = (self._directory / "output").open("ab")
        self._process = subprocess.Popen(argv, cwd=here, stdout=output, stderr=output, env={**os.environ})
        for _ in range(900):
            try:
                urllib.request.urlopen(f"{self.url}/healthz", timeout=1)
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError((self._directory / "output").read_text())

    def cpu_s(self) -> float:
        """Seconds of processor time that the server has used so far, in all of its threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, *, at_once: bool = False) -> None:
        self._process.kill() if at_once else self._process.terminate()
        self._process.wait(15)


class Effort:
    """Processor time of the server and of a tab's main thread: ours alone, however busy the machine is."""

    def __init__(self, tab: Any, server: Server) -> None:
        self._server, self._devtools = server, tab.context.new_cdp_session(tab)
        self._devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        self.begin()

    def begin(self) -> None:
        self._server_s, self._tab_s, self._since = self._server.cpu_s(), self._tab_now(), time.monotonic()

    def spent(self) -> tuple[float, float, float]:
        """(the server's, the tab's, by the clock) since `begin`."""
        now = time.monotonic()
        return self._server.cpu_s() - self._server_s, self._tab_now() - self._tab_s, now - self._since

    def _tab_now(self) -> float:
        metrics = self._devtools.send("Performance.getMetrics")["metrics"]
        return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))


def is_busy() -> bool:
    """Whether others leave us less than two thirds of a core."""
    wall, own = time.monotonic(), time.process_time()
    while time.process_time() - own < 0.1:
        pass
    return time.monotonic() - wall > 0.15


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def log_in(tab: Any, url: str, name: str, word: str) -> None:
    tab.goto(f"{url}/login")
    tab.get_by_label("Name").fill(name)
    tab.get_by_label("Password or token").fill(word)
    tab.get_by_role("button", name="Log in").click()
