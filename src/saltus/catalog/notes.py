"""The release notes that matter between two releases: what is asked for, what changes by itself, what goes wrong.

Most of it is in the catalogue already, as faults, blockers, and what computes need; `data/notes.yaml` holds the rest.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict

from saltus.catalog.quirks import load_quirks
from saltus.catalog.releases import load_releases
from saltus.catalog.services import load_services


@dataclass(frozen=True)
class Note:
    """One fact, of the release that brought it."""

    release: str
    service: str
    says: str
    done: str
    """What Saltus does about it; empty where it is for people to know."""
    source: str


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str
    service: str
    says: str
    done: str = ""
    source: str


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    notes: tuple[_Written, ...]


def notes_between(source: str, target: str, services: Collection[str]) -> tuple[Note, ...]:
    """Those of releases behind `source` up to `target`, oldest first, of these services."""
    order = load_releases()
    if not order.is_newer(target, source):
        return ()
    passed = {release.name for release in order.releases[order.index(source) + 1 : order.index(target) + 1]}
    found = (*_written(), *_known(source, passed), *_of_computes(source, target))
    chosen = [note for note in found if note.release in passed and note.service in services]
    return tuple(sorted(chosen, key=lambda note: (order.index(note.release), note.service)))


def written_between(source: str, target: str) -> tuple[Note, ...]:
    """Those of `data/notes.yaml` behind `source` up to `target`, oldest first."""
    order = load_releases()
    passed = [note for note in _written() if order.index(source) < order.index(note.release) <= order.index(target)]
    return tuple(sorted(passed, key=lambda note: order.index(note.release)))


@functools.cache
def _written() -> tuple[Note, ...]:
    text = resources.files("saltus.catalog").joinpath("data/notes.yaml").read_text(encoding="utf-8")
    file = _File.model_validate(yaml.safe_load(text))
    return tuple(
        Note(load_releases().get(note.release).name, note.service, note.says, note.done, note.source)
        for note in file.notes
    )


def _known(source: str, passed: Collection[str]) -> Iterator[Note]:
    """Faults that begin on the way, and data migrations that a release on the way asks for."""
    for service in load_services().services:
        for fault in service.faults:
            concerns = fault.apply is None or fault.apply.coming_from.holds(source)
            if fault.since in passed and concerns:
                yield Note(fault.since or "", service.name, fault.says, fault.cure, fault.source)
        for blocker in service.blockers:
            carried = "its data migrations run before it" if not blocker.in_db_sync else "db_sync does it"
            yield Note(blocker.at, service.name, f"asks for {blocker.needs}", carried, blocker.source)


def _of_computes(source: str, target: str) -> Iterator[Note]:
    """What nova of the target asks of computes and hypervisors, where the source asked for less."""
    order = load_releases()
    old, new = order.get(source), order.get(target)
    floor = load_quirks().oldest_supported_computes.get(new.name)
    if floor and order.is_newer(floor, source):
        quirk = next(quirk for quirk in load_quirks().quirks if quirk.compute_too_old)
        yield Note(
            new.name,
            "nova",
            f"starts only beside computes of {floor} or newer; those of {source} are older",
            f"{quirk.name} is set until the last such compute is upgraded",
            quirk.source,
        )
    for what, before, after in (
        ("libvirt", old.compute.libvirt, new.compute.libvirt),
        ("QEMU", old.compute.qemu, new.compute.qemu),
    ):
        if after and before != after:
            says = f"its nova-compute asks for {what} {after} or newer; {source}'s asked for {before or 'none'}"
            yield Note(new.name, "nova", says, "", f"nova/virt/libvirt/driver.py of {new.versions['nova']}")
