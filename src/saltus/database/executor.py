"""Where manage commands run: a toolbox here, or a node through Salt. The port, and the public fake beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from saltus.fleet.port import Fleet, Job, values
from saltus.plan.databases import Command

GRACE_S = 30.0
"""How long the node may take beyond the command's own time to say that it has killed it."""
VERSIONS_WAIT_S = 120.0


@dataclass(frozen=True)
class CommandResult:
    """What one run of a command came to. `output` is stdout and stderr together, in the order they came."""

    argv: tuple[str, ...]
    exit_code: int
    output: str
    seconds: float


class Executor(Protocol):
    """Runs manage commands against the databases of one cloud, or of one clone."""

    def run(self, command: Command, *, timeout_s: float = 3600) -> CommandResult:
        """Run it to its end, whatever its exit code. Raises OperatorError when it does not start or takes too long."""

    def read_versions(self, databases: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """{database: its schema versions, spelt as in `catalog.schemas`; empty when it has none}."""


@dataclass(frozen=True)
class NodeExecutor:
    """On a node of the cloud, through Salt: commands on the control machine, versions read where MariaDB is."""

    fleet: Fleet
    machine: str
    database_server: str
    note: Callable[[dict[str, Any]], None] | None = None
    """Given {"jid": ...} before a command is awaited."""

    def run(self, command: Command, *, timeout_s: float = 3600) -> CommandResult:
        """`output` is the last lines, without secrets; the whole stands in /var/log/saltus on the machine."""
        answer = self._call(
            self.machine,
            "saltus_node.run_command",
            list(command.argv),
            command.user,
            timeout_s,
            wait_s=timeout_s + GRACE_S,
        )
        return CommandResult(command.argv, int(answer["exit"]), str(answer["output"]), float(answer["seconds"]))

    def read_versions(self, databases: Iterable[str]) -> dict[str, tuple[str, ...]]:
        names = list(databases)
        found = self._call(self.database_server, "saltus_mariadb.schema_versions", names, wait_s=VERSIONS_WAIT_S)
        return {name: tuple(str(version) for version in found[name]) for name in names}

    def _call(self, machine: str, function: str, *args: object, wait_s: float) -> Any:
        def noted(job: Job) -> None:
            if self.note:
                self.note({"jid": job.jid})

        return values(self.fleet.call([machine], function, *args, timeout_s=wait_s, on_job=noted))[machine]


@dataclass
class FakeExecutor:
    """Answers as told, and remembers what it was asked to run."""

    versions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    results: Mapping[tuple[str, ...], tuple[int, str]] = field(default_factory=dict)
    """{argv: exit code and output}; everything else exits 0 in silence."""
    then: Callable[[Command, dict[str, tuple[str, ...]]], None] | None = None
    """What a command does to `versions`."""
    ran: list[tuple[str, ...]] = field(default_factory=list)

    def run(self, command: Command, *, timeout_s: float = 3600) -> CommandResult:
        self.ran.append(command.argv)
        if self.then:
            self.then(command, self.versions)
        code, output = self.results.get(command.argv, (0, ""))
        return CommandResult(command.argv, code, output, 0.0)

    def read_versions(self, databases: Iterable[str]) -> dict[str, tuple[str, ...]]:
        return {database: self.versions.get(database, ()) for database in databases}
