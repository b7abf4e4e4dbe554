"""A new cloud from its model: images, machines, then the roles in the order in which they need one another."""

from __future__ import annotations

from dataclasses import dataclass

from saltus.plan import Impact, Stage, Step
from saltus.plan.actions import ApplyState, BuildImage, CallFunction, CreateMachine, SeedTenant, SwitchProxy

ORDER = (
    ("infrastructure", "Databases, messages and proxies", ("mariadb.server", "rabbitmq.server", "haproxy.proxy")),
    ("control", "Control nodes", ("keystone.server",)),
    ("gateway", "Gateways", ("neutron.gateway",)),
    ("compute", "Computes", ("nova.compute",)),
)


@dataclass(frozen=True)
class Place:
    """One machine to deploy: its node, slot, image and the roles that say when it is its turn."""

    machine: str
    node: str
    slot: str | None
    image: str
    roles: tuple[str, ...]


def images(places: tuple[Place, ...], release: str) -> Stage:
    """Every image once. Two are built at a time: more would only wait for one another."""
    names: dict[str, str] = {}
    for place in places:
        names.setdefault(place.image, place.node)
    return Stage(
        id="images",
        title="Build the images",
        impact=Impact.NONE,
        way_back="nothing uses them yet",
        steps=tuple(
            Step(
                id=f"images/{image}",
                title=f"Build the image {image}",
                action=BuildImage(image=image, node=node, release=release),
                lane=f"lane-{number % 2}",
            )
            for number, (image, node) in enumerate(names.items())
        ),
    )


def machines(places: tuple[Place, ...], release: str) -> Stage:
    return Stage(
        id="machines",
        title="Create the machines",
        impact=Impact.NONE,
        way_back="saltus lab down --destroy",
        steps=tuple(
            Step.model_validate(
                {
                    "id": f"machines/{place.machine}",
                    "title": f"Create {place.machine}",
                    "action": CreateMachine.model_validate(
                        {
                            "machine": place.machine,
                            "node": place.node,
                            "slot": place.slot,
                            "release": release,
                            "image": place.image,
                        }
                    ),
                    "lane": place.machine,
                }
            )
            for place in places
        ),
    )


def roles(places: tuple[Place, ...], *, proxy_address: str) -> tuple[Stage, ...]:
    """A stage for each line of ORDER that the cloud has machines for; the first proxy takes the virtual address."""
    proxies = [place.machine for place in places if "haproxy.proxy" in place.roles]
    take = Step(
        id="infrastructure/virtual-address",
        title=f"Give {proxies[0]} the virtual address",
        action=SwitchProxy(take=proxies[0], leave=proxies[0], address=proxy_address),
    )
    controls = [place.machine for place in places if "nova.controller" in place.roles]
    discover = Step(
        id="compute/discover",
        title="Map the computes to their cell",
        action=CallFunction(
            target=controls[0],
            function="saltus_node.run_command",
            arguments=("nova-manage cell_v2 discover_hosts --verbose", "nova"),
        ),
    )
    after = {"infrastructure": (take,), "compute": (discover,)}
    return tuple(
        Stage(
            id=stage,
            title=title,
            impact=Impact.NONE,
            way_back="saltus lab down --destroy",
            steps=tuple(
                Step(
                    id=f"{stage}/{place.machine}",
                    title=f"Apply the highstate to {place.machine}",
                    action=ApplyState(target=place.machine, timeout_s=1800),
                    lane=place.machine,
                )
                for place in chosen
            )
            + after.get(stage, ()),
        )
        for stage, title, marks in ORDER
        if (chosen := tuple(place for place in places if any(mark in place.roles for mark in marks)))
    )


def seed() -> Stage:
    return Stage(
        id="seed",
        title="A tenant moves in",
        impact=Impact.NONE,
        way_back="saltus lab down --destroy",
        steps=(Step(id="seed/tenant", title="Create the tenant's project, networks and images", action=SeedTenant()),),
    )
