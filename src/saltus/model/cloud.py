"""What should be: the typed cloud that a reclass tree describes."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Slot = Literal["a", "b"]
Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value)]
"""A name in YAML that may look like a number: the release 2025.1."""


class Part(BaseModel):
    """A piece of the model. Unknown keys are mistakes: a typo must not pass for a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ManagementNetwork(Part):
    """Where the machines reach each other, the Salt master and the APIs."""

    cidr: IPv4Network
    master: IPv4Address
    """The Salt master; in the lab this is the host, and the gateway too."""
    vip: IPv4Address
    """Where everybody reaches the APIs. The proxy in service holds it."""


class ExternalNetwork(Part):
    """The provider network on which the tenants' instances are reached."""

    cidr: IPv4Network
    host: IPv4Address
    """The address of the outside world in it: the gateway of instances; in the lab the host."""


class Networks(Part):
    management: ManagementNetwork
    external: ExternalNetwork


class PackageSource(Part):
    """One apt source. In `suite`, `{suite}` stands for the machine's own: `{suite}-security`."""

    uri: str
    suite: str = "{suite}"
    components: tuple[str, ...] = ("main",)
    signed_by: str | None = None
    machines: str | None = None
    """The Debian suite whose machines it is for; None: all."""

    def line(self, suite: str) -> str | None:
        """As it stands in the sources.list of a machine of `suite`; None where it is not for such machines."""
        if self.machines not in (None, suite):
            return None
        signed = f"[signed-by={self.signed_by}] " if self.signed_by else ""
        return f"deb {signed}{self.uri} {self.suite.replace('{suite}', suite)} {' '.join(self.components)}"


class Volume(Part):
    """A directory that outlives the machine's disk. `shared`: both slots have the same one."""

    path: str = Field(pattern=r"^/")
    shared: bool = True


class MachineSection(Part):
    """The pillar key `machine` of a node: what runs it."""

    address: IPv4Address | None = None
    slots: dict[Slot, IPv4Address] | None = None
    suite: str | None = None
    """The Debian suite; None where it follows from the release that the machine is deployed as."""
    cpus: int = Field(default=1, ge=1)
    memory_mb: int = Field(default=1024, ge=256)
    disk_gb: int = Field(default=10, ge=1)
    volumes: dict[str, Volume] = {}
    external: bool = False
    """Has a port in the external network: instances reach it through this node."""
    rehearsal: bool = False
    """The control node of rehearsals: not part of the running cloud, and isolated from it."""

    @model_validator(mode="after")
    def _has_one_place(self) -> MachineSection:
        if (self.address is None) == (self.slots is None):
            raise ValueError("must have either `address` or `slots`")
        if self.slots is not None and set(self.slots) != {"a", "b"}:
            raise ValueError("`slots` must have an address for `a` and one for `b`")
        return self


class CloudSection(Part):
    """The pillar key `cloud`, equal on every node: what the nodes have in common."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    region: Text
    domain: str
    openstack_release: Text
    networks: Networks
    packages: dict[str, PackageSource] = {}
    """Sources of packages by a name of their own; none: those that the machine Saltus runs on is configured with."""


class Database(Part):
    """A database of a service, in `mariadb:server:database`."""

    name: str
    user: str
    service: str


class Machine(Part):
    """What runs a node, in one slot of it."""

    name: str
    node: str
    slot: Slot | None
    address: IPv4Address


class Node(MachineSection):
    """One node of the model: its machine or its two, its roles and what they need."""

    name: str
    roles: tuple[str, ...]
    driver: Literal["qemu", "fake"] | None = None
    """What nova-compute drives, where the node has that role."""
    secrets: tuple[str, ...] = ()
    """Paths in the secret store of what its roles need."""

    def machines(self) -> tuple[Machine, ...]:
        if self.slots is None:
            assert self.address is not None
            return (Machine(name=self.name, node=self.name, slot=None, address=self.address),)
        return tuple(
            Machine(name=f"{self.name}-{slot}", node=self.name, slot=slot, address=address)
            for slot, address in sorted(self.slots.items())
        )

    def runs(self, role: str) -> bool:
        return role in self.roles


class Cloud(Part):
    """A whole cloud as it should be. Also the pillar: `parameters` hands a node its tree unchanged."""

    format: Literal[1] = 1
    name: str
    region: str
    domain: str
    release: str
    """`openstack_release` of the tree."""
    networks: Networks
    packages: dict[str, PackageSource]
    nodes: tuple[Node, ...]
    databases: tuple[Database, ...]
    pillar: dict[str, dict[str, Any]] = Field(default_factory=dict, exclude=True, repr=False)

    def package_sources(self, suite: str) -> str | None:
        """The text of sources.list for machines of `suite`; None where the host's own sources are followed."""
        lines = [line for source in self.packages.values() if (line := source.line(suite))]
        return "\n".join(lines) + "\n" if lines else None

    def node(self, name: str) -> Node:
        """KeyError when the cloud has none of that name."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def machines(self) -> tuple[Machine, ...]:
        """Every machine of every node, both slots of those that have them, the rehearsal's too."""
        return tuple(machine for node in self.nodes for machine in node.machines())

    def machine(self, name: str) -> Machine:
        """KeyError when the cloud has none of that name."""
        for machine in self.machines():
            if machine.name == name:
                return machine
        raise KeyError(name)

    def node_of(self, machine: str) -> Node:
        return self.node(self.machine(machine).node)

    def with_role(self, role: str) -> tuple[Node, ...]:
        """The nodes of the running cloud with that role (never the rehearsal's)."""
        return tuple(node for node in self.nodes if node.runs(role) and not node.rehearsal)

    @property
    def rehearsal(self) -> Node | None:
        """The control node of rehearsals, `upg01`."""
        return next((node for node in self.nodes if node.rehearsal), None)

    @property
    def services(self) -> tuple[str, ...]:
        """The services that have a role somewhere: keystone, nova, ..."""
        return tuple(sorted({role.partition(".")[0] for node in self.nodes for role in node.roles}))

    def parameters(self, node: str) -> dict[str, Any]:
        """The node's reclass parameters as they resolved: its pillar, without what `saltus` adds."""
        return self.pillar[node]
