"""What the data plane's pipelines need to know of a cloud: its nodes in waves, and how each is to be handled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Literal

from saltus.pipelines.backends import Backend
from saltus.plan.databases import Command


@dataclass(frozen=True)
class Member:
    """One node that is to be upgraded, a compute or a gateway."""

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
    """Nodes of a wave that are upgraded alike: one job for all of them."""

    name: str
    backend: Backend
    suite: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Wave:
    """Nodes that are upgraded side by side."""

    name: str
    title: str
    members: tuple[Member, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(member.name for member in self.members)

    def kinds(self) -> Iterator[Kind]:
        """The wave's nodes by what forwards their packets and by suite, in the backends' order."""
        keys = {(c.backend.order, c.backend.name, c.suite): c.backend for c in self.members}
        suites = {suite for _, _, suite in keys}
        for (_, name, suite), backend in sorted(keys.items(), key=lambda item: item[0]):
            nodes = tuple(c.name for c in self.members if (c.backend.name, c.suite) == (name, suite))
            yield Kind(name if len(suites) == 1 else f"{name}-{suite}", backend, suite, nodes)


@dataclass(frozen=True)
class RollingScene:
    """The hop of the nodes of one role, where they stand."""

    noun: ClassVar[str]
    """What the operator calls such a node, and its plan: `saltus plan compute`."""

    cloud: str
    source: str
    """The oldest release among them."""
    target: str
    test: Wave
    sample: Wave
    batches: tuple[Wave, ...]
    left_out: dict[str, str]
    """{node: why it is not part of this plan}, of nodes that were asked for."""
    max_failures: int
    pause: timedelta
    window: str | None
    expiry: timedelta
    facts: dict[str, str]

    @property
    def nodes(self) -> tuple[str, ...]:
        """All that are upgraded: sample first, then batch by batch."""
        return tuple(name for wave in (self.sample, *self.batches) for name in wave.nodes)


@dataclass(frozen=True)
class ComputeScene(RollingScene):
    """The hop of the computes of one cloud."""

    noun: ClassVar[str] = "compute"

    control: tuple[str, ...]
    """Machines of the control plane that serves; its first runs manage commands."""
    others: tuple[str, ...]
    """Computes of the cloud that are older than the target and stay so."""
    upgraded: tuple[str, ...]
    """Computes that run the target already."""
    central: tuple[Member, ...]
    """Nodes of OVN's central that are older than the target: they come behind the last compute."""
    migrations: tuple[tuple[Command, tuple[int, ...]], ...]
    """Online data migrations that wait for the last compute, each with the exit codes that ask for another run."""

    @property
    def is_last(self) -> bool:
        """No compute of the cloud is older than the target behind this plan."""
        return not self.others


@dataclass(frozen=True)
class GatewayScene(RollingScene):
    """The hop of the gateways of one cloud."""

    noun: ClassVar[str] = "gateway"
