"""What goes wrong between releases, when, and the name of its cure in the formulas' templates."""

from __future__ import annotations

import functools
from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from saltus.catalog.releases import load_releases


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


class Quirk(BaseModel):
    """A setting that is needed where every given condition holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    roles: tuple[str, ...]
    because: str
    source: str
    compute_too_old: bool = False
    """Holds while the oldest compute is older than the oldest that the machine's release supports."""
    mariadb_since: str | None = None
    """Holds where the suite's MariaDB is of that version or newer."""
    since: str | None = None
    """Holds on machines of that release or a newer one."""


class Quirks(BaseModel):
    """All quirks, and the facts on which their conditions rest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    mariadb_versions: dict[str, str]
    """{suite: version}"""
    oldest_supported_computes: dict[str, str]
    """{release: oldest release of a compute beside which its nova starts}"""
    quirks: tuple[Quirk, ...]

    @model_validator(mode="after")
    def _releases_exist(self) -> Quirks:
        for pair in self.oldest_supported_computes.items():
            for name in pair:
                load_releases().get(name)
        for quirk in self.quirks:
            if quirk.since:
                load_releases().get(quirk.since)
        return self

    def is_compute_too_old(self, release: str, oldest_compute: str) -> bool:
        """Whether nova of `release` refuses to start beside a compute of `oldest_compute`.

        A release of which the catalogue has no support floor is taken to support its own computes alone.
        """
        releases = load_releases()
        floor = self.oldest_supported_computes.get(releases.get(release).name, release)
        return releases.is_newer(floor, oldest_compute)

    def holding(self, role: str, *, release: str, suite: str, oldest_compute: str | None) -> dict[str, bool]:
        """{name: True} of the quirks of `role` on a machine of that release and suite: the pillar's `quirks`.

        `oldest_compute` is the release of the oldest compute of the cloud; None when it has none.
        """
        return {quirk.name: True for quirk in self.quirks if self._holds(quirk, role, release, suite, oldest_compute)}

    def _holds(self, quirk: Quirk, role: str, release: str, suite: str, oldest_compute: str | None) -> bool:
        if role not in quirk.roles:
            return False
        too_old = oldest_compute is not None and self.is_compute_too_old(release, oldest_compute)
        if quirk.compute_too_old and not too_old:
            return False
        if quirk.since and load_releases().is_newer(quirk.since, release):
            return False
        if quirk.mariadb_since is None:
            return True
        version = self.mariadb_versions.get(suite)
        return version is not None and _version(version) >= _version(quirk.mariadb_since)


@functools.cache
def load_quirks() -> Quirks:
    """The quirks that come with Saltus."""
    text = resources.files("saltus.catalog").joinpath("data/quirks.yaml").read_text(encoding="utf-8")
    return Quirks.model_validate(yaml.safe_load(text))
