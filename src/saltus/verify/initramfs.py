"""A cpio archive as Linux unpacks it for its first root file system: no cpio, no root, the same bytes each time.

Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import gzip
import stat


def pack(files: dict[str, bytes], executable: set[str]) -> bytes:
    """`files` is {path without leading slash: content}; directories come of themselves. Gzipped."""
    archive = bytearray()
    directories: set[str] = set()
    for path in sorted(files):
        for parent in _parents(path):
            if parent not in directories:
                directories.add(parent)
                _append(archive, len(archive) + 1, parent, stat.S_IFDIR | 0o755, b"")
        mode = 0o755 if path in executable else 0o644
        _append(archive, len(archive) + 1, path, stat.S_IFREG | mode, files[path])
    _append(archive, 0, "TRAILER!!!", 0, b"")
    return gzip.compress(bytes(archive), mtime=0)


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _append(archive: bytearray, inode: int, name: str, mode: int, content: bytes) -> None:
    """One member: 14 fields of 8 hex digits, the name, the content, each padded to 4 bytes."""
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (inode, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    archive += b"070701" + "".join(f"{field:08x}" for field in fields).encode()
    archive += name.encode() + b"\0"
    archive += bytes(-len(archive) % 4)
    archive += content
    archive += bytes(-len(archive) % 4)
