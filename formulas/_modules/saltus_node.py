"""What the steps of a plan call on a node: its units, its APIs, its virtual address, a command.

All of it returns plain data within seconds. Who it is, and which roles it has, it reads in the pillar `saltus`.
"""

import concurrent.futures
import http.client
import ipaddress
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import threading
import time
import urllib.parse

from salt.exceptions import CommandExecutionError

TAIL_LINES = 40
TAIL_CHARACTERS = 8000
LOOPBACK = "lo"


def _node():
    node = __pillar__.get("saltus")
    if not node:
        raise CommandExecutionError("this minion has no pillar 'saltus'")
    return node


def _roles(services=None):
    """[(role, slice)] of the node in the order in which they start; those of `services`, or all when none is named."""
    roles = _node()["roles"]
    if isinstance(services, str):
        services = [name for name in services.split(",") if name]
    if not services:
        return list(roles.items())
    unknown = sorted(set(services) - {role["service"] for role in roles.values()})
    if unknown:
        raise CommandExecutionError("no role of this node is of the service " + ", ".join(unknown))
    return [(name, role) for name, role in roles.items() if role["service"] in services]


def _units(services=None):
    return list(dict.fromkeys(unit for _, role in _roles(services) for unit in role["units"]))


def _systemctl(*arguments, timeout=120):
    done = subprocess.run(
        ["systemctl", "--no-ask-password", *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )
    return done.returncode, done.stdout, done.stderr.strip()


WANTS = pathlib.Path("/etc/systemd/system")


def _enable(names):
    """What `systemctl enable` does for a native unit: a link to it in every target that its [Install] names.

    The command itself runs update-rc.d for each of Debian's units that has an init script beside it: 3 s a unit on a
    busy machine, in the window of an upgrade.
    """
    for name in names:
        for line in _fragment(name).read_text().splitlines():
            key, _, value = line.partition("=")
            if key.strip() not in ("WantedBy", "Alias"):
                continue
            for word in value.split():
                link = WANTS / (f"{word}.wants/{name}" if key.strip() == "WantedBy" else word)
                link.parent.mkdir(exist_ok=True)
                if not link.is_symlink():
                    link.symlink_to(_fragment(name))


def _disable(names):
    """What `systemctl disable` does: no target wants these units any more."""
    for name in names:
        for folder in WANTS.glob("*.wants"):
            (folder / name).unlink(missing_ok=True)


def _fragment(name):
    for folder in ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"):
        path = pathlib.Path(folder) / name
        if path.is_file() and path.stat().st_size:
            return path
    raise CommandExecutionError(f"there is no unit {name}: its package is not installed")


def units(services=None, names=None):
    """{unit: {"active": ActiveState, "sub": SubState, "enabled": bool, "on_call": bool}} of the units that the roles want.

    On call is a service that ended because nobody asked it anything, and that its socket starts when somebody does:
    libvirtd after two minutes on a compute whose driver is not libvirt's. It is as well as one that runs.
    """
    names = names or _units(services)
    if not names:
        return {}
    _, out, _ = _systemctl("show", "--property=Id,ActiveState,SubState,TriggeredBy,Job", *names)
    found = {}
    for name, block in zip(names, out.strip().split("\n\n"), strict=True):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        found[name] = {
            "active": fields.get("ActiveState", "unknown"),
            "sub": fields.get("SubState", "unknown"),
            # By the link itself: systemd remembers UnitFileState from when it loaded the unit.
            "enabled": any(folder.joinpath(name).is_symlink() for folder in WANTS.glob("*.wants")),
            "on_call": fields.get("ActiveState") == "inactive"
            and not fields.get("Job")
            and _listens(fields.get("TriggeredBy", "")),
        }
    return found


def _listens(triggers):
    sockets = [trigger for trigger in triggers.split() if trigger.endswith(".socket")]
    return bool(sockets) and _systemctl("is-active", "--quiet", *sockets)[0] == 0


def _states(names):
    return {name: state["active"] for name, state in units(names=names).items()}


def stop(services=None):
    """Stop and disable the units of `services`, all of the node when none is named -> {unit: state}.

    Disabled, so that a reboot does not bring back what the plan has stopped. Raises when one still runs.
    """
    names = _units(services)
    if not names:
        return {}
    # All in one call: they end side by side, each within its unit's TimeoutStopSec.
    _, _, error = _systemctl("stop", *reversed(names), timeout=300)
    _disable(names)
    states = _states(names)
    running = [name for name, state in states.items() if state not in ("inactive", "failed")]
    if running:
        raise CommandExecutionError(f"still running after stop: {', '.join(running)} {error}".strip())
    return states


def start(services=None):
    """Start and enable the units of `services`, all of the node when none is named -> {unit: state}.

    Does not wait until they answer: `wait_apis` does.
    """
    return start_units(_units(services))


def start_units(names, verb="start", wait=False):
    """Start (or `verb`: restart) and enable these units side by side -> {unit: state}.

    With `wait` until each has started, as systemd understands it; one that fails then raises, with its last words.
    """
    if not names:
        return {}
    __salt__["saltus_waiting.release"](names)
    _systemctl("reset-failed", *names)
    code, _, error = _systemctl(verb, *([] if wait else ["--no-block"]), *names, timeout=300)
    # A unit that failed to start makes systemctl fail, too; `wait_units` below says which and why.
    if code and not wait:
        raise CommandExecutionError(f"units do not {verb}: {error}")
    _enable(names)
    if wait:
        return wait_units(names, timeout=10)
    return _states(names)


def wait_units(names=None, timeout=300):
    """Wait until these units, all of the node by default, have started -> {unit: state}.

    Raises when one has failed or is not up in time, with its last words.
    """
    names = names or _units()
    deadline = time.monotonic() + float(timeout)
    while True:
        states = {name: "active" if s["on_call"] else s["active"] for name, s in units(names=names).items()}
        # A unit that systemd tries again is `activating` with the sub-state auto-restart: it may yet come up.
        if all(state in ("active", "failed") for state in states.values()) or time.monotonic() > deadline:
            break
        time.sleep(0.3)
    words = []
    for name, state in states.items():
        if state != "active":
            journal = ["journalctl", "--no-pager", "--output=cat", "--lines=5", "--unit", name]
            done = subprocess.run(journal, capture_output=True, text=True, check=False)
            words.append(f"{name} is {state}:\n{done.stdout.strip()}")
    if words:
        raise CommandExecutionError(redacted("\n".join(words)))
    return states


def _apis(services=None):
    """{API: slice's entry} of the roles, as this machine serves them on its own address."""
    return {api["name"]: api for _, role in _roles(services) for api in role["apis"]}


def _ask(address, api, timeout):
    connection = http.client.HTTPConnection(address, api["port"], timeout=timeout)
    try:
        connection.request("GET", api["path"], headers={"Accept": "application/json"})
        return connection.getresponse().status
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    except http.client.HTTPException as error:
        return type(error).__name__
    finally:
        connection.close()


def ask_apis(services=None, timeout=10):
    """{API: answer code, or the error} as they answer now on the machine's own address."""
    address = _node()["address"]
    apis = _apis(services)
    if not apis:
        return {}
    with concurrent.futures.ThreadPoolExecutor(len(apis)) as pool:
        return dict(zip(apis, pool.map(lambda api: _ask(address, api, timeout), apis.values()), strict=True))


def wait_apis(services=None, timeout=300):
    """Wait until every API of `services` is alive on the machine's own address -> {API: seconds until then}.

    On a proxy these are the APIs that it passes on. Raises with the last answers when `timeout` seconds were not enough.
    """
    address = _node()["address"]
    apis = _apis(services)
    begun = time.monotonic()
    deadline = begun + float(timeout)
    alive, last = {}, {}
    lock = threading.Lock()

    def watch(name, api):
        while time.monotonic() < deadline:
            answer = _ask(address, api, 30)
            with lock:
                if answer in api["alive"]:
                    alive[name] = round(time.monotonic() - begun, 2)
                    return
                last[name] = answer
            time.sleep(0.2)

    watchers = [threading.Thread(target=watch, args=item, daemon=True) for item in apis.items()]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join(max(0.0, deadline - time.monotonic()) + 1)
    with lock:
        missing = {name: last.get(name, "no answer") for name in apis if name not in alive}
        if missing:
            answers = ", ".join(f"{name}: {answer}" for name, answer in missing.items())
            raise CommandExecutionError(f"not alive after {float(timeout):.0f} s: {answers}")
        return dict(sorted(alive.items(), key=lambda item: item[1]))


def versions():
    """{component: version of its package}, of what is installed."""
    wanted = {package: role["service"] for _, role in _roles() for package in role["version_packages"]}
    if not wanted:
        return {}
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status} ${Version}\n", *wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    found = {}
    for line in done.stdout.splitlines():
        package, status, version = line.split(" ", 2)
        if status == "installed":
            found[wanted[package]] = version
    return found


def packages():
    """{package: version} of everything that is installed."""
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status} ${Version}\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    fields = (line.split(" ", 2) for line in done.stdout.splitlines())
    return {package: version for package, status, version in fields if status == "installed"}


def configuration():
    """{path: text} of the files that the roles write, as they stand: comments left out, and every secret replaced."""
    paths = dict.fromkeys(file["path"] for _, role in _roles() for file in role["files"])
    found = {}
    for path in map(pathlib.Path, paths):
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            kept = [line.rstrip() for line in lines if line.strip() and line.strip()[0] not in "#;"]
            found[str(path)] = without_credentials("\n".join(kept))
    return found


# By the place where it stands, whether the pillar knows it or not: `user:HERE@host`, and `..._password = HERE`.
_IN_URL = re.compile(r"(://[^\s:/@]*:)[^\s@]+(?=@)")
_NAMED = re.compile(r"(?im)^(\s*['\"]?[\w.-]*(?:password|passwd|secret|token|encryption_key|secret_key|cookie)['\"]?\s*[=:]\s*)\S.*$")


def without_credentials(text):
    """`text` of a configuration file with every credential replaced, those that the pillar does not name as well."""
    return _NAMED.sub(r"\1***", _IN_URL.sub(r"\1***", redacted(text)))


def _secrets():
    """Every secret of the pillar, longest first, so that no part of one is left standing."""

    def leaves(value):
        if isinstance(value, dict):
            for inner in value.values():
                yield from leaves(inner)
        elif isinstance(value, str) and len(value) >= 4:
            yield value
            yield urllib.parse.quote(value, safe="")  # as it stands in the URLs of databases and queues

    return sorted(set(leaves(_node().get("secrets", {}))), key=len, reverse=True)


def redacted(text):
    """`text` with every secret of this node replaced."""
    for secret in _secrets():
        text = text.replace(secret, "***")
    return text


def _tail(text):
    lines = text.splitlines()[-TAIL_LINES:]
    return "\n".join(lines)[-TAIL_CHARACTERS:]


def run_command(argv, user="root", timeout=3600, environment=None):
    """Run one command, without a shell, as `user` -> {"exit", "output": its tail without secrets, "seconds"}.

    The whole output, without secrets as well, is kept in /var/log/saltus/<command>.log. A command that exceeds
    `timeout` seconds is killed with everything it started and has the exit 124.
    """
    if isinstance(argv, str):
        argv = json.loads(argv) if argv.startswith("[") else argv.split()
    argv = [str(word) for word in argv]
    begun = time.monotonic()
    done = __salt__["saltus_commands.run"](argv, user, timeout, environment)
    output = redacted(done["output"])
    log = pathlib.Path("/var/log/saltus") / (re.sub(r"[^A-Za-z0-9]+", "-", " ".join(argv[:4])).strip("-") + ".log")
    log.parent.mkdir(mode=0o750, exist_ok=True)
    log.write_text(output, encoding="utf-8")
    return {"exit": done["exit"], "output": _tail(output), "seconds": round(time.monotonic() - begun, 2)}


def disk():
    """{path: {"size_bytes", "free_bytes"}} of the file systems that matter on this node."""
    paths = ["/", "/var/lib/mysql", "/var/backups/saltus", "/var/lib/glance/images", "/var/lib/nova/instances"]
    found, seen = {}, set()
    for path in paths:
        if not os.path.isdir(path) or os.stat(path).st_dev in seen:
            continue
        seen.add(os.stat(path).st_dev)
        stat = os.statvfs(path)
        found[path] = {"size_bytes": stat.f_blocks * stat.f_frsize, "free_bytes": stat.f_bavail * stat.f_frsize}
    return found


def prepare_start(limit_mb=2048):
    """Have the units of this node wait with their imports done -> {"read_mb", "waiting": {unit: whether it does}}.

    Before that, what they import is read into memory once: at most `limit_mb`, and no more than half of what is free.
    """
    fields = dict(line.split(":", 1) for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    free = int(fields["MemAvailable"].split()[0]) * 1024
    room = min(int(limit_mb) * 1024**2, free // 2)
    read = 0
    for path in pathlib.Path("/usr/lib/python3/dist-packages").rglob("*"):
        if path.suffix in (".pyc", ".so") and "tests" not in path.parts and path.is_file():
            read += len(path.read_bytes())
            if read > room:
                break
    return {"read_mb": round(read / 1024**2), "waiting": __salt__["saltus_waiting.prepare"](_units())}


def _ip(*arguments):
    done = subprocess.run(["ip", "-json", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandExecutionError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return json.loads(done.stdout) if done.stdout.strip() else []


def _addresses():
    """{address: interface} of the machine, as its neighbours see it: what only the loopback interface has, no one reaches."""
    return {
        info["local"]: interface["ifname"]
        for interface in _ip("-4", "address", "show")
        if interface["ifname"] != LOOPBACK
        for info in interface.get("addr_info", [])
        if "local" in info
    }


def _inside():
    """The addresses that only this machine itself sees."""
    return {
        info["local"]
        for interface in _ip("-4", "address", "show", "dev", LOOPBACK)
        for info in interface.get("addr_info", [])
        if "local" in info
    }


def _interface():
    address = _node()["address"]
    addresses = _addresses()
    if address not in addresses:
        raise CommandExecutionError(f"this machine does not have its own address {address}")
    return addresses[address]


def _drop_in(interface):
    """The drop-in beside the .network file by which systemd-networkd configures the interface."""
    index = socket.if_nametoindex(interface)
    link = pathlib.Path(f"/run/systemd/netif/links/{index}")
    network = f"10-{interface}.network"
    if link.exists():
        for line in link.read_text().splitlines():
            if line.startswith("NETWORK_FILE="):
                network = os.path.basename(line.split("=", 1)[1])
    return pathlib.Path("/etc/systemd/network") / f"{network}.d" / "saltus-vip.conf"


def _announce(interface, address, times=3):
    """Tell the network by gratuitous ARP that the address lives here now; neighbours forget the machine that had it."""
    mac = bytes.fromhex(pathlib.Path(f"/sys/class/net/{interface}/address").read_text().strip().replace(":", ""))
    ip = ipaddress.IPv4Address(address).packed
    everybody = b"\xff" * 6
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind((interface, 0x0806))
        for operation in (1, 2) * times:
            packet = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac + ip + everybody + ip
            link.send(everybody + mac + b"\x08\x06" + packet)
            time.sleep(0.02)


def has_vip():
    """Whether this machine has the virtual address of the APIs."""
    return _node()["vip"] in _addresses()


def vip_answers():
    """Whether some machine, this or another, answers to ping at the virtual address."""
    done = subprocess.run(["ping", "-c", "1", "-W", "1", _node()["vip"]], capture_output=True, check=False)
    return done.returncode == 0


def keep_vip_inside():
    """Have the virtual address where no neighbour sees it -> {"vip", "taken": whether it was not here before}.

    Whoever sends a packet for that address to this machine is served; whoever asks the network where it is gets no
    answer from here. So machines that `reach_vip_by` this one use a proxy that users do not yet see.
    """
    vip = _node()["vip"]
    for setting, value in (("arp_ignore", 1), ("arp_announce", 2)):
        pathlib.Path(f"/proc/sys/net/ipv4/conf/all/{setting}").write_text(f"{value}\n")
    taken = not has_vip() and vip not in _inside()
    if taken:
        _ip("address", "add", f"{vip}/32", "dev", LOOPBACK)
    return {"vip": vip, "taken": taken}


def reach_vip_by(address):
    """Send this machine's own packets for the virtual address to the machine at `address` -> {"vip", "by"}."""
    vip = _node()["vip"]
    _ip("route", "replace", f"{vip}/32", "via", address)
    return {"vip": vip, "by": address}


def reach_vip_directly():
    """Find the virtual address as everybody does -> {"vip", "changed": whether it was reached by another way}."""
    vip = _node()["vip"]
    own = bool(_ip("route", "show", f"{vip}/32"))
    if own:
        _ip("route", "del", f"{vip}/32")
    return {"vip": vip, "changed": own}


def take_vip():
    """Take the virtual address, announce it, keep it over a reboot -> {"vip", "taken": whether it was not here before}.

    The machine that had it must have left it: two that have it both answer.
    """
    node = _node()
    interface = _interface()
    taken = not has_vip()
    if taken:
        _ip("address", "add", f"{node['vip']}/32", "dev", interface)
    if node["vip"] in _inside():
        _ip("address", "del", f"{node['vip']}/32", "dev", LOOPBACK)
    _announce(interface, node["vip"])
    drop_in = _drop_in(interface)
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text(f"# Written by Saltus: this proxy has the virtual address.\n[Network]\nAddress={node['vip']}/32\n")
    return {"vip": node["vip"], "taken": taken}


def leave_vip():
    """Give the virtual address up, now and after a reboot -> {"vip", "left": whether it was here}."""
    node = _node()
    if node["vip"] == node["address"]:
        raise CommandExecutionError("the virtual address is this machine's only one")
    left = has_vip()
    interface = _interface()
    _drop_in(interface).unlink(missing_ok=True)
    if left:
        _ip("address", "del", f"{node['vip']}/32", "dev", interface)
    if node["vip"] in _inside():
        _ip("address", "del", f"{node['vip']}/32", "dev", LOOPBACK)
    return {"vip": node["vip"], "left": left}
