"""What a cloud says it has: the eight lists of its APIs, asked in the same words of every release."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator

from saltus.verify.connection import CloudDidNotAnswer, translated
from saltus.verify.marks import MARK

PAGE = 1000
"""Rows asked for at once: nova's, cinder's and glance's own upper limit as they are installed."""

Strings = tuple[str, ...]


class Row(BaseModel):
    """One line of a list. What we compare must be there; what else a release tells is left aside."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: ClassVar[Strings] = ("id",)
    """The fields by which the row of before is found again in the list of after."""

    def identity(self) -> str:
        return " ".join(str(getattr(self, field)) for field in self.key)

    def label(self) -> str:
        """How people call it: its name, and its key where that says something else."""
        name = getattr(self, "name", None)
        return f"{name} ({self.identity()})" if name else self.identity()


class IdentityService(Row):
    id: str
    name: str = ""
    type: str
    enabled: bool = True


class Image(Row):
    id: str
    name: str | None
    status: str
    visibility: str
    owner: str | None = None
    size: int | None = None
    checksum: str | None = None
    disk_format: str | None = None
    container_format: str | None = None


class Flavor(Row):
    id: str
    name: str
    ram: int
    vcpus: int
    disk: int


class ComputeService(Row):
    # Not by id: the row of a service is found by host and binary, and microversion 2.53 turned the id into a UUID.
    key: ClassVar[Strings] = ("binary", "host")
    binary: str
    host: str
    zone: str
    status: str
    state: str


class Server(Row):
    id: str
    name: str
    status: str
    project: str = Field(validation_alias=AliasChoices("tenant_id", "project"))
    host: str | None = Field(validation_alias=AliasChoices("OS-EXT-SRV-ATTR:host", "host"))
    addresses: Strings
    flavor: str
    image: str | None

    @field_validator("addresses", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return sorted(f"{network} {address['addr']}" for network, many in value.items() for address in many)

    @field_validator("flavor", "image", mode="before")
    @classmethod
    def _its_id(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return value["id"]
        return value or None  # nova answers "" for the image of an instance that boots from a volume


class Network(Row):
    id: str
    name: str
    status: str
    project: str = Field(validation_alias=AliasChoices("project_id", "tenant_id", "project"))
    shared: bool
    subnets: Strings

    @field_validator("subnets", mode="before")
    @classmethod
    def _sorted(cls, value: Any) -> Any:
        return sorted(value)


class Subnet(Row):
    id: str
    name: str
    network_id: str
    cidr: str
    gateway_ip: str | None
    enable_dhcp: bool


class Port(Row):
    # Without `status`: it follows the agent, and is DOWN for a moment whenever an agent resynchronises.
    id: str
    name: str
    network_id: str
    mac_address: str
    device_id: str
    addresses: Strings = Field(validation_alias=AliasChoices("fixed_ips", "addresses"))
    host: str | None = Field(default=None, validation_alias=AliasChoices("binding:host_id", "host"))

    @field_validator("addresses", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        return sorted(each["ip_address"] if isinstance(each, dict) else each for each in value)


class Router(Row):
    id: str
    name: str
    status: str
    gateway: str | None = Field(default=None, validation_alias=AliasChoices("external_gateway_info", "gateway"))

    @field_validator("gateway", mode="before")
    @classmethod
    def _its_network(cls, value: Any) -> Any:
        return value.get("network_id") if isinstance(value, dict) else value


class VolumeType(Row):
    id: str
    name: str


class Volume(Row):
    id: str
    name: str | None
    status: str
    size: int
    volume_type: str | None
    bootable: str
    attached_to: Strings = Field(validation_alias=AliasChoices("attachments", "attached_to"))

    @field_validator("attached_to", mode="before")
    @classmethod
    def _servers(cls, value: Any) -> Any:
        return sorted(each["server_id"] if isinstance(each, dict) else each for each in value)


class OrchestrationService(Row):
    # Not by engine id, which is new at every start: one row for the engines of a host, `up` when any of them is.
    key: ClassVar[Strings] = ("binary", "hostname")
    binary: str
    hostname: str
    status: str


class ApiLists(BaseModel):
    """The eight lists at one moment: networks with subnets, ports and routers, volumes with their types."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    seconds: dict[str, float]
    """{list: how long the cloud took to answer it}."""
    identity_services: tuple[IdentityService, ...]
    images: tuple[Image, ...]
    flavors: tuple[Flavor, ...]
    compute_services: tuple[ComputeService, ...]
    servers: tuple[Server, ...]
    networks: tuple[Network, ...]
    subnets: tuple[Subnet, ...]
    ports: tuple[Port, ...]
    routers: tuple[Router, ...]
    volumes: tuple[Volume, ...]
    volume_types: tuple[VolumeType, ...]
    orchestration_services: tuple[OrchestrationService, ...]

    def rows(self, name: str) -> tuple[Row, ...]:
        rows: tuple[Row, ...] = getattr(self, name)
        return rows

    def to_json(self) -> str:
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ApiLists:
        return cls.model_validate_json(text)


@dataclass(frozen=True)
class Question:
    """How one list is asked: the openstacksdk proxy that knows the endpoint, the path there, the key of the answer.

    The microversion is pinned to the oldest, which every release since Mitaka answers in the same shape: two releases
    are compared in one language.
    """

    name: str
    proxy: str
    path: str
    answer: str
    row: type[Row]
    microversion: str | None = None
    paged: bool = True


QUESTIONS = (
    Question("identity_services", "identity", "/services", "services", IdentityService, paged=False),
    Question("images", "image", "/images?visibility=all", "images", Image),
    Question("flavors", "compute", "/flavors/detail?is_public=None", "flavors", Flavor, "2.1"),
    Question("compute_services", "compute", "/os-services", "services", ComputeService, "2.1", paged=False),
    Question("servers", "compute", "/servers/detail?all_tenants=1", "servers", Server, "2.1"),
    Question("networks", "network", "/networks", "networks", Network),
    Question("subnets", "network", "/subnets", "subnets", Subnet),
    Question("ports", "network", "/ports", "ports", Port),
    Question("routers", "network", "/routers", "routers", Router),
    Question("volumes", "block_storage", "/volumes/detail?all_tenants=1", "volumes", Volume, "3.0"),
    Question("volume_types", "block_storage", "/types?is_public=None", "volume_types", VolumeType, "3.0"),
    Question("orchestration_services", "orchestration", "/services", "services", OrchestrationService, paged=False),
)


def ask(connection: Any) -> ApiLists:
    """Ask every list of the cloud behind `connection` (an admin's, made by `connection.connect`)."""
    lists: dict[str, tuple[Row, ...]] = {}
    seconds: dict[str, float] = {}
    for question in QUESTIONS:
        started = time.monotonic()
        with translated(f"the list of {question.name.replace('_', ' ')} was not answered"):
            items = fetch(getattr(connection, question.proxy), question)
        seconds[question.name] = round(time.monotonic() - started, 3)
        lists[question.name] = parse(question, items)
    return ApiLists.model_validate({"seconds": seconds, **lists})


def parse(question: Question, items: Iterable[dict[str, Any]]) -> tuple[Row, ...]:
    """Rows in the order of their identity, without those that the outage watcher makes and removes."""
    try:
        rows = [question.row.model_validate(item) for item in items if MARK not in str(item.get("name"))]
    except (ValidationError, KeyError, TypeError) as exc:
        raise CloudDidNotAnswer(
            what=f"the list of {question.name.replace('_', ' ')} is not in the shape we know",
            because=str(exc),
            do="this release answers differently: teach saltus/verify/lists.py its shape",
        ) from exc
    # The last of equal identity stays: by status, `up` sorts behind `down` (heat's engines of one host).
    rows.sort(key=lambda row: (row.identity(), getattr(row, "status", "")))
    return tuple({row.identity(): row for row in rows}.values())


def fetch(proxy: Any, question: Question) -> list[dict[str, Any]]:
    """All pages of a list. Ends at an empty page or one that brings nothing new (a backend that knows no markers)."""
    from openstack.exceptions import raise_from_response

    found: dict[str, dict[str, Any]] = {}
    marker: str | None = None
    while True:
        path = question.path
        if question.paged:
            path += f"{'&' if '?' in path else '?'}limit={PAGE}" + (f"&marker={marker}" if marker else "")
        response = proxy.get(path, microversion=question.microversion)
        raise_from_response(response)
        page: list[dict[str, Any]] = response.json()[question.answer]
        if not question.paged:
            return page
        new = {str(item["id"]): item for item in page if str(item["id"]) not in found}
        if not new:
            return list(found.values())
        found |= new
        marker = str(page[-1]["id"])
