"""What packages may restart on a node: sshd and nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def packages(load: Callable[[str], ModuleType]) -> ModuleType:
    pytest.importorskip("salt")
    return load("saltus_packages")


@pytest.mark.parametrize(
    ("unit", "code"), [("ssh", 0), ("ssh.service", 0), ("nova-compute.service", 101), ("libvirtd", 101), ("", 101)]
)
def test_packages_restart_sshd_and_nothing_else(packages: ModuleType, tmp_path: Path, unit: str, code: int) -> None:
    """The codes are those of policy-rc.d (invoke-rc.d(8)): 0 is allowed, 101 is forbidden."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text(packages.policy())
    policy.chmod(0o755)
    assert subprocess.run([policy, unit, "restart"], check=False).returncode == code
