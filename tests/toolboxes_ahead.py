"""Builds the toolboxes that the rehearsals of the tests stop at, while other tests run: `make test` starts it.

Whoever needs one that is not ready waits for it, or builds it: what goes wrong here is told again there.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from saltus.catalog.routes import find_routes, needed_releases
from saltus.catalog.services import load_services
from saltus.errors import OperatorError
from saltus.toolbox.build import build
from saltus.toolbox.recipes import load_recipes
from saltus.toolbox.shelf import Shelf

HOPS = (
    ("zed", "epoxy", None),
    ("mitaka", "ocata", ("nova", "neutron", "cinder")),
    ("mitaka", "rocky", None),
    ("mitaka", "gazpacho", None),
    ("rocky", "train", ("nova", "placement")),
    ("zed", "gazpacho", None),
)
"""(from, to, services), the first that is needed first; None: all that the target has."""


def kept() -> Path:
    """Where the tests keep toolboxes: `$SALTUS_TEST_TOOLBOXES`, else the user's cache."""
    return Path(os.environ.get("SALTUS_TEST_TOOLBOXES", "~/.cache/saltus/toolboxes")).expanduser()


def needed() -> dict[str, set[str]]:
    """{release: the services whose tools the hops use there}, in the order of the hops."""
    found: dict[str, set[str]] = {}
    for source, target, names in HOPS:
        here = [s for s in load_services().services if s.exists_in(target) and (names is None or s.name in names)]
        routes = find_routes(
            source,
            target,
            names=[s.name for s in here],
            available=lambda service, release: service in load_recipes().available(release),
            begins={s.name for s in here if not s.exists_in(source)},
        )
        for release, services in needed_releases(routes).items():
            found.setdefault(release, set()).update(services)
    return found


def make(release: str, services: set[str]) -> None:
    began = time.monotonic()
    try:
        build(Shelf(kept()), release, services)
        print(f"toolbox of {release}: ready after {time.monotonic() - began:.0f} s", file=sys.stderr)
    except OperatorError as exc:
        print(f"toolbox of {release}: {exc}", file=sys.stderr)


if __name__ == "__main__":
    with ThreadPoolExecutor(max_workers=2) as workers:
        for wanted in needed().items():
            workers.submit(make, *wanted)
