"""Dumps in a directory: what is there, read without unpacking to the disk, and split so that it loads in parallel."""

from __future__ import annotations

import gzip
import re
import subprocess
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from saltus.database.private import find_program
from saltus.errors import OperatorError

_SUFFIX = re.compile(r"\.sql(\.gz|\.zst)?$")
_CURRENT_DATABASE = re.compile(rb"^-- Current Database: `(.+)`\s*$")
_SECTION = re.compile(rb"^-- (Table structure for table|Temporary (table|view) structure|Dumping (events|routines))")
_COMPLETED = b"-- Dump completed"
_LEFT_OUT = (b"CREATE DATABASE ", b"USE `", b"LOCK TABLES ", b"UNLOCK TABLES")


class UnusableDump(OperatorError):
    """A dump is not whole, or not what it is said to be. Nothing was done with it."""


@dataclass(frozen=True)
class Source:
    """What a directory holds."""

    kind: Literal["dumps", "mydumper", "physical"]
    directory: Path
    files: tuple[Path, ...] = ()
    """Of `dumps`: one a database, or one with all."""


@dataclass(frozen=True)
class Piece:
    """SQL that one client loads, one after another: a database whole, or a section of it."""

    database: str
    lines: Iterable[bytes]


def look(directory: Path) -> Source:
    """What `directory` holds: dumps by mariadb-dump, a mydumper directory or a mariabackup. Raises UnusableDump."""
    if not directory.is_dir():
        raise UnusableDump(
            what=f"{directory} is not a directory", because="--dump names one that holds dumps", do="name another one"
        )
    names = {p.name for p in directory.iterdir()}
    if names & {"xtrabackup_checkpoints", "mariadb_backup_checkpoints"}:
        return Source("physical", directory)
    if "metadata" in names or "metadata.partial" in names:
        if "metadata.partial" in names or not _mydumper_finished(directory / "metadata"):
            raise UnusableDump(
                what=f"the mydumper directory {directory} is not whole",
                because="its metadata does not say that the dump was finished",
                do="dump again with mydumper, and wait for its end",
            )
        return Source("mydumper", directory)
    files = tuple(sorted(p for p in directory.iterdir() if _SUFFIX.search(p.name)))
    if not files:
        raise UnusableDump(
            what=f"there are no dumps in {directory}",
            because="it has no *.sql, *.sql.gz or *.sql.zst, and it is no mydumper or mariabackup directory",
            do="mariadb-dump --single-transaction --databases nova nova_api ... | zstd > DIR/all.sql.zst",
        )
    return Source("dumps", directory, files)


def _mydumper_finished(metadata: Path) -> bool:
    text = metadata.read_text(errors="replace") if metadata.exists() else ""
    return "Finished dump at" in text or "# Finished dump at" in text


@contextmanager
def open_dump(path: Path) -> Iterator[IO[bytes]]:
    """The plain SQL of a dump. What is truncated inside the compression raises UnusableDump while it is read."""
    if path.suffix == ".gz":
        with gzip.open(path) as plain:
            yield plain  # type: ignore[misc]
    elif path.suffix == ".zst":
        process = subprocess.Popen([find_program("zstd"), "-dcq", str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        try:
            yield process.stdout
            if process.wait():
                raise truncated(path, "zstd could not unpack it to its end")
        finally:
            process.stdout.close()
            process.wait()
    else:
        with path.open("rb") as plain:
            yield plain


def truncated(path: Path, because: str) -> UnusableDump:
    return UnusableDump(
        what=f"the dump {path.name} is truncated",
        because=because,
        do="copy it again, or dump again; a whole one ends with `-- Dump completed`",
    )


def pieces(path: Path) -> Iterator[Piece]:
    """The dump cut at its tables and databases. Each piece carries the settings that stand at the dump's head.

    Pieces must be read one after another, each to its end. Raises UnusableDump at the end of a truncated dump.
    """
    with open_dump(path) as stream:
        yield from split(stream, path)


def split(stream: IO[bytes], path: Path) -> Iterator[Piece]:
    """`pieces` of what is being dumped just now; `path` names it, and its database where the dump does not."""
    named = _SUFFIX.sub("", path.name)
    lines = _Lines(path, stream)
    head: list[bytes] = []
    database: str | None = None
    for line in lines:
        if _CURRENT_DATABASE.match(line) or _SECTION.match(line):
            lines.give_back(line)
            break
        head.append(line)
    while (ahead := lines.peek()) is not None:
        if match := _CURRENT_DATABASE.match(ahead):
            database = match.group(1).decode()
        yield Piece(database or named, _section(head, lines, database or named))
    if not lines.completed:
        raise truncated(path, "its last line is not `-- Dump completed`")


def _section(head: list[bytes], lines: _Lines, database: str) -> Iterator[bytes]:
    yield from head
    yield f"USE `{database}`;\n".encode()
    first = True
    for line in lines:
        if not first and (_SECTION.match(line) or _CURRENT_DATABASE.match(line)):
            lines.give_back(line)
            return
        first = False
        # The loader makes the databases; and the next piece still needs the settings that the dump's end takes back.
        # Locks: a table that another client creates meanwhile, with a foreign key to a locked one, would be missing
        # from them (error 1100).
        if line.startswith(_LEFT_OUT) or (line.startswith(b"/*!") and b"=@OLD_" in line):
            continue
        yield line


class _Lines:
    """Lines with one given back, and what was seen at the end."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self._path, self._stream = path, stream
        self._back: list[bytes] = []
        self.completed = False

    def __iter__(self) -> Iterator[bytes]:
        while True:
            line = self._next()
            if not line:
                return
            yield line

    def _next(self) -> bytes:
        if self._back:
            return self._back.pop()
        try:
            line = self._stream.readline()
        except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
            raise truncated(self._path, f"it cannot be unpacked to its end: {exc}") from exc
        if line.startswith(_COMPLETED):
            self.completed = True
        return line

    def peek(self) -> bytes | None:
        line = self._next()
        if line:
            self._back.append(line)
        return line or None

    def give_back(self, line: bytes) -> None:
        self._back.append(line)
