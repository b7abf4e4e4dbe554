"""What an image is called and what is installed in it: the roles of a node, on one release and suite."""

from __future__ import annotations

from dataclasses import dataclass

from saltus.catalog.releases import Releases
from saltus.catalog.roles import Roles
from saltus.errors import OperatorError
from saltus.model.cloud import Node


@dataclass(frozen=True)
class Image:
    """An image of a node's kind: `ctl-epoxy` holds the packages of the roles of ctl01 on epoxy."""

    name: str
    suite: str
    packages: tuple[str, ...]


def suite_of(node: Node, release: str, releases: Releases) -> str:
    """The Debian suite a node is built on: the model's word, else the suite whose packages are of that release."""
    if node.suite:
        return node.suite
    known = releases.get(release).suite
    if known is None:
        raise OperatorError(
            what=f"{node.name} cannot be built on {release}",
            because=f"no stable Debian suite carries {release}, and the model names none for {node.name}",
            do="name a suite and package sources in the model, or choose "
            + ", ".join(r.name for r in releases.releases if r.suite),
        )
    return known


def image_of(node: Node, release: str, roles: Roles, releases: Releases) -> Image:
    """The image that `node` is built from on `release`. Nodes of the same roles and suite share it."""
    suite = suite_of(node, release, releases)
    return Image(
        name=f"{node.name.rstrip('0123456789')}-{release}",
        suite=suite,
        packages=roles.packages(node.roles, release, suite),
    )
