"""
What steps do on a database node: back up, prepare, restore, and read checksums and schema versions.

Runs as root on the node and speaks to MariaDB through its local socket. Needs nothing but Python's own library and
MariaDB's programs. Every function returns plain data, or raises with three lines: what, because, do.

A backup is a directory ``<backups>/<label>``. It appears whole or not at all: it is written beside its place and
renamed there, and its ``backup.json`` lists every file with its size.

Settings, from the minion's configuration under ``saltus_mariadb``: see DEFAULTS.
"""

import concurrent.futures
import datetime
import errno
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

from salt.exceptions import CommandExecutionError

__opts__ = {}

DEFAULTS = {
    "socket": "/run/mysqld/mysqld.sock",
    "datadir": "/var/lib/mysql",
    "backups": "/var/backups/saltus",
    "defaults_file": None,
    "stop": ["systemctl", "stop", "mariadb"],
    "start": ["systemctl", "start", "mariadb"],
}
OF_THE_SERVER = ("mysql", "information_schema", "performance_schema", "sys")
TABLES_AT_ONCE = 40
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# What mariadb-backup writes beside the data, and we beside that; none of it belongs into a datadir.
NOT_DATA = ("backup.json", "backup-my.cnf", "xtrabackup_*", "mariadb_backup_*")


class _Trouble(CommandExecutionError):
    """What an operator can mend, in the three lines of every error of Saltus."""

    def __init__(self, what, because, do):
        self.because = because
        told = because[0] if len(because) == 1 else "".join(f"\n  - {reason}" for reason in because)
        super().__init__(f"{what}\nbecause: {told}\ndo: {do}")


# Asking


def databases():
    """The databases of services: all but the server's own."""
    return _databases()


def query(statement, database=None):
    """Rows of one statement, as lists of strings and None."""
    return _query(statement, database)


def checksums(databases=None):
    """{database.table: {"checksum": ..., "rows": ...}}. Reads every row; equal only when every value is."""
    return _checksums(databases or _databases())


def schema_versions(databases=None):
    """
    {database: heads}: the rows of alembic_version, else those of sqlalchemy-migrate's migrate_version, as strings.

    A database whose service went over to alembic keeps its old migrate_version, which then says nothing any more.
    Several repositories in one migrate_version are told as ``repository=version``.
    """
    heads = {}
    for database in databases or _databases():
        tables = {row[0] for row in _query("SHOW TABLES LIKE '%\\_version'", database)}
        rows = []
        if "alembic_version" in tables:
            rows = [row[0] for row in _query("SELECT version_num FROM alembic_version", database)]
        if not rows and "migrate_version" in tables:
            found = _query("SELECT repository_id, version FROM migrate_version", database)
            rows = [version if len(found) == 1 else f"{name}={version}" for name, version in found]
        heads[database] = sorted(rows)
    return heads


def sizes(databases=None):
    """{database: bytes of its files in the datadir}: what a physical backup of it takes, at most."""
    datadir = pathlib.Path(_settings()["datadir"])
    return {
        name: sum(file.stat().st_size for file in (datadir / name).glob("*") if file.is_file())
        for name in databases or _databases()
    }


# Backing up


def back_up(label, method="physical", databases=None, frozen=False, replace=False):
    """
    Take the backup ``label``: ``physical`` copies the files of the whole server (mariadb-backup), ``logical`` dumps
    each of ``databases`` (mariadb-dump), all at once. Both may run while services write; a physical backup is then one
    moment of all databases, a logical one a moment of each.

    ``frozen`` says that nobody writes: the checksums of all tables are read meanwhile and kept with the backup.
    ``replace``: an older backup of that label gives way once the new one is complete.
    """
    names = databases or _databases()
    target = _place(label)
    _refuse_backup(target, method, names, replace)
    partial = target.with_name(f".{label}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    began = time.monotonic()
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            reading = beside.submit(_checksums, names) if frozen else None
            files = _copy_files(partial) if method == "physical" else _dump(partial, names)
            tables = reading.result() if reading else {}
        record = {
            "label": label,
            "method": method,
            "frozen": frozen,
            "prepared": method == "logical",
            "taken_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "server": _query("SELECT VERSION()")[0][0],
            "databases": sorted(names),
            "seconds": round(time.monotonic() - began, 2),
            "files": files,
            "tables": tables,
        }
        _write_record(partial, record)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    older = target.with_name(f".{label}.older")
    shutil.rmtree(older, ignore_errors=True)
    if target.exists():
        target.rename(older)
    partial.rename(target)
    shutil.rmtree(older, ignore_errors=True)
    return _summary(record)


def list_backups():
    """{label: what is known of it} of the complete backups of this server, oldest first; ``damaged`` where no more can
    be read of one than its label."""
    found = []
    for path in pathlib.Path(_settings()["backups"]).glob("[!.]*/backup.json"):
        try:
            found.append(_summary(_read_record(path)))
        except _Trouble:
            found.append({"label": path.parent.name, "taken_at": "", "damaged": True})
    return {backup["label"]: backup for backup in sorted(found, key=lambda backup: backup["taken_at"])}


def taken_checksums(label):
    """The checksums that were taken with the backup ``label``; empty when it was not frozen."""
    return _record(label)["tables"]


def prepare(label, memory_mb=256):
    """Make a physical backup consistent, so that a restore need not. May be repeated, also after a crash within it."""
    record, place = _record(label), _place(label)
    if not record["prepared"]:
        _refuse_incomplete(record, place)
        _run([*_backup_program(), "--prepare", f"--target-dir={place}", f"--use-memory={memory_mb}M"])
        record.update(prepared=True, files=_sizes(place))
        _write_record(place, record)
    return _summary(record)


def remove_backup(label):
    """Remove a backup; nothing to do when there is none."""
    shutil.rmtree(_place(label), ignore_errors=True)
    return True


# Restoring


def restore(label, keep=False, timeout_s=120):
    """
    Put every database back to the backup ``label``, and compare the checksums when it has some.

    Physical: the new datadir is laid ready before MariaDB is stopped. What was in its place is kept beside it as
    ``<datadir>.before-<label>`` until the checksums match, and longer with ``keep``. Logical: each database is dropped
    and loaded again; one that the backup does not have stays. Both may be repeated after a crash.

    Returns the seconds taken, and every table that differs from the backup.
    """
    record, place = _record(label), _place(label)
    _refuse_incomplete(record, place)
    began = time.monotonic()
    before = None
    if record["method"] == "physical":
        before, stopped_s = _restore_files(record, place, timeout_s)
    else:
        stopped_s = 0
        _load(place, record["databases"])
    differences = _differences(record["tables"], _checksums(record["databases"])) if record["tables"] else []
    if before and not keep and not differences:
        shutil.rmtree(before)
        before = None
    return {
        "label": label,
        "seconds": round(time.monotonic() - began, 2),
        "stopped_seconds": round(stopped_s, 2),
        "compared": len(record["tables"]),
        "differences": differences,
        "kept": str(before) if before else None,
    }


def _restore_files(record, place, timeout_s):
    settings = _settings()
    datadir = pathlib.Path(settings["datadir"])
    before = datadir.with_name(f"{datadir.name}.before-{record['label']}")
    prepare(record["label"])
    new = datadir.with_name(f"{datadir.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    size = sum(file["size"] for file in record["files"].values())
    free = shutil.disk_usage(datadir.parent).free
    if free < size * 1.1:
        raise _Trouble(
            f"the backup {record['label']} was not restored; MariaDB was not touched",
            [f"{datadir.parent} has {_mb(free)} free and the restored files need {_mb(size * 1.1)}"],
            "make room there, then repeat the restore",
        )
    _run(["cp", "-a", "--reflink=auto", str(place), str(new)])
    for pattern in NOT_DATA:
        for path in new.glob(pattern):
            path.unlink()
    owner = (datadir if datadir.exists() else before).stat()
    if os.geteuid() == 0:
        for path in [new, *new.rglob("*")]:
            os.chown(path, owner.st_uid, owner.st_gid)
    new.chmod(owner.st_mode & 0o7777)
    began = time.monotonic()
    _run(settings["stop"])
    _swap(datadir, before, new)
    _run(settings["start"])
    _wait_for_server(timeout_s, before)
    return before, time.monotonic() - began


def _swap(datadir, before, new):
    """``datadir`` becomes ``before``, ``new`` becomes ``datadir``. With a ``before`` there already, an earlier try was
    cut off after it: what stands in the datadir now is that try's and not worth keeping."""
    try:
        if before.exists():
            shutil.rmtree(datadir, ignore_errors=True)
        else:
            datadir.rename(before)
        if datadir.exists():
            raise OSError(errno.EBUSY, "is a mount point")
        new.rename(datadir)
    except OSError as exc:
        # A mount point, or a directory of an overlay's lower layer: its content can move, it cannot.
        if exc.errno not in (errno.EXDEV, errno.EBUSY):
            raise
        if not before.exists():
            half = before.with_name(f"{before.name}.half")
            shutil.rmtree(half, ignore_errors=True)
            _run(["cp", "-a", "--reflink=auto", str(datadir), str(half)])
            half.rename(before)
        for path in datadir.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        # Not shutil.move: across filesystems it gives the files to root, and MariaDB cannot open them.
        _run(["mv", "-t", str(datadir), *(str(path) for path in new.iterdir())])
        new.rmdir()


def _wait_for_server(timeout_s, before):
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            _query("SELECT 1")
            return
        except _Trouble as trouble:
            if time.monotonic() > deadline:
                raise _Trouble(
                    f"MariaDB does not answer {timeout_s} s after its datadir was put back",
                    trouble.because,
                    f"read its log; the files from before the restore are in {before}",
                ) from trouble
        time.sleep(0.1)


def _load(place, names):
    for path in place.glob("users.sql.*"):
        _load_file(path)
    dumps = [next(place.glob(f"{name}.sql.*")) for name in names]
    with concurrent.futures.ThreadPoolExecutor(_workers()) as pool:
        list(pool.map(_load_file, dumps))


def _load_file(path):
    unpack = ["zstd", "-dcq", str(path)] if path.suffix == ".zst" else ["gzip", "-dc", str(path)]
    with subprocess.Popen(unpack, stdout=subprocess.PIPE) as unpacked:
        _run(_client("mariadb", "--default-character-set=utf8mb4"), stdin=unpacked.stdout)
        if unpacked.wait() != 0:
            raise _Trouble(f"{path} was not loaded", ["it cannot be unpacked"], "take the backup again")


# How


def _settings():
    return {**DEFAULTS, **__opts__.get("saltus_mariadb", {})}


def _workers():
    return max(2, min(4, os.cpu_count() or 1))


def _mb(size):
    return f"{size / 1e6:.0f} MB"


def _client(program, *options):
    return [program, "--no-defaults", "--protocol=socket", f"--socket={_settings()['socket']}", "--user=root", *options]


def _run(argv, stdin=None, text=None):
    try:
        done = subprocess.run(argv, stdin=stdin, input=text, capture_output=True, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError as exc:
        package = "mariadb-backup" if "backup" in argv[0] else "mariadb-client"
        raise _Trouble(f"{argv[0]} is not installed", [str(exc)], f"apt install {package}") from exc
    if done.returncode != 0:
        tail = done.stderr.decode(errors="replace").strip().splitlines()[-10:]
        what = f"{argv[0]} ended with exit code {done.returncode}"
        raise _Trouble(what, tail or ["it said nothing"], "mend what it names, then repeat the step")
    return done.stdout


def _query(statement, database=None):
    argv = _client("mariadb", "--batch", "--skip-column-names", "--default-character-set=utf8mb4")
    output = _run([*argv, database] if database else argv, text=statement.encode()).decode()
    return [[_cell(cell) for cell in line.split("\t")] for line in output.splitlines()]


ESCAPES = {"\\n": "\n", "\\t": "\t", "\\0": "\0", "\\\\": "\\"}


def _cell(text):
    return None if text == "NULL" else re.sub(r"\\[nt0\\]", lambda match: ESCAPES[match[0]], text)


def _quoted(*names):
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def _databases():
    return sorted(row[0] for row in _query("SHOW DATABASES") if row[0] not in OF_THE_SERVER and row[0][0] != "#")


def _tables(names):
    wanted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    found = _query(
        "SELECT table_schema, table_name FROM information_schema.tables "
        f"WHERE table_type = 'BASE TABLE' AND table_schema IN ({wanted}) ORDER BY data_length DESC"
    )
    return [tuple(row) for row in found]


def _checksums(names):
    tables = _tables(names)
    # Dealt out like cards, so that the large tables, which come first, do not fall to one of the connections.
    count = max(_workers(), -(-len(tables) // TABLES_AT_ONCE))
    hands = [hand for hand in (tables[number::count] for number in range(count)) if hand]
    with concurrent.futures.ThreadPoolExecutor(_workers()) as pool:
        parts = list(pool.map(_checksums_of, hands))
    return {name: value for part in parts for name, value in sorted(part.items())}


def _checksums_of(tables):
    counts = " UNION ALL ".join(f"SELECT COUNT(*) FROM {_quoted(*table)}" for table in tables)
    rows = _query(f"CHECKSUM TABLE {', '.join(_quoted(*table) for table in tables)}; {counts}")
    sums, lines = rows[: len(tables)], rows[len(tables) :]
    return {
        ".".join(table): {"checksum": total[1], "rows": int(line[0])}
        for table, total, line in zip(tables, sums, lines, strict=True)
    }


def _differences(expected, actual):
    return [
        {"table": table, "expected": expected.get(table), "actual": actual.get(table)}
        for table in sorted(expected.keys() | actual.keys())
        if expected.get(table) != actual.get(table)
    ]


def _place(label):
    if not LABEL.fullmatch(label):
        raise _Trouble(f"{label!r} cannot be the label of a backup", ["it names a directory"], "use a-z, 0-9, . _ -")
    return pathlib.Path(_settings()["backups"], label)


def _record(label):
    path = _place(label) / "backup.json"
    if not path.exists():
        known = ", ".join(sorted(found.parent.name for found in path.parent.parent.glob("[!.]*/backup.json")))
        raise _Trouble(
            f"there is no backup {label}",
            [f"{path.parent.parent} has: {known or 'none'}"],
            "name one of those",
        )
    return _read_record(path)


def _read_record(path):
    try:
        return json.loads(path.read_text())
    except ValueError as exc:
        raise _Trouble(
            f"the backup {path.parent.name} is not complete; MariaDB was not touched",
            [f"its backup.json is damaged: {exc}"],
            "use another backup: salt-call saltus_mariadb.list_backups",
        ) from exc


def _write_record(place, record):
    new = place / "backup.json.new"
    with new.open("w") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())
    new.rename(place / "backup.json")


def _summary(record):
    summary = {key: value for key, value in record.items() if key not in ("files", "tables")}
    summary["size_bytes"] = sum(file["size"] for file in record["files"].values())
    summary["tables"] = len(record["tables"])
    return summary


def _refuse_backup(target, method, names, replace):
    settings = _settings()
    reasons = []
    folder = pathlib.Path(settings["backups"])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if method not in ("physical", "logical"):
        reasons.append(f"there is no method {method!r}: physical or logical")
    absent = sorted(set(names) - set(_databases()))
    if absent:
        reasons.append(f"the server has no database {', '.join(absent)}")
    if target.exists() and not replace:
        reasons.append(f"there is a backup {target.name} already")
    needed = {"physical": "mariadb-backup", "logical": "mariadb-dump"}.get(method)
    if needed and not shutil.which(needed):
        reasons.append(f"{needed} is not installed")
    if method == "physical":
        files = pathlib.Path(settings["datadir"]).rglob("*")
        size = sum(path.stat().st_size for path in files if path.is_file() and path.name != "ibtmp1")
    else:
        wanted = "', '".join(names)
        total = f"SELECT IFNULL(SUM(data_length), 0) FROM information_schema.tables WHERE table_schema IN ('{wanted}')"
        size = int(_query(total)[0][0])
    free = shutil.disk_usage(folder).free
    if free < size * 1.1:
        reasons.append(f"{folder} has {_mb(free)} free and the backup may need {_mb(size * 1.1)}")
    if reasons:
        raise _Trouble(f"the backup {target.name} was not begun", reasons, "mend what is named, then repeat it")


def _refuse_incomplete(record, place):
    wrong = []
    for name, file in record["files"].items():
        path = place / name
        if not path.exists():
            wrong.append(f"{name} is missing")
        elif path.stat().st_size != file["size"]:
            wrong.append(f"{name} has {path.stat().st_size} bytes instead of {file['size']}")
        elif file.get("sha256") and _sha256(path) != file["sha256"]:
            wrong.append(f"{name} has other content than when it was written")
    if wrong:
        more = [f"and {len(wrong) - 10} more"] if len(wrong) > 10 else []
        raise _Trouble(
            f"the backup {record['label']} is not complete; MariaDB was not touched",
            wrong[:10] + more,
            "use another backup: salt-call saltus_mariadb.list_backups",
        )


def _backup_program():
    settings = _settings()
    chosen = [f"--defaults-file={settings['defaults_file']}"] if settings["defaults_file"] else []
    return ["mariadb-backup", *chosen]


def _copy_files(place):
    settings = _settings()
    _run(
        [
            *_backup_program(),
            "--backup",
            f"--target-dir={place}",
            f"--datadir={settings['datadir']}",
            f"--socket={settings['socket']}",
            "--user=root",
            f"--parallel={_workers()}",
        ]
    )
    return _sizes(place)


def _sizes(place):
    return {
        str(path.relative_to(place)): {"size": path.stat().st_size}
        for path in sorted(place.rglob("*"))
        if path.is_file() and path.name != "backup.json"
    }


def _dump(place, names):
    suffix = "zst" if shutil.which("zstd") else "gz"
    options = ["--single-transaction", "--routines", "--triggers", "--events", "--hex-blob", "--add-drop-database"]
    whole = [*options, "--default-character-set=utf8mb4", "--databases"]
    jobs = {name: [*whole, name] for name in names}
    # Users and grants as they are; loading them leaves alone those that exist.
    jobs["users"] = ["--system=users", "--insert-ignore"]
    with concurrent.futures.ThreadPoolExecutor(_workers()) as pool:
        paths = pool.map(lambda job: _dump_one(place / f"{job[0]}.sql.{suffix}", job[1]), jobs.items())
        return {path.name: {"size": path.stat().st_size, "sha256": _sha256(path)} for path in paths}


def _dump_one(path, arguments):
    pack = ["zstd", "-q", "-1"] if path.suffix == ".zst" else ["gzip", "-1"]
    with path.open("wb") as file, subprocess.Popen(pack, stdin=subprocess.PIPE, stdout=file) as packing:
        dumping = subprocess.Popen(
            _client("mariadb-dump", *arguments), stdout=packing.stdin, stderr=subprocess.PIPE, env={**os.environ}
        )
        packing.stdin.close()
        error = dumping.communicate()[1].decode(errors="replace").strip()
        packed = packing.wait()
    if dumping.returncode or packed:
        raise _Trouble(
            f"{path.name} was not dumped: exit code {dumping.returncode}",
            error.splitlines()[-10:] or ["the disk may be full"],
            "mend what is named, then repeat the backup",
        )
    return path


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
