"""The rows of the lists: of each, what is compared, in one shape for every release."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator

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
