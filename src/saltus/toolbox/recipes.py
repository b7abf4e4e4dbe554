"""How the manage tools of a release are made: which Python, which versions, and which pins need help."""

from __future__ import annotations

import functools
import gzip
import re
from importlib import resources
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from saltus.catalog.releases import load_releases
from saltus.catalog.services import Range, load_services
from saltus.errors import OperatorError

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)===?(?P<version>[^;\s]+)\s*(?P<marker>;.*)?$")


class CannotBuild(OperatorError):
    """A toolbox cannot be made: no package, no interpreter, or the installation failed."""


class Era(Range):
    """Releases whose tools are made in the same way."""

    python: tuple[str, ...]
    """Minor versions that work, the best first."""
    drop: tuple[str, ...] = ()
    replace: dict[str, str] = Field(default={})
    first: tuple[str, ...] = ()
    """Installed before all others, because their set-ups import it."""
    with_: tuple[str, ...] = Field(default=(), alias="with")
    compiles: bool = False
    """Some of the pins have parts in C, and no wheels for these versions of Python."""
    build_with: tuple[str, ...] = ()
    """Constraints on what source packages are built with."""


class Suite(BaseModel):
    """A Debian suite that has an interpreter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str
    packages: tuple[str, ...]


class Recipes(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    suites: dict[str, Suite]
    """{Python: the suite that it can be unpacked from}"""
    compiler: tuple[str, ...]
    """Unpacked with every interpreter: what builds the parts in C for which nobody has wheels."""
    eras: tuple[Era, ...]
    packages: dict[str, dict[str, str]]
    """{release: {service: version in the registry}}"""

    def era(self, release: str) -> Era:
        for era in self.eras:
            if era.holds(release):
                return era
        raise CannotBuild(
            what=f"there is no way to make the tools of {release}",
            because="the registry has none of its packages",
            do="take a route that does not stop there: saltus catalog route SERVICE FROM TO",
        )

    def available(self, release: str) -> tuple[str, ...]:
        """The services whose tools of that release the registry has."""
        return tuple(sorted(self.packages.get(load_releases().get(release).name, {})))

    def requirement(self, release: str, service: str, sources: dict[str, Path]) -> str:
        """What to install for a service: its pinned package, or what `--source` names."""
        if service in sources:
            return str(sources[service].resolve())
        version = self.packages.get(release, {}).get(service)
        if version is None:
            has = [r for r, services in self.packages.items() if service in services]
            raise CannotBuild(
                what=f"the registry has no {service} of {release}",
                because=f"it begins with {has[0]}" if has else "it has none at all",
                do=f"give it: --source {service}=PATH (wheel, sdist, directory or git checkout)",
            )
        return f"{load_services().get(service).package}=={version}"


@functools.cache
def load_recipes() -> Recipes:
    text = resources.files("saltus.toolbox").joinpath("data/recipes.yaml").read_text(encoding="utf-8")
    return Recipes.model_validate(yaml.safe_load(text))


def constraints(release: str, era: Era) -> str:
    """The release's upper constraints as a file for pip, with the era's corrections."""
    packed = resources.files("saltus.toolbox").joinpath(f"data/constraints/{release}.txt.gz").read_bytes()
    leave = {name.lower() for name in (*era.drop, *era.replace)}
    lines = []
    for line in gzip.decompress(packed).decode().splitlines():
        pin = _PIN.match(line.strip())
        if pin and pin["name"].lower() not in leave:
            # `==` and not `===`: pip 20 does not find wheels with a local version by the latter.
            lines.append(f"{pin['name']}=={pin['version']}{pin['marker'] or ''}")
    lines += [f"{name}=={version}" for name, version in era.replace.items()]
    return "\n".join(lines) + "\n"
