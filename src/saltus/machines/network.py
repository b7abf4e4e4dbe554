"""The bridges that machines hang on, and what the kernel's network needs for guests inside machines."""

import array
import fcntl
import ipaddress
import json
import socket
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from saltus.machines.execute import execute
from saltus.machines.provider import MachineError

OWNER = "saltus "
"""What an owner's word on a bridge begins with; the directory of its machines follows."""
NAME_LIMIT = 15
"""Longest name that the kernel gives an interface (IFNAMSIZ less the closing zero)."""

SIOCETHTOOL = 0x8946
ETHTOOL_STXCSUM, ETHTOOL_SSG, ETHTOOL_STSO = 0x17, 0x19, 0x1F


@dataclass(frozen=True)
class Bridge:
    name: str
    address: str
    """Of the host on it, with prefix: the machines' gateway, and where the Salt master listens."""


@dataclass(frozen=True)
class _Link:
    addresses: frozenset[str]
    alias: str


def create_bridge(bridge: Bridge, *, owner: str) -> None:
    """Make the bridge unless it is there. `owner` is written on it, and only its owner ever removes it.

    A bridge of an administrator's own is used as it is. One that another state directory of Saltus made is taken over
    when nothing is attached to it, and refused otherwise: two labs of one model have the same addresses.
    """
    if len(bridge.name) > NAME_LIMIT:
        raise MachineError(
            what=f"a bridge cannot be called {bridge.name}",
            because=f"names of interfaces have at most {NAME_LIMIT} characters",
            do="give it a shorter name in the settings",
        )
    if (link := _link(bridge.name)) is not None:
        if bridge.address not in link.addresses:
            if link.alias == owner:
                # The run that made it died before it gave it its address.
                remove_bridge(bridge, owner=owner)
            else:
                raise MachineError(
                    what=f"the bridge {bridge.name} cannot be used",
                    because=f"it exists, was not made by Saltus, and has not the address {bridge.address}",
                    do="name another bridge in the settings, or remove that one if nothing uses it",
                )
        else:
            _share_or_take_over(bridge, link, owner)
            return
    _refuse_overlap(bridge)
    purpose = f"make the bridge {bridge.name}"
    execute(["ip", "link", "add", bridge.name, "type", "bridge"], purpose=purpose)
    execute(["ip", "link", "set", bridge.name, "alias", owner], purpose=purpose)
    execute(["ip", "address", "add", bridge.address, "dev", bridge.name], purpose=purpose)
    execute(["ip", "link", "set", bridge.name, "up"], purpose=purpose)


def _share_or_take_over(bridge: Bridge, link: _Link, owner: str) -> None:
    if not link.alias.startswith(OWNER) or link.alias == owner:
        return
    if any(Path("/sys/class/net", bridge.name, "brif").iterdir()):
        other = Path(link.alias.removeprefix(OWNER)).parent
        raise MachineError(
            what=f"the bridge {bridge.name} is in use by other machines",
            because=f"those of {other} are attached to it, and they have the same addresses",
            do=f"stop them first: SALTUS_STATE={other} saltus lab down",
        )
    execute(["ip", "link", "set", bridge.name, "alias", owner], purpose=f"take the bridge {bridge.name} over")


def remove_link(name: str) -> None:
    """Take an interface away; nothing to do when there is none. Its other end goes with it."""
    if exists(name):
        subprocess.run(["ip", "link", "delete", name], capture_output=True, check=False)  # it may be gone by now


def remove_bridge(bridge: Bridge, *, owner: str) -> bool:
    """Whether there was a bridge of this owner to remove."""
    link = _link(bridge.name)
    if link is None or link.alias != owner:
        return False
    execute(["ip", "link", "delete", bridge.name], purpose=f"remove the bridge {bridge.name}")
    return True


def attach(interface: str, bridge: Bridge) -> None:
    execute(
        ["ip", "link", "set", interface, "master", bridge.name, "up"],
        purpose=f"put {interface} on the bridge {bridge.name}",
    )


def exists(interface: str) -> bool:
    return Path("/sys/class/net", interface).exists()


def compute_checksums_in_software(interface: str) -> None:
    """No checksum offload on what `interface` sends.

    Packets to a guest pass a userspace switch, which does not fill in the checksum that the kernel left for a network
    card to compute: ping works and TCP does not.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in (ETHTOOL_STSO, ETHTOOL_SSG, ETHTOOL_STXCSUM):
            value = array.array("B", struct.pack("II", command, 0))
            request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
            try:
                fcntl.ioctl(control, SIOCETHTOOL, request)
            except OSError as exc:
                if command == ETHTOOL_STXCSUM:
                    raise MachineError(
                        what=f"could not turn off checksum offload on {interface}",
                        because=str(exc),
                        do="see that the interface exists: ip link",
                    ) from exc


def _link(name: str) -> _Link | None:
    if not exists(name):
        return None
    found = json.loads(execute(["ip", "-json", "address", "show", "dev", name], purpose=f"read the interface {name}"))
    entry = next(item for item in found if item)
    addresses = frozenset(f"{one['local']}/{one['prefixlen']}" for one in entry["addr_info"])
    return _Link(addresses, alias=Path("/sys/class/net", name, "ifalias").read_text().strip())


def _refuse_overlap(bridge: Bridge) -> None:
    wanted = ipaddress.ip_interface(bridge.address).network
    for entry in json.loads(execute(["ip", "-json", "address"], purpose="read the interfaces of this host")):
        for one in entry.get("addr_info", []):
            network = ipaddress.ip_interface(f"{one['local']}/{one['prefixlen']}").network
            if network.version == wanted.version and network.overlaps(wanted):
                raise MachineError(
                    what=f"the bridge {bridge.name} cannot have the network {wanted}",
                    because=f"{entry['ifname']} of this host is already in {network}",
                    do="change the network of the cloud's model, or remove that interface if nothing uses it",
                )
