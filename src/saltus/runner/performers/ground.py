"""What performers stand on: one cloud, its catalogue, and the ports through which it is reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saltus.errors import OperatorError
from saltus.fleet.port import Fleet, Job, values
from saltus.machines.images import ImageStore
from saltus.machines.provider import FileContent, Provider
from saltus.model.cloud import Cloud
from saltus.planner.facts import Facts
from saltus.planner.plans import Catalog
from saltus.runner.performer import StepContext
from saltus.verify.computes import Computes
from saltus.verify.connection import Login
from saltus.verify.gateways import Gateways


@dataclass(frozen=True)
class Ground:
    """Real things, wired together by `commands/`; tests hand in the public fakes."""

    cloud: Cloud
    catalog: Catalog
    provider: Provider
    images: ImageStore
    fleet: Fleet
    minion_files: Callable[[str, dict[str, str | None]], dict[str, FileContent]]
    """(minion id, grains) -> the files that let a new machine's minion join, its key accepted."""
    forget_minion: Callable[[str], None]
    record_release: Callable[[str, str], None]
    """(machine, release): what its pillar is computed for from now on, where it is upgraded where it stands."""
    forget_older: Callable[[Sequence[str]], None]
    """What these machines were before is nobody's concern any more: nova knows no older compute."""
    computes: Callable[[], Computes]
    """The APIs that know of computes."""
    gateways: Callable[[], Gateways]
    """The API that knows of gateways."""
    login: Callable[[str], Login]
    """host -> how to log in to the cloud's APIs there."""
    gather: Callable[[], Facts]
    guest: Path
    """Where the lab's guest is built."""
    tenant_password: Callable[[], str]
    lists: Path
    """Where kept API lists of this cloud lie, `<label>.json`."""

    def address(self, machine: str) -> str:
        """Where a machine is reached."""
        found = self.provider.get(machine)
        if found is None:
            raise OperatorError(
                what=f"there is no machine {machine}",
                because="its provider does not know it",
                do="perform the step that creates it again: saltus retry RUN --from STEP",
            )
        return found.address

    def relabel(self, machine: str, release: str) -> None:
        """The machine is of `release` now, and whoever looks at it finds that."""
        found = self.provider.get(machine)
        if found is not None:
            self.provider.relabel(machine, {**found.spec.labels, "release": release})

    def call(
        self, context: StepContext, machine: str, function: str, *args: object, timeout_s: float = 300, **kwargs: object
    ) -> Any:
        """Call one Salt function on one machine and return its value; the jid is journalled before it is awaited."""

        def noted(job: Job) -> None:
            context.note({"jid": job.jid})

        returns = self.fleet.call([machine], function, *args, kwargs=kwargs or None, timeout_s=timeout_s, on_job=noted)
        return values(returns)[machine]
