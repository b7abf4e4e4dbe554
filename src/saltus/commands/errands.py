"""Errands: what the page lets a process of its own do and is no run of a plan.

Tools are built and tried, and dumps that the administrator has put within reach are rehearsed on. Each is a command
line of `saltus`, with its output kept.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from saltus.catalog.releases import load_releases
from saltus.catalog.services import load_services
from saltus.commands.identity import demand
from saltus.commands.settings import Settings
from saltus.errors import OperatorError
from saltus.journal.approvals import Person
from saltus.journal.store import Journal, NotFound

SALTUS = (sys.executable, "-m", "saltus")
_INTERRUPTED = 130
_SHOWN_BYTES = 64 * 1024
_KEPT_EXIT = 'exit="$1"; shift; "$@"; echo $? > "$exit"'
"""For a shell: run the words, and write down how they ended."""


class Errand(BaseModel):
    """One of them: the words of its command line, who asked for it, and how it stands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    words: tuple[str, ...]
    by: str
    begun: datetime
    status: Literal["running", "done", "failed", "stopped"] = "running"


class _Kept(BaseModel):
    """What is written down of it when it begins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: tuple[str, ...]
    by: str
    begun: datetime
    pid: int


@dataclass(frozen=True)
class Origin:
    """Something in the administrator's directory that can be rehearsed on."""

    name: str
    kind: Literal["dumps", "server"]
    path: Path


class Errands:
    """Those of one state directory. One at a time: a rehearsal takes what memory and disk there is."""

    def __init__(
        self, settings: Settings, journal: Journal, *, dumps: Path | None = None, program: Sequence[str] = SALTUS
    ) -> None:
        """`dumps` holds directories of dumps, and option files of servers; without it none are rehearsed on."""
        self._settings, self._journal, self._dumps, self._program = settings, journal, dumps, tuple(program)
        self._directory = settings.state / "errands"

    # -- looking

    def all(self) -> list[Errand]:
        """Newest first."""
        made = [path.parent.name for path in self._directory.glob("*/errand.json")]
        return [self.find(name) for name in sorted(made, key=_number, reverse=True)]

    def find(self, name: str) -> Errand:
        kept = self._kept(name)
        return Errand(id=name, words=kept.words, by=kept.by, begun=kept.begun, status=self._status(name))

    def output(self, name: str) -> str:
        """The end of what it has said."""
        self._kept(name)
        with (self._directory / name / "output").open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _SHOWN_BYTES))
            text = file.read().decode(errors="replace")
        text = text if size <= _SHOWN_BYTES else text.partition("\n")[2]
        return self._journal.redactor.text(text)

    def origins(self) -> list[Origin]:
        """What can be rehearsed on: never anything that lies outside the administrator's directory."""
        if self._dumps is None or not self._dumps.is_dir():
            return []
        root, found = self._dumps.resolve(), []
        for path in sorted(self._dumps.iterdir()):
            if path.name.startswith((".", "-")) or not path.resolve().is_relative_to(root):
                continue
            if path.is_dir():
                found.append(Origin(path.name, "dumps", path))
            elif path.suffix == ".cnf":
                found.append(Origin(path.name, "server", path))
        return found

    # -- doing

    def build_toolbox(self, who: Person, release: str, services: Sequence[str]) -> Errand:
        names = [load_services().get(name).name for name in services]
        return self._begin(who, ("toolbox", "build", load_releases().get(release).name, *names))

    def check_toolboxes(self, who: Person, release: str | None) -> Errand:
        chosen = (load_releases().get(release).name,) if release else ()
        return self._begin(who, ("toolbox", "check", *chosen))

    def rehearse(self, who: Person, origin: str, target: str, *, source: str | None, services: Sequence[str]) -> Errand:
        chosen = next((known for known in self.origins() if known.name == origin), None)
        if chosen is None:
            names = ", ".join(known.name for known in self.origins())
            raise NotFound(
                what=f"there is nothing called {origin} to rehearse on",
                because=f"there is {names}" if names else "this page was given no directory, or an empty one",
                do="put dumps, or the option file of a server, into DIR of saltus web --dumps DIR",
            )
        words = ["rehearse", "--dump" if chosen.kind == "dumps" else "--from-server", str(chosen.path)]
        words += ["--to", load_releases().get(target).name]
        words += ["--from", load_releases().get(source).name] if source else []
        for name in services:
            words += ["--service", load_services().get(name).name]
        return self._begin(who, tuple(words))

    def stop(self, who: Person, name: str) -> Errand:
        """As ctrl-C would. A rehearsal that is begun again with the same words goes on where it stopped."""
        demand(self._journal, who, "operator", f"stop {name}")
        kept = self._kept(name)
        if self._status(name) != "running":
            raise OperatorError(what=f"{name} was not stopped", because="it is over", do="nothing")
        with suppress(ProcessLookupError):
            os.killpg(kept.pid, signal.SIGINT)
        return self.find(name)

    def _begin(self, who: Person, words: tuple[str, ...]) -> Errand:
        demand(self._journal, who, "operator", f"do saltus {words[0]} here")
        if running := next((errand for errand in self.all() if errand.status == "running"), None):
            raise OperatorError(
                what=f"saltus {' '.join(words[:2])} was not begun",
                because=f"{running.id} of {running.by} is at work, and there is one at a time",
                do="wait for it, or stop it",
            )
        settings = self._settings
        name = f"{'-'.join(words[:2]) if words[0] == 'toolbox' else words[0]}-{self._next_number()}"
        place = self._directory / name
        place.mkdir(parents=True, mode=0o700)
        argv = [*self._program, "--state", str(settings.state), "--model", str(settings.model), *words]
        environment = {**os.environ, "SALTUS_JOURNAL": settings.journal_url}
        if who.role is not None and words[0] == "rehearse":  # it writes a run into the journal, in that name
            token = self._journal.accounts.new_token(
                who.name, lifetime=timedelta(minutes=5), label=f"for {name}", once=True
            )
            environment["SALTUS_TOKEN"] = token
        with (place / "output").open("ab") as output, (place / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # its process keeps it, and whoever cannot have it knows that it lives
            process = subprocess.Popen(
                # A page that was started in the background has SIGINT ignored, and a shell cannot take that back.
                ["env", "--default-signal=INT", "/bin/sh", "-c", _KEPT_EXIT, "sh", str(place / "exit"), *argv],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True,
                pass_fds=(lock.fileno(),),
            )  # fmt: skip
            kept = _Kept(words=words, by=who.name, begun=datetime.now(UTC), pid=process.pid)
            (place / "errand.json").write_text(kept.model_dump_json() + "\n")
        _reap_later(process)
        return self.find(name)

    def _kept(self, name: str) -> _Kept:
        try:
            if not re.fullmatch(r"[a-z-]+-\d+", name):
                raise FileNotFoundError
            return _Kept.model_validate_json((self._directory / name / "errand.json").read_text())
        except FileNotFoundError:
            raise NotFound(what=f"there is no errand {name}", because="none of that name was begun", do="/tools lists "
                           "them") from None  # fmt: skip

    def _status(self, name: str) -> Literal["running", "done", "failed", "stopped"]:
        place = self._directory / name
        with (place / "lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return "running"
        try:
            code = int((place / "exit").read_text())
        except (FileNotFoundError, ValueError):
            return "stopped"
        return "done" if code == 0 else "stopped" if code == _INTERRUPTED else "failed"

    def _next_number(self) -> int:
        return max((_number(path.name) for path in self._directory.glob("*-*")), default=0) + 1


def _number(name: str) -> int:
    found = re.search(r"-(\d+)$", name)
    return int(found[1]) if found else 0


def _reap_later(process: subprocess.Popen[bytes]) -> None:
    """So that no dead process is left over while the page goes on."""
    threading.Thread(target=process.wait, daemon=True).start()
