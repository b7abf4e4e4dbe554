"""Performers of what is done with instances: one booted to prove that a compute works, and a tenant for a lab."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import Any

from saltus.errors import OperatorError
from saltus.plan.actions import BootInstance, SeedTenant
from saltus.runner.performer import Outcome, StepContext, Verdict
from saltus.runner.performers.ground import Ground
from saltus.verify import guest, instances, seed
from saltus.verify.connection import connect, translated


@dataclass(frozen=True)
class InstanceBooter:
    """Boots, pings and deletes: what is left of a proof would be in a tenant's way, and in a rollback's."""

    ground: Ground

    def perform(self, action: BootInstance, context: StepContext) -> Outcome:
        booted, boot_id = _boot(self.ground, context, action.name, action.host, keep=action.keep)
        return Outcome(
            f"{_told(booted)}{'' if action.keep else '; deleted'}",
            {"id": booted.id, "host": booted.host, "address": booted.address, "boot_id": boot_id},
        )

    def verify(self, action: BootInstance, context: StepContext) -> Verdict:
        return Verdict.not_done("booting is safe to repeat: what exists by that name is used")


def prove(ground: Ground, context: StepContext, host: str) -> str:
    """An instance on `host`, reached and deleted; what was seen. One that a failed proof left is removed, too."""
    name = f"saltus-verify-{host}"
    try:
        booted, _ = _boot(ground, context, name, host, keep=False)
    except OperatorError:
        with suppress(OperatorError):  # the first error says more
            instances.delete(connect(ground.login(str(ground.cloud.networks.management.vip))), name)
        raise
    return _told(booted)


def _boot(
    ground: Ground, context: StepContext, name: str, host: str, *, keep: bool
) -> tuple[instances.Instance, str | None]:
    """The instance, and the boot_id that its guest tells; deleted again unless it is to be kept."""
    node = ground.cloud.node(host)
    connection = connect(ground.login(str(ground.cloud.networks.management.vip)))
    address = _address_of(ground, connection, name)
    context.say(f"booting {name} on {host} at {address.ip}")
    booted = instances.boot(
        connection,
        name,
        host=host,
        address=address,
        gateway=str(ground.cloud.networks.external.host),
        zone=(node.compute.zone if node.compute else None) or "nova",
        pretended=node.driver == "fake",
    )
    boot_id = None if node.driver == "fake" else instances.boot_id(booted.address)
    if not keep:
        context.say(f"deleting {name}")
        instances.delete(connection, name)
    return booted, boot_id


def _told(booted: instances.Instance) -> str:
    return (
        f"{booted.name} ACTIVE on {booted.host} after {booted.active_s} s, answered ping at {booted.address}"
        f" after {booted.answered_s} s"
    )


def _address_of(ground: Ground, connection: Any, name: str) -> IPv4Interface:
    """Where the instance stands: at its port, when an attempt that was cut short has left it, or else at the last
    address of the external network that no port has."""
    external = ground.cloud.networks.external
    with translated("cannot look for a free address"):
        network = connection.network.find_network(instances.NETWORK, ignore_missing=False)
        ports = list(connection.network.ports(network_id=network.id))
    taken = {address["ip_address"]: port.name for port in ports for address in port.fixed_ips}
    for address, owner in taken.items():
        if owner == name:
            return IPv4Interface(f"{address}/{external.cidr.prefixlen}")
    for address in reversed(list(external.cidr.hosts())):
        if str(address) not in taken and address != external.host:
            return IPv4Interface(f"{address}/{external.cidr.prefixlen}")
    raise OperatorError(
        what=f"the network {instances.NETWORK} has no free address",
        because=f"every address of {external.cidr} has a port",
        do="remove ports that nobody uses, or skip this step",
    )


@dataclass(frozen=True)
class TenantSeeder:
    ground: Ground

    def perform(self, action: SeedTenant, context: StepContext) -> Outcome:
        cloud = self.ground.cloud
        external = cloud.networks.external
        context.say("building the guest's kernel and memory disk")
        made = guest.build(self.ground.guest)
        wanted = seed.Wanted(
            network=external.cidr,
            gateway=external.host,
            host=cloud.with_role("nova.compute")[0].name,
            address=list(external.cidr.hosts())[10],
            tenant_password=self.ground.tenant_password(),
        )
        instance = seed.seed(
            self.ground.login(str(cloud.networks.management.vip)), made, wanted, lambda text: context.say(text)
        )
        return Outcome(
            f"{instance.name} answers at {instance.address}, {instance.answered_s} s after it was asked for",
            {"id": instance.id, "host": instance.host, "address": instance.address},
        )
