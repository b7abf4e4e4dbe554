"""What must hold between the nodes of a cloud. Each rule finds every breach, and names the file to mend."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import IPv4Address
from typing import Any

from saltus.model.cloud import CloudSection, Node
from saltus.model.mistakes import did_you_mean
from saltus.model.sections import Reading, read_databases, roles_of

ALWAYS = ("mariadb.server", "rabbitmq.server", "memcached.server", "haproxy.proxy", "keystone.server")
"""Roles without which nothing can be moved: there would be no cloud, or no way to switch it."""

NEEDED_BY = {
    "horizon.server": ("keystone.server",),
    "nova.controller": ("glance.server", "neutron.server", "nova.compute"),
    "nova.compute": ("nova.controller", "neutron.compute"),
    "neutron.compute": ("neutron.server",),
    "neutron.gateway": ("neutron.server",),
    "ovn.central": ("neutron.server",),
}
"""{role: the roles that must be somewhere for it to work}. Placement became a service of its own in Stein."""


def check_same_cloud(sections: Mapping[str, CloudSection], readings: list[Reading]) -> CloudSection:
    """The section that the nodes agree on; one that differs is a mistake of the node that has it."""
    agreed = list(sections.values())
    common = max(agreed, key=agreed.count)
    for reading in readings:
        section = sections.get(reading.node)
        if section is None or section == common:
            continue
        for key in CloudSection.model_fields:
            own, others = getattr(section, key), getattr(common, key)
            if own != others and isinstance(own, str):
                reading.wrong(("cloud", key), f"cloud:{key} is {own!r}, but {others!r} on the other nodes")
            elif own != others:
                reading.wrong(("cloud", key), f"cloud:{key} is not as on the other nodes")
    return common


def check_release(sections: Mapping[str, CloudSection], known: Collection[str] | None, readings: list[Reading]) -> None:
    """Every release named is one that the catalogue knows."""
    for reading in readings:
        name = sections[reading.node].openstack_release if reading.node in sections else ""
        if known is not None and name and name.lower() not in known:
            mistake = f"the catalogue knows no release {name!r}{did_you_mean(name, known)}"
            reading.wrong(("cloud", "openstack_release"), mistake)


def check_addresses(cloud: CloudSection, nodes: Mapping[str, Node], readings: list[Reading]) -> None:
    """Every address lies in its network and belongs to one machine."""
    management, external = cloud.networks.management, cloud.networks.external
    by_node = {reading.node: reading for reading in readings}
    for key, address in (("master", management.master), ("vip", management.vip)):
        if address not in management.cidr:
            readings[0].wrong(
                ("cloud", "networks", "management", key), f"{key} {address} is outside the network {management.cidr}"
            )
    if external.host not in external.cidr:
        readings[0].wrong(
            ("cloud", "networks", "external", "host"), f"host {external.host} is outside the network {external.cidr}"
        )
    if management.cidr.overlaps(external.cidr):
        readings[0].wrong(
            ("cloud", "networks", "external", "cidr"),
            f"the networks overlap: management {management.cidr}, external {external.cidr}",
        )
    owners: dict[IPv4Address, str] = {management.master: "the Salt master", management.vip: "the virtual address"}
    for node in nodes.values():
        for machine in node.machines():
            place = ("machine", "slots", machine.slot) if machine.slot else ("machine", "address")
            if machine.address not in management.cidr:
                by_node[node.name].wrong(
                    place, f"{machine.name} has {machine.address}, outside the network {management.cidr}"
                )
            other = owners.setdefault(machine.address, machine.name)
            if other != machine.name:
                by_node[node.name].wrong(place, f"{machine.name} has {machine.address}, which {other} has too")


def check_roles(
    nodes: Mapping[str, Node], known: Mapping[str, Collection[str]] | None, readings: list[Reading]
) -> None:
    """Every role is known, and the roles that others need are there."""
    present = {role: node.name for node in nodes.values() if not node.rehearsal for role in node.roles}
    for reading in readings:
        for role, _ in roles_of(reading):
            if known is not None and role not in known:
                place = tuple(role.split("."))
                reading.wrong(place, f"nothing is known of the role {role}{did_you_mean(role, known)}", incomplete=True)
    if not readings or readings[0].mistakes.incomplete:
        return
    needed: dict[str, list[str]] = {role: ["every cloud"] for role in ALWAYS}
    for role, needs in NEEDED_BY.items():
        for need in needs:
            if role in present and need not in ALWAYS:
                needed.setdefault(need, []).append(f"{role} ({present[role]})")
    for role, by in needed.items():
        if role not in present:
            readings[0].mistakes.add("nodes", f"none has the role {role}, needed by {', '.join(by)}")


def check_databases(
    served: Mapping[str, set[str]], known: Mapping[str, Collection[str]] | None, readings: list[Reading]
) -> None:
    """Every database that a role uses is served, with its user; and a role names those that the catalogue says."""
    if not readings or readings[0].mistakes.incomplete:
        return
    for reading in readings:
        used = list(read_databases(reading))
        for database in used:
            place = f"{database.service} uses the database {database.name}"
            if database.name not in served:
                reading.wrong((database.service,), f"{place}, which mariadb:server:database does not have")
            elif database.user not in served[database.name]:
                reading.wrong((database.service,), f"{place} as {database.user}, who is not among its users")
        names = {database.name for database in used}
        for role, _ in roles_of(reading):
            for needed in sorted(set((known or {}).get(role, ())) - names):
                if role != "mariadb.server":
                    service, _, part = role.partition(".")
                    reading.wrong(
                        (service, part, "database"), f"{role} needs the database {needed}, not in its `database`"
                    )


def collect_secrets(readings: list[Reading]) -> dict[str, Any]:
    """The key `secrets` of all nodes as one: a secret that two nodes have must be the same on both."""
    collected: dict[str, Any] = {}
    for reading in readings:
        found = reading.parameters.get("secrets") or {}
        if isinstance(found, Mapping):
            _collect(found, collected, ("secrets",), reading)
        else:
            reading.wrong(
                ("secrets",), "secrets must be a mapping: `database: {nova: ...}` is the secret database:nova"
            )
    return collected


def _collect(found: Mapping[str, Any], into: dict[str, Any], place: tuple[str, ...], reading: Reading) -> None:
    for key, value in ((str(key), value) for key, value in found.items()):
        known = into.get(key)
        if isinstance(value, Mapping) and isinstance(known, dict | None):
            _collect(value, into.setdefault(key, {}), (*place, key), reading)
        elif known is None and isinstance(value, str):
            into[key] = value
        elif known is None:
            reading.wrong((*place, key), f"{':'.join((*place, key))} must be text: quote it")
        elif known != value:
            reading.wrong((*place, key), f"{':'.join((*place, key))} is not as on the other nodes")
