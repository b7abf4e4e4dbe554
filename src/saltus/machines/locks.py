"""Locks between processes and threads, by name; the kernel lets go of them when their holder dies."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saltus.machines.provider import MachineError


@contextmanager
def held(path: Path, *, purpose: str, timeout_s: float = 600) -> Iterator[None]:
    """Hold the lock at `path`, waiting for another holder. The file stays: removing it would split the lock in two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout_s
    with path.open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as exc:
                if time.monotonic() > deadline:
                    raise MachineError(
                        what=f"could not {purpose}",
                        because=f"another process has been at it for {timeout_s:.0f} s (it holds {path})",
                        do=f"see which one with `fuser -v {path}`, wait for it or end it, then repeat",
                    ) from exc
                time.sleep(0.05)
        yield
