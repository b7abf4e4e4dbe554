"""Instances: boot one on a host that is named, see that it answers, know whether it was started anew, remove it."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network, ip_address
from typing import Any

from openstack import exceptions as sdk_errors

from saltus.errors import OperatorError
from saltus.verify.connection import translated
from saltus.verify.guest import ANSWER_PATH, Guest
from saltus.verify.watcher.ping import answers

KERNEL, RAMDISK, FLAVOR, NETWORK = "saltus-kernel", "saltus-ramdisk", "saltus-tiny", "ext"
"""Names of what every instance of ours is made of; `seed.py` makes them."""


@dataclass(frozen=True)
class Instance:
    """One that runs and answers. `active_s` and `answered_s` are measured from the request that asked for it."""

    id: str
    name: str
    host: str
    address: str
    active_s: float
    answered_s: float


class InstanceFailed(OperatorError):
    """An instance did not become ACTIVE, or is ACTIVE and silent."""


def boot(
    connection: Any,
    name: str,
    *,
    host: str,
    address: IPv4Interface,
    gateway: str | None = None,
    within_s: float = 240,
    zone: str = "nova",
    pretended: bool = False,
) -> Instance:
    """Boot `name` on the compute `host` at `address` (with the network's prefix) and wait for ACTIVE and ping.

    `zone` is the availability zone of the host. On a `pretended` one (nova's FakeDriver) no guest
    could answer, so ACTIVE is enough.

    Safe to repeat: image, port and server that exist by that name are used; a server in ERROR is made anew.
    `connection` is scoped to the project that shall own it, as a user with the admin role: who may name a host.
    """
    begun = time.monotonic()
    with translated(f"cannot boot the instance {name}"):
        server = connection.compute.find_server(name, ignore_missing=True)
        if server and server.status == "ERROR":
            delete(connection, name)
            server = None
        server = server or create(connection, name, host, address, gateway, zone)
        server = wait_active(connection, server, within_s)
    active_s = time.monotonic() - begun
    ip = str(address.ip)
    if not pretended and answers(ip, within_s=max(1.0, within_s - active_s)) is None:
        raise InstanceFailed(
            what=f"the instance {name} is ACTIVE on {server.compute_host} and does not answer ping at {ip}",
            because=f"it was given {within_s:.0f} s; its port, its agent or the guest itself does not work",
            do=f"read its console (nova console log of {server.id}) and neutron-openvswitch-agent's log on that host",
        )
    return Instance(server.id, name, server.compute_host, ip, round(active_s, 1), round(time.monotonic() - begun, 1))


def create(
    connection: Any, name: str, host: str, address: IPv4Interface, gateway: str | None, zone: str = "nova"
) -> Any:
    image = image_for(connection, address, gateway)
    open_to_ping(connection)
    network = connection.network.find_network(NETWORK, ignore_missing=False)
    flavor = connection.compute.find_flavor(FLAVOR, ignore_missing=False)
    ip = str(address.ip)
    port = connection.network.find_port(name, ignore_missing=True, network_id=network.id)
    port = port or connection.network.create_port(name=name, network_id=network.id, fixed_ips=[{"ip_address": ip}])
    return connection.compute.create_server(
        name=name,
        image_id=image.id,
        flavor_id=flavor.id,
        networks=[{"port": port.id}],
        availability_zone=f"{zone}:{host}",
    )


def open_to_ping(connection: Any) -> None:
    """Let ping and TCP into the instances of the connection's project, whose default security group keeps them out."""
    project = connection.current_project_id
    group = next(iter(connection.network.security_groups(project_id=project, name="default")))
    rules = list(connection.network.security_group_rules(security_group_id=group.id, direction="ingress"))
    for protocol, ports in (("icmp", {}), ("tcp", {"port_range_min": 1, "port_range_max": 65535})):
        if not any(rule.protocol == protocol and not rule.remote_group_id for rule in rules):
            connection.network.create_security_group_rule(
                security_group_id=group.id,
                direction="ingress",
                ether_type="IPv4",
                protocol=protocol,
                description="saltus-verify: made to see an instance answer",
                **ports,
            )


def image_for(connection: Any, address: IPv4Interface, gateway: str | None) -> Any:
    """The image of the guest at `address`: an address is a kernel argument, and those belong to images."""
    name = f"saltus-guest-{address.ip}"
    return connection.image.find_image(name, ignore_missing=True) or connection.image.create_image(
        name,
        disk_format="raw",
        container_format="bare",
        data=bytes(1024 * 1024),  # the disk, which the guest never reads
        visibility="private",
        kernel_id=connection.image.find_image(KERNEL, ignore_missing=False).id,
        ramdisk_id=connection.image.find_image(RAMDISK, ignore_missing=False).id,
        os_command_line=Guest.command_line(str(address.ip), address.network.prefixlen, gateway),
        hw_machine_type="pc",
        hw_vif_model="virtio",
        hw_rng_model="virtio",
    )


def wait_active(connection: Any, server: Any, within_s: float) -> Any:
    try:
        return connection.compute.wait_for_server(server, interval=1, wait=within_s)
    except sdk_errors.ResourceTimeout as exc:
        reason = f"it was not ACTIVE within {within_s:.0f} s"
        raise silent(connection, server, reason) from exc
    except sdk_errors.ResourceFailure as exc:
        fault = (connection.compute.get_server(server.id).fault or {}).get("message", "nova names no fault")
        raise silent(connection, server, fault) from exc


def silent(connection: Any, server: Any, because: str) -> InstanceFailed:
    return InstanceFailed(
        what=f"the instance {server.name} did not become ACTIVE",
        because=because,
        do=f"read the logs of nova-compute on its host and of nova-conductor for {server.id}",
    )


def bring_back(connection: Any, addresses: IPv4Network, *, within_s: float = 240) -> list[str]:
    """Start every instance that is SHUTOFF, as after its compute was off, until all with one of `addresses` answer.

    Looked at again and again: nova calls an instance ACTIVE until its compute is back and has found it powered off.
    Returns their names; raises InstanceFailed for those that stay silent.
    """
    give_up = time.monotonic() + within_s
    while True:
        with translated("cannot start the instances that are off"):
            servers = list(connection.compute.servers(all_projects=True))
            for server in servers:
                if server.status == "SHUTOFF" and not server.task_state:
                    connection.compute.start_server(server)
        silent_ones = [server.name for server in servers if not _answers_at(server, addresses)]
        if not silent_ones:
            return [server.name for server in servers]
        if time.monotonic() > give_up:
            raise InstanceFailed(
                what=f"{', '.join(silent_ones)} did not come back",
                because=f"no answer to ping within {within_s:.0f} s of their compute's start",
                do="read nova-compute.log on their host: saltus lab exec cmp01 tail /var/log/nova/nova-compute.log",
            )
        time.sleep(2)


def _answers_at(server: Any, addresses: IPv4Network) -> bool:
    given = [a["addr"] for many in server.addresses.values() for a in many if ip_address(a["addr"]) in addresses]
    return all(answers(address, within_s=2) is not None for address in given)


def delete(connection: Any, name: str) -> None:
    """Remove the instance and its port, and wait until it is gone. Nothing to do when there is none."""
    with translated(f"cannot delete the instance {name}"):
        server = connection.compute.find_server(name, ignore_missing=True)
        if server:
            connection.compute.delete_server(server)
            connection.compute.wait_for_delete(server, interval=1, wait=120)
        port = connection.network.find_port(name, ignore_missing=True)
        if port:
            connection.network.delete_port(port)


def boot_id(address: str, *, within_s: float = 10) -> str | None:
    """The boot_id that the guest tells over HTTP: it changes when the instance is started anew. None: no answer."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{address}{ANSWER_PATH}", timeout=3) as response:
                return field(response.read().decode(), "boot_id")
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    return None


def console_boot_id(connection: Any, name: str) -> str | None:
    """The boot_id on the instance's console, through nova and its compute: also shows that those two talk."""
    with translated(f"cannot read the console of {name}"):
        server = connection.compute.find_server(name, ignore_missing=False)
        output = connection.compute.get_server_console_output(server)["output"]
    return field(output, "boot_id")


def field(text: str, name: str) -> str | None:
    """The last `name=value` of `text`."""
    values = [word.partition("=")[2] for word in text.split() if word.startswith(f"{name}=")]
    return values[-1] if values else None
