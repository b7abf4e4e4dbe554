"""Where packages come from: the host's own apt with the suite exchanged. The mirrors of these samples do not exist."""

from pathlib import Path

import pytest

from saltus.machines.provider import MachineError
from saltus.machines.sources import carried_options, for_suite, host_codename, read_sources

ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian bookworm main
deb http://mirror.example/debian bookworm-updates main # the point releases
deb-src http://mirror.example/debian bookworm main
deb http://mirror.example/security/ bookworm-security main
deb http://mirror.example/debian bookworm-backports main
deb https://packages.third.example/apt tool-bookworm main
deb [signed-by=/etc/apt/keyrings/docker.asc] https://download.third.example/linux/debian bookworm main
"""

DEB822 = """\
Types: deb deb-src
# a comment between fields
URIs: https://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Enabled: no
Types: deb
URIs: https://off.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: https://deb.third.example/node
Suites: nodistro
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEZ
 -----END PGP PUBLIC KEY BLOCK-----
"""


def moved(suite: str, etc_apt: Path) -> list[str]:
    return for_suite(suite, sources=read_sources(etc_apt), codename="bookworm").splitlines()


def test_one_line_sources_move_to_another_suite_and_third_parties_stay_behind(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(ONE_LINE)
    assert moved("trixie", tmp_path) == [
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian trixie main",
        "deb http://mirror.example/debian trixie-updates main",
        "deb http://mirror.example/security/ trixie-security main",
    ]


def test_deb822_sources_move_to_another_suite_and_third_parties_stay_behind(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    key = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    assert moved("bullseye", tmp_path) == [
        f"deb {key} https://mirror.example/debian bullseye main",
        f"deb {key} https://mirror.example/debian bullseye-updates main",
        f"deb {key} https://mirror.example/debian-security bullseye-security main",
    ]


def test_a_host_without_debian_sources_is_told_which_setting_helps(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb https://packages.third.example/apt tool-bookworm main\n")
    with pytest.raises(MachineError, match="cloud:packages"):
        moved("trixie", tmp_path)


def test_how_apt_reaches_its_sources_is_carried_over_and_nothing_else() -> None:
    dump = """\
APT::Architecture "amd64";
Acquire::http "";
Acquire::http::Proxy "http://proxy.example:3142";
Acquire::https::CaInfo "/etc/ssl/own.pem";
Acquire::Check-Valid-Until "false";
Acquire::Languages:: "none";
DPkg::Post-Invoke:: "rm -f /var/cache/apt/*.bin || true";
"""
    assert carried_options(dump) == [
        'Acquire::http::Proxy "http://proxy.example:3142";',
        'Acquire::https::CaInfo "/etc/ssl/own.pem";',
        'Acquire::Check-Valid-Until "false";',
    ]


def test_the_codename_is_read_from_os_release(tmp_path: Path) -> None:
    path = tmp_path / "os-release"
    path.write_text('NAME="Debian GNU/Linux"\nVERSION_CODENAME=bookworm\n')
    assert host_codename(path) == "bookworm"
    assert host_codename(tmp_path / "none") == ""
