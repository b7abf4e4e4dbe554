"""What a step asks of a compute behind an upgrade: its units restarted in order, and its network looked at."""

import json
import pathlib
import subprocess
import time

from salt.exceptions import CommandExecutionError

SETTLED_S = 90.0
"""Longest time that an agent takes from its start to its flows and its namespaces."""


def restart(units):
    """Restart (`reload:UNIT`: reload) these units one after another, each until it runs -> {unit: seconds}.

    One that the node does not have is passed over. Raises with the last words of one that does not come up.
    """
    subprocess.run(["systemctl", "daemon-reload"], check=False, timeout=120)
    took = {}
    for word in units:
        verb, _, unit = word.rpartition(":")
        if not _exists(unit):
            continue
        begun = time.monotonic()
        running = __salt__["saltus_node.units"](names=[unit])[unit]["active"] == "active"
        # What does not run cannot be reloaded; what is reloaded must be enabled like what is started.
        if verb == "reload" and running:
            done = subprocess.run(
                ["systemctl", "reload", unit], capture_output=True, text=True, check=False, timeout=300
            )
            if done.returncode:
                raise CommandExecutionError(f"{unit} is not reloaded: {done.stderr.strip()}")
            __salt__["saltus_node.wait_units"]([unit], timeout=60)
        else:
            __salt__["saltus_node.start_units"]([unit], verb="restart", wait=True)
        took[unit] = round(time.monotonic() - begun, 1)
    return took


def _exists(unit):
    done = subprocess.run(
        ["systemctl", "show", "--property=LoadState", "--value", unit], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() == "loaded"


def check_network(backend, distributed=(), timeout=SETTLED_S):
    """Wait until the network of the instances is whole -> what was seen. Raises with what is not, when time is up.

    `distributed` are the nodes whose floating addresses leave through themselves.
    """
    here = __pillar__["saltus"]["node"] in distributed
    deadline = time.monotonic() + float(timeout)
    while True:
        seen, wrong = _look(backend, here)
        if not wrong:
            return seen
        if time.monotonic() > deadline:
            raise CommandExecutionError("; ".join(wrong))
        time.sleep(1)


def _agent_section():
    """What the model says of this node's agent: a compute's, else a gateway's."""
    neutron = __pillar__.get("neutron") or {}
    return neutron.get("compute") or neutron.get("gateway") or {}


def _look(backend, distributed):
    if backend == "opencontrail":
        return {}, []
    if backend == "ovn-central":
        return _look_at_central()
    wrong = []
    bridges = _words(["ovs-vsctl", "--timeout=10", "list-br"])
    wanted = ["br-int"]
    if backend == "ovs":
        wanted.append(_agent_section().get("bridge", "br-ex"))
    wrong += [f"the bridge {name} is missing" for name in wanted if name not in bridges]
    flows = {name: _flows(name) for name in wanted if name in bridges}
    # A bridge that nobody programs has one flow (NORMAL) or none.
    if flows.get("br-int", 2) < 2:
        wrong.append(f"br-int has {flows['br-int']} flows: its agent has not put them back")
    lost = [port for port in _ports() if port["error"]]
    wrong += [f"the port {port['name']}: {port['error']}" for port in lost]
    seen = {"bridges": bridges, "flows": flows, "ports": len(_ports())}
    if distributed:
        routes = floating_routes()
        seen["floating_routes"] = routes
        wrong += [
            f"{space} has no default route: floating addresses are cut off" for space, r in routes.items() if not r
        ]
    return seen, wrong


def _look_at_central():
    """Whether northd carries what is written in the northbound database over to the southbound one."""
    done = subprocess.run(
        ["ovn-nbctl", "--no-leader-only", "--timeout=20", "--wait=sb", "sync"], capture_output=True, text=True, check=False
    )
    wrong = [] if not done.returncode else [f"northd does not carry changes over: {done.stderr.strip()}"]
    return {"version": (_lines(["ovn-nbctl", "--version"]) or [""])[0]}, wrong


def floating_routes():
    """{namespace of floating addresses: its default route, or ""}: agents have lost it in a restart."""
    names = [line.split()[0] for line in _lines(["ip", "netns", "list"]) if line.startswith("fip-")]
    return {name: _default_route(name) for name in names}


def check_routers(routers, timeout=SETTLED_S):
    """Wait until each of `routers` ({id: whether it must have a way to the outside}) runs here -> {id: default route}.

    Raises with those that do not, when time is up.
    """
    deadline = time.monotonic() + float(timeout)
    while True:
        spaces = {line.split()[0] for line in _lines(["ip", "netns", "list"]) if line.strip()}
        found = {router: _default_route(f"qrouter-{router}") for router in routers if f"qrouter-{router}" in spaces}
        wrong = [f"no namespace of the router {router}" for router in routers if router not in found]
        wrong += [
            f"the router {router} has no default route"
            for router, route in found.items()
            if routers[router] and not route
        ]
        if not wrong:
            return found
        if time.monotonic() > deadline:
            raise CommandExecutionError("; ".join(wrong))
        time.sleep(1)


def _default_route(space):
    routes = _lines(["ip", "netns", "exec", space, "ip", "route", "show", "default", "table", "all"])
    return routes[0] if routes else ""


def _ports():
    """[{name, error}] of the instances' ports; one whose interface is gone says so."""
    done = subprocess.run(
        ["ovs-vsctl", "--timeout=10", "--format=json", "--columns=name,error,external_ids", "list", "Interface"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return []
    rows = json.loads(done.stdout)["data"]
    return [
        {"name": name, "error": error if isinstance(error, str) else ""}
        for name, error, ids in rows
        if any(key == "iface-id" for key, _ in ids[1])
    ]


def _flows(bridge):
    return sum(
        "actions=" in line for line in _lines(["ovs-ofctl", "-O", "OpenFlow10,OpenFlow13", "dump-flows", bridge])
    )


def _lines(argv):
    if not any(pathlib.Path(folder, argv[0]).exists() for folder in ("/usr/bin", "/usr/sbin", "/sbin", "/bin")):
        return []
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.splitlines() if not done.returncode else []


def _words(argv):
    return [word for line in _lines(argv) for word in line.split()]
