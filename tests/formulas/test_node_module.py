"""What leaves a node as its configuration: the roles' files without comments, and without a credential in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

PASSWORD = "kein/Wort:weiß=es"


@pytest.fixture
def node(load: Callable[[str], ModuleType], tmp_path: Path) -> ModuleType:
    pytest.importorskip("salt")
    module = load("saltus_node")
    files = [{"path": str(tmp_path / name)} for name in ("nova.conf", "horizon.py", "is-not-there")]
    module.__dict__["__pillar__"] = {
        "saltus": {
            "roles": {"nova.controller": {"service": "nova", "files": files}},
            "secrets": {"db": {"nova": PASSWORD}},
        }
    }
    return module


def test_no_credential_leaves_a_node_whether_the_pillar_knows_it_or_not(node: ModuleType, tmp_path: Path) -> None:
    import urllib.parse

    quoted = urllib.parse.quote(PASSWORD, safe="")
    (tmp_path / "nova.conf").write_text(
        f"# the database\n[database]\nconnection = mysql+pymysql://nova:{quoted}@dbs01/nova?charset=utf8\n\n"
        f"[keystone_authtoken]\nusername = nova\npassword = {PASSWORD}\n"
        "[neutron]\nmetadata_proxy_shared_secret = of nobody's pillar\n; old\ntransport_url = rabbit://nova:other@msg01\n"
        "[oslo_middleware]\nmax_request_body_size = 1\n"
    )
    (tmp_path / "horizon.py").write_text("DEBUG = False\nSECRET_KEY = 'not known to the pillar'\n")
    found = node.configuration()
    assert set(found) == {str(tmp_path / "nova.conf"), str(tmp_path / "horizon.py")}
    text = "\n".join(found.values())
    for secret in (PASSWORD, quoted, "of nobody's pillar", "other", "not known"):
        assert secret not in text
    assert "connection = mysql+pymysql://nova:***@dbs01/nova?charset=utf8" in text
    assert "password = ***" in text
    assert "SECRET_KEY = ***" in text
    assert "username = nova" in text
    assert "max_request_body_size = 1" in text
    assert "#" not in text


def test_every_installed_package_is_told_with_its_version(node: ModuleType) -> None:
    packages = node.packages()
    assert packages["dpkg"][0].isdigit()
    assert all(" " not in version for version in packages.values())


def test_a_service_that_waits_at_its_socket_is_as_well_as_one_that_runs(node: ModuleType) -> None:
    """As systemd tells of libvirtd, which ends after two minutes that nobody asked it anything."""
    told = {
        "libvirtd.service": ("inactive", "libvirtd-ro.socket libvirtd.socket", ""),
        "ended.service": ("inactive", "ended.timer", ""),
        "queued.service": ("inactive", "libvirtd.socket", "418"),
        "deaf.service": ("inactive", "deaf.socket", ""),
        "broken.service": ("failed", "libvirtd.socket", ""),
        "nova-compute.service": ("active", "", ""),
    }

    def systemctl(verb: str, *arguments: str, timeout: int = 120) -> tuple[int, str, str]:
        if verb == "is-active":
            return (0 if "libvirtd.socket" in arguments else 3), "", ""
        blocks = [
            f"Id={name}\nTriggeredBy={triggers}\nActiveState={active}\nSubState=dead\nJob={job}\n"
            for name, (active, triggers, job) in told.items()
        ]
        return 0, "\n".join(blocks), ""

    node.__dict__["_systemctl"] = systemctl
    assert {name for name, state in node.units(names=list(told)).items() if state["on_call"]} == {"libvirtd.service"}
