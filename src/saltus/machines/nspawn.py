"""Machines as systemd-nspawn containers on this host, each with a disk in layers over an image.

A machine is a directory: `machine.json`, the disk's own layer `upper`, `copies/` of it, and `console.log`. It is made
beside and moved into place, and moved away before it is destroyed: a run that died leaves no half machine.
"""

import hashlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from saltus.machines import disk, host, inside, network, overlay, process, record
from saltus.machines.execute import execute, tail
from saltus.machines.images import ImageStore
from saltus.machines.locks import held
from saltus.machines.network import Bridge
from saltus.machines.process import PROGRAM, Process
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

MARKER = "OWNED-BY-SALTUS"
FRESH, OLD = "upper.fresh", "upper.old"
"""While a copy is put back: the disk to be, and the disk that was."""
CREATING, DESTROYING = ".creating-", ".destroying-"
BOOT_TIMEOUT_S = 60
LAUNCH_TIMEOUT_S = 10
"""Until the process of a machine is there."""
KILL_TIMEOUT_S = 10
IS_UP = """systemctl --quiet is-active basic.target && ip -4 -oneline address show host0 | grep --quiet inet"""
GUEST_INTERFACE = "ext0"


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
        self._owner = f"saltus {self.directory}"

    def create(self, spec: MachineSpec) -> Machine:
        with self._held(spec.name):
            if (known := self._spec(spec.name)) is not None:
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
            shutil.rmtree(scratch, ignore_errors=True)
            (scratch / "upper").mkdir(parents=True)
            scratch.chmod(0o700)
            for volume in spec.volumes:
                self._volume(volume.name).mkdir(parents=True, exist_ok=True)
            disk.seed(scratch / "upper", spec, host_address=self._host_address)
            record.write(scratch, spec, trees)
            scratch.rename(self.directory / spec.name)
            return self._machine(spec)

    def start(self, name: str) -> Machine:
        with self._held(name):
            spec = self._known(name)
            if process.find(self._root(name)) is None:
                self._mend(name)
                self._make_bridges(guests=spec.hypervisor)
                self._launch(spec)
            self._wait_for_boot(spec)
            if spec.hypervisor and self.external:
                network.attach(self._guest_link(name), self.external)
                network.compute_checksums_in_software(self._guest_link(name))
            return self._machine(spec)

    def prepare_network(self) -> None:
        """Make the bridges before any machine does: what listens on them (the Salt master) may come first."""
        self._own_directory()
        self._make_bridges(guests=self.external is not None)

    def stop(self, name: str, *, timeout_s: float = 30) -> None:
        with self._held(name):
            self._known(name)
            self._stop(name, timeout_s)

    def destroy(self, name: str) -> None:
        with self._held(name):
            if self._spec(name) is not None:
                self._stop(name, 0)
                doomed = self.directory / f"{DESTROYING}{name}"
                shutil.rmtree(doomed, ignore_errors=True)
                (self.directory / name).rename(doomed)
                shutil.rmtree(doomed)
        self._remove_unused_bridges()

    def get(self, name: str) -> Machine | None:
        spec = self._spec(name)
        return self._machine(spec) if spec else None

    def list(self) -> Sequence[Machine]:
        return [machine for name in self._names() if (machine := self.get(name)) is not None]

    def run(
        self, name: str, argv: Sequence[str], *, timeout_s: float = 60, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return inside.run(name, self._leader(name), argv, timeout_s=timeout_s, stdin=stdin)

    def shell(self, name: str, argv: Sequence[str] = ()) -> Sequence[str]:
        return inside.enter(self._leader(name), argv or ("/bin/bash", "-l"), interactive=True)

    def save_copy(self, name: str, label: str) -> None:
        with self._off(name) as place:
            copies = place / "copies"
            copies.mkdir(exist_ok=True)
            scratch = copies / f".{label}"
            shutil.rmtree(scratch, ignore_errors=True)
            _copy_tree(place / "upper", scratch)
            shutil.rmtree(copies / label, ignore_errors=True)
            scratch.rename(copies / label)

    def restore_copy(self, name: str, label: str) -> None:
        with self._off(name) as place:
            if label not in (labels := self.copies(name)):
                raise no_copy(name, label, labels)
            fresh, old = place / FRESH, place / OLD
            for leftover in (fresh, old, place / "work"):
                shutil.rmtree(leftover, ignore_errors=True)
            _copy_tree(place / "copies" / label, fresh)
            (place / "upper").rename(old)
            fresh.rename(place / "upper")
            shutil.rmtree(old)

    def copies(self, name: str) -> Sequence[str]:
        self._known(name)
        return sorted(path.name for path in (self.directory / name).glob("copies/*") if not path.name.startswith("."))

    def remove_volume(self, name: str) -> None:
        users = [one.name for one in self.list() if name in {volume.name for volume in one.spec.volumes}]
        if users:
            raise volume_in_use(name, users)
        shutil.rmtree(self._volume(name), ignore_errors=True)

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
                        overlay.unmount(path)
                        shutil.rmtree(path)
                        removed.append(f"the disk of {name}, which {done}")
        for name in self._names():
            with self._held(name):
                root = self._root(name)
                if self._mend(name):
                    removed.append(f"the half restored copy of {name}, whose disk is as it was before")
                if process.find(root) is None and overlay.is_mounted(root):
                    self._tidy(name)
                    removed.append(f"the mounts of {name}, which died")
        removed += [f"the bridge {name}, which nothing used" for name in self._remove_unused_bridges()]
        return removed

    # How it is done. Below, the machine's lock is held unless the name of the method says otherwise.

    @property
    def _host_address(self) -> str:
        return self.bridge.address.partition("/")[0]

    def _root(self, name: str) -> Path:
        return self.directory / name / "root"

    def _volume(self, name: str) -> Path:
        return self.directory / ".volumes" / name

    def _unit(self, name: str) -> str:
        """Unique on this host, also where two clouds have a machine of one name. Short: the kernel's names of
        interfaces hold 15 characters, and systemd-nspawn makes `vb-<this>` of it."""
        mark = hashlib.sha256(f"{self.directory}/{name}".encode()).hexdigest()[:4]
        return f"{name[:7]}-{mark}"

    def _guest_link(self, name: str) -> str:
        return f"vx-{self._unit(name)}"

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
    def _held(self, name: str) -> Iterator[None]:
        self._own_directory()
        with held(self.directory / ".locks" / name, purpose=f"work on machine {name}"):
            yield

    @contextmanager
    def _off(self, name: str) -> Iterator[Path]:
        """The directory of a machine that is and stays off meanwhile."""
        with self._held(name):
            self._known(name)
            if process.find(self._root(name)) is not None:
                raise must_be_off(name)
            self._mend(name)
            yield self.directory / name

    def _names(self) -> Sequence[str]:
        return sorted(path.parent.name for path in self.directory.glob(f"[!.]*/{record.NAME}"))

    def _spec(self, name: str) -> MachineSpec | None:
        return record.read(self.directory / name)

    def _known(self, name: str) -> MachineSpec:
        if (spec := self._spec(name)) is None:
            raise unknown(name)
        return spec

    def _machine(self, spec: MachineSpec) -> Machine:
        """Asks the process table and the file system; needs no lock."""
        running = process.find(self._root(spec.name)) is not None
        return Machine(
            name=spec.name,
            state=MachineState.RUNNING if running else MachineState.STOPPED,
            address=spec.address.partition("/")[0],
            disk_bytes=disk.used_bytes(self.directory / spec.name / "upper"),
            spec=spec,
        )

    def _leader(self, name: str) -> Process:
        """Needs no lock."""
        self._known(name)
        running = process.find(self._root(name))
        leader = process.leader(running) if running else None
        if leader is None:
            raise must_run(name)
        return leader

    def _make_bridges(self, *, guests: bool) -> None:
        with held(self.directory / ".locks" / ".network", purpose="prepare the bridges"):
            host.ensure_dbus()
            network.create_bridge(self.bridge, owner=self._owner)
            if guests and self.external:
                network.create_bridge(self.external, owner=self._owner)
                network.compute_checksums_in_software(self.external.name)

    def _remove_unused_bridges(self) -> Sequence[str]:
        """Needs no machine's lock."""
        with held(self.directory / ".locks" / ".network", purpose="remove the bridges"):
            if self._names():
                return []
            bridges = [self.bridge, *([self.external] if self.external else [])]
            return [bridge.name for bridge in bridges if network.remove_bridge(bridge, owner=self._owner)]

    def _launch(self, spec: MachineSpec) -> None:
        place, root = self.directory / spec.name, self._root(spec.name)
        if overlay.is_mounted(root):
            overlay.unmount(root)
        overlay.mount(record.trees(place), place / "upper", place / "work", root)
        guests = (
            "--capability=all", "--bind=/dev/net/tun",
            f"--network-veth-extra={self._guest_link(spec.name)}:{GUEST_INTERFACE}",
        )  # fmt: skip
        argv = [
            PROGRAM, "--quiet", "--register=no", "--keep-unit", "--boot", f"--machine={self._unit(spec.name)}",
            f"--hostname={spec.hostname}", f"--directory={root}", f"--network-bridge={self.bridge.name}",
            "--resolv-conf=off", "--timezone=off", "--link-journal=no",
            *(guests if spec.hypervisor else ()),
            *(f"--bind={self._volume(volume.name)}:{volume.path}" for volume in spec.volumes),
        ]  # fmt: skip
        console = place / "console.log"
        console.write_text("")
        process.launch(argv, unit=f"saltus-{self._unit(spec.name)}", console=console, memory_bytes=spec.memory_bytes)

    def _wait_for_boot(self, spec: MachineSpec) -> None:
        """Until its systemd answers and its address is there. Services that take long are not waited for."""
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        seen = False
        while time.monotonic() < deadline:
            running = process.find(self._root(spec.name))
            seen = seen or running is not None
            leader = process.leader(running) if running else None
            if leader and inside.run(spec.name, leader, ["sh", "-c", IS_UP], timeout_s=30, stdin=None).returncode == 0:
                return
            if running is None and (seen or time.monotonic() > deadline - BOOT_TIMEOUT_S + LAUNCH_TIMEOUT_S):
                break
            time.sleep(process.POLL_S)
        ended = running is None
        self._stop(spec.name, 0)
        console = (self.directory / spec.name / "console.log").read_text(errors="replace")
        raise MachineError(
            what=f"machine {spec.name} did not boot",
            because=f"{'it ended' if ended else f'it was not up within {BOOT_TIMEOUT_S} s'}; the end of its console:\n"
            f"{tail(console) or '(empty)'}",
            do=f"see {self.directory / spec.name / 'console.log'}",
        )

    def _stop(self, name: str, timeout_s: float) -> None:
        if (running := process.find(self._root(name))) is not None:
            leader = process.leader(running)
            if leader and timeout_s > 0:
                leader.signal(process.POWER_OFF)
                running.wait(timeout_s)
            for victim in (leader, running):
                if victim:
                    victim.signal(signal.SIGKILL)
                    victim.wait(KILL_TIMEOUT_S)
        self._tidy(name)

    def _mend(self, name: str) -> bool:
        """Put back the disk of a machine whose copy was only half restored. Whether there was anything to mend."""
        place = self.directory / name
        if (place / "upper").exists() or not (place / OLD).exists():
            return False
        (place / OLD).rename(place / "upper")
        return True

    def _tidy(self, name: str) -> None:
        overlay.unmount(self._root(name))
        process.remove_groups(f"saltus-{self._unit(name)}")


def _copy_tree(source: Path, target: Path) -> None:
    """With owners, times, holes and the marks by which an overlay knows what was deleted."""
    execute(
        ["cp", "--archive", "--reflink=auto", source, target],
        purpose=f"copy {source}",
        do="see with `df` that there is room for a second disk; the first one is untouched",
        timeout_s=1800,
    )
