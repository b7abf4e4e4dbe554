"""What the data plane's pipeline needs to know of a cloud: its computes in waves, and how each is to be handled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from saltus.pipelines.backends import Backend
from saltus.plan.actions import Command


@dataclass(frozen=True)
class Compute:
    """One compute that is to be upgraded."""

    name: str
    backend: Backend
    suite: str
    """The Debian suite of the target release on it."""
    source: str
    """The release that it runs."""
    drain: Literal["none", "live-migrate", "cold-migrate"] = "none"
    dvr: bool = False


@dataclass(frozen=True)
class Kind:
    """Computes of a wave that are upgraded alike: one job for all of them."""

    name: str
    backend: Backend
    suite: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Wave:
    """Computes that are upgraded side by side."""

    name: str
    title: str
    computes: tuple[Compute, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(compute.name for compute in self.computes)

    def kinds(self) -> Iterator[Kind]:
        """The wave's computes by what forwards their packets and by suite, in the backends' order."""
        keys = {(c.backend.order, c.backend.name, c.suite): c.backend for c in self.computes}
        suites = {suite for _, _, suite in keys}
        for (_, name, suite), backend in sorted(keys.items(), key=lambda item: item[0]):
            nodes = tuple(c.name for c in self.computes if (c.backend.name, c.suite) == (name, suite))
            yield Kind(name if len(suites) == 1 else f"{name}-{suite}", backend, suite, nodes)


@dataclass(frozen=True)
class ComputeScene:
    """The hop of the computes of one cloud."""

    cloud: str
    source: str
    """The oldest release among them."""
    target: str
    control: tuple[str, ...]
    """Machines of the control plane that serves; its first runs manage commands."""
    test: Wave
    sample: Wave
    batches: tuple[Wave, ...]
    left_out: dict[str, str]
    """{node: why it is not part of this plan}, of nodes that were asked for."""
    others: tuple[str, ...]
    """Computes of the cloud that are older than the target and stay so."""
    upgraded: tuple[str, ...]
    """Computes that run the target already."""
    max_failures: int
    pause: timedelta
    window: str | None
    expiry: timedelta
    migrations: tuple[tuple[Command, tuple[int, ...]], ...]
    """Online data migrations that wait for the last compute, each with the exit codes that ask for another run."""
    facts: dict[str, str]

    @property
    def is_last(self) -> bool:
        """No compute of the cloud is older than the target behind this plan."""
        return not self.others

    @property
    def nodes(self) -> tuple[str, ...]:
        """All that are upgraded: sample first, then batch by batch."""
        return tuple(name for wave in (self.sample, *self.batches) for name in wave.nodes)
