"""Reads and checks a model: the reclass tree in, a Cloud out, or every mistake."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from saltus.model.cloud import Cloud, CloudSection, Database, Node
from saltus.model.files import read_files
from saltus.model.mistakes import Mistakes, ModelRefused
from saltus.model.plain import check_plain_secrets
from saltus.model.read import resolve
from saltus.model.rules import (
    check_addresses,
    check_databases,
    check_release,
    check_roles,
    check_same_cloud,
    collect_secrets,
)
from saltus.model.secrets import SecretStore, required_secrets
from saltus.model.sections import Reading, read_cloud_section, read_databases, read_node, read_served_databases


def read_cloud(
    path: Path,
    *,
    known_releases: Collection[str] | None = None,
    known_roles: Mapping[str, Collection[str]] | None = None,
    overrides: Mapping[str, Any] | None = None,
    secrets: SecretStore | None = None,
) -> Cloud:
    """The cloud that the tree at `path` (with `nodes/` and `classes/`) describes. All mistakes in one ModelRefused.

    `known_releases` (codenames and series) and `known_roles` ({role: databases it needs}) are the catalogue's; None is
    not checked.
    `overrides` are parameters that have the last word on every node: `{"_param": {"management_prefix": "10.79.0"}}`.
    With `secrets` it is a mistake when the store lacks one that a role needs.
    """
    path = Path(path)
    mistakes = Mistakes()
    if not (path / "nodes").is_dir() or not (path / "classes").is_dir():
        raise ModelRefused(str(path), [f"{path}: has no `nodes` and `classes`, so it is not a reclass tree"])
    files = read_files(path, mistakes)
    pillar = resolve(path, files, overrides or {}, mistakes)
    readings = [Reading(node, parameters, files, mistakes) for node, parameters in sorted(pillar.items())]

    sections: dict[str, CloudSection] = {}
    nodes: dict[str, Node] = {}
    databases: dict[str, Database] = {}
    served: dict[str, set[str]] = {}
    for reading in readings:
        if section := read_cloud_section(reading):
            sections[reading.node] = section
        if node := read_node(reading):
            nodes[reading.node] = node
            if not node.rehearsal:
                served |= read_served_databases(reading)
        databases |= {database.name: database for database in read_databases(reading)}

    if sections:
        common = check_same_cloud(sections, readings)
        check_release(sections, known_releases, readings)
        check_addresses(common, nodes, readings)
    if not any(section.lab for section in sections.values()):
        check_plain_secrets(files, mistakes)
    check_roles(nodes, known_roles, readings)
    check_databases(served, known_roles, readings)
    own_secrets = collect_secrets(readings)
    if mistakes.found:
        raise ModelRefused(str(path), mistakes.found)
    cloud = Cloud(
        name=common.name,
        region=common.region,
        domain=common.domain,
        release=common.openstack_release,
        networks=common.networks,
        packages=common.packages,
        package_proxy=common.package_proxy,
        nodes=tuple(nodes.values()),
        databases=tuple(database for _, database in sorted(databases.items())),
        lab=common.lab,
        secrets=own_secrets,
        pillar={node: {k: v for k, v in parameters.items() if k != "secrets"} for node, parameters in pillar.items()},
    )
    if secrets is not None and (missing := secrets.missing(required_secrets(cloud))):
        raise ModelRefused(str(path), [f"{secrets.path}: has no secret {name}" for name in missing])
    return cloud
