"""Things with a power button: what a machine is, and what every provider of machines can do with one.

A machine keeps its disk through start, stop and the end of the process that created it; only `destroy` takes it away.
Providers: `nspawn.NspawnProvider` (the lab), `fake.FakeProvider` (in memory, for tests).
"""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from saltus.errors import OperatorError


class MachineError(OperatorError):
    """A machine could not do what was asked of it."""


class MachineState(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True)
class FileContent:
    """A file put on the disk before the first boot. `owner` is a number pair; names are the machine's own affair."""

    content: str | bytes
    mode: int = 0o644
    owner: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Volume:
    """A directory that outlives machines and may be seen by two slots at once (glance's images)."""

    name: str
    path: str
    """Where the machine sees it."""


@dataclass(frozen=True)
class MachineSpec:
    name: str
    image: str
    address: str
    """With its prefix, as in `10.77.0.11/24`. An isolated machine is given the address alone, as /32."""
    hostname: str
    gateway: str | None = None
    isolated: bool = False
    """Reaches the host (where the Salt master listens) and nothing else: no gateway, no neighbours."""
    hypervisor: bool = False
    """Runs guests: all capabilities, /dev/net/tun, and a second interface `ext0` on the tenants' bridge."""
    volumes: tuple[Volume, ...] = ()
    files: Mapping[str, FileContent] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    """What its owner wants to find again: node, slot, release. The provider only keeps them."""
    memory_bytes: int | None = None
    """A limit, where the provider can set one."""


@dataclass(frozen=True)
class Machine:
    name: str
    state: MachineState
    address: str
    """Without prefix."""
    disk_bytes: int
    spec: MachineSpec

    @property
    def is_running(self) -> bool:
        return self.state is MachineState.RUNNING


class Provider(Protocol):
    """Every method may be repeated: what is already so stays so. Failures are `MachineError`."""

    def create(self, spec: MachineSpec) -> Machine:
        """Make the disk of a machine, which stays off. The same spec again does nothing; another one is refused."""
        ...

    def start(self, name: str) -> Machine:
        """Boot, and return when services may be asked for. If it does not boot, the error holds its console's end."""
        ...

    def stop(self, name: str, *, timeout_s: float = 30) -> None:
        """Power off cleanly; after `timeout_s` the power is cut. The disk stays."""
        ...

    def destroy(self, name: str) -> None:
        """Stop at once and take away the disk and its copies. Volumes stay."""
        ...

    def relabel(self, name: str, labels: Mapping[str, str]) -> None:
        """What its owner wants to find again has changed: the machine was upgraded where it stands."""
        ...

    def get(self, name: str) -> Machine | None: ...

    def list(self) -> Sequence[Machine]:
        """Every machine of this provider, by name."""
        ...

    def run(
        self, name: str, argv: Sequence[str], *, timeout_s: float = 60, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a running machine; its exit code is the caller's to judge.

        For `saltus lab exec`, preparation and tests. Upgrades go through Salt.
        """
        ...

    def shell(self, name: str, argv: Sequence[str] = ()) -> Sequence[str]:
        """The command that gives a person a shell (or `argv`) on a running machine."""
        ...

    def save_copy(self, name: str, label: str) -> None:
        """Keep the disk of a stopped machine as `label`, over an earlier copy of that label."""
        ...

    def restore_copy(self, name: str, label: str) -> None:
        """Put the disk of a stopped machine back to `label`."""
        ...

    def copies(self, name: str) -> Sequence[str]: ...

    def remove_volume(self, name: str) -> None:
        """Take away a volume and what it holds; refused while a machine names it."""
        ...

    def clean(self) -> Sequence[str]:
        """Remove what a crashed run left behind, never what this provider did not make. Says what it removed."""
        ...


def unknown(name: str) -> MachineError:
    return MachineError(
        what=f"there is no machine {name}",
        because="it was never created, or it was destroyed",
        do="see `saltus lab status` for the machines that exist",
    )


def differs(name: str, fields: Sequence[str]) -> MachineError:
    return MachineError(
        what=f"machine {name} exists and was created differently",
        because=f"these differ from what is asked now: {', '.join(fields)}",
        do=f"destroy {name} first if its disk is not needed, or ask for the machine as it was created",
    )


def must_run(name: str) -> MachineError:
    return MachineError(what=f"machine {name} is off", because="this needs a running machine", do=f"start {name} first")


def must_be_off(name: str) -> MachineError:
    return MachineError(
        what=f"machine {name} is running",
        because="a disk can be copied or put back only while nothing writes to it",
        do=f"stop {name} first",
    )


def no_copy(name: str, label: str, labels: Sequence[str]) -> MachineError:
    return MachineError(
        what=f"machine {name} has no copy '{label}'",
        because=f"its copies are: {', '.join(labels) or 'none'}",
        do="save a copy first, or name one that exists",
    )


def differing_fields(one: MachineSpec, other: MachineSpec) -> Sequence[str]:
    names = MachineSpec.__dataclass_fields__
    return tuple(name for name in names if getattr(one, name) != getattr(other, name))


def volume_in_use(name: str, users: Sequence[str]) -> MachineError:
    return MachineError(
        what=f"volume {name} cannot be removed",
        because=f"{', '.join(users)} would lose it",
        do="destroy these machines first",
    )
