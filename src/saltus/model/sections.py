"""From a node's parameters to types: the keys `cloud` and `machine`, the roles, the databases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from saltus.model.cloud import CloudSection, ComputeSection, Database, MachineSection, Node
from saltus.model.files import TreeFiles
from saltus.model.mistakes import Mistakes, did_you_mean
from saltus.model.read import UNDEFINED

Section = TypeVar("Section", bound=BaseModel)

NOT_SERVICES = ("_param", "cloud", "machine", "secrets")


@dataclass(frozen=True)
class Reading:
    """One node's parameters, where they come from and where mistakes go."""

    node: str
    parameters: dict[str, Any]
    files: TreeFiles
    mistakes: Mistakes

    def wrong(self, keys: tuple[str, ...], mistake: str, *, incomplete: bool = False) -> None:
        where = self.files.origin(self.node, *keys)
        self.mistakes.add(where, mistake, node=self.node, incomplete=incomplete)


def read_cloud_section(reading: Reading) -> CloudSection | None:
    return _section(reading, "cloud", CloudSection)


def read_node(reading: Reading) -> Node | None:
    """The node with its roles; None when its `machine` cannot be understood."""
    machine = _section(reading, "machine", MachineSection)
    roles = dict(roles_of(reading))
    driver = None
    if "nova.compute" in roles:
        driver = roles["nova.compute"].get("driver", "qemu")
        if driver not in ("qemu", "fake"):
            reading.wrong(("nova", "compute", "driver"), f"nova:compute:driver is {driver!r}: must be qemu or fake")
            driver = "qemu"
    compute = _compute(reading, roles) if "nova.compute" in roles else None
    if machine is None:
        return None
    secrets = sorted({path for role, section in roles.items() for path in _secrets(reading, role, section)})
    return Node(
        **machine.model_dump(),
        name=reading.node,
        roles=tuple(sorted(roles)),
        driver=driver,
        compute=compute,
        secrets=tuple(secrets),
    )


def _compute(reading: Reading, roles: Mapping[str, dict[str, Any]]) -> ComputeSection | None:
    """What the sections of nova and neutron say of how this compute is upgraded."""
    said = {"nova": ("drain", "zone", "rack", "aggregate"), "neutron": ("backend", "dvr")}
    found = {
        key: (service, roles[f"{service}.compute"][key])
        for service, keys in said.items()
        for key in keys
        if key in roles.get(f"{service}.compute", {})
    }
    try:
        return ComputeSection.model_validate({key: value for key, (_, value) in found.items()})
    except ValidationError as exc:
        for error in exc.errors():
            key = str(error["loc"][0])
            place = f"{found[key][0]}:compute:{key}"
            reading.wrong((found[key][0], "compute", key), _explain(place, error, ComputeSection))
        return None


def roles_of(reading: Reading) -> Iterator[tuple[str, dict[str, Any]]]:
    """(role, its section) of every role that is enabled: `nova: {controller: {enabled: true}}` is nova.controller."""
    for service, sections in reading.parameters.items():
        if service in NOT_SERVICES or not isinstance(sections, dict):
            continue
        for role, section in sections.items():
            if not isinstance(section, dict) or "enabled" not in section:
                continue
            if not isinstance(section["enabled"], bool):
                reading.wrong(
                    (service, role, "enabled"),
                    f"{service}:{role}:enabled is {section['enabled']!r}: must be true or false",
                )
            elif section["enabled"]:
                yield f"{service}.{role}", section


def read_databases(reading: Reading) -> Iterator[Database]:
    """The databases that this node's roles use: `nova: controller: database: {nova_api: {user: nova}}`."""
    for role, section in roles_of(reading):
        service, _, part = role.partition(".")
        if role == "mariadb.server":
            continue
        for name, entry in (section.get("database") or {}).items():
            if isinstance(entry, dict) and isinstance(entry.get("user"), str):
                yield Database(name=name, user=entry["user"], service=service)
            else:
                reading.wrong(
                    (service, part, "database", name), f"{service}:{part}:database:{name} must name its `user`"
                )


def read_served_databases(reading: Reading) -> dict[str, set[str]]:
    """{database: its users} that a MariaDB of this node is told to have."""
    server = (reading.parameters.get("mariadb") or {}).get("server") or {}
    served = {}
    for name, entry in (server.get("database") or {}).items():
        users = entry.get("users") if isinstance(entry, dict) else None
        if not isinstance(users, list) or not all(isinstance(user, dict) and "name" in user for user in users):
            reading.wrong(
                ("mariadb", "server", "database", name),
                f"mariadb:server:database:{name} must have `users`, a list of mappings with `name`",
            )
            users = []
        served[str(name)] = {str(user["name"]) for user in users}
    return served


def _secrets(reading: Reading, role: str, section: Mapping[str, Any]) -> Iterator[str]:
    service, _, part = role.partition(".")
    paths = section.get("secrets") or []
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        reading.wrong((service, part, "secrets"), f"{service}:{part}:secrets must be a list of paths of secrets")
        return
    yield from paths


def _section(reading: Reading, key: str, kind: type[Section]) -> Section | None:
    if not isinstance(reading.parameters.get(key), dict):
        if reading.files.all_read(reading.node):
            reading.wrong((), f"has no `{key}`", incomplete=True)
        return None
    try:
        return kind.model_validate(reading.parameters[key])
    except ValidationError as exc:
        for error in exc.errors():
            if UNDEFINED in str(error["input"]) and error["type"] != "extra_forbidden":
                continue  # Told already, where the reference stands.
            place = tuple(str(part) for part in error["loc"])
            reading.wrong((key, *place), _explain(":".join((key, *place)), error, kind), incomplete=True)
        return None


def _explain(place: str, error: Any, kind: type[BaseModel]) -> str:
    name = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        known = kind.model_fields if len(error["loc"]) == 1 else ()
        return f"there is no key {place}{did_you_mean(name, known)}"
    if error["type"] == "missing":
        return f"{place} is missing"
    message = error["msg"].removeprefix("Value error, ").partition(", unable to")[0]
    shown = f", not {error['input']!r}" if isinstance(error["input"], str | int | float | bool) else ""
    return f"{place}: {message[0].lower()}{message[1:]}{shown}"
