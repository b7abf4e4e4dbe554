"""Performers of what is done with instances: one booted to prove that a compute works, and a tenant for a lab."""

from __future__ import annotations

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
        cloud = self.ground.cloud
        connection = connect(self.ground.login(str(cloud.networks.management.vip)))
        address = _free_address(self.ground, connection)
        context.say(f"booting {action.name} on {action.host} at {address.ip}")
        booted = instances.boot(
            connection, action.name, host=action.host, address=address, gateway=str(cloud.networks.external.host)
        )
        boot_id = instances.boot_id(booted.address)
        if not action.keep:
            context.say(f"deleting {action.name}")
            instances.delete(connection, action.name)
        return Outcome(
            f"{action.name} ACTIVE on {booted.host} after {booted.active_s} s, answered ping at {booted.address}"
            f" after {booted.answered_s} s" + ("" if action.keep else "; deleted"),
            {"id": booted.id, "host": booted.host, "address": booted.address, "boot_id": boot_id},
        )

    def verify(self, action: BootInstance, context: StepContext) -> Verdict:
        return Verdict.not_done("booting is safe to repeat: what exists by that name is used")


def _free_address(ground: Ground, connection: Any) -> IPv4Interface:
    """The last address of the external network that no port has."""
    external = ground.cloud.networks.external
    with translated("cannot look for a free address"):
        network = connection.network.find_network(instances.NETWORK, ignore_missing=False)
        ports = connection.network.ports(network_id=network.id)
        taken = {address["ip_address"] for port in ports for address in port.fixed_ips}
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
