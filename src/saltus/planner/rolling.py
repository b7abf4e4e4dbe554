"""From model, facts and request to waves of nodes that are upgraded where they stand, or every reason why not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from saltus.catalog.releases import Releases
from saltus.errors import OperatorError
from saltus.model.cloud import Cloud, ComputeSection, Node
from saltus.pipelines.waves import Member, Wave
from saltus.planner.facts import Facts
from saltus.planner.refusals import refuse
from saltus.planner.scenes import serving_slot, slotted

TWO_HOURS = timedelta(hours=2)
GROUPS = ("zone", "rack", "aggregate")
FREE_BYTES = 3 * 1024**3
"""Room for a new operating system beside the old one: packages fetched, and the files of both for the way back."""


@dataclass(frozen=True)
class RollingRequest:
    """What the operator asked for. Targets have been resolved to nodes already: planning asks nobody."""

    target: str
    nodes: tuple[str, ...]
    test: int = 1
    sample: int = 1
    batch: str = "100%"
    """A number of nodes, a percentage of them, or `zone`, `rack`, `aggregate`."""
    max_failures: int = 0
    pause: timedelta = timedelta()
    window: str | None = None
    expiry: timedelta = TWO_HOURS


@dataclass(frozen=True)
class Chosen:
    """The nodes that a request comes to, and those of it that need nothing or cannot be reached."""

    members: tuple[Member, ...]
    left_out: dict[str, str]

    def source(self, releases: Releases) -> str:
        """The oldest release among them."""
        return min((member.source for member in self.members), key=releases.index)

    def waves(self, cloud: Cloud, request: RollingRequest) -> tuple[Wave, Wave, tuple[Wave, ...]]:
        """Test nodes, sample, batches."""
        sample, rest = self.members[: request.sample], self.members[request.sample :]
        return (
            Wave("test", "test nodes", self.members[: request.test]),
            Wave("sample", "sample", sample),
            tuple(_batches(cloud, rest, request.batch)),
        )


@dataclass(frozen=True)
class Role:
    """Whom a plan is for, in the words of a refusal."""

    name: str
    noun: str
    member: Callable[[Node, str, str], Member]
    """(node, suite, release that it runs) -> how it is handled."""


def choose(
    cloud: Cloud,
    facts: Facts,
    request: RollingRequest,
    role: Role,
    *,
    releases: Releases,
    further: Callable[[Chosen], Iterator[str]] = lambda chosen: iter(()),
    may_be_none: bool = False,
) -> Chosen:
    """The nodes of the request that are upgraded. Raises Refused with every reason; `further` adds the role's own."""
    target = releases.get(request.target).name
    check_shape(request)
    reasons = [*_of_nodes(cloud, request.nodes, role), *_of_control(cloud, facts, target, role)]
    known = {node.name for node in cloud.with_role(role.name)}
    chosen: list[Member] = []
    left_out: dict[str, str] = {}
    for name in request.nodes:
        if name not in known:
            continue
        node, found = cloud.node(name), facts.machines.get(name)
        if found is None or not found.running:
            left_out[name] = "it is off"
        elif not found.answers:
            left_out[name] = "its minion does not answer"
        elif found.release == target:
            left_out[name] = f"it runs {target} already"
        elif found.release is None:
            reasons.append(f"the release of {name} is unknown: its machine does not say what it is deployed as")
        elif releases.is_newer(found.release, target):
            reasons.append(f"{name} runs {found.release}, which is newer than {target}")
        elif (suite := node.suite or releases.get(target).suite) is None:
            reasons.append(f"{name}: no Debian suite carries {target}, and the model names none (machine:suite)")
        elif found.free_bytes is not None and found.free_bytes < FREE_BYTES:
            free = found.free_bytes / 1024**3
            reasons.append(f"{name} has {free:.1f} GiB free and needs {FREE_BYTES / 1024**3:.0f} for both its systems")
        else:
            chosen.append(role.member(node, suite, found.release))
    found_ = Chosen(tuple(chosen), left_out)
    reasons += further(found_)
    if not chosen and not reasons and not may_be_none:
        said = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        reasons.append(f"none of the {role.noun}s can be upgraded ({said})")
    refuse(
        f"the {role.noun}s of {cloud.name} cannot go to {target} now",
        reasons,
        "nothing was touched; mend what is named",
    )
    return found_


def make_way_back(
    cloud: Cloud, facts: Facts, nodes: Sequence[str], role: Role, *, more: Iterable[str] = ()
) -> tuple[Wave, str]:
    """The nodes that return, and the release they return to. Raises Refused with every reason, `more` among them."""
    reasons = [*_of_nodes(cloud, nodes, role), *more]
    sources: dict[str, str] = {}
    for name in nodes:
        found, kept = facts.machines.get(name), facts.ways_back.get(name)
        if found is None or not found.running:
            reasons.append(f"{name} is off")
        elif not found.answers:
            reasons.append(f"the minion of {name} does not answer")
        elif kept is None:
            reasons.append(f"{name} has nothing to return to: no upgrade of it was begun, or its way back was given up")
        else:
            sources[name] = kept
    if len(set(sources.values())) > 1:
        said = ", ".join(f"{name} to {release}" for name, release in sources.items())
        reasons.append(f"they return to different releases, which are plans of their own: {said}")
    refuse(
        f"{', '.join(nodes)} cannot be rolled back", reasons, "nothing was touched; mend what is named, then plan again"
    )
    release = next(iter(sources.values()))
    return Wave("rollback", "way back", tuple(role.member(cloud.node(n), "", release) for n in nodes)), release


def check_shape(request: RollingRequest) -> None:
    """Raises OperatorError for a batch or a window that nobody can read."""
    if request.batch not in GROUPS and not re.fullmatch(r"[1-9]\d*%?", request.batch):
        raise OperatorError(
            what=f"{request.batch!r} is no size of a batch",
            because=f"a batch is a number of nodes, a percentage of them, or {', '.join(GROUPS)}",
            do="say --batch 10, --batch 25% or --batch zone",
        )
    if request.window and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", request.window):
        raise OperatorError(
            what=f"{request.window!r} is no maintenance window",
            because="a window is two times of the day: when it opens and when it closes",
            do="say --window 22:00-06:00",
        )
    if request.sample < 1 or request.test < 1:
        raise OperatorError(
            what="an upgrade needs a test node and a sample node",
            because="what happens to one node is shown before it happens to the others",
            do="say --test 1 --sample 1",
        )


def _batches(cloud: Cloud, computes: Sequence[Member], batch: str) -> Iterator[Wave]:
    if not computes:
        return
    if batch in GROUPS:
        groups: dict[str, list[Member]] = {}
        for compute in computes:
            said = getattr(cloud.node(compute.name).compute or ComputeSection(), batch)
            groups.setdefault(said or "", []).append(compute)
        for number, (name, members) in enumerate(groups.items(), 1):
            title = f"{batch} {name}" if name else f"without {batch}"
            yield Wave(f"batch-{number:02d}", title, tuple(members))
        return
    number = int(batch.rstrip("%"))
    size = max(1, len(computes) * number // 100) if batch.endswith("%") else number
    waves = [computes[i : i + size] for i in range(0, len(computes), size)]
    for index, several in enumerate(waves, 1):
        yield Wave(f"batch-{index:02d}", f"batch {index} of {len(waves)}", tuple(several))


def _of_nodes(cloud: Cloud, nodes: Sequence[str], role: Role) -> Iterator[str]:
    known = {node.name for node in cloud.with_role(role.name)}
    strange = [name for name in nodes if name not in known]
    if strange:
        said = f"are no {role.noun}s" if len(strange) > 1 else f"is no {role.noun}"
        yield f"{', '.join(strange)} {said} of {cloud.name}"


def _of_control(cloud: Cloud, facts: Facts, target: str, role: Role) -> Iterator[str]:
    machines = control_machines(cloud, facts)
    if not machines:
        yield f"no proxy holds the virtual address {cloud.networks.management.vip}: nothing serves the APIs"
    for name in machines:
        release = release_of(facts, name)
        if release != target:
            yield (
                f"the control plane runs {release or 'an unknown release'}:"
                f" {role.noun}s follow it and never go before it"
                f" (saltus plan control --to {target})"
            )


def control_machines(cloud: Cloud, facts: Facts) -> tuple[str, ...]:
    """The machines of the control plane that serves."""
    slot = serving_slot(cloud, facts)
    return tuple(f"{node.name}-{slot}" for node in slotted(cloud, "nova.controller")) if slot else ()


def release_of(facts: Facts, machine: str) -> str | None:
    found = facts.machines.get(machine)
    return found.release if found else None
