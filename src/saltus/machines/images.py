"""Images: a base per Debian suite, and layers of packages on top, built once and shared by every machine.

An image is a directory `<name>/<fingerprint>/` with its `tree` and its record; `<name>/current` points at the newest.
It is built beside and moved into place: a build that died leaves nothing that looks like an image, and a machine keeps
the very image it was created on when a newer one is built.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from saltus.machines import minion, overlay
from saltus.machines.locks import held
from saltus.machines.provider import MachineError

FORMAT = 1
"""Part of every fingerprint: raise it when the builder makes different trees from the same specification."""
RECORD = "image.json"
CURRENT = "current"
BUILDING = ".building-"

Say = Callable[[str], None]


def silent(text: str) -> None:
    """Progress that nobody listens to."""


@dataclass(frozen=True)
class ImageSpec:
    """What is installed on what. Without a parent it is a base: the suite itself, with systemd and a Salt minion."""

    name: str
    suite: str
    packages: tuple[str, ...] = ()
    parent: str | None = None
    enabled: tuple[str, ...] = ()
    """Units that start with the machine. Every other unit that the packages bring is disabled: roles enable theirs."""
    masked_units: tuple[str, ...] = ()
    """Masked beside those that can never work in a machine without a kernel of its own."""
    commands: tuple[tuple[str, ...], ...] = ()
    """Run in the image after the packages, not booted."""


@dataclass(frozen=True)
class Image:
    name: str
    suite: str
    fingerprint: str
    build_s: float
    trees: tuple[Path, ...]
    """From the topmost down: its own and its ancestors'."""


class ImageStore:
    def __init__(self, directory: Path, *, package_sources: Callable[[str], str | None] = lambda suite: None) -> None:
        """`package_sources` gives the text of sources.list for a suite; None where the host's own apt is followed."""
        self.directory = directory.resolve()
        self.package_sources = package_sources

    def build(self, spec: ImageSpec, say: Say = silent) -> Image:
        """Build the image unless it is there as specified. Its parent must have been built. May run in parallel."""
        fingerprint = self.fingerprint(spec)
        with held(self.directory / f".{spec.name}.lock", purpose=f"build image {spec.name}", timeout_s=3600):
            place = self.directory / spec.name / fingerprint
            if not (place / RECORD).exists():
                self._build(spec, place, say)
            pointer = place.parent / f".{CURRENT}"
            pointer.unlink(missing_ok=True)
            pointer.symlink_to(fingerprint)
            pointer.rename(place.parent / CURRENT)
        return self.get(spec.name)

    def fingerprint(self, spec: ImageSpec) -> str:
        below: object = self.get(spec.parent).fingerprint if spec.parent else minion.contents()
        content = {**asdict(spec), "packages": sorted(spec.packages), "parent": below, "format": FORMAT}
        if sources := self.package_sources(spec.suite):
            content["sources"] = sources
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def is_built(self, spec: ImageSpec) -> bool:
        if spec.parent and self.find(spec.parent) is None:
            return False
        found = self.find(spec.name)
        return found is not None and found.fingerprint == self.fingerprint(spec)

    def get(self, name: str) -> Image:
        found = self.find(name)
        if found is None:
            raise MachineError(
                what=f"there is no image {name}",
                because=f"it has not been built in {self.directory}",
                do="build the images of the cloud first: `saltus lab up` does",
            )
        return found

    def find(self, name: str) -> Image | None:
        path = self.directory / name / CURRENT / RECORD
        if not path.exists():
            return None
        record = json.loads(path.read_text())
        return Image(
            name=name,
            suite=record["suite"],
            fingerprint=record["fingerprint"],
            build_s=record["build_s"],
            trees=tuple(self.directory / tree for tree in record["trees"]),
        )

    def last_build_s(self, name: str) -> float | None:
        """How long this image took to build last time, of whatever contents."""
        records = sorted(self.directory.glob(f"{name}/*/{RECORD}"), key=lambda path: path.stat().st_mtime)
        return float(json.loads(records[-1].read_text())["build_s"]) if records else None

    def clean(self, used: Collection[Path]) -> Sequence[str]:
        """Remove builds that died, and images that are neither current nor among the trees `used` by machines."""
        removed = []
        for scratch in sorted(self.directory.glob(f"{BUILDING}*")):
            with held(self.directory / f".{scratch.name.removeprefix(BUILDING)}.lock", purpose=f"clean {scratch}"):
                self._discard(scratch)
            removed.append(f"unfinished build {scratch.name.removeprefix(BUILDING)}")
        records = [path for path in self.directory.glob(f"*/*/{RECORD}") if not path.parent.is_symlink()]
        needed = {tree.parent for tree in used}
        for path in records:
            if (path.parents[1] / CURRENT).resolve() == path.parent:
                needed |= {(self.directory / tree).parent for tree in json.loads(path.read_text())["trees"]}
        for path in records:
            if path.parent not in needed:
                shutil.rmtree(path.parent)
                removed.append(f"image {path.parents[1].name} {path.parent.name}, which nothing uses")
        return removed

    def _build(self, spec: ImageSpec, place: Path, say: Say) -> None:
        # Imported late: reading images needs nothing of what building them needs.
        from saltus.machines.installation import Installation

        scratch = self.directory / f"{BUILDING}{spec.name}"
        self._discard(scratch)
        scratch.mkdir(parents=True)
        started = time.monotonic()
        parent = self.get(spec.parent) if spec.parent else None
        last_s = self.last_build_s(spec.name)
        last = f" (last time {_duration(last_s)})" if last_s else ""
        log = self.directory / f"{spec.name}.log"
        log.unlink(missing_ok=True)
        Installation(
            suite=spec.suite,
            tree=scratch / "tree",
            lowers=parent.trees if parent else (),
            scratch=scratch,
            cache=self.directory / ".debs" / spec.suite,
            log=log,
            say=lambda phase: say(f"image {spec.name}: {phase}{last}"),
            sources=self.package_sources(spec.suite),
        ).make(spec.packages, enabled=spec.enabled, masked=spec.masked_units, commands=spec.commands)
        own = place / "tree"
        record = {
            "suite": spec.suite,
            "fingerprint": place.name,
            "build_s": round(time.monotonic() - started, 1),
            "trees": [str(tree.relative_to(self.directory)) for tree in (own, *(parent.trees if parent else ()))],
            "packages": list(spec.packages),
        }
        finished = scratch / "finished"
        finished.mkdir()
        (scratch / "tree").rename(finished / "tree")
        (finished / RECORD).write_text(json.dumps(record, indent=1))
        os.sync()
        place.parent.mkdir(exist_ok=True)
        if place.exists():
            shutil.rmtree(place)
        finished.rename(place)
        self._discard(scratch)

    def _discard(self, scratch: Path) -> None:
        if scratch.exists():
            overlay.unmount(scratch)
            shutil.rmtree(scratch)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} m {rest} s" if minutes else f"{rest} s"
