"""What a first deployment does in MariaDB, RabbitMQ and keystone. Every function says what it changed; done again, nothing.

Keystone is asked by its HTTP API with the standard library alone: the `openstack` client costs seconds a call.
"""

import base64
import concurrent.futures
import contextvars
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import urllib.parse

from salt.exceptions import CommandExecutionError

BEGUN = pathlib.Path("/var/lib/saltus/first-schema")
INTERFACES = ("public", "internal", "admin")


def _node():
    return __pillar__["saltus"]


def _secret(path):
    value = _node()["secrets"]
    for part in path.split("."):
        value = value[part]
    return value


def _databases():
    return [database for role in _node()["roles"].values() for database in role["databases"]]


# MariaDB


def _sql(statements):
    """Run statements as root over the local socket -> rows, tab-separated. By stdin: passwords never stand in argv."""
    done = subprocess.run(
        ["mariadb", "--batch", "--skip-column-names"], input=statements, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CommandExecutionError("MariaDB: " + __salt__["saltus_node.redacted"](done.stderr.strip()))
    return [line.split("\t") for line in done.stdout.splitlines()]


def _quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def databases_present(test=False):
    """Create the databases of every role, their users and grants, and correct passwords -> what changed, in words."""
    # Once each: where services and their MariaDB share a node, both name the same databases.
    databases = list({database["name"]: database for database in _databases()}.values())
    users = {database["user"]: _secret(f"database.{database['user']}") for database in databases}
    queries = ["SELECT 'database', schema_name FROM information_schema.schemata;"]
    queries += [
        f"SELECT 'user', user FROM mysql.global_priv WHERE host = '%' AND user = {_quoted(user)}"
        f" AND JSON_VALUE(priv, '$.authentication_string') = PASSWORD({_quoted(password)});"
        for user, password in users.items()
    ]
    queries.append("SELECT 'grant', db, user FROM mysql.db WHERE host = '%';")
    present = {tuple(row) for row in _sql("\n".join(queries))}
    statements, changes = [], []
    for user, password in users.items():
        if ("user", user) not in present:
            statements.append(f"CREATE OR REPLACE USER {_quoted(user)}@'%' IDENTIFIED BY {_quoted(password)};")
            changes.append(f"user {user}")
    for database in databases:
        name, user = database["name"], database["user"]
        if ("database", name) not in present:
            statements.append(f"CREATE DATABASE `{name}`;")
            changes.append(f"database {name}")
        # Replacing a user takes its grants away.
        if ("grant", name, user) not in present or ("user", user) not in present:
            statements.append(f"GRANT ALL ON `{name}`.* TO {_quoted(user)}@'%';")
            changes.append(f"grant on {name} to {user}")
    if statements and not test:
        _sql("\n".join(statements))
    return changes


# RabbitMQ


def _frame(method, arguments):
    payload = struct.pack("!HH", 10, method) + arguments
    return struct.pack("!BHI", 1, 0, len(payload)) + payload + b"\xce"


def _short(text):
    return bytes([len(text)]) + text.encode()


def _logs_in(user, password, host, timeout=15):
    """Whether RabbitMQ at `host` lets the user into the virtual host `/`.

    Asked in its own protocol (AMQP 0-9-1, connection class): a call of rabbitmqctl starts an Erlang machine, seconds of
    CPU, and from 4.0 on `authenticate_user` waits for a terminal for ever when it is to read the password from stdin.
    """
    response = f"\0{user}\0{password}".encode()
    start_ok = struct.pack("!I", 0) + _short("PLAIN") + struct.pack("!I", len(response)) + response + _short("en_US")
    with socket.create_connection((host, 5672), timeout=timeout) as connection, connection.makefile("rb") as answers:

        def method():
            """Number and arguments of the next method; a refusal may be a connection that just ends."""
            try:
                head = answers.read(7)
                payload = answers.read(struct.unpack("!BHI", head)[2] + 1) if len(head) == 7 else b""
            except ConnectionError:
                payload = b""
            return (struct.unpack("!H", payload[2:4])[0], payload[4:-1]) if payload else (0, b"")

        connection.sendall(b"AMQP\0\0\x09\x01")
        if method()[0] != 10:  # start
            return False
        connection.sendall(_frame(11, start_ok))
        number, limits = method()
        if number != 30:  # tune: the password was right
            return False
        connection.sendall(_frame(31, limits) + _frame(40, _short("/") + _short("") + b"\0"))
        opened = method()[0] == 41
        connection.sendall(_frame(50, struct.pack("!H", 200) + _short("") + struct.pack("!HH", 0, 0)))
        return opened


def messaging_user_present(name="openstack", test=False):
    """Create the user by which every service speaks, with all permissions -> what changed, in words."""
    password = _secret("rabbitmq")
    if _logs_in(name, password, _node()["address"]):
        return []
    if test:
        return [f"user {name}"]
    salt = os.urandom(4)
    permissions = {"user": name, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    user = {
        "name": name,
        "password_hash": base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "",
    }
    # In a file and not in arguments, which every user of the machine could read.
    definitions = pathlib.Path("/var/lib/rabbitmq/saltus-definitions.json")
    definitions.touch(mode=0o600)
    try:
        definitions.write_text(json.dumps({"vhosts": [{"name": "/"}], "users": [user], "permissions": [permissions]}))
        shutil.chown(definitions, "rabbitmq", "rabbitmq")
        done = subprocess.run(
            ["rabbitmqctl", "--quiet", "import_definitions", str(definitions)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
    finally:
        definitions.unlink()
    if done.returncode or not _logs_in(name, password, _node()["address"]):
        raise CommandExecutionError("rabbitmqctl: " + __salt__["saltus_node.redacted"](done.stdout + done.stderr))
    return [f"user {name}"]


# Schemas

_COUNT = """
import json, sys, pymysql
wanted = json.load(sys.stdin)
counts = {}
for name, login in wanted["databases"].items():
    connection = pymysql.connect(host=wanted["host"], user=login[0], password=login[1], connect_timeout=10)
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s", (name,))
        counts[name] = cursor.fetchone()[0]
    connection.close()
json.dump(counts, sys.stdout)
"""


def _table_counts(databases):
    """{database: number of tables}. By the system's Python, which has the driver that the services use."""
    wanted = {
        "host": _node()["database"]["host"],
        "databases": {d["name"]: [d["user"], _secret(f"database.{d['user']}")] for d in databases},
    }
    done = subprocess.run(
        ["/usr/bin/python3", "-c", _COUNT], input=json.dumps(wanted), capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise CommandExecutionError("databases cannot be read: " + __salt__["saltus_node.redacted"](last))
    return json.loads(done.stdout)


def schemas_created(test=False):
    """Create the schema of every role whose databases are all empty -> {role: {command: seconds}} of what was run.

    Never touches a database that has tables: changing a schema is a step of an upgrade's plan. The one exception is
    a first deployment that was interrupted: a marker says so, and its commands are run again.
    """
    node = _node()
    roles = {name: role for name, role in node["roles"].items() if role["first_schema"]}
    counts = _table_counts([d for role in roles.values() for d in role["databases"]])
    to_do = [
        name
        for name, role in roles.items()
        if (BEGUN / name).exists() or not any(counts[d["name"]] for d in role["databases"])
    ]
    if test or not to_do:
        return {name: {} for name in to_do}
    BEGUN.mkdir(parents=True, exist_ok=True)

    def create(name):
        (BEGUN / name).touch()
        took = {}
        for command in roles[name]["first_schema"]:
            argv = [
                word.replace("{vip}", node["vip"]).replace("{region}", node["region"]) for word in command["argv"]
            ]
            done = __salt__["saltus_node.run_command"](
                argv,
                user=command["user"],
                timeout=1800,
                environment={variable: _secret(path) for variable, path in command["secrets"].items()},
            )
            words = " ".join(argv[:3])
            if done["exit"]:
                raise CommandExecutionError(f"{words} exited {done['exit']}:\n{done['output']}")
            took[words] = done["seconds"]
        # A command that exits 0 has not therefore worked.
        empty = [database for database, count in _table_counts(roles[name]["databases"]).items() if not count]
        if empty:
            raise CommandExecutionError(f"every command of {name} exited 0, but {', '.join(empty)} has no tables")
        (BEGUN / name).unlink()
        return took

    with concurrent.futures.ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        # Salt's dunders are context variables: a thread sees them only in a copy of the context.
        running = {name: pool.submit(contextvars.copy_context().run, create, name) for name in to_do}
        return {name: future.result() for name, future in running.items()}


# Open vSwitch


def external_bridge_present(bridge, port="", datapath="system", test=False):
    """Create the bridge to the outside and put the machine's interface into it -> what changed, in words."""

    def vsctl(*arguments):
        done = subprocess.run(
            ["ovs-vsctl", "--timeout=20", *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CommandExecutionError(f"ovs-vsctl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.split()

    changes = []
    if bridge not in vsctl("list-br"):
        changes.append(f"bridge {bridge}")
        if not test:
            vsctl("add-br", bridge, "--", "set", "bridge", bridge, f"datapath_type={datapath}")
    if port and (changes or port not in vsctl("list-ports", bridge)):
        changes.append(f"port {port} of {bridge}")
        if not test:
            vsctl("add-port", bridge, port)
            subprocess.run(["ip", "link", "set", port, "up"], check=True)
    return changes


# Keystone


class _Keystone:
    """Keystone's API at one address, as its administrator."""

    def __init__(self, address, port=5000):
        self.address, self.port, self.token = address, port, None

    def ask(self, method, path, body=None, accepted=(200, 201, 204)):
        connection = http.client.HTTPConnection(self.address, self.port, timeout=60)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.token:
            headers["X-Auth-Token"] = self.token
        try:
            connection.request(method, f"/v3/{path}", body=body and json.dumps(body), headers=headers)
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise CommandExecutionError(f"keystone at {self.address}:{self.port}: {error}") from error
        finally:
            connection.close()
        if response.status not in accepted:
            text = __salt__["saltus_node.redacted"](text)
            raise CommandExecutionError(f"keystone: {method} {path}: {response.status} {text[:400]}")
        return response, json.loads(text) if text else {}

    def log_in(self, user, password, project, accepted=(201,)):
        domain = {"id": "default"}
        body = {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"name": user, "domain": domain, "password": password}},
                },
                "scope": {"project": {"name": project, "domain": domain}},
            }
        }
        response, _ = self.ask("POST", "auth/tokens", body, accepted)
        return response.getheader("X-Subject-Token") if response.status == 201 else None

    def all(self, kind, **filters):
        query = urllib.parse.urlencode(filters)
        return self.ask("GET", f"{kind}?{query}" if query else kind)[1][kind]


def identity_present(test=False):
    """Create the project `service`, the services' users, roles, catalogue entries and heat's domain -> what changed."""
    node = _node()
    __salt__["saltus_node.wait_apis"](["keystone"], timeout=120)
    keystone = _Keystone(node["address"])
    keystone.token = keystone.log_in("admin", _secret("admin"), "admin")
    changes = []

    def ensure(kind, label, found, body):
        """The object found, or the new one; None when it would be created."""
        if found:
            return found[0]
        changes.append(label)
        singular = kind.rsplit("/", 1)[-1][:-1]
        return None if test else keystone.ask("POST", kind, {singular: body})[1][singular]

    def named(items, name):
        return [item for item in items if item["name"] == name]

    projects = keystone.all("projects", domain_id="default")
    service = ensure("projects", "project service", named(projects, "service"), {"name": "service", "domain_id": "default"})
    known = keystone.all("roles")
    names = ["admin", "service"]
    if "heat.server" in node["roles"]:
        names += ["heat_stack_owner", "heat_stack_user"]
    roles = {name: ensure("roles", f"role {name}", named(known, name), {"name": name}) for name in names}

    granted = {
        (a["user"]["id"], next(iter(a["scope"].values())).get("id"), a["role"]["id"])
        for a in keystone.all("role_assignments")
        if "user" in a
    }

    def grant(user, role, scope, kind, label):
        if user and role and scope and (user["id"], scope["id"], role["id"]) in granted:
            return
        changes.append(label)
        if not test:
            keystone.ask("PUT", f"{kind}/{scope['id']}/users/{user['id']}/roles/{role['id']}")

    def user_with(name, password, domain):
        found = named(keystone.all("users", domain_id=domain, name=name), name)
        body = {"name": name, "password": password, "domain_id": domain}
        return ensure("users", f"user {name}", found, body), not found

    users = dict.fromkeys(role["user"] for role in node["roles"].values() if role["user"])
    for name in users:
        password = _secret(f"service.{name}")
        user, new = user_with(name, password, "default")
        for role in ("admin", "service"):
            grant(user, roles[role], service, "projects", f"{role} for {name}")
        if not new and keystone.log_in(name, password, "service", accepted=(201, 401)) is None:
            changes.append(f"password of {name}")
            if not test:
                keystone.ask("PATCH", f"users/{user['id']}", {"user": {"password": password}})

    services = keystone.all("services")
    endpoints = {(e["service_id"], e["interface"], e["region_id"]): e for e in keystone.all("endpoints")}
    for entry in (entry for role in node["roles"].values() for entry in role["endpoints"]):
        found = [s for s in services if s["type"] == entry["type"]]
        kept = ensure("services", f"service {entry['name']}", found, {"name": entry["name"], "type": entry["type"]})
        url = entry["url"].replace("{vip}", node["vip"])
        for interface in INTERFACES:
            present = kept and endpoints.get((kept["id"], interface, node["region"]))
            body = {"service_id": kept and kept["id"], "interface": interface, "region_id": node["region"], "url": url}
            label = f"{interface} endpoint of {entry['name']}"
            if not present:
                ensure("endpoints", label, [], body)
            elif present["url"] != url:
                changes.append(label)
                if not test:
                    keystone.ask("PATCH", f"endpoints/{present['id']}", {"endpoint": {"url": url}})

    if "heat.server" in node["roles"]:
        domain = ensure("domains", "domain heat", named(keystone.all("domains"), "heat"), {"name": "heat"})
        if domain:
            user, _ = user_with("heat_domain_admin", _secret("heat_domain_admin"), domain["id"])
            grant(user, roles["admin"], domain, "domains", "admin of the domain heat")
    return changes
