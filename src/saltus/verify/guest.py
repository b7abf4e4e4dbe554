"""The tenant's instance of a lab: Debian's cloud kernel and a few busybox commands in memory, up in seconds.

It takes its address from the kernel's command line (the image property `os_command_line`), answers ping, tells its
boot_id on the console and over HTTP, and keeps nothing: a changed boot_id says that it was started anew.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from saltus.errors import OperatorError
from saltus.verify.initramfs import pack

KERNEL_PACKAGE = "linux-image-cloud-amd64"
BUSYBOX_PACKAGE = "busybox-static"

# In the order in which they need each other. checksum offload is off: a datapath in userspace delivers the packets of
# the guest with checksums that nobody filled in, and TCP drops them.
MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net csum=0 gso=0",
)

INIT = """\
#!/busybox sh
/busybox mkdir -p /proc /sys /dev /bin
/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
exec >/dev/console 2>&1
@MODULES@
for word in $(cat /proc/cmdline); do
  case $word in
    saltus.address=*) address=${word#*=} ;;
    saltus.gateway=*) gateway=${word#*=} ;;
  esac
done
ip link set lo up
for try in 1 2 3 4 5 6 7 8 9 10; do ip link set eth0 up 2>/dev/null && break; sleep 1; done
ip address add "$address" dev eth0
[ -z "$gateway" ] || ip route add default via "$gateway"
httpd -h /www
while :; do
  echo "saltus-guest boot_id=$(cat /proc/sys/kernel/random/boot_id) address=$address up=$(cut -d' ' -f1 /proc/uptime)"
  sleep 30
done
"""

ANSWER = """\
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "boot_id=$(cat /proc/sys/kernel/random/boot_id) up=$(cut -d' ' -f1 /proc/uptime)"
"""
ANSWER_PATH = "/cgi-bin/boot"


@dataclass(frozen=True)
class Guest:
    """The two files that an instance boots from, as images of a kernel and a ramdisk in glance."""

    kernel: Path
    initrd: Path

    @staticmethod
    def command_line(address: str, prefix: int, gateway: str | None = None) -> str:
        """What the kernel is told, for `os_command_line`."""
        route = f" saltus.gateway={gateway}" if gateway else ""
        return f"quiet console=ttyS0 panic=1 saltus.address={address}/{prefix}{route}"


def build(directory: Path) -> Guest:
    """Build the guest into `directory`, from Debian's packages as apt gets them on this machine. Installs nothing.

    Done before: nothing to do. A guest whose recipe here has changed is built anew.
    """
    guest = Guest(kernel=directory / "vmlinuz", initrd=directory / "initrd.gz")
    recipe = directory / "recipe"
    digest = hashlib.sha256("\n".join((INIT, ANSWER, *MODULES)).encode()).hexdigest()
    if recipe.exists() and recipe.read_text() == digest and guest.kernel.exists() and guest.initrd.exists():
        return guest
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        root = unpack((kernel_of(KERNEL_PACKAGE), BUSYBOX_PACKAGE), Path(scratch))
        initrd = pack(contents(root), executable={"init", "busybox", f"www{ANSWER_PATH}"})
        kernel = only(root, "boot/vmlinuz-*").read_bytes()
    replace(guest.kernel, kernel)
    replace(guest.initrd, initrd)
    replace(recipe, digest.encode())
    return guest


def contents(root: Path) -> dict[str, bytes]:
    """The files of the first root file system, from the packages unpacked in `root`."""
    files = {"busybox": only(root, "**/bin/busybox").read_bytes(), f"www{ANSWER_PATH}": ANSWER.encode()}
    built_in = {Path(line).stem for line in only(root, "lib/modules/*/modules.builtin").read_text().split()}
    load = []
    for module in MODULES:
        name, *options = module.split()
        if name in built_in:
            continue
        files[f"modules/{name}.ko"] = read_module(only(root, f"lib/modules/**/{name}.ko*"))
        load.append(" ".join([f"insmod /modules/{name}.ko", *options]))
    files["init"] = INIT.replace("@MODULES@", "\n".join(load)).encode()
    return files


def kernel_of(package: str) -> str:
    """The package that the metapackage `package` stands for today."""
    shown = run(["apt-cache", "show", "--no-all-versions", package])
    depends = next((line for line in shown.splitlines() if line.startswith("Depends: ")), "")
    name = depends.removeprefix("Depends: ").split(" ")[0].rstrip(",")
    if not name.startswith("linux-image-"):
        raise OperatorError(
            what=f"cannot build the guest: {package} names no kernel",
            because=f"apt knows of it: {depends or 'nothing'}",
            do="apt-get update, then again",
        )
    return name


def unpack(packages: tuple[str, ...], scratch: Path) -> Path:
    """Download the packages into `scratch` and unpack them, side by side, into a directory there."""
    # As root, because apt's own user may not write into the directory of somebody else.
    run(["apt-get", "-o", "APT::Sandbox::User=root", "download", *packages], cwd=scratch)
    root = scratch / "root"
    for package in sorted(scratch.glob("*.deb")):
        run(["dpkg-deb", "--extract", str(package), str(root)])
    return root


def read_module(path: Path) -> bytes:
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content


def only(root: Path, pattern: str) -> Path:
    found = sorted(root.glob(pattern))
    if len(found) != 1:
        raise OperatorError(
            what=f"cannot build the guest: {len(found)} files match {pattern}, and it must be one",
            because="the kernel's or busybox's package is laid out differently on this Debian",
            do="teach saltus/verify/guest.py the new place",
        )
    return found[0]


def replace(path: Path, content: bytes) -> None:
    draft = path.with_name(path.name + ".draft")
    draft.write_bytes(content)
    draft.replace(path)


def run(command: list[str], cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            check=True,
            capture_output=True,
            text=True,
            timeout=600,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, FileNotFoundError) as exc:
        output = str(getattr(exc, "stderr", "") or exc).strip()
        raise OperatorError(
            what=f"cannot build the guest: {command[0]} failed",
            because=output.splitlines()[-1],
            do=f"run it by hand and read what it says: {' '.join(command)}",
        ) from exc
    return done.stdout
