"""
The clone of a cloud's databases on the node of rehearsals: carried there, loaded, and turned away from home.

Production is read once, by ``saltus_mariadb.back_up(label, "logical")``. The files then travel through Salt alone,
``read_chunk`` there and ``write_chunk`` here, because the node of rehearsals reaches the master and nothing else: no
further port, daemon or password. That is right up to some hundred megabytes packed (100,000 instances are about 60 MB);
each half megabyte costs two jobs, about a second. Chunks pass through the master's job cache, so that is as secret
as a backup.
"""

import base64
import hashlib
import os
import pathlib
import re

__opts__ = {}
__salt__ = {}

HOST = re.compile(r"^(?P<before>[a-z0-9+]+://(?:[^@/]*@)?)(?P<host>\[[^\]]*\]|[^:/,?@]+)(?P<port>:\d+)?")
CELL_COLUMNS = ("transport_url", "database_connection")


def _place(label):
    backups = __opts__.get("saltus_mariadb", {}).get("backups", "/var/backups/saltus")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", label):
        raise ValueError(f"{label!r} cannot be the label of a backup")
    return pathlib.Path(backups, label)


def _file(label, name):
    if "/" in name or name.startswith("."):
        raise ValueError(f"{name!r} is not a file of a backup")
    return _place(label) / name


def files(label):
    """{name: {"size": ..., "sha256": ...}} of a logical backup, its ``backup.json`` among them."""
    found = {}
    for path in sorted(_place(label).iterdir()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found[path.name] = {"size": path.stat().st_size, "sha256": digest}
    return found


def read_chunk(label, name, offset, size):
    """``size`` bytes of a file of the backup, from ``offset``, in base64."""
    with _file(label, name).open("rb") as file:
        file.seek(offset)
        return base64.b64encode(file.read(size)).decode()


def write_chunk(label, name, offset, data):
    """Write what ``read_chunk`` gave at the same place. Repeating one changes nothing. Returns the file's size."""
    path = _file(label, name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        file.seek(offset)
        file.write(base64.b64decode(data))
        file.truncate()
        return file.tell()


def load(label):
    """Load every database of the backup, in place of what this server has of it."""
    return __salt__["saltus_mariadb.restore"](label)


def rehome(own_address):
    """
    Turn what points at the running cloud to ``own_address``: the endpoints of keystone's catalogue, and nova's cell
    mappings (message queue and database). Returns what was changed, and what still points elsewhere: nothing, or the
    clone must not be used.

    An address that nova itself fills in (``{hostname}`` in a cell mapping) follows the node's configuration.
    """
    present = __salt__["saltus_mariadb.databases"]()
    changed = 0
    for database, table, key, column in _pointers(present):
        for identity, value in _rows(database, table, key, column):
            turned = _turned(value, own_address)
            if turned != value:
                _set(database, table, key, identity, column, turned)
                changed += 1
    elsewhere = [
        f"{database}.{table}.{column} {identity}: {hosts}"
        for database, table, key, column in _pointers(present)
        for identity, value in _rows(database, table, key, column)
        if (hosts := ", ".join(sorted(_hosts(value) - {own_address})))
    ]
    return {"changed": changed, "elsewhere": elsewhere}


def _pointers(present):
    if "keystone" in present:
        yield "keystone", "endpoint", "id", "url"
    if "nova_api" in present and _query("SHOW TABLES LIKE 'cell_mappings'", "nova_api"):
        for column in CELL_COLUMNS:
            yield "nova_api", "cell_mappings", "id", column


def _rows(database, table, key, column):
    rows = _query(f"SELECT {key}, {column} FROM {table} ORDER BY {key}", database)
    return [(identity, value) for identity, value in rows if value]


def _set(database, table, key, identity, column, value):
    _query(f"UPDATE {table} SET {column} = {_literal(value)} WHERE {key} = {_literal(identity)}", database)


def _turned(url, own_address):
    """
    One host, ours, in place of the url's. A queue of several hosts (``rabbit://u:p@one:5672,u:p@two:5672/``) becomes one
    host: the clone has one.
    """
    first, _, others = url.partition(",")
    match = HOST.match(first)
    if not match or "{" in match["host"]:
        return url
    path = re.search(r"[/?].*", others) if others else None
    rest = first[match.end() :] + (path[0] if path else "")
    return f"{match['before']}{own_address}{match['port'] or ''}{rest}"


def _hosts(url):
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?]", rest)[0]
    found = set()
    for part in authority.split(","):
        match = HOST.match(f"{scheme}://{part}")
        if match and "{" not in match["host"]:
            found.add(match["host"])
    return found


def _literal(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _query(statement, database):
    return __salt__["saltus_mariadb.query"](statement, database)
