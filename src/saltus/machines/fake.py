"""A provider in memory that keeps the contract of the real ones, for tests of what uses machines.

Failures are put in by setting the public fields; commands answer from `answers`.
"""

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from saltus.machines.provider import (
    Machine,
    MachineError,
    MachineSpec,
    MachineState,
    differing_fields,
    differs,
    must_be_off,
    must_run,
    no_copy,
    unknown,
    volume_in_use,
)

Answer = Callable[[str, Sequence[str], str | None], subprocess.CompletedProcess[str]]
"""(machine, argv, stdin) -> what the command did."""


def says_nothing(name: str, argv: Sequence[str], stdin: str | None) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess(list(argv), 0, "", "")


@dataclass
class _Held:
    spec: MachineSpec
    is_running: bool = False
    disk: dict[str, str | bytes] = field(default_factory=dict)
    copies: dict[str, dict[str, str | bytes]] = field(default_factory=dict)


@dataclass
class FakeProvider:
    images: set[str] | None = None
    """The images that exist; None for all."""
    cannot_boot: dict[str, str] = field(default_factory=dict)
    """Machine -> the console of its failed boot."""
    cannot_create: set[str] = field(default_factory=set)
    ignores_power_button: set[str] = field(default_factory=set)
    """Their power is cut after the timeout: see `power_cut`."""
    leftovers: list[str] = field(default_factory=list)
    """What `clean` finds."""
    answer: Answer = says_nothing
    power_cut: list[str] = field(default_factory=list)
    """Machines that did not stop by themselves."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    """(method, machine), of everything that changed something."""

    def __post_init__(self) -> None:
        self._machines: dict[str, _Held] = {}
        self._lock = threading.RLock()

    def disk(self, name: str) -> dict[str, str | bytes]:
        """Path -> content, for a test to read and change as the machine would."""
        return self._known(name).disk

    def create(self, spec: MachineSpec) -> Machine:
        with self._lock:
            if (known := self._machines.get(spec.name)) is not None:
                if different := differing_fields(known.spec, spec):
                    raise differs(spec.name, different)
                return self._machine(known)
            if self.images is not None and spec.image not in self.images:
                raise MachineError(
                    what=f"there is no image {spec.image}",
                    because=f"it is not among {sorted(self.images)}",
                    do="build the images of the cloud first: `saltus lab up` does",
                )
            if spec.name in self.cannot_create:
                raise MachineError(what=f"could not create {spec.name}", because="the disk is full", do="make room")
            self.calls.append(("create", spec.name))
            held = _Held(spec, disk={path: file.content for path, file in spec.files.items()})
            self._machines[spec.name] = held
            return self._machine(held)

    def start(self, name: str) -> Machine:
        with self._lock:
            held = self._known(name)
            if not held.is_running:
                if name in self.cannot_boot:
                    raise MachineError(
                        what=f"machine {name} did not boot",
                        because=f"the end of its console:\n{self.cannot_boot[name]}",
                        do="see its console",
                    )
                self.calls.append(("start", name))
                held.is_running = True
            return self._machine(held)

    def stop(self, name: str, *, timeout_s: float = 30) -> None:
        with self._lock:
            held = self._known(name)
            if held.is_running:
                self.calls.append(("stop", name))
                held.is_running = False
                if name in self.ignores_power_button or timeout_s <= 0:
                    self.power_cut.append(name)

    def destroy(self, name: str) -> None:
        with self._lock:
            if self._machines.pop(name, None) is not None:
                self.calls.append(("destroy", name))

    def relabel(self, name: str, labels: Mapping[str, str]) -> None:
        with self._lock:
            held = self._known(name)
            held.spec = replace(held.spec, labels=dict(labels))

    def get(self, name: str) -> Machine | None:
        with self._lock:
            held = self._machines.get(name)
            return self._machine(held) if held else None

    def list(self) -> Sequence[Machine]:
        with self._lock:
            return [self._machine(self._machines[name]) for name in sorted(self._machines)]

    def run(
        self, name: str, argv: Sequence[str], *, timeout_s: float = 60, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        if not self._known(name).is_running:
            raise must_run(name)
        return self.answer(name, argv, stdin)

    def shell(self, name: str, argv: Sequence[str] = ()) -> Sequence[str]:
        if not self._known(name).is_running:
            raise must_run(name)
        return ["fake-shell", name, *argv]

    def save_copy(self, name: str, label: str) -> None:
        with self._lock:
            held = self._off(name)
            self.calls.append(("save_copy", name))
            held.copies[label] = dict(held.disk)

    def restore_copy(self, name: str, label: str) -> None:
        with self._lock:
            held = self._off(name)
            if label not in held.copies:
                raise no_copy(name, label, sorted(held.copies))
            self.calls.append(("restore_copy", name))
            held.disk = dict(held.copies[label])

    def copies(self, name: str) -> Sequence[str]:
        return sorted(self._known(name).copies)

    def remove_volume(self, name: str) -> None:
        with self._lock:
            if users := [one.name for one in self.list() if name in {volume.name for volume in one.spec.volumes}]:
                raise volume_in_use(name, users)

    def clean(self) -> Sequence[str]:
        found, self.leftovers = self.leftovers, []
        return found

    def _known(self, name: str) -> _Held:
        if name not in self._machines:
            raise unknown(name)
        return self._machines[name]

    def _off(self, name: str) -> _Held:
        held = self._known(name)
        if held.is_running:
            raise must_be_off(name)
        return held

    def _machine(self, held: _Held) -> Machine:
        return Machine(
            name=held.spec.name,
            state=MachineState.RUNNING if held.is_running else MachineState.STOPPED,
            address=held.spec.address.partition("/")[0],
            disk_bytes=sum(len(content) for content in held.disk.values()),
            spec=held.spec,
        )
