"""Where manage commands run: a toolbox here, or a node through Salt. The port, and the public fake beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from saltus.plan.actions import Command


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

    def read_versions(self, database: str) -> tuple[str, ...]:
        """The schema versions of `database`, spelt as in `catalog.schemas`; empty when it has none."""


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

    def read_versions(self, database: str) -> tuple[str, ...]:
        return self.versions.get(database, ())
