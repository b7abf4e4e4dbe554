"""Fill a fresh lab cloud with a tenant's things, so that an upgrade has something to lose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from saltus.errors import OperatorError
from saltus.verify import instances
from saltus.verify.connection import Login, connect, translated
from saltus.verify.guest import Guest
from saltus.verify.instances import Instance

TENANT = "tenant"
"""Name of the project and of its user."""
PRIVATE_CIDR = "192.168.77.0/24"
TEMPLATE = {
    "heat_template_version": "2016-10-14",
    "description": "A tenant's stack: a value that heat makes once and must still know after the upgrade.",
    "resources": {"value": {"type": "OS::Heat::RandomString", "properties": {"length": 12}}},
    "outputs": {"value": {"value": {"get_resource": "value"}}},
}
# Its private half was thrown away.
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKO/jwORzHeBxhe0gEJOSBllCLvPbgKUBJzjM65MgN1J tenant"


@dataclass(frozen=True)
class Wanted:
    """What the model says of the tenants' network, and where the first instance goes."""

    network: IPv4Network
    gateway: IPv4Address
    """The address of this machine in that network."""
    host: str
    """The node whose nova-compute boots the instance."""
    address: IPv4Address
    instance: str = "demo-1"
    physical_network: str = "external"
    tenant_password: str = field(repr=False, default="")

    @property
    def interface(self) -> IPv4Interface:
        return IPv4Interface(f"{self.address}/{self.network.prefixlen}")


def seed(admin: Login, guest: Guest, wanted: Wanted, say: Callable[[str], None] = lambda _line: None) -> Instance:
    """Make what is missing, boot the instance, and return when it answers ping. Safe to repeat.

    `say` is told each step in a sentence.
    """
    cloud = connect(admin)
    say(f"project, user and roles of {TENANT}")
    with translated(f"cannot make the project {TENANT}"):
        tenant_project(cloud, admin, wanted.tenant_password)
    say("kernel and ramdisk images, flavor, volume type")
    with translated("cannot make what instances boot from"):
        public_things(cloud, guest)
    say(f"network {instances.NETWORK} {wanted.network}")
    with translated(f"cannot make the network {instances.NETWORK}"):
        external_network(cloud, wanted)
    user = replace(admin, username=TENANT, project=TENANT, password=wanted.tenant_password)
    tenant = connect(user)
    say("private network, router and keypair")
    with translated("cannot make the tenant's network"):
        private_things(tenant)
    say("stack")
    with translated("cannot make the tenant's stack"):
        stack(tenant)
    say(f"instance {wanted.instance} on {wanted.host}")
    # As the admin in the tenant's project: an ordinary user may not name the host.
    owner = connect(replace(admin, project=TENANT))
    instance = instances.boot(
        owner, wanted.instance, host=wanted.host, address=wanted.interface, gateway=str(wanted.gateway)
    )
    say(f"{instance.name} is ACTIVE after {instance.active_s} s and answers ping after {instance.answered_s} s")
    return instance


def tenant_project(cloud: Any, admin: Login, password: str) -> None:
    identity = cloud.identity
    project = identity.find_project(TENANT) or identity.create_project(name=TENANT, domain_id="default")
    user = identity.find_user(TENANT) or identity.create_user(name=TENANT, password=password, domain_id="default")
    # heat_stack_owner exists where heat wants it of those who own stacks.
    for role in filter(None, (identity.find_role(name) for name in ("member", "heat_stack_owner"))):
        identity.assign_project_role_to_user(project, user, role)
    identity.assign_project_role_to_user(
        project, identity.find_user(admin.username), identity.find_role("admin", ignore_missing=False)
    )


def public_things(cloud: Any, guest: Guest) -> None:
    kernel = bytearray(guest.kernel.read_bytes())
    # For a live migration nova looks at kernels as it does at disks: of zed it refuses those that glance calls aki, of
    # epoxy those with the signature of a boot sector, which no emulator reads and nova takes for a partition table.
    kernel[510:512] = bytes(2)
    for name, data in ((instances.KERNEL, bytes(kernel)), (instances.RAMDISK, guest.initrd.read_bytes())):
        if not cloud.image.find_image(name):
            cloud.image.create_image(name, disk_format="raw", container_format="bare", data=data, visibility="public")
    if not cloud.compute.find_flavor(instances.FLAVOR):
        cloud.compute.create_flavor(name=instances.FLAVOR, ram=128, vcpus=1, disk=0)
    if not cloud.block_storage.find_type("standard"):
        cloud.block_storage.create_type(name="standard")


def external_network(cloud: Any, wanted: Wanted) -> None:
    name = instances.NETWORK
    network = cloud.network.find_network(name) or cloud.network.create_network(
        name=name,
        provider_network_type="flat",
        provider_physical_network=wanted.physical_network,
        is_router_external=True,
        is_shared=True,
    )
    if not cloud.network.find_subnet(name, network_id=network.id):
        cloud.network.create_subnet(
            name=name,
            network_id=network.id,
            ip_version=4,
            cidr=str(wanted.network),
            gateway_ip=str(wanted.gateway),
            is_dhcp_enabled=False,
        )


def private_things(tenant: Any) -> None:
    """Rows of every kind that a tenant has in neutron and nova; no agent serves them in a lab without DHCP and L3."""
    name = "private"
    network = tenant.network.find_network(name) or tenant.network.create_network(name=name)
    subnet = tenant.network.find_subnet(name) or tenant.network.create_subnet(
        name=name, network_id=network.id, ip_version=4, cidr=PRIVATE_CIDR, is_dhcp_enabled=False
    )
    router = tenant.network.find_router(name)
    if not router:
        router = tenant.network.create_router(name=name)
        tenant.network.add_interface_to_router(router, subnet.id)
    instances.open_to_ping(tenant)
    if not tenant.compute.find_keypair(TENANT):
        tenant.compute.create_keypair(name=TENANT, public_key=PUBLIC_KEY)


def stack(tenant: Any) -> None:
    heat = tenant.orchestration
    found = heat.find_stack(TENANT) or heat.create_stack(name=TENANT, template=TEMPLATE)
    done = heat.wait_for_status(
        heat.get_stack(found.id), "CREATE_COMPLETE", failures=["CREATE_FAILED"], interval=1, wait=120
    )
    if done.status != "CREATE_COMPLETE":
        raise OperatorError(
            what=f"the stack {TENANT} is {done.status}",
            because=str(done.status_reason),
            do="read the log of heat-engine on the control node",
        )
