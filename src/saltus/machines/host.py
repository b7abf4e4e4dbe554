"""What this host must have to build images and run machines, and getting it."""

import os
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saltus.errors import Refused
from saltus.machines.execute import execute
from saltus.machines.provider import MachineError

PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "dbus-daemon": "dbus",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "gpgv": "gpgv",
}
"""Program -> the Debian package that brings it."""
DBUS_SOCKET = Path("/run/dbus/system_bus_socket")
FREE_BYTES = 20 * 1024**3
TUN = Path("/dev/net/tun")


@dataclass(frozen=True)
class Lack:
    """Something that this host lacks."""

    what: str
    package: str | None = None
    """That would bring it; None where no package can."""


def missing(directory: Path, *, free_bytes: int = FREE_BYTES) -> Sequence[Lack]:
    """Everything that stands in the way of machines on this host, whose disks would be under `directory`."""
    lacks = []
    if os.geteuid() != 0:
        lacks.append(Lack("root: machines need namespaces, mounts and bridges"))
    if not Path("/etc/debian_version").exists():
        lacks.append(Lack("Debian: images are built with its tools, from where its apt gets packages"))
    lacks += [Lack(program, package) for program, package in PACKAGES.items() if shutil.which(program) is None]
    lacks += [
        Lack(f"{kind} namespaces: the kernel was built without them")
        for kind in ("mnt", "net", "pid", "uts", "ipc")
        if not Path("/proc/self/ns", kind).exists()
    ]
    if "overlay" not in Path("/proc/filesystems").read_text() and not _has_module("overlay"):
        lacks.append(Lack("the overlay file system: the kernel was built without it"))
    place = next(path for path in (directory, *directory.parents) if path.exists())
    if (free := shutil.disk_usage(place).free) < free_bytes:
        lacks.append(Lack(f"room: {place} has {free / 1024**3:.1f} GiB free of the {free_bytes / 1024**3:.0f} needed"))
    return lacks


def prepare(directory: Path, *, free_bytes: int = FREE_BYTES) -> Sequence[str]:
    """Install the packages that are missing, and say which. Refused where something is missing that no package has."""
    lacks = missing(directory, free_bytes=free_bytes)
    if hopeless := [lack.what for lack in lacks if lack.package is None]:
        raise Refused(
            what="this host cannot run machines",
            reasons=[f"it lacks {what}" for what in hopeless],
            do="use a Debian 12 host or newer, as root, with enough room",
        )
    packages = sorted({lack.package for lack in lacks if lack.package})
    if packages:
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        for argv in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            execute(
                ["apt-get", "-q", *argv],
                purpose=f"install {', '.join(packages)}",
                do="see that apt works on this host: apt-get update",
                timeout_s=900,
                environment=environment,
            )
    return packages


def ensure_dbus() -> None:
    """systemd-nspawn wants a system bus, also where systemd is not what runs this host."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(DBUS_SOCKET))
            return
        except OSError:
            pass
    DBUS_SOCKET.parent.mkdir(parents=True, exist_ok=True)
    # Left by a bus that died: it would refuse to start over it.
    DBUS_SOCKET.with_name("pid").unlink(missing_ok=True)
    execute(["dbus-daemon", "--system", "--fork"], purpose="start the system bus of this host")


def ensure_tun() -> None:
    """Guests inside machines get their network from tun devices."""
    if not TUN.exists():
        if shutil.which("modprobe"):
            execute(["modprobe", "tun"], purpose="load the tun driver")
        if not TUN.exists():
            raise MachineError(
                what="machines on this host cannot run guests",
                because=f"{TUN} is missing and could not be had",
                do="use a kernel with the tun driver",
            )


def _has_module(name: str) -> bool:
    release = os.uname().release
    return any(Path("/lib/modules", release).rglob(f"{name}.ko*"))
