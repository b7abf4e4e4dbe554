"""What an image is called and what is installed in it: the roles of a node, on one release and suite."""

from __future__ import annotations

from dataclasses import dataclass, replace

from saltus.catalog.releases import Releases
from saltus.catalog.roles import Roles
from saltus.errors import OperatorError
from saltus.model.cloud import Cloud, Node


@dataclass(frozen=True)
class Image:
    """An image of a node's kind: `ctl-epoxy` holds the packages of the roles of ctl01 on epoxy."""

    name: str
    suite: str
    packages: tuple[str, ...]
    parent: Image | None = None
    """Another node's image that holds a part of these packages already; None: the bare suite."""


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


def image_of(cloud: Cloud, node: Node, release: str, roles: Roles, releases: Releases) -> Image:
    """The image that `node` is built from on `release`. Nodes of the same roles and suite share it.

    Where another node's packages are a part of its own (a rehearsal's node is a control node with more), it is built on
    that one's image: what is large is installed once.
    """
    own = _bare(node, release, roles, releases)
    parts = [
        part
        for other in cloud.nodes
        if not other.rehearsal and set((part := _bare(other, release, roles, releases)).packages) < set(own.packages)
        if part.suite == own.suite
    ]
    return replace(own, parent=max(parts, key=lambda part: len(part.packages), default=None))


def _bare(node: Node, release: str, roles: Roles, releases: Releases) -> Image:
    suite = suite_of(node, release, releases)
    return Image(
        name=f"{node.name.rstrip('0123456789')}-{release}",
        suite=suite,
        packages=roles.packages(node.roles, release, suite),
    )
