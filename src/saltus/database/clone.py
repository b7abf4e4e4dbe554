"""Carries a backup to the node of rehearsals, loads it there, and makes sure that nothing in it points home."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict

from saltus.errors import OperatorError
from saltus.fleet.port import Fleet, OnJob, values

CHUNK_BYTES = 384 * 1024
"""In base64 half a megabyte: Salt's event bus takes events of one (`max_event_size`)."""

LOAD_TIMEOUT_S = 4 * 3600.0


class CloneFailed(OperatorError):
    """The clone is not one, or not safe to use. Production was only read."""


class CloneDone(BaseModel):
    """A clone that has every row of its backup and points at nothing but itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    source: str
    target: str
    bytes_carried: int
    turned: int
    """Addresses that pointed at the running cloud: endpoints and cell mappings."""
    seconds_carried: float
    seconds_loaded: float


def clone(
    fleet: Fleet,
    *,
    label: str,
    source: str,
    target: str,
    own_address: str,
    say: Callable[[str, float | None], None] | None = None,
    on_job: OnJob | None = None,
) -> CloneDone:
    """Put the logical backup `label` of the machine `source` into the MariaDB of `target`, whose address is
    `own_address`. May be repeated; databases of the same names on `target` are replaced. `on_job` has the jobs that
    take long, before they are awaited."""

    def call(machine: str, function: str, *args: object, timeout_s: float = 300) -> Any:
        # A chunk is written in an instant, and may be written twice: what is awaited after a crash is what takes long.
        noted = None if function.endswith("_chunk") else on_job
        return values(fleet.call([machine], f"saltus_clone.{function}", *args, timeout_s=timeout_s, on_job=noted))[
            machine
        ]

    began = time.monotonic()
    packed = call(source, "pack", label)
    size = int(packed["size"])
    for offset in range(0, size, CHUNK_BYTES):
        if say:
            say(f"carrying the backup from {source} to {target}, {size / 1e6:.1f} MB", offset / size)
        call(target, "write_chunk", label, offset, call(source, "read_chunk", label, offset, CHUNK_BYTES))
    call(source, "forget", label)
    carried = time.monotonic()
    if say:
        say(f"loading it on {target}", None)
    loaded = call(target, "load", label, packed["sha256"], timeout_s=LOAD_TIMEOUT_S)
    if loaded["differences"]:
        raise CloneFailed(
            what=f"the clone on {target} differs from the backup {label}",
            because=", ".join(difference["table"] for difference in loaded["differences"]),
            do="look at the MariaDB of that machine; then repeat the rehearsal",
        )
    turned = call(target, "rehome", own_address)
    if turned["elsewhere"]:
        raise CloneFailed(
            what=f"the clone on {target} still points at other machines",
            because="; ".join(turned["elsewhere"]),
            do="do not start services on it; tell the authors which address was not understood",
        )
    return CloneDone(
        label=label,
        source=source,
        target=target,
        bytes_carried=size,
        turned=int(turned["changed"]),
        seconds_carried=round(carried - began, 2),
        seconds_loaded=round(time.monotonic() - carried, 2),
    )
