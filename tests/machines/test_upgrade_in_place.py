"""Packages of a real machine compared, upgraded and taken back, from package sources made for the purpose.

Each machine is a booted Debian 12 with the minion that every image has; its functions are called on it alone.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from saltus.machines.images import ImageStore
from saltus.machines.network import Bridge
from saltus.machines.nspawn import NspawnProvider
from saltus.machines.provider import MachineSpec

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

MODULES = Path(__file__).parents[2] / "formulas" / "_modules"
OLD, NEW = "bookworm", "trixie"
"""The suite of the `images` fixture, and the one after it."""
STATE = "cat /var/lib/dpkg/status /etc/apt/sources.list; find /etc/apt /var/lib/apt /var/lib/dpkg -type f | sort"

# What `setcap cap_net_raw=ep` and `getcap` do; the image has neither.
CAN = (
    "python3 -c 'import os, sys;"
    ' name, value = "security.capability", bytes.fromhex("0100000200200000000000000000000000000000");'
    ' os.setxattr(sys.argv[2], name, value) if sys.argv[1] == "set" else print(os.getxattr(sys.argv[2], name).hex())\''
)

SETUP = f"""
set -e
mkdir -p /root/m /root/p /root/salt /repo/{OLD} /repo/{NEW}
echo 'file_client: local' >/root/minion
echo 'pillar_roots: {{base: [/root/p]}}' >>/root/minion
echo 'root_dir: /root/salt' >>/root/minion
echo 'base: {{"*": [node]}}' >/root/p/top.sls
echo 'saltus: {{node: cmp01, roles: {{}}, secrets: {{}}}}' >/root/p/node.sls
echo 'deb [trusted=yes] file:/repo/{OLD} ./' >/etc/apt/sources.list
rm -f /etc/apt/sources.list.d/*
"""


@dataclass
class Debian:
    """The machine, its package sources, and the functions of ours on it."""

    provider: NspawnProvider
    name: str

    def sh(self, script: str, *, timeout_s: float = 120) -> str:
        done = self.provider.run(self.name, ["bash", "-s"], stdin=script, timeout_s=timeout_s)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def publish(self, suite: str, name: str, version: str, **more: str) -> None:
        """Put a package into the sources of a suite. Words that are none of ours are fields of its control file."""
        postinst = more.pop("postinst", "")
        conffile = more.pop("conffile", "")
        size = more.pop("size", "")
        control = [f"Package: {name}", f"Version: {version}", "Architecture: all", "Maintainer: a <a@b.c>"]
        control += [f"{key.replace('_', '-')}: {value}" for key, value in more.items()]
        script = [
            "set -e; d=$(mktemp -d); chmod 755 $d",
            f"mkdir -p $d/DEBIAN $d/usr/share/{name} $d/etc/{name}",
            f"echo {version} >$d/usr/share/{name}/version",
            "cat >$d/DEBIAN/control <<'END'",
            *control,
            "Description: made for a test",
            "END",
        ]
        if size:
            script.append(f"head -c {size} /dev/urandom >$d/usr/share/{name}/blob")
        if conffile:
            script += [f"echo '{conffile}' >$d/etc/{name}/conf", f"echo /etc/{name}/conf >$d/DEBIAN/conffiles"]
        if postinst:
            script += [f"printf '#!/bin/sh\\n%s\\n' '{postinst}' >$d/DEBIAN/postinst", "chmod 755 $d/DEBIAN/postinst"]
        script += [
            f"mkdir -p /repo/{suite}; rm -f /repo/{suite}/{name}_*.deb",
            f"dpkg-deb -Znone -b $d /repo/{suite}/{name}_{version}.deb >/dev/null",
            f"cd /repo/{suite}; rm -f Release; apt-ftparchive packages . >Packages",
            "apt-ftparchive release . >/tmp/Release; mv /tmp/Release Release",
        ]
        self.sh("\n".join(script))

    def install(self, *names: str) -> None:
        self.sh(f"apt-get update -q && apt-get install -y -q {' '.join(names)}")

    def version(self, name: str) -> str:
        return self.sh(f"dpkg-query -W -f '${{db:Status-Abbrev}} ${{Version}}' {name} 2>/dev/null || true").strip()

    def call(self, function: str, *words: str) -> subprocess.CompletedProcess[str]:
        argv = ["/opt/saltus-minion/bin/salt-call", "--local", "-c", "/root", "-m", "/root/m", "--out=json"]
        return self.provider.run(self.name, [*argv, function, *words], timeout_s=200)

    def ask(self, function: str, *words: str) -> Any:
        done = self.call(function, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)["local"]

    def refused(self, function: str, *words: str) -> str:
        done = self.call(function, *words)
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr


@pytest.fixture
def debian(tmp_path: Path, images: ImageStore) -> Iterator[Debian]:
    provider = NspawnProvider(tmp_path / "machines", images, bridge=Bridge("br-saltus-u", "10.93.0.1/24"))
    provider.create(MachineSpec(name="cmp01", image=OLD, address="10.93.0.41/24", hostname="cmp01"))
    provider.start("cmp01")
    try:
        debian = Debian(provider, "cmp01")
        debian.sh(SETUP)
        for module in MODULES.glob("*.py"):
            done = provider.run("cmp01", ["tee", f"/root/m/{module.name}"], stdin=module.read_text())
            assert done.returncode == 0
        debian.publish(OLD, "demo", "1.0", conffile="theirs of 1")
        debian.publish(NEW, "demo", "2.0", conffile="theirs of 2", Depends="demo-library")
        debian.publish(NEW, "demo-library", "2.0")
        debian.install("demo")
        yield debian
    finally:
        provider.destroy("cmp01")
        provider.clean()


def changes(answer: Any) -> dict[str, tuple[str, str | None, str | None]]:
    return {c["package"]: (c["what"], c["installed"], c["candidate"]) for c in answer["changes"]}


def test_the_difference_names_every_change_and_changes_nothing(debian: Debian) -> None:
    for name in ("obsolete", "wandering", "kept"):
        debian.publish(OLD, name, "1.0")
    debian.install("obsolete", "wandering", "kept")
    debian.publish(NEW, "demo", "2.0", Depends="demo-library", Conflicts="obsolete", size="100000")
    debian.publish(NEW, "wandering", "0.9")
    debian.publish(NEW, "kept", "2.0")
    debian.sh("printf 'Package: wandering\\nPin: version 0.9\\nPin-Priority: 1001\\n' >/etc/apt/preferences.d/w")
    debian.sh("apt-mark hold kept")
    before = debian.sh(STATE)
    answer = debian.ask("saltus_packages.difference", NEW)
    assert debian.sh(STATE) == before
    assert changes(answer) == {
        "demo": ("upgrade", "1.0", "2.0"),
        "demo-library": ("install", None, "2.0"),
        "obsolete": ("remove", "1.0", None),
        "wandering": ("downgrade", "1.0", "0.9"),
    }
    assert answer["held"] == [{"package": "kept", "installed": "1.0"}]
    assert answer["download_bytes"] > 100_000
    assert (answer["from"], answer["blocked"]) == (OLD, None)


def test_the_same_difference_has_the_same_digest(debian: Debian) -> None:
    one, two = (debian.ask("saltus_packages.difference", NEW)["digest"] for _ in range(2))
    debian.publish(NEW, "demo", "2.1", Depends="demo-library")
    assert one == two
    assert debian.ask("saltus_packages.difference", NEW)["digest"] != one


def test_what_a_backend_holds_stays_and_the_roles_packages_alone_are_upgraded(debian: Debian) -> None:
    debian.publish(OLD, "contrail-agent", "1.0")
    debian.install("contrail-agent")
    debian.publish(NEW, "contrail-agent", "2.0")
    debian.publish(OLD, "bystander", "1.0")
    debian.install("bystander")
    debian.publish(NEW, "bystander", "2.0")
    words = ('packages=["demo"]', 'held=["contrail-*"]', "whole=False")
    answer = debian.ask("saltus_packages.difference", NEW, *words)
    assert sorted(changes(answer)) == ["demo", "demo-library"]
    assert answer["held"] == [{"package": "contrail-agent", "installed": "1.0"}]
    debian.ask("saltus_packages.upgrade", "run 1", NEW, *words)
    assert [debian.version(name) for name in ("demo", "contrail-agent", "bystander")] == [
        "ii  2.0",
        "ii  1.0",
        "ii  1.0",
    ]


def test_an_upgrade_asks_nobody_and_our_configuration_stays(debian: Debian) -> None:
    debian.sh("echo ours >/etc/demo/conf")
    answer = debian.ask("saltus_packages.upgrade", "run 1", NEW)
    assert debian.version("demo") == "ii  2.0"
    assert debian.sh("cat /etc/demo/conf") == "ours\n"
    assert answer["changed"] == 2
    assert answer["set_aside"] == ["/etc/demo/conf.dpkg-dist"]
    assert f"file:/repo/{NEW}" in debian.sh("cat /etc/apt/sources.list")


def test_sshd_is_another_behind_an_upgrade_and_its_way_back_whatever_the_policy_was(debian: Debian) -> None:
    """An older one cannot run the newer program for who logs in. Nothing else of the node is restarted."""
    pid = "systemctl show -P MainPID ssh other"
    unit = "[Service]\\nExecStart=/bin/sleep infinity\\n"
    debian.sh(
        f"for name in ssh other; do printf '{unit}' >/etc/systemd/system/$name.service; done; systemctl daemon-reload;"
        " systemctl start ssh other; printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d;"
        " chmod 755 /usr/sbin/policy-rc.d"
    )
    debian.ask("saltus_way_back.record", "run-1", "zed")
    pids = [debian.sh(pid).split()]
    debian.ask("saltus_packages.upgrade", "run 1", NEW)
    pids.append(debian.sh(pid).split())
    debian.ask("saltus_way_back.restore")
    pids.append(debian.sh(pid).split())
    sshd, other = zip(*pids, strict=True)
    assert "0" not in sshd
    assert len(set(sshd)) == 3
    assert len(set(other)) == 1


def test_the_way_back_returns_packages_and_configuration_exactly(debian: Debian) -> None:
    debian.sh("echo ours >/etc/demo/conf; ln -sf conf /etc/demo/link")
    debian.ask("saltus_way_back.record", "run-1", "zed")
    debian.sh("setsid sleep 100000 >/dev/null 2>&1 </dev/null & echo $! >/run/pid")
    debian.ask("saltus_packages.upgrade", "run 1", NEW)
    debian.sh("echo 'of the new release' >/etc/demo/conf; rm /etc/demo/link; echo new >/etc/demo/more")
    assert debian.ask("saltus_way_back.differences")
    assert debian.ask("saltus_way_back.kept") == "zed"
    answer = debian.ask("saltus_way_back.restore")
    assert answer["differences"] == []
    assert debian.version("demo") == "ii  1.0"
    assert debian.version("demo-library") == ""
    assert debian.sh("cat /usr/share/demo/version /etc/demo/conf; readlink /etc/demo/link") == "1.0\nours\nconf\n"
    assert debian.sh("test -e /etc/demo/more || echo gone") == "gone\n"
    debian.sh("kill -0 $(cat /run/pid); apt-get check; dpkg --audit")


def test_programs_that_come_back_may_do_what_they_might(debian: Debian) -> None:
    """A sudo without its setuid bit is a node without privileges: no agent of neutron starts there."""
    debian.sh("cp /usr/bin/true /usr/bin/can; chmod 755 /usr/bin/can")
    debian.sh(f"{CAN} set /usr/bin/can")
    might = f"stat --format '%a %U:%G %n' /usr/bin/passwd /usr/bin/chage; {CAN} get /usr/bin/can"
    before = debian.sh(might)
    assert before.startswith("4755 root:root /usr/bin/passwd\n2755 root:shadow /usr/bin/chage\n")
    debian.ask("saltus_way_back.record", "run-1", "zed")
    debian.sh("for each in passwd chage can; do cp /usr/bin/true /usr/bin/new; mv /usr/bin/new /usr/bin/$each; done")
    assert len([line for line in debian.ask("saltus_way_back.differences") if line.startswith("privileges of ")]) == 3
    assert debian.ask("saltus_way_back.restore")["differences"] == []
    assert debian.sh(might) == before


def test_a_second_record_of_the_same_run_does_not_take_the_first_ones_place(debian: Debian) -> None:
    debian.ask("saltus_way_back.record", "run-1", "zed")
    debian.ask("saltus_packages.upgrade", "run 1", NEW)
    debian.ask("saltus_way_back.record", "run-1", "zed")
    assert any(line.startswith("package demo:") for line in debian.ask("saltus_way_back.differences"))
    debian.ask("saltus_way_back.record", "run-2", "epoxy")
    assert debian.ask("saltus_way_back.differences") == []


def test_a_node_that_keeps_nothing_says_so(debian: Debian) -> None:
    assert debian.ask("saltus_way_back.kept") is None
    assert "keeps nothing that it could return to" in debian.refused("saltus_way_back.restore")


def test_a_broken_package_is_named_and_a_later_attempt_goes_on_from_it(debian: Debian) -> None:
    debian.publish(NEW, "demo-library", "2.0", postinst="echo cannot configure >&2; exit 1")
    error = debian.refused("saltus_packages.upgrade", "run 1", NEW)
    assert "demo-library" in error
    assert "dpkg: error" in error
    debian.publish(NEW, "demo-library", "2.1")
    debian.sh("sed -i 's/exit 1/exit 0/' /var/lib/dpkg/info/demo-library.postinst")
    debian.ask("saltus_packages.upgrade", "run 2", NEW)
    assert debian.version("demo-library") == "ii  2.1"


def test_a_held_package_that_blocks_is_told_by_the_difference(debian: Debian) -> None:
    debian.publish(OLD, "wedge", "1.0", Depends="demo (= 1.0)")
    debian.install("wedge")
    debian.publish(NEW, "wedge", "2.0", Depends="demo (= 2.0)")
    debian.sh("apt-mark hold demo")
    answer = debian.ask("saltus_packages.difference", NEW, 'packages=["wedge=2.0"]')
    assert "held broken packages" in answer["blocked"]
    error = debian.refused("saltus_packages.upgrade", "run 1", NEW, 'packages=["wedge=2.0"]')
    assert "a held package blocks it (held here: demo)" in error


def test_a_full_disk_is_called_that(debian: Debian) -> None:
    debian.publish(NEW, "demo", "2.0", Depends="demo-library", size="4000000")
    debian.sh("mkdir -p /var/lib/full; mount -t tmpfs -o size=1m none /usr/share/demo; echo x >/usr/share/demo/version")
    error = debian.refused("saltus_packages.upgrade", "run 1", NEW)
    assert "the disk is full" in error
    debian.sh("umount /usr/share/demo")
    debian.ask("saltus_packages.upgrade", "run 2", NEW)
    assert debian.version("demo") == "ii  2.0"


def test_sources_that_cannot_be_reached_change_nothing(debian: Debian) -> None:
    debian.sh(f"rm -r /repo/{NEW}")
    before = debian.sh("cat /var/lib/dpkg/status /etc/apt/sources.list")
    assert f"the package lists of {NEW} cannot be fetched" in debian.refused("saltus_packages.difference", NEW)
    assert debian.sh("cat /var/lib/dpkg/status /etc/apt/sources.list") == before


def test_an_upgrade_outlives_its_minion_and_is_found_again(debian: Debian) -> None:
    debian.publish(NEW, "demo-library", "2.0", postinst="sleep 8; echo once >>/root/configured")
    argv = "/opt/saltus-minion/bin/salt-call --local -c /root -m /root/m saltus_packages.upgrade"
    debian.sh(f"setsid {argv} 'run 1' {NEW} >/dev/null 2>&1 </dev/null & echo $! >/run/caller")
    deadline = time.monotonic() + 60
    while "sleep 8" not in debian.sh("ps -eo args") and time.monotonic() < deadline:
        time.sleep(0.5)
    debian.sh("kill -9 -- -$(cat /run/caller)")
    assert "another upgrade is at work here (run 1)" in debian.refused("saltus_packages.upgrade", "other", NEW)
    answer = debian.ask("saltus_packages.upgrade", "run 1", NEW)
    assert debian.version("demo") == "ii  2.0"
    assert debian.sh("cat /root/configured") == "once\n"
    assert debian.ask("saltus_packages.upgrade", "run 1", NEW) == answer, "what ended well is told, not done again"
