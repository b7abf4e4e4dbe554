"""`--source keystone=PATH`: a package that the registry lacks, as a wheel, an sdist, a directory or a git checkout."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from saltus.catalog.routes import NoRoute
from saltus.commands.rehearsal import Loaded, make_plan
from saltus.commands.toolboxes import build_toolbox, read_sources
from saltus.plan.databases import BuildToolbox
from saltus.toolbox.build import build, check
from saltus.toolbox.given import given_for, release_of
from saltus.toolbox.recipes import CannotBuild
from saltus.toolbox.shelf import Shelf

MITAKA = Loaded(
    seconds=0,
    release="mitaka",
    versions={
        "keystone": ("97",), "glance": ("44",), "cinder": ("72",), "nova": ("319",), "nova_api": ("7",),
        "neutron": ("4ffceebfcdc",), "heat": ("71",),
    },
)  # fmt: skip


def about(name: str, version: str) -> str:
    return f"Metadata-Version: 1.1\nName: {name}\nVersion: {version}\n"


def wheel(directory: Path, name="keystone", version="11.0.2") -> Path:
    path = directory / f"{name}-{version}-py2-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}-{version}.dist-info/METADATA", about(name, version))
    return path


def sdist(directory: Path, name="keystone", version="11.0.2") -> Path:
    path = directory / f"{name}-{version}.tar.gz"
    text = about(name, version).encode()
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(f"{name}-{version}/PKG-INFO")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return path


def unpacked(directory: Path, name="keystone", version="11.0.2") -> Path:
    path = directory / "unpacked"
    path.mkdir()
    (path / "PKG-INFO").write_text(about(name, version))
    return path


def make_checkout(path: Path, tag: str) -> Path:
    for words in (
        ["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "x"],
        ["tag", tag],
    ):  # fmt: skip
        subprocess.run(["git", "-C", path, *words], check=True)
    return path


def checkout(directory: Path, name="keystone", version="11.0.2") -> Path:
    path = directory / "checkout"
    path.mkdir()
    (path / "setup.cfg").write_text(f"[metadata]\nname = {name}\n")
    return make_checkout(path, version)


@pytest.mark.parametrize("make", [wheel, sdist, unpacked, checkout])
def test_a_package_tells_its_release(make, tmp_path):
    assert release_of("keystone", make(tmp_path)) == "ocata"


@pytest.mark.parametrize(
    ("service", "name", "version", "release"),
    [
        ("heat", "openstack-heat", "8.0.1", "ocata"),
        ("heat", "openstack_heat", "24.1.1", "epoxy"),
        ("placement", "openstack-placement", "1.1.0", "stein"),
        ("placement", "openstack_placement", "13.0.0", "epoxy"),
        ("glance", "glance", "14.0.0", "ocata"),
    ],
)
def test_versions_count_differently_by_service(service, name, version, release, tmp_path):
    assert release_of(service, wheel(tmp_path, name, version)) == release


def test_the_package_of_another_service_is_refused(tmp_path):
    with pytest.raises(CannotBuild, match="is no keystone\nbecause: it says that it is glance"):
        release_of("keystone", wheel(tmp_path, "glance"))


def test_a_package_of_no_known_release_is_refused(tmp_path):
    with pytest.raises(CannotBuild, match=r"it says that it is version 2015\.1\.0"):
        release_of("keystone", sdist(tmp_path, version="2015.1.0"))


def test_a_directory_that_does_not_say_what_it_is_is_refused(tmp_path):
    with pytest.raises(CannotBuild, match="does not say which version it is"):
        release_of("keystone", tmp_path)


def test_words_that_name_nothing_are_refused(tmp_path):
    with pytest.raises(Exception, match="does not exist"):
        read_sources([f"keystone={tmp_path}/none"])
    with pytest.raises(Exception, match="it has no `=`"):
        read_sources(["keystone"])


def test_a_package_is_used_at_the_stop_of_its_own_release_alone(tmp_path):
    given = {"keystone": wheel(tmp_path)}
    assert given_for("ocata", given) == given
    assert given_for("rocky", given) == {}


def test_what_the_registry_lacks_is_refused_by_name_with_the_nearest_release_instead():
    with pytest.raises(NoRoute) as refusal:
        make_plan("cloud", MITAKA, "ocata")
    assert [reason.split(":")[0] for reason in refusal.value.reasons] == ["glance", "heat", "keystone"]
    assert "glance pike, heat rocky, keystone pike" in refusal.value.do
    assert "--source SERVICE=PATH" in refusal.value.do


def test_with_the_missing_packages_given_there_is_a_plan(tmp_path):
    given = {
        "keystone": wheel(tmp_path),
        "glance": sdist(tmp_path, "glance", "14.0.0"),
        "heat": wheel(tmp_path, "openstack_heat", "8.0.1"),
    }
    plan, left_out = make_plan("cloud", MITAKA, "ocata", given=given)
    assert left_out == ()
    (toolbox,) = [step.action for step in plan.steps() if isinstance(step.action, BuildToolbox)]
    assert toolbox.release == "ocata"
    assert set(toolbox.services) == {"cinder", "glance", "heat", "keystone", "neutron", "nova"}


def test_a_package_of_another_release_does_not_help(tmp_path):
    with pytest.raises(NoRoute, match="the tools of keystone ocata cannot be had"):
        make_plan("cloud", MITAKA, "ocata", given={"keystone": wheel(tmp_path, version="12.0.3")})


def test_it_does_not_get_into_the_toolbox_of_another_release(tmp_path):
    with pytest.raises(CannotBuild, match="it is keystone of ocata"):
        build_toolbox(Shelf(tmp_path), "epoxy", [], {"keystone": wheel(tmp_path)}, say=print)


@pytest.fixture(scope="module")
def placement(tmp_path_factory):
    """A real package of Epoxy, from the registry, in every form that --source takes."""
    directory = tmp_path_factory.mktemp("placement")
    fetch = [sys.executable, "-m", "uv", "tool", "run", "--from", "pip", "pip"]
    if shutil.which("uv"):
        fetch = ["uv", "tool", "run", "--from", "pip", "pip"]
    for words in (["--only-binary=:all:"], ["--no-binary=:all:"]):
        subprocess.run(
            [*fetch, "download", "-q", "--no-deps", *words, "-d", directory, "openstack-placement==13.0.0"],
            check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )  # fmt: skip
    (whl,), (archive,) = directory.glob("*.whl"), directory.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(directory / "sources", filter="data")
    (tree,) = (directory / "sources").iterdir()
    git = Path(shutil.copytree(tree, directory / "git"))
    (git / "PKG-INFO").unlink()
    shutil.rmtree(next(git.glob("*.egg-info")), ignore_errors=True)
    return {"wheel": whl, "sdist": archive, "directory": tree, "git checkout": make_checkout(git, "13.0.0")}


@pytest.mark.toolbox
@pytest.mark.timeout(900)
@pytest.mark.parametrize("form", ["wheel", "sdist", "directory", "git checkout"])
def test_a_toolbox_is_built_from_it(form, placement, tmp_path):
    path = placement[form]
    assert release_of("placement", path) == "epoxy"
    toolbox = build(Shelf(tmp_path), "epoxy", ["placement"], sources={"placement": path})
    assert check(toolbox) == {"placement": ""}
    python = toolbox.program("placement", "python")
    script = "from importlib.metadata import version; print(version('openstack-placement'))"
    told = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "13.0.0"


@pytest.mark.toolbox
@pytest.mark.timeout(900)
def test_a_toolbox_that_somebody_else_is_building_is_waited_for(tmp_path):
    said: list[str] = []
    with ThreadPoolExecutor() as both:
        built = [both.submit(build, Shelf(tmp_path), "epoxy", ["placement"], say=said.append) for _ in range(2)]
    assert [check(toolbox.result()) for toolbox in built] == [{"placement": ""}] * 2
    assert len(said) == 1
