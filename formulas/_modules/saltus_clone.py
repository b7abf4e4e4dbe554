"""
The clone of a cloud's databases on the node of rehearsals: carried there, loaded, and turned away from home.

Production is read once, by ``saltus_mariadb.back_up(label, "logical")``. Packed, the backup then travels through Salt
alone, ``read_chunk`` there and ``write_chunk`` here, because the node of rehearsals reaches the master and nothing
else: no further port, daemon or password. That is right up to some hundred megabytes (100,000 instances are about 60):
each third of a megabyte costs two jobs, about a second. Chunks stay in the master's job cache for as long as jobs do,
so that is as secret as a backup.
"""

import base64
import hashlib
import os
import pathlib
import re
import shutil
import tarfile

from salt.exceptions import CommandExecutionError

__opts__ = {}
__salt__ = {}

HOST = re.compile(r"^(?P<before>[a-z0-9+]+://(?:[^@/]*@)?)(?P<host>\[[^\]]*\]|[^:/,?@]+)(?P<port>:\d+)?")
CELL_COLUMNS = ("transport_url", "database_connection")


def _place(label):
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", label):
        raise CommandExecutionError(f"{label!r} cannot be the label of a backup")
    return pathlib.Path(__opts__.get("saltus_mariadb", {}).get("backups", "/var/backups/saltus"), label)


def _packed(label):
    place = _place(label)
    return place.with_name(f".{label}.tar")


def pack(label):
    """Make one file of the backup ``label``, to be read in chunks. Returns its size and SHA-256."""
    # What is in it is compressed already.
    with tarfile.open(_packed(label), "w", dereference=True) as tar:
        for path in sorted(_place(label).iterdir()):
            tar.add(path, arcname=path.name, recursive=False)
    _packed(label).chmod(0o600)
    return {"size": _packed(label).stat().st_size, "sha256": _sha256(_packed(label))}


def read_chunk(label, offset, size):
    """``size`` bytes of the packed backup from ``offset``, in base64."""
    with _packed(label).open("rb") as file:
        file.seek(offset)
        return base64.b64encode(file.read(size)).decode()


def write_chunk(label, offset, data):
    """Write what ``read_chunk`` gave at the same place, and end there. May be repeated. Returns the size."""
    path = _packed(label)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        file.seek(offset)
        file.write(base64.b64decode(data))
        file.truncate()
        return file.tell()


def load(label, sha256):
    """
    Unpack what was written and load every database of it, in place of what this server has. The backup is removed from
    here afterwards. Returns what ``saltus_mariadb.restore`` does.
    """
    packed, place = _packed(label), _place(label)
    if _sha256(packed) != sha256:
        raise CommandExecutionError(
            f"the backup {label} did not arrive as it was sent; nothing was loaded\n"
            f"because: the SHA-256 of {packed} is another\ndo: carry it again"
        )
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)
    with tarfile.open(packed) as tar:
        for member in tar:
            if not member.isfile() or "/" in member.name or member.name.startswith("."):
                raise CommandExecutionError(f"{packed} holds {member.name!r}, which no backup has")
            with (place / member.name).open("wb") as file:
                shutil.copyfileobj(tar.extractfile(member), file)
    result = __salt__["saltus_mariadb.restore"](label)
    forget(label)
    shutil.rmtree(place)
    return result


def forget(label):
    """Remove the packed file; nothing to do when there is none."""
    _packed(label).unlink(missing_ok=True)
    return True


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
    One host, ours, in place of the url's. A queue of several hosts (``rabbit://u:p@one:5672,u:p@two:5672/``) becomes
    one host: the clone has one.
    """
    first, _, others = url.partition(",")
    match = HOST.match(first)
    if not match or "{" in match["host"]:
        return url
    path = re.search(r"[/?].*", others) if others else None
    rest = first[match.end() :] + (path[0] if path else "")
    return f"{match['before']}{own_address}{match['port'] or ''}{rest}"


def _hosts(url):
    """The hosts of an address. One that is not understood counts as a host: it may lead anywhere."""
    if url == "none:///" or "{" in url.partition("://")[2].split("/")[0]:
        return set()
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?]", rest)[0]
    matches = [HOST.match(f"{scheme}://{part}") for part in authority.split(",")]
    return {match["host"] if match else "an address of another form" for match in matches}


def _literal(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _query(statement, database):
    return __salt__["saltus_mariadb.query"](statement, database)


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
