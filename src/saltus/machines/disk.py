"""What is put on a machine's disk before it boots for the first time."""

import ipaddress
import os
import subprocess
import uuid
from pathlib import Path

from saltus.machines.provider import FileContent, MachineError, MachineSpec

NETWORK_FILE = "/etc/systemd/network/10-host0.network"


def seed(disk: Path, spec: MachineSpec, *, host_address: str) -> None:
    """Write the machine's identity, its network and the files that its specification asks for."""
    for path, file in {**identity(spec), NETWORK_FILE: network(spec, host_address=host_address), **spec.files}.items():
        _write(disk, path, file)


def identity(spec: MachineSpec) -> dict[str, FileContent]:
    address = spec.address.partition("/")[0]
    return {
        "/etc/hostname": FileContent(f"{spec.hostname}\n"),
        "/etc/hosts": FileContent(f"127.0.0.1 localhost\n{address} {spec.hostname}\n"),
        # An empty machine-id would make every boot of a restored disk a new machine to journald and D-Bus.
        "/etc/machine-id": FileContent(f"{uuid.uuid4().hex}\n", mode=0o444),
        # Machines reach no name server. Without this file, every lookup of an unknown name waits for one.
        "/etc/resolv.conf": FileContent("# Names are in /etc/hosts.\n"),
    }


def network(spec: MachineSpec, *, host_address: str) -> FileContent:
    """systemd-networkd's file for host0; `host_address` is the host's on the bridge."""
    lines = ["[Match]", "Name=host0", "", "[Network]", "LinkLocalAddressing=no", "IPv6AcceptRA=no"]
    if spec.isolated:
        alone = ipaddress.ip_interface(spec.address).ip
        lines += [f"Address={alone}/{alone.max_prefixlen}", "", "[Route]", f"Destination={host_address}", "Scope=link"]
    else:
        lines.append(f"Address={spec.address}")
        if spec.gateway:
            lines.append(f"Gateway={spec.gateway}")
    return FileContent("\n".join(lines) + "\n")


def used_bytes(upper: Path) -> int:
    """What a machine's own layer takes up. Files come and go on a running machine: those that vanish do not count."""
    done = subprocess.run(
        ["du", "--summarize", "--block-size=1", upper], capture_output=True, text=True, check=False, timeout=300
    )
    return int(done.stdout.split()[0]) if done.stdout else 0


def _write(disk: Path, path: str, file: FileContent) -> None:
    if not path.startswith("/") or ".." in Path(path).parts:
        raise MachineError(
            what=f"the file {path} cannot be put on a machine's disk",
            because="its path must be absolute and without '..'",
            do="correct the path where the machine is specified",
        )
    target = disk / path[1:]
    target.parent.mkdir(parents=True, exist_ok=True)
    content = file.content.encode() if isinstance(file.content, str) else file.content
    # Created with its mode: a key must not be readable to others for even a moment.
    target.unlink(missing_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode), "wb") as handle:
        handle.write(content)
    target.chmod(file.mode)
    os.chown(target, *file.owner)
