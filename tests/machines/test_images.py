"""When an image is built again, what a build leaves behind when it fails, and what its packages may start."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from saltus.machines.images import BUILDING, CURRENT, RECORD, Image, ImageSpec, ImageStore
from saltus.machines.provider import MachineError

BASE = ImageSpec(name="bookworm", suite="bookworm")
CTL = ImageSpec(name="ctl-zed", suite="bookworm", parent="bookworm", packages=("nova-api", "keystone"))


def pretend_built(store: ImageStore, spec: ImageSpec, *, build_s: float = 30) -> Image:
    """Leave on disk what a build leaves, without the build."""
    place = store.directory / spec.name / store.fingerprint(spec)
    (place / "tree").mkdir(parents=True)
    trees = [place / "tree", *(store.get(spec.parent).trees if spec.parent else ())]
    record = {
        "suite": spec.suite,
        "fingerprint": place.name,
        "build_s": build_s,
        "trees": [str(tree.relative_to(store.directory)) for tree in trees],
    }
    (place / RECORD).write_text(json.dumps(record))
    return store.build(spec)


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


def test_an_image_that_is_as_specified_is_not_built_again(store: ImageStore) -> None:
    pretend_built(store, BASE)
    said: list[str] = []
    assert not store.is_built(CTL)
    image = pretend_built(store, CTL)
    assert store.is_built(CTL)
    assert store.build(CTL, said.append) == image
    assert said == []
    assert [tree.parent.parent.name for tree in image.trees] == ["ctl-zed", "bookworm"]


def test_the_order_of_packages_does_not_matter_and_everything_else_does(store: ImageStore) -> None:
    pretend_built(store, BASE)
    same = store.fingerprint(CTL)
    assert store.fingerprint(replace(CTL, packages=("keystone", "nova-api"))) == same
    others = [
        replace(CTL, packages=("keystone",)),
        replace(CTL, enabled=("nova-api.service",)),
        replace(CTL, masked_units=("x.service",)),
        replace(CTL, commands=(("true",),)),
    ]
    elsewhere = ImageStore(store.directory, package_sources=lambda suite: f"deb http://own.example {suite} main\n")
    assert len({same, elsewhere.fingerprint(CTL), *(store.fingerprint(other) for other in others)}) == 6


def test_a_changed_parent_changes_its_children(store: ImageStore) -> None:
    pretend_built(store, BASE)
    before = store.fingerprint(CTL)
    pretend_built(store, replace(BASE, packages=("vim",)))
    assert store.fingerprint(CTL) != before


def test_an_image_without_its_parent_cannot_be_built(store: ImageStore) -> None:
    with pytest.raises(MachineError, match="no image bookworm"):
        store.build(CTL)


def test_the_time_of_the_last_build_is_known_also_when_the_contents_changed(store: ImageStore) -> None:
    assert store.last_build_s("bookworm") is None
    pretend_built(store, BASE, build_s=235)
    assert store.last_build_s("bookworm") == 235


def test_cleaning_takes_dead_builds_and_old_images_but_not_what_machines_stand_on(store: ImageStore) -> None:
    old = pretend_built(store, BASE)
    used = pretend_built(store, replace(BASE, packages=("vim",)))
    pretend_built(store, replace(BASE, packages=("vim", "less")))
    (store.directory / f"{BUILDING}ctl-zed/tree").mkdir(parents=True)
    assert list(store.clean(used.trees)) == [
        "unfinished build ctl-zed",
        f"image bookworm {old.fingerprint}, which nothing uses",
    ]
    assert used.trees[0].exists()
    assert list(store.clean(used.trees)) == []


def test_an_image_on_which_a_current_one_stands_is_kept(store: ImageStore) -> None:
    base = pretend_built(store, BASE)
    pretend_built(store, CTL)
    pretend_built(store, replace(BASE, packages=("vim",)))
    assert list(store.clean(())) == []
    assert base.trees[0].exists()


@pytest.mark.root
def test_what_packages_bring_is_installed_and_does_not_start_unless_asked(images: ImageStore) -> None:
    spec = ImageSpec(
        name="test-layer",
        suite="bookworm",
        parent="bookworm",
        packages=("memcached", "nullmailer"),
        enabled=("nullmailer.service",),
        masked_units=("never.service",),
        commands=(("sh", "-c", "echo done > /root/command"),),
    )
    said: list[str] = []
    layer = images.build(spec, said.append).trees[0]
    assert (layer / "usr/bin/memcached").exists()
    wants = {path.name for path in layer.glob("etc/systemd/system/*.wants/*")}
    assert wants == {"nullmailer.service"}
    assert not list(layer.glob("etc/rc3.d/S*memcached"))
    assert os.readlink(layer / "etc/systemd/system/never.service") == "/dev/null"
    assert not (layer / "etc/systemd/system/haproxy.service").is_symlink()
    assert not (layer / "usr/sbin/policy-rc.d").exists()
    assert (layer / "root/command").read_text() == "done\n"
    assert all(line.startswith("image test-layer: ") for line in said)


@pytest.mark.root
def test_a_package_that_does_not_exist_is_named_and_leaves_no_image(images: ImageStore) -> None:
    spec = ImageSpec(name="test-broken", suite="bookworm", parent="bookworm", packages=("no-such-package",))
    with pytest.raises(MachineError, match="no-such-package"):
        images.build(spec)
    assert images.find("test-broken") is None
    assert "unfinished build test-broken" in images.clean(set())
    assert not (images.directory / "test-broken" / CURRENT).exists()
