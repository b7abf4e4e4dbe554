"""The databases that a journal can live in, each a real one: a file, and Debian's PostgreSQL started for the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL of our own on a socket in a directory of its own; yields the URL of an empty database."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    # PostgreSQL refuses to run as root; Debian's package makes the user.
    become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    directory = Path(tempfile.mkdtemp(prefix="saltus-pg-", dir="/tmp"))
    try:
        if become:
            shutil.chown(directory, "postgres", "postgres")
        data, log = directory / "data", directory / "log"

        def run(*argv: str) -> None:
            subprocess.run([*become, *argv], check=True, capture_output=True, cwd=directory, timeout=120)

        run(f"{binaries}/initdb", "-D", str(data), "-A", "trust", "-U", "saltus", "-E", "UTF8")
        options = f"-k {directory} -c listen_addresses=''"
        run(f"{binaries}/pg_ctl", "-D", str(data), "-l", str(log), "-w", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://saltus@/postgres?host={directory}"
        finally:
            run(f"{binaries}/pg_ctl", "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def empty_database(server: str, name: str) -> str:
    """A new database on `server`; its URL."""
    import psycopg

    with psycopg.connect(server.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
    return server.replace("/postgres?", f"/{name}?")
