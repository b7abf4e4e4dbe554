"""Real machines for the tests: one base image, built once into a cache, and a provider with a bridge of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from saltus.machines.images import ImageSpec, ImageStore
from saltus.machines.network import Bridge
from saltus.machines.nspawn import NspawnProvider

SUITE = "bookworm"


def why_no_machines() -> str | None:
    return None if os.geteuid() == 0 else "needs root (namespaces, mounts, bridges)"


@pytest.fixture(scope="session")
def images() -> ImageStore:
    """`SALTUS_TEST_IMAGES` names a directory that outlives the run: a base takes a minute to build."""
    if reason := why_no_machines():
        pytest.skip(reason)
    store = ImageStore(Path(os.environ.get("SALTUS_TEST_IMAGES", "/var/cache/saltus-tests/images")))
    store.build(ImageSpec(name=SUITE, suite=SUITE), print)
    return store


def provider_at(directory: Path, images: ImageStore) -> NspawnProvider:
    return NspawnProvider(
        directory,
        images,
        bridge=Bridge("br-saltus-t", "10.91.0.1/24"),
        external=Bridge("br-saltus-e", "10.91.1.1/24"),
    )


@pytest.fixture
def nspawn(tmp_path: Path, images: ImageStore) -> Iterator[NspawnProvider]:
    provider = provider_at(tmp_path / "machines", images)
    yield provider
    for machine in provider.list():
        provider.destroy(machine.name)
    provider.clean()
