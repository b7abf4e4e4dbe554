"""A node's pillar: its reclass parameters as they are, and under `saltus` what model and catalogue make of it.

Runs inside the salt-master. A minion is believed its id and nothing else, because only the id is proved by its key:
what it is comes from the model and from the grains that we recorded when its machine was made. So a node that lies
about its grains does not get another node's passwords.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from saltus.catalog.quirks import Quirks, load_quirks
from saltus.catalog.releases import load_releases
from saltus.catalog.roles import Roles, RoleSlice, load_roles
from saltus.errors import OperatorError
from saltus.fleet.decryption import Decryption
from saltus.fleet.errors import PillarRefused
from saltus.model.cloud import Cloud, Machine, Node, Slot
from saltus.model.load import read_cloud
from saltus.model.secrets import SecretStore


class PillarData(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MachineGrains(PillarData):
    """What a machine was made as: its grains under `saltus`, as `fleet.keys` recorded them."""

    node: str
    slot: Slot | None = None
    release: str
    was: str | None = None
    """The older release of a compute that is on its way: nova goes by it until the last compute has come through."""


class Host(PillarData):
    host: str


class NodePillar(PillarData):
    """The pillar key `saltus`. ARCHITECTURE.md says what each of them is for."""

    cloud: str
    node: str
    machine: str
    slot: Slot | None
    release: str
    suite: str
    address: str
    region: str
    domain: str
    vip: str
    hosts: dict[str, str]
    database: Host
    messaging: Host
    control: tuple[str, ...]
    rehearsal: bool
    roles: dict[str, RoleSlice]
    secrets: dict[str, Any]
    quirks: dict[str, bool]
    sizes: dict[str, int]
    """What the model says of how much a node gives to its services: `workers`, `buffer_pool_mb`, ..."""


def node_pillar(
    cloud: Cloud,
    roles: Roles,
    quirks: Quirks,
    secrets: SecretStore,
    machine: Machine,
    made_as: Mapping[str, MachineGrains],
) -> NodePillar:
    """What `machine` needs to know. `made_as` is {machine: what it was made as}, of every machine that exists."""
    node = cloud.node(machine.node)
    release = load_releases().get(made_as[machine.name].release)
    suite = node.suite or release.suite
    if suite is None:
        raise PillarRefused(
            what=f"no Debian suite is known for {machine.name}",
            because=f"no suite ships {release.name}, and the model names none for {node.name}",
            do=f"set machine:suite of {node.name} in the model",
        )
    names = roles.in_order(node.roles)
    paths = [path.replace(".", ":") for path in roles.secrets(names, release.name, suite)]
    own = str(machine.address)
    oldest_compute = _oldest_compute(cloud, made_as)
    return NodePillar(
        cloud=cloud.name,
        node=node.name,
        machine=machine.name,
        slot=machine.slot,
        release=release.name,
        suite=suite,
        address=own,
        region=cloud.region,
        domain=cloud.domain,
        # A rehearsal must not reach production, whatever is configured: for it, everything is here.
        vip=own if node.rehearsal else str(cloud.networks.management.vip),
        hosts=_hosts(cloud, node, machine, made_as),
        database=Host(host=_address_of(cloud, "mariadb.server", node, machine, made_as)),
        messaging=Host(host=_address_of(cloud, "rabbitmq.server", node, machine, made_as)),
        control=_control(cloud, roles, node, machine, made_as),
        rehearsal=node.rehearsal,
        roles={name: roles.resolve(name, release.name, suite) for name in names},
        secrets=secrets.tree(paths) if paths else {},
        quirks={
            quirk: holds
            for name in names
            for quirk, holds in quirks.holding(
                name, release=release.name, suite=suite, oldest_compute=oldest_compute
            ).items()
        },
        sizes=cloud.parameters(node.name).get("sizes", {}),
    )


def _beside(other: Node, machine: Machine, made_as: Mapping[str, MachineGrains]) -> Machine:
    """The machine of `other` that `machine` works with: of its own slot, else the one that exists, else slot a."""
    candidates = other.machines()
    same = [candidate for candidate in candidates if candidate.slot == machine.slot]
    existing = [candidate for candidate in candidates if candidate.name in made_as]
    return [*same, *existing, *candidates][0]


def _hosts(cloud: Cloud, node: Node, machine: Machine, made_as: Mapping[str, MachineGrains]) -> dict[str, str]:
    if node.rehearsal:
        return {node.name: str(machine.address)}
    return {
        other.name: str(machine.address if other == node else _beside(other, machine, made_as).address)
        for other in cloud.nodes
        if not other.rehearsal
    }


def _address_of(cloud: Cloud, role: str, node: Node, machine: Machine, made_as: Mapping[str, MachineGrains]) -> str:
    """Where this node finds the server of `role`: on itself where it runs it (a rehearsal's node runs everything)."""
    if node.runs(role) or node.rehearsal:
        return str(machine.address)
    servers = cloud.with_role(role)
    if not servers:
        raise PillarRefused(
            what=f"the pillar of {machine.name} cannot be computed",
            because=f"no node of {cloud.name} has the role {role}",
            do="give the role to a node in the model",
        )
    return str(_beside(servers[0], machine, made_as).address)


def _control(
    cloud: Cloud, roles: Roles, node: Node, machine: Machine, made_as: Mapping[str, MachineGrains]
) -> tuple[str, ...]:
    """The machines whose APIs a proxy passes on: those of its own slot, so that switching the proxy switches them."""
    if node.rehearsal:
        return (str(machine.address),)

    def has_api(other: Node) -> bool:
        slices = [roles.get(name) for name in other.roles]
        return any(api.internal_port is None for role in slices if not role.fronts_apis for api in role.apis)

    return tuple(
        str(_beside(other, machine, made_as).address) for other in cloud.nodes if not other.rehearsal and has_api(other)
    )


def _oldest_compute(cloud: Cloud, made_as: Mapping[str, MachineGrains]) -> str | None:
    releases = load_releases()
    found = [
        made_as[machine.name].was or made_as[machine.name].release
        for node in cloud.with_role("nova.compute")
        for machine in node.machines()
        if machine.name in made_as
    ]
    return min(found, key=releases.index, default=None)


def pillar_for(
    minion_id: str, *, model_path: str, secrets_path: str, grains_path: str, keys_path: str
) -> dict[str, Any]:
    """The whole pillar of a minion. `secrets_path` is the directory of the stores, `grains_path` that of `made_as`,
    `keys_path` that of the keys with which the model's secrets are decrypted: the node's own, and no others.

    Raises OperatorError: Salt puts its text into the pillar's `_errors`, and `fleet.live` refuses such a pillar.
    """
    try:
        cloud = _cached_cloud(Path(model_path))
        try:
            machine = cloud.machine(minion_id)
        except KeyError:
            raise PillarRefused(
                what=f"{minion_id} has no pillar",
                because=f"it is no machine of the model {model_path}",
                do="add the node to the model, or destroy the machine",
            ) from None
        made_as = read_made_as(Path(grains_path))
        if minion_id not in made_as:
            raise PillarRefused(
                what=f"{minion_id} has no pillar",
                because=f"nothing in {grains_path} says what it was made as",
                do="create the machine again with saltus: it writes that with the minion's key",
            )
        decryption = _decryption(Path(keys_path))
        secrets = SecretStore(Path(secrets_path), cloud.name, of_model=cloud.secrets, decrypt=decryption.text)
        own = node_pillar(cloud, load_roles(), load_quirks(), secrets, machine, made_as)
        parameters = decryption.data(cloud.parameters(machine.node))
    except OperatorError:
        raise
    except Exception as exc:
        # Salt keeps the text of an error and loses its traceback.
        raise RuntimeError(f"a bug in saltus: {type(exc).__name__}: {exc}") from exc
    return {**parameters, "saltus": own.model_dump(mode="json")}


@functools.cache
def _decryption(keys: Path) -> Decryption:
    """One for each worker of the master: a message is decrypted once in its life."""
    return Decryption(keys)


def read_made_as(directory: Path) -> dict[str, MachineGrains]:
    """{machine: what it was made as} of every machine that has a key."""
    return {path.stem: _made_as(path, _stamp(path)) for path in sorted(directory.glob("*.yml"))}


@functools.lru_cache(maxsize=4096)
def _made_as(path: Path, _stamp: tuple[int, int]) -> MachineGrains:
    return MachineGrains.model_validate(yaml.safe_load(path.read_text()))


def _stamp(path: Path | str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size


_clouds: dict[Path, tuple[object, Cloud]] = {}
_clouds_lock = threading.Lock()


def _cached_cloud(path: Path) -> Cloud:
    """The model at `path`, read again when a file of its tree has changed."""
    with _clouds_lock:
        stamps = sorted(
            (file, _stamp(file))
            for folder, _, files in os.walk(path, followlinks=True)
            for name in files
            if os.path.exists(file := os.path.join(folder, name))
        )
        if path not in _clouds or _clouds[path][0] != stamps:
            _clouds[path] = (stamps, read_cloud(path))
        return _clouds[path][1]
