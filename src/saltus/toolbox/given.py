"""Packages that somebody gives because the registry lacks them: of which release are they?"""

from __future__ import annotations

import re
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from saltus.catalog.releases import load_releases
from saltus.catalog.services import load_services
from saltus.toolbox.recipes import CannotBuild

_SDIST = (".tar.gz", ".tgz", ".zip")
_PLACEMENT_1 = "stein"
"""Placement counts from its own first release; the others by one more a release, and releases.yaml has them all."""


def release_of(service: str, path: Path) -> str:
    """The release that a wheel, sdist, directory or git checkout of `service` is of. Raises CannotBuild."""
    name, version = _name_and_version(path)
    package = load_services().get(service).package
    if name is not None and _normal(name) != _normal(package):
        raise CannotBuild(
            what=f"{path} is no {service}",
            because=f"it says that it is {name} {version}",
            do=f"give the package {package}: --source {service}=PATH",
        )
    major = int(version.split(".")[0])
    for release in load_releases().releases:
        if _major(service, release.name) == major:
            return release.name
    raise CannotBuild(
        what=f"{path} is of no release that the catalogue knows",
        because=f"it says that it is version {version}",
        do=f"give a version of {service} of the releases: saltus catalog list",
    )


def given_for(release: str, given: Mapping[str, Path]) -> dict[str, Path]:
    """Those of `given` that are of that release."""
    return {service: path for service, path in given.items() if release_of(service, path) == release}


def _major(service: str, release: str) -> int | None:
    order = load_releases()
    if service == "placement":
        return (
            order.index(release) - order.index(_PLACEMENT_1) + 1 if not order.is_newer(_PLACEMENT_1, release) else None
        )
    first = order.get(release).versions.get(service)
    return int(first.split(".")[0]) if first else None


def _name_and_version(path: Path) -> tuple[str | None, str]:
    """(name, version) as the package tells them; the name is None where only git knows the version."""
    text = _metadata(path)
    fields = dict(re.findall(r"^(Name|Version): (\S+)", text, re.MULTILINE)) if text else {}
    if "Version" in fields:
        return fields.get("Name"), fields["Version"]
    if path.is_dir() and (path / ".git").exists():
        told = subprocess.run(
            ["git", "-C", str(path), "describe", "--tags", "--abbrev=0"], capture_output=True, text=True, check=False
        )
        if told.returncode == 0 and re.match(r"\d+\.", told.stdout):
            return _name_in_setup(path), told.stdout.strip()
    raise CannotBuild(
        what=f"{path} does not say which version it is",
        because="it is neither a wheel nor an sdist, unpacked or not, nor a git checkout with a tag",
        do="build it first, with its version: git describe must find a tag, or PKG-INFO must be there",
    )


def _metadata(path: Path) -> str | None:
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            names = [n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")]
            return wheel.read(names[0]).decode() if names else None
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if re.fullmatch(r"[^/]+/PKG-INFO", n)]
            return archive.read(names[0]).decode() if names else None
    if path.name.endswith(_SDIST):
        with tarfile.open(path) as archive:
            for member in archive:
                if re.fullmatch(r"(\./)?[^/]+/PKG-INFO", member.name) and (held := archive.extractfile(member)):
                    return held.read().decode()
        return None
    about = path / "PKG-INFO"
    return about.read_text() if about.is_file() else None


def _name_in_setup(path: Path) -> str | None:
    setup = path / "setup.cfg"
    found = re.search(r"^name\s*=\s*(\S+)", setup.read_text(), re.MULTILINE) if setup.is_file() else None
    return found.group(1) if found else None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
