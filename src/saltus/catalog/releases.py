"""The releases of OpenStack in their order, and what is known of each."""

from __future__ import annotations

import datetime
import difflib
import functools
from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict

from saltus.errors import OperatorError


class UnknownRelease(OperatorError):
    """The name is neither a codename nor a series that the catalogue knows."""


class ComputeNeeds(BaseModel):
    """What nova of a release asks of its computes and hypervisors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service_version: int
    """What its own nova-compute writes into the services table. Some releases count with a lower alias: compare by
    `oldest_supported`, not by this number."""
    oldest_supported: str | None = None
    """The oldest release whose computes its control plane accepts; None where nothing checks."""
    libvirt: str
    qemu: str | None = None


class Release(BaseModel):
    """One OpenStack release. `name` is the codename in lower case, `series` the branch (`zed`, `2025.1`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    series: str
    date: datetime.date
    slurp: bool
    versions: dict[str, str]
    """{service: first final version}; source: openstack/releases."""
    compute: ComputeNeeds
    python: tuple[str, ...]
    """The versions that it declares; one alone is the least."""
    suite: str | None = None
    """The Debian suite whose own packages are of this release; None where Debian never shipped it in a stable suite."""


class Releases(BaseModel):
    """All releases, oldest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    releases: tuple[Release, ...]

    def get(self, name: str) -> Release:
        """The release of that codename or series, in any case. Raises UnknownRelease with the nearest names."""
        wanted = name.strip().lower()
        for release in self.releases:
            if wanted in (release.name, release.series):
                return release
        known = [r.name for r in self.releases] + [r.series for r in self.releases if r.series != r.name]
        near = difflib.get_close_matches(wanted, known, n=2)
        raise UnknownRelease(
            what=f"no release is called {name!r}",
            because="the catalogue knows " + ", ".join(r.name for r in self.releases),
            do=f"did you mean {' or '.join(near)}?" if near else "saltus catalog list",
        )

    def index(self, name: str) -> int:
        """Place in time: a later release has a larger index."""
        return self.releases.index(self.get(name))

    def is_newer(self, name: str, than: str) -> bool:
        return self.index(name) > self.index(than)


@functools.cache
def load_releases() -> Releases:
    """The releases that come with Saltus."""
    text = resources.files("saltus.catalog").joinpath("data/releases.yaml").read_text(encoding="utf-8")
    return Releases.model_validate(yaml.safe_load(text))
