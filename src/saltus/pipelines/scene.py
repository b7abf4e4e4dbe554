"""What a pipeline needs to know of a cloud to write its stages: names, pairs of slots, and the hop of each service.

The planner makes a scene from model, catalogue and facts; pipelines read nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from saltus.plan.databases import Command


@dataclass(frozen=True)
class Pair:
    """A node with slots: the machine that serves now, and the one that will."""

    node: str
    old: str
    new: str
    new_slot: str
    image: str
    """The image of the new machine."""


@dataclass(frozen=True)
class ServiceHop:
    """How one service's databases come from the source to the target release."""

    name: str
    commands: tuple[Command, ...]
    heads: dict[str, tuple[str, ...]]
    """{database: schema heads of the target}."""
    needs_db_sync: bool
    """False where the databases stand at the target's heads already."""
    after: tuple[str, ...] = ()
    """Services whose db_sync must have run before this one's."""


@dataclass(frozen=True)
class Scene:
    """One hop of one cloud."""

    cloud: str
    source: str
    target: str
    control: tuple[Pair, ...]
    proxies: tuple[Pair, ...]
    database: str
    databases: tuple[str, ...]
    freeze: Literal["physical", "logical"]
    """How the frozen backup is taken in the window: what is quicker at this size."""
    rehearsal: str
    rehearsal_address: str
    rehearsal_image: str
    vip: str
    computes: tuple[str, ...]
    services: tuple[ServiceHop, ...]
    early: tuple[str, ...]
    """Services that may be started on the idle slot before the window: they read no table until they are asked."""
    facts: dict[str, str]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        return self.control + self.proxies

    @property
    def commands(self) -> tuple[Command, ...]:
        """The manage commands of the window."""
        return tuple(command for service in self.services if service.needs_db_sync for command in service.commands)

    def lanes(self) -> list[tuple[str, tuple[ServiceHop, ...]]]:
        """The services that may go side by side: a lane for each chain of services that wait for one another.

        A lane is named after its last service: `nova` holds placement, then nova.
        """
        chains: list[list[ServiceHop]] = []
        for service in self.services:
            waits_for = [chain for chain in chains if any(other.name in service.after for other in chain)]
            merged = [other for chain in waits_for for other in chain] + [service]
            chains = [chain for chain in chains if chain not in waits_for] + [merged]
        return [(chain[-1].name, tuple(chain)) for chain in chains]
