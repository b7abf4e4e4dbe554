"""The guest's archive, and the guest itself: built from Debian's packages and booted in QEMU."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from saltus.verify.guest import Guest, build
from saltus.verify.initramfs import pack

NAMESPACE = """
import re, subprocess, sys, time
from saltus.verify.instances import boot_id
from saltus.verify.watcher.ping import answers

kernel, initrd, line = sys.argv[1:]
for command in ("ip link set lo up", "ip tuntap add tap0 mode tap", "ip address add 10.94.0.1/24 dev tap0",
                "ip link set tap0 up"):
    subprocess.run(command.split(), check=True)
qemu = subprocess.Popen(
    ["qemu-system-x86_64", "-machine", "pc", "-accel", "tcg", "-cpu", "qemu64", "-m", "128", "-nographic",
     "-no-reboot", "-kernel", kernel, "-initrd", initrd, "-append", line, "-netdev",
     "tap,id=n,ifname=tap0,script=no,downscript=no", "-device", "virtio-net-pci,netdev=n"],
    stdin=subprocess.DEVNULL, stdout=open("console", "wb"), stderr=subprocess.STDOUT)
try:
    assert answers("10.94.0.9", within_s=90) is not None, open("console").read()[-2000:]
    deadline, console = time.monotonic() + 60, None
    while console is None and time.monotonic() < deadline:
        console = re.search(r"saltus-guest boot_id=(\\S+) address=10.94.0.9/24", open("console").read())
    assert boot_id("10.94.0.9", within_s=60) == console[1]
finally:
    qemu.kill()
    qemu.wait()
"""


def test_an_archive_is_unpacked_by_cpio_as_it_was_packed(tmp_path: Path) -> None:
    files = {"init": b"#!/bin/sh\n", "www/cgi-bin/boot": b"x" * 5, "modules/a.ko": b""}
    archive = pack(files, executable={"init"})
    assert archive == pack(files, executable={"init"})
    cpio = [["cpio", "-id"], ["busybox", "cpio", "-id"]][not shutil.which("cpio")]
    if not shutil.which(cpio[0]):
        pytest.skip("neither cpio nor busybox to unpack it with")
    subprocess.run(cpio, input=gzip.decompress(archive), cwd=tmp_path, check=True)
    assert {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == files
    assert os.access(tmp_path / "init", os.X_OK)


def test_the_command_line_carries_the_address() -> None:
    assert Guest.command_line("10.78.0.9", 24, "10.78.0.1").endswith(
        "saltus.address=10.78.0.9/24 saltus.gateway=10.78.0.1"
    )


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs a network namespace of its own")
@pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="needs qemu-system-x86_64")
def test_the_guest_boots_answers_ping_and_tells_one_boot_id(tmp_path: Path) -> None:
    guest = build(tmp_path / "guest")
    before = guest.initrd.stat().st_mtime_ns
    assert build(tmp_path / "guest").initrd.stat().st_mtime_ns == before
    script = tmp_path / "script.py"
    script.write_text(NAMESPACE)
    line = Guest.command_line("10.94.0.9", 24, "10.94.0.1")
    subprocess.run(
        ["unshare", "--net", sys.executable, str(script), str(guest.kernel), str(guest.initrd), line],
        cwd=tmp_path,
        check=True,
        timeout=150,
    )
