"""Manage commands run here: the tools of a toolbox on the databases of a private MariaDB."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from saltus.catalog.services import CONFIG
from saltus.database.executor import CommandResult
from saltus.database.private import PrivateServer
from saltus.errors import OperatorError
from saltus.plan.databases import Command
from saltus.toolbox.shelf import Toolbox

CELL0_URL = "{cell0_url}"
"""On a node nova finds the database of cell0 beside its own; its URL here has options behind it, so it must be told."""

CONFIG_FILE = "{config-file}"
"""The path of the configuration alone, for a script that reads it itself."""

_SERVICE_SETTINGS = {
    "cinder": "transport_url = fake:///\nrpc_response_timeout = 2\n",
    "nova": "transport_url = fake:///\n\n[api_database]\nconnection = {url:nova_api}\n",
    "neutron": "core_plugin = ml2\n",
}


class LocalTools:
    """The manage tools of one service and release. An Executor: the user of a command is whoever runs Saltus."""

    def __init__(self, toolbox: Toolbox, service: str, server: PrivateServer, workspace: Path) -> None:
        self._toolbox, self._service, self._server, self._workspace = toolbox, service, server, workspace

    def run(self, command: Command, *, timeout_s: float = 24 * 3600) -> CommandResult:
        return self.run_watched(command, timeout_s=timeout_s)

    def run_watched(
        self,
        command: Command,
        *,
        timeout_s: float = 24 * 3600,
        cancelled: Callable[[], bool] = lambda: False,
        tick: Callable[[float], None] = lambda seconds: None,
    ) -> CommandResult:
        """Run it, calling `tick` about once a second; ended early when `cancelled`. Output is kept on the disk too."""
        argv = self._words(command.argv)
        program = self._toolbox.program(self._service, argv[0])
        log = self._workspace / f"{self._service}-{self._toolbox.release}.log"
        self._wait_for_orphan(tick)
        began = time.monotonic()
        with log.open("ab") as out:
            out.write(f"\n$ {' '.join(argv)}\n".encode())
            out.flush()
            start = out.tell()
            process = subprocess.Popen(
                [program, *argv[1:]],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self._workspace, env=self._environment(program),
                start_new_session=True,
            )  # fmt: skip
            self._pid_file.write_text(str(process.pid))
            while True:
                try:
                    code = process.wait(1)
                    break
                except subprocess.TimeoutExpired:
                    tick(time.monotonic() - began)
                if cancelled() or time.monotonic() - began > timeout_s:
                    process.terminate()
                    code = process.wait()
                    break
        with log.open("rb") as written:
            written.seek(start)
            output = written.read().decode(errors="replace")
        return CommandResult(argv, code, output, time.monotonic() - began)

    @property
    def _pid_file(self) -> Path:
        return self._workspace / f"{self._service}.pid"

    def _wait_for_orphan(self, tick: Callable[[float], None]) -> None:
        """A Saltus that was killed leaves its command running: two at once on one database would spoil it."""
        began = time.monotonic()
        while self._orphan_runs():
            tick(time.monotonic() - began)
            time.sleep(0.5)

    def _orphan_runs(self) -> bool:
        try:
            pid = int(self._pid_file.read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return False
        return os.fsencode(self._workspace) in words

    def read_versions(self, databases: Iterable[str]) -> dict[str, tuple[str, ...]]:
        return {database: self._server.read_versions(database) for database in databases}

    def _words(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        words: list[str] = []
        for word in argv:
            if word == CONFIG:
                words += ["--config-file", str(self._configure())]
            elif word == CONFIG_FILE:
                words.append(str(self._configure()))
            elif word == CELL0_URL:
                words += ["--database_connection", self._server.url("nova_cell0")]
            else:
                words.append(word)
        return tuple(words)

    def _configure(self) -> Path:
        """The least that the manage tools need: no addresses but our own socket."""
        database = self._service
        special = fill_urls(_SERVICE_SETTINGS.get(self._service, ""), self._server)
        default, _, sections = special.partition("\n\n")
        path = self._workspace / f"{self._service}.conf"
        text = (
            f"[DEFAULT]\nstate_path = {self._workspace}\nuse_stderr = true\n{default}\n\n"
            f"[database]\nconnection = {self._server.url(database)}\n\n"
            f"[{self._service}_database]\nconnection = {self._server.url(database)}\n\n"
            f"[oslo_concurrency]\nlock_path = {self._workspace}\n\n{sections}\n"
        )
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
        return path

    def _environment(self, program: Path) -> dict[str, str]:
        return {
            "PATH": f"{program.parent}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "HOME": str(self._workspace),
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "ignore",
            "PYTHONUNBUFFERED": "1",
        }


def fill_urls(text: str, server: PrivateServer) -> str:
    """`{url:nova_api}` becomes the address of that database in the clone."""
    while (start := text.find("{url:")) >= 0:
        end = text.index("}", start)
        text = text[:start] + server.url(text[start + 5 : end]) + text[end + 1 :]
    return text


def fill_names(sql: str, server: PrivateServer) -> str:
    """SQL of the catalogue with the clone in it: `{nova}` is the name of nova's database, `{url:nova}` its address."""
    filled = fill_urls(sql, server)
    for database in server.databases():
        filled = filled.replace("{" + database + "}", database)
    if "`{" in filled:
        missing = filled.partition("`{")[2].partition("}")[0]
        raise OperatorError(
            what=f"the clone has no database {missing}",
            because="the dumps do not hold it, and a question to the rows needs it",
            do=f"add the dump of {missing}",
        )
    return filled
