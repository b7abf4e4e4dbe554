"""Machines as systemd-nspawn containers on this host, each with a disk in layers over an image.

A machine is a directory: `machine.json`, the disk's own layer `upper`, `copies/` of it, and `console.log`. It is made
beside and moved into place, and moved away before it is destroyed: a run that died leaves no half machine.
"""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from saltus.machines import disk, host, inside, network, overlay, power, record
from saltus.machines.execute import execute
from saltus.machines.images import ImageStore
from saltus.machines.locks import held
from saltus.machines.network import Bridge
from saltus.machines.power import Place
from saltus.machines.provider import (
    Machine,
    MachineError,
    MachineSpec,
    MachineState,
    differing_fields,
    differs,
    must_be_off,
    no_copy,
    unknown,
    volume_in_use,
)

MARKER = "OWNED-BY-SALTUS"
CREATING, DESTROYING = ".creating-", ".destroying-"


class NspawnProvider:
    def __init__(
        self,
        directory: Path,
        images: ImageStore,
        *,
        bridge: Bridge,
        external: Bridge | None = None,
    ) -> None:
        """`bridge` is made with the first machine that starts and removed with the last; so is `external`, for guests.

        `directory` is made when missing; one that is there must have been made by a provider.
        """
        self.directory = directory.resolve()
        self.images = images
        self.bridge = bridge
        self.external = external
        self._owner = f"{network.OWNER}{self.directory}"
        self._volumes = self.directory / ".volumes"

    def create(self, spec: MachineSpec) -> Machine:
        with self._held(spec.name) as place:
            if (known := record.read(place.directory)) is not None:
                if different := differing_fields(known, spec):
                    raise differs(spec.name, different)
                return self._machine(known)
            if spec.hypervisor and self.external is None:
                raise MachineError(
                    what=f"machine {spec.name} cannot run guests",
                    because="no bridge for the guests' network was given",
                    do="give the provider an external bridge",
                )
            trees = self.images.get(spec.image).trees
            scratch = self.directory / f"{CREATING}{spec.name}"
            power.discard(scratch)
            (scratch / place.upper.name).mkdir(parents=True)
            scratch.chmod(0o700)
            for volume in spec.volumes:
                (self._volumes / volume.name).mkdir(parents=True, exist_ok=True)
            disk.seed(scratch / place.upper.name, spec, host_address=self.bridge.address.partition("/")[0])
            record.write(scratch, spec, trees)
            scratch.rename(place.directory)
            return self._machine(spec)

    def start(self, name: str) -> Machine:
        with self._held(name) as place:
            spec = self._known(name)
            if place.process() is None:
                place.mend()
                self._make_bridges(guests=spec.hypervisor)
                power.launch(place, spec, bridge=self.bridge, volumes=self._volumes)
            power.wait_for_boot(place)
            if spec.hypervisor and self.external:
                network.attach(place.guest_link, self.external)
                network.compute_checksums_in_software(place.guest_link)
            return self._machine(spec)

    def prepare_network(self) -> None:
        """Make the bridges before any machine does: what listens on them (the Salt master) may come first."""
        self._own_directory()
        self._make_bridges(guests=self.external is not None)

    def stop(self, name: str, *, timeout_s: float = 30) -> None:
        with self._held(name) as place:
            self._known(name)
            power.stop(place, timeout_s=timeout_s)

    def destroy(self, name: str) -> None:
        with self._held(name) as place:
            if record.read(place.directory) is not None:
                power.stop(place, timeout_s=0)
                doomed = self.directory / f"{DESTROYING}{name}"
                power.discard(doomed)
                place.directory.rename(doomed)
                power.discard(doomed)
        self._remove_unused_bridges()

    def get(self, name: str) -> Machine | None:
        spec = record.read(self.directory / name)
        return self._machine(spec) if spec else None

    def list(self) -> Sequence[Machine]:
        return [machine for name in self._names() if (machine := self.get(name)) is not None]

    def run(
        self, name: str, argv: Sequence[str], *, timeout_s: float = 60, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        self._known(name)
        return inside.run(name, self._place(name).leader(), argv, timeout_s=timeout_s, stdin=stdin)

    def shell(self, name: str, argv: Sequence[str] = ()) -> Sequence[str]:
        self._known(name)
        return inside.enter(self._place(name).leader(), argv or ("/bin/bash", "-l"), interactive=True)

    def save_copy(self, name: str, label: str) -> None:
        with self._off(name) as place:
            place.copies.mkdir(exist_ok=True)
            scratch = place.copies / f".{label}"
            shutil.rmtree(scratch, ignore_errors=True)
            _copy_tree(place.upper, scratch)
            shutil.rmtree(place.copies / label, ignore_errors=True)
            scratch.rename(place.copies / label)

    def restore_copy(self, name: str, label: str) -> None:
        with self._off(name) as place:
            if label not in (labels := self.copies(name)):
                raise no_copy(name, label, labels)
            for leftover in (place.fresh, place.old, place.work):
                shutil.rmtree(leftover, ignore_errors=True)
            _copy_tree(place.copies / label, place.fresh)
            place.upper.rename(place.old)
            place.fresh.rename(place.upper)
            shutil.rmtree(place.old)

    def copies(self, name: str) -> Sequence[str]:
        self._known(name)
        return sorted(path.name for path in self._place(name).copies.glob("[!.]*"))

    def remove_volume(self, name: str) -> None:
        if users := [one.name for one in self.list() if name in {volume.name for volume in one.spec.volumes}]:
            raise volume_in_use(name, users)
        shutil.rmtree(self._volumes / name, ignore_errors=True)

    def trees_in_use(self) -> set[Path]:
        """What the image store must keep."""
        return {tree for name in self._names() for tree in record.trees(self.directory / name)}

    def clean(self) -> Sequence[str]:
        self._own_directory()
        removed = []
        for prefix, done in ((CREATING, "was being created"), (DESTROYING, "was being destroyed")):
            for path in sorted(self.directory.glob(f"{prefix}*")):
                name = path.name.removeprefix(prefix)
                with self._held(name):
                    if path.exists():
                        power.discard(path)
                        removed.append(f"the disk of {name}, which {done}")
        for name in self._names():
            with self._held(name) as place:
                if place.mend():
                    removed.append(f"the half restored copy of {name}, whose disk is as it was before")
                if place.process() is None and overlay.is_mounted(place.root):
                    power.tidy(place)
                    removed.append(f"the mounts of {name}, which died")
        removed += [f"the bridge {name}, which nothing used" for name in self._remove_unused_bridges()]
        return removed

    def _own_directory(self) -> None:
        marker = self.directory / MARKER
        if marker.exists():
            return
        # Asked last: another process may be making the same directory its own.
        if self.directory.exists() and any(self.directory.iterdir()) and not marker.exists():
            raise MachineError(
                what=f"{self.directory} cannot hold machines",
                because="it holds files that Saltus did not make, and it would have to remove what it finds there",
                do="name an empty or a new directory in the settings",
            )
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        marker.write_text("Machines of Saltus. Everything in this directory is made and removed by it.\n")

    @contextmanager
    def _held(self, name: str) -> Iterator[Place]:
        """The place of a machine, which nobody else works on meanwhile."""
        self._own_directory()
        with held(self.directory / ".locks" / name, purpose=f"work on machine {name}"):
            yield self._place(name)

    @contextmanager
    def _off(self, name: str) -> Iterator[Place]:
        """The place of a machine that is and stays off meanwhile."""
        with self._held(name) as place:
            self._known(name)
            if place.process() is not None:
                raise must_be_off(name)
            overlay.unmount(place.root)
            place.mend()
            yield place

    def _place(self, name: str) -> Place:
        return Place(self.directory / name)

    def _names(self) -> Sequence[str]:
        return sorted(path.parent.name for path in self.directory.glob(f"[!.]*/{record.NAME}"))

    def _known(self, name: str) -> MachineSpec:
        if (spec := record.read(self.directory / name)) is None:
            raise unknown(name)
        return spec

    def _machine(self, spec: MachineSpec) -> Machine:
        """Asks the process table and the file system; needs no lock."""
        place = self._place(spec.name)
        return Machine(
            name=spec.name,
            state=MachineState.STOPPED if place.process() is None else MachineState.RUNNING,
            address=spec.address.partition("/")[0],
            disk_bytes=disk.used_bytes(place.upper),
            spec=spec,
        )

    def _make_bridges(self, *, guests: bool) -> None:
        with held(self.directory / ".locks" / ".network", purpose="prepare the bridges"):
            host.ensure_dbus()
            network.create_bridge(self.bridge, owner=self._owner)
            if guests and self.external:
                host.ensure_tun()
                network.create_bridge(self.external, owner=self._owner)
                network.compute_checksums_in_software(self.external.name)

    def _remove_unused_bridges(self) -> Sequence[str]:
        with held(self.directory / ".locks" / ".network", purpose="remove the bridges"):
            if self._names():
                return []
            bridges = [self.bridge, *([self.external] if self.external else [])]
            return [bridge.name for bridge in bridges if network.remove_bridge(bridge, owner=self._owner)]


def _copy_tree(source: Path, target: Path) -> None:
    """With owners, times, holes and the marks by which an overlay knows what was deleted."""
    execute(
        ["cp", "--archive", "--reflink=auto", source, target],
        purpose=f"copy {source}",
        do="see with `df` that there is room for a second disk; the first one is untouched",
        timeout_s=1800,
    )
