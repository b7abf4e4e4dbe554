"""The power button of an nspawn machine: its disk is put together, its process launched, awaited and ended."""

import hashlib
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from saltus.machines import inside, network, overlay, process, record
from saltus.machines.execute import tail
from saltus.machines.network import Bridge
from saltus.machines.process import PROGRAM, Process
from saltus.machines.provider import MachineError, MachineSpec, must_run

BOOT_TIMEOUT_S = 60
LAUNCH_TIMEOUT_S = 10
"""Until the process of a machine is there."""
KILL_TIMEOUT_S = 10
IS_UP = """systemctl --quiet is-active basic.target && ip -4 -oneline address show host0 | grep --quiet inet"""
GUEST_INTERFACE = "ext0"


@dataclass(frozen=True)
class Place:
    """Where a machine is kept on the host."""

    directory: Path

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def upper(self) -> Path:
        """The machine's own layer of its disk."""
        return self.directory / "upper"

    @property
    def fresh(self) -> Path:
        """While a copy is put back: the layer to be."""
        return self.directory / "upper.fresh"

    @property
    def old(self) -> Path:
        """While a copy is put back: the layer that was."""
        return self.directory / "upper.old"

    @property
    def work(self) -> Path:
        return self.directory / "work"

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def copies(self) -> Path:
        return self.directory / "copies"

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    @property
    def short_name(self) -> str:
        """Unique on this host, also where two clouds have a machine of one name. Short: the kernel's names of
        interfaces hold 15 characters, and systemd-nspawn makes `vb-<this>` of it."""
        mark = hashlib.sha256(str(self.directory).encode()).hexdigest()[:4]
        return f"{self.name[:7]}-{mark}"

    @property
    def unit(self) -> str:
        return f"saltus-{self.short_name}"

    @property
    def link(self) -> str:
        """The host's end of its first interface, as systemd-nspawn calls it."""
        return f"vb-{self.short_name}"

    @property
    def guest_link(self) -> str:
        """The host's end of a hypervisor's second interface."""
        return f"vx-{self.short_name}"

    def process(self) -> Process | None:
        return process.find(self.root)

    def leader(self) -> Process:
        running = self.process()
        if running is None or (leader := process.leader(running)) is None:
            raise must_run(self.name)
        return leader

    def mend(self) -> bool:
        """Put back the disk of a machine whose copy was only half restored. Whether there was anything to mend."""
        mended = not self.upper.exists() and self.old.exists()
        if mended:
            self.old.rename(self.upper)
        for leftover in (self.fresh, self.old):
            shutil.rmtree(leftover, ignore_errors=True)
        return mended


def launch(place: Place, spec: MachineSpec, *, bridge: Bridge, volumes: Path) -> None:
    overlay.unmount(place.root)
    overlay.mount(record.trees(place.directory), place.upper, place.work, place.root)
    guests = ("--capability=all", "--bind=/dev/net/tun", f"--network-veth-extra={place.guest_link}:{GUEST_INTERFACE}")
    argv = [
        PROGRAM, "--quiet", "--register=no", "--keep-unit", "--boot", f"--machine={place.short_name}",
        f"--hostname={spec.hostname}", f"--directory={place.root}", f"--network-bridge={bridge.name}",
        "--resolv-conf=off", "--timezone=off", "--link-journal=no",
        *(guests if spec.hypervisor else ()),
        *(f"--bind={volumes / volume.name}:{volume.path}" for volume in spec.volumes),
    ]  # fmt: skip
    # The kernel takes a killed machine's network apart in its own time; until then its links would be in the way.
    for link in (place.link, place.guest_link):
        network.remove_link(link)
    place.console.write_text("")
    process.launch(argv, unit=place.unit, console=place.console, memory_bytes=spec.memory_bytes)


def wait_for_boot(place: Place) -> None:
    """Until its systemd answers and its address is there. Services that take long are not waited for."""
    started = time.monotonic()
    seen = False
    while (waited_s := time.monotonic() - started) < BOOT_TIMEOUT_S:
        running = place.process()
        seen = seen or running is not None
        leader = process.leader(running) if running else None
        if leader and inside.run(place.name, leader, ["sh", "-c", IS_UP], timeout_s=30, stdin=None).returncode == 0:
            return
        if running is None and (seen or waited_s > LAUNCH_TIMEOUT_S):
            break
        time.sleep(process.POLL_S)
    how = "it ended" if running is None else f"it was not up within {BOOT_TIMEOUT_S} s"
    stop(place, timeout_s=0)
    raise MachineError(
        what=f"machine {place.name} did not boot",
        because=f"{how}; the end of its console:\n{tail(place.console.read_text(errors='replace')) or '(empty)'}",
        do=f"see {place.console}",
    )


def stop(place: Place, *, timeout_s: float) -> None:
    """Cleanly within `timeout_s`, then at once; afterwards nothing of it is mounted."""
    if (running := place.process()) is not None:
        leader = process.leader(running)
        if leader and timeout_s > 0:
            leader.signal(process.POWER_OFF)
            running.wait(timeout_s)
        for victim in (leader, running):
            if victim:
                victim.signal(signal.SIGKILL)
                victim.wait(KILL_TIMEOUT_S)
    tidy(place)


def tidy(place: Place) -> None:
    """Take away what a process that ended leaves with the kernel."""
    overlay.unmount(place.root)
    process.remove_groups(place.unit)


def discard(directory: Path) -> None:
    """Remove a directory of a machine, with what may still be mounted in it."""
    if directory.exists():
        overlay.unmount(directory)
        shutil.rmtree(directory)
