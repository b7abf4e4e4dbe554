"""What is booted as a proof, and taken up again behind a runner that was killed."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from world import World

from saltus.runner.performers.instances import _address_of


@dataclass
class Network:
    """The external network's ports: {name: addresses}."""

    named: dict[str, list[str]] = field(default_factory=dict)

    def find_network(self, name: str, ignore_missing: bool) -> Any:
        return SimpleNamespace(id=name)

    def ports(self, network_id: str) -> list[Any]:
        return [
            SimpleNamespace(name=name, fixed_ips=[{"ip_address": address} for address in addresses])
            for name, addresses in self.named.items()
        ]


@pytest.mark.parametrize(
    ("ports", "host"),
    [
        ({}, 254),
        ({"demo-1": [254]}, 253),
        ({"demo-1": [254], "saltus-verify-cmp01": [253]}, 253),
        ({"saltus-verify-cmp01": [254]}, 254),
        ({"saltus-verify-cmp02": [254]}, 253),
    ],
)
def test_an_instance_of_an_interrupted_attempt_is_asked_where_it_is(
    world: World, ports: dict[str, list[int]], host: int
) -> None:
    first = world.ground.cloud.networks.external.cidr.network_address
    network = Network({name: [str(first + number) for number in numbers] for name, numbers in ports.items()})
    found = _address_of(world.ground, SimpleNamespace(network=network), "saltus-verify-cmp01")
    assert found.ip == first + host
