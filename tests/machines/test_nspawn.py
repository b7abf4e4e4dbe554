"""What nspawn machines do beyond the contract: their disks, their network, and what is left when things die."""

import array
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from saltus.machines import overlay, process
from saltus.machines.images import ImageStore
from saltus.machines.network import Bridge
from saltus.machines.nspawn import NspawnProvider
from saltus.machines.provider import FileContent, MachineError, MachineSpec, Volume

from .conftest import provider_at

pytestmark = pytest.mark.root

SPEC = MachineSpec(name="ctl01-a", image="bookworm", address="10.91.0.11/24", hostname="ctl01", gateway="10.91.0.1")


def output(provider: NspawnProvider, name: str, command: str) -> str:
    done = provider.run(name, ["sh", "-c", command])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_machine_boots_as_specified_and_holds_its_minion(nspawn: NspawnProvider) -> None:
    key = FileContent(b"\x00key", mode=0o400, owner=(0, 8))
    nspawn.create(replace(SPEC, files={"/etc/salt/pki/minion/minion.pem": key}))
    nspawn.start("ctl01-a")
    assert output(nspawn, "ctl01-a", "hostname") == "ctl01"
    assert output(nspawn, "ctl01-a", "stat -c '%a %u %g %s' /etc/salt/pki/minion/minion.pem") == "400 0 8 4"
    assert "10.91.0.11/24" in output(nspawn, "ctl01-a", "ip -o address show host0")
    assert output(nspawn, "ctl01-a", "ping -c 1 -W 5 10.91.0.1 >/dev/null && echo reached") == "reached"
    assert output(nspawn, "ctl01-a", "systemctl is-system-running --wait") == "running"
    assert json.loads(output(nspawn, "ctl01-a", "/opt/saltus-minion/bin/salt-call --local --out json test.ping")) == {
        "local": True
    }


def test_an_isolated_machine_reaches_the_host_and_no_neighbour(nspawn: NspawnProvider) -> None:
    nspawn.create(SPEC)
    nspawn.create(replace(SPEC, name="upg01", hostname="upg01", address="10.91.0.50/24", isolated=True, gateway=None))
    nspawn.start("ctl01-a")
    nspawn.start("upg01")
    assert output(nspawn, "upg01", "ping -c 1 -W 5 10.91.0.1 >/dev/null && echo reached") == "reached"
    assert nspawn.run("upg01", ["ping", "-c", "1", "-W", "1", "10.91.0.11"]).returncode != 0
    assert nspawn.run("ctl01-a", ["ping", "-c", "1", "-W", "1", "10.91.0.50"]).returncode != 0


def test_two_slots_see_one_volume(nspawn: NspawnProvider) -> None:
    volumes = (Volume("glance", "/var/lib/glance/images"),)
    for number, name in enumerate(("ctl01-a", "ctl01-b")):
        nspawn.create(replace(SPEC, name=name, address=f"10.91.0.{11 + number}/24", volumes=volumes))
        nspawn.start(name)
    output(nspawn, "ctl01-a", "echo cirros > /var/lib/glance/images/1")
    nspawn.destroy("ctl01-a")
    assert output(nspawn, "ctl01-b", "cat /var/lib/glance/images/1") == "cirros"


def test_a_copy_puts_back_what_was_written_and_what_was_removed(nspawn: NspawnProvider) -> None:
    nspawn.create(SPEC)
    nspawn.save_copy("ctl01-a", "golden")
    nspawn.start("ctl01-a")
    output(nspawn, "ctl01-a", "touch /root/written && rm -r /etc/apt")
    nspawn.stop("ctl01-a")
    nspawn.save_copy("ctl01-a", "later")
    nspawn.restore_copy("ctl01-a", "golden")
    nspawn.start("ctl01-a")
    assert nspawn.run("ctl01-a", ["test", "-e", "/root/written"]).returncode == 1
    assert nspawn.run("ctl01-a", ["test", "-e", "/etc/apt"]).returncode == 0
    nspawn.stop("ctl01-a")
    nspawn.restore_copy("ctl01-a", "later")
    nspawn.start("ctl01-a")
    assert nspawn.run("ctl01-a", ["test", "-e", "/root/written"]).returncode == 0
    assert nspawn.run("ctl01-a", ["test", "-e", "/etc/apt"]).returncode == 1


def slow_to_stop(seconds: int) -> dict[str, FileContent]:
    unit = f"""\
    [Service]
    Type=oneshot
    RemainAfterExit=yes
    ExecStart=/bin/true
    ExecStop=/bin/sh -c 'sleep {seconds}; echo clean > /root/stopped'
    """
    return {"/etc/systemd/system/slow.service": FileContent(textwrap.dedent(unit))}


@pytest.mark.parametrize(("seconds", "is_clean"), [(1, True), (60, False)])
def test_services_are_stopped_before_the_power_goes_unless_they_take_too_long(
    nspawn: NspawnProvider, seconds: int, is_clean: bool
) -> None:
    nspawn.create(replace(SPEC, files=slow_to_stop(seconds)))
    nspawn.start("ctl01-a")
    output(nspawn, "ctl01-a", "systemctl start slow")
    started = time.monotonic()
    nspawn.stop("ctl01-a", timeout_s=4)
    assert time.monotonic() - started < 40  # not the minute that the service would take
    nspawn.start("ctl01-a")
    assert (nspawn.run("ctl01-a", ["test", "-e", "/root/stopped"]).returncode == 0) is is_clean


def test_a_machine_that_does_not_boot_shows_its_console(nspawn: NspawnProvider) -> None:
    broken = FileContent("#!/bin/sh\necho the disk is broken\nexit 1\n", mode=0o755)
    nspawn.create(replace(SPEC, files={"/usr/lib/systemd/systemd": broken}))
    with pytest.raises(MachineError, match="the disk is broken"):
        nspawn.start("ctl01-a")
    machine = nspawn.get("ctl01-a")
    assert machine
    assert not machine.is_running


def test_a_command_that_hangs_ends_with_all_it_started(nspawn: NspawnProvider) -> None:
    nspawn.create(SPEC)
    nspawn.start("ctl01-a")
    with pytest.raises(MachineError, match="did not finish on ctl01-a within 1 s"):
        nspawn.run("ctl01-a", ["sh", "-c", "sleep 987 & sleep 987"], timeout_s=1)
    assert nspawn.run("ctl01-a", ["sh", "-c", "ps ax | grep '[s]leep 987'"]).returncode == 1


def test_a_hypervisor_has_a_link_to_the_guests_and_no_checksum_offload_there(nspawn: NspawnProvider) -> None:
    nspawn.create(replace(SPEC, name="cmp01", hypervisor=True))
    nspawn.start("cmp01")
    assert "ext0" in output(nspawn, "cmp01", "ip -o link show ext0")
    assert output(nspawn, "cmp01", "test -c /dev/net/tun && echo yes") == "yes"
    ports = os.listdir("/sys/class/net/br-saltus-e/brif")
    assert len(ports) == 1
    assert [sends_checksums_unfinished(name) for name in ("br-saltus-e", *ports)] == [False, False]


def sends_checksums_unfinished(interface: str) -> bool:
    value = array.array("B", struct.pack("II", 0x16, 1))  # ETHTOOL_GTXCSUM
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8946, struct.pack("16sP", interface.encode(), value.buffer_info()[0]))
    return bool(struct.unpack("II", value.tobytes())[1])


def test_the_bridge_goes_with_the_last_machine(nspawn: NspawnProvider) -> None:
    nspawn.create(SPEC)
    nspawn.start("ctl01-a")
    assert Path("/sys/class/net/br-saltus-t").exists()
    nspawn.destroy("ctl01-a")
    assert not Path("/sys/class/net/br-saltus-t").exists()


def test_a_bridge_of_somebody_else_is_neither_used_nor_removed(nspawn: NspawnProvider) -> None:
    subprocess.run(["ip", "link", "add", "br-saltus-t", "type", "bridge"], check=True)
    try:
        nspawn.create(SPEC)
        with pytest.raises(MachineError, match="was not made by Saltus"):
            nspawn.start("ctl01-a")
        nspawn.destroy("ctl01-a")
        assert list(nspawn.clean()) == []
        assert Path("/sys/class/net/br-saltus-t").exists()
    finally:
        subprocess.run(["ip", "link", "delete", "br-saltus-t"], check=True)


def test_machines_of_another_state_directory_with_the_same_addresses_are_refused_while_they_run(
    nspawn: NspawnProvider, tmp_path: Path
) -> None:
    other = provider_at(tmp_path / "other", nspawn.images)
    nspawn.create(SPEC)
    other.create(SPEC)
    nspawn.start("ctl01-a")
    with pytest.raises(MachineError, match="in use by other machines") as refused:
        other.start("ctl01-a")
    assert f"SALTUS_STATE={nspawn.directory.parent} saltus lab down" in refused.value.do
    nspawn.stop("ctl01-a")
    other.start("ctl01-a")
    other.destroy("ctl01-a")
    assert not Path("/sys/class/net/br-saltus-t").exists(), "it was taken over, and went with its last machine"
    nspawn.destroy("ctl01-a")


def test_a_directory_with_files_of_somebody_else_is_refused(tmp_path: Path, images: ImageStore) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(MachineError, match="holds files that Saltus did not make"):
        provider_at(tmp_path, images).create(SPEC)
    assert os.listdir(tmp_path) == ["letter.txt"]


# What dies, and what is found afterwards.

PROGRAM = """
import os, signal, sys
from pathlib import Path
from saltus.machines.images import ImageStore
from saltus.machines.network import Bridge
from saltus.machines.nspawn import NspawnProvider
from saltus.machines.provider import FileContent, MachineSpec

class Deadly(dict):
    def items(self):
        os.kill(os.getpid(), signal.SIGKILL)

provider = NspawnProvider(
    Path(sys.argv[1]), ImageStore(Path(sys.argv[2])), bridge=Bridge("br-saltus-t", "10.91.0.1/24")
)
files = {"/root/file": FileContent("x")}
if sys.argv[3] == "create":
    files = Deadly(files)
provider.create(MachineSpec(name="ctl01-a", image="bookworm", address="10.91.0.11/24", hostname="ctl01", files=files))
provider.start("ctl01-a")
os.kill(os.getpid(), signal.SIGKILL)
"""


def dies(provider: NspawnProvider, at: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(provider.directory), str(provider.images.directory), at], check=False
    )
    assert done.returncode == -signal.SIGKILL


def test_a_machine_outlives_who_started_it_and_is_found_again(nspawn: NspawnProvider) -> None:
    dies(nspawn, at="end")
    machine = nspawn.get("ctl01-a")
    assert machine
    assert machine.is_running
    assert output(nspawn, "ctl01-a", "cat /root/file") == "x"
    assert list(nspawn.clean()) == []
    nspawn.stop("ctl01-a")


def test_a_creation_that_died_leaves_no_machine_and_is_cleaned_away(nspawn: NspawnProvider) -> None:
    dies(nspawn, at="create")
    assert not nspawn.list()
    assert list(nspawn.clean()) == ["the disk of ctl01-a, which was being created"]
    assert not list(nspawn.directory.glob("*ctl01*"))
    nspawn.create(SPEC)


def test_a_machine_that_was_killed_leaves_mounts_that_are_cleaned_away(nspawn: NspawnProvider) -> None:
    nspawn.create(SPEC)
    nspawn.start("ctl01-a")
    root = nspawn.directory / "ctl01-a/root"
    running = process.find(root)
    assert running
    leader = process.leader(running)
    assert leader
    leader.signal(signal.SIGKILL)
    running.signal(signal.SIGKILL)
    assert running.wait(5)
    assert overlay.is_mounted(root)
    machine = nspawn.get("ctl01-a")
    assert machine
    assert not machine.is_running
    assert list(nspawn.clean()) == ["the mounts of ctl01-a, which died"]
    assert not overlay.is_mounted(root)
    assert nspawn.start("ctl01-a").is_running


def test_a_copy_half_restored_leaves_the_disk_that_was(nspawn: NspawnProvider) -> None:
    nspawn.create(replace(SPEC, files={"/root/file": FileContent("x")}))
    place = nspawn.directory / "ctl01-a"
    (place / "upper").rename(place / "upper.old")
    nspawn.start("ctl01-a")
    assert output(nspawn, "ctl01-a", "cat /root/file") == "x"


def test_machines_share_no_control_group(nspawn: NspawnProvider) -> None:
    """A service that is stopped is killed by its group: in a shared one, that of every machine."""
    groups = []
    for number, name in enumerate(("ctl01-a", "ctl01-b")):
        nspawn.create(replace(SPEC, name=name, address=f"10.91.0.{11 + number}/24"))
        nspawn.start(name)
        running = process.find(nspawn.directory / name / "root")
        assert running
        leader = process.leader(running)
        assert leader
        groups.append(Path(f"/proc/{leader.pid}/cgroup").read_text().splitlines()[-1])
    assert len(set(groups)) == 2, groups


def test_a_machine_has_no_more_memory_than_its_limit(nspawn: NspawnProvider) -> None:
    nspawn.create(replace(SPEC, memory_bytes=256 * 2**20))
    nspawn.start("ctl01-a")
    eat = nspawn.run("ctl01-a", ["systemd-run", "--pipe", "--wait", "python3", "-c", "len(b'x' * 2**29)"], timeout_s=60)
    assert eat.returncode != 0
    assert output(nspawn, "ctl01-a", "systemd-run --quiet --pipe --wait python3 -c 'print(len(b\"x\" * 2**26))'") == (
        str(2**26)
    )


def test_two_clouds_may_have_machines_of_one_name(nspawn: NspawnProvider, tmp_path: Path) -> None:
    other = NspawnProvider(tmp_path / "other", nspawn.images, bridge=Bridge("br-saltus-u", "10.91.2.1/24"))
    for provider, address in ((nspawn, "10.91.0.11/24"), (other, "10.91.2.11/24")):
        provider.create(replace(SPEC, address=address, gateway=None))
        provider.start("ctl01-a")
    nspawn.destroy("ctl01-a")
    machine = other.get("ctl01-a")
    assert machine
    assert machine.is_running
    other.destroy("ctl01-a")
