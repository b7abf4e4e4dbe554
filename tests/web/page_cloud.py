"""The lab's small cloud with nothing behind it: real plan, runner and journal; what performers do is made up."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from saltus.commands.errands import Errands
from saltus.commands.settings import Settings, shipped
from saltus.commands.upgrades import find_or_create_run
from saltus.commands.web import Desk
from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.fleet.fake import FakeFleet
from saltus.journal.approvals import Person
from saltus.journal.events import (
    Evidence,
    OutageSeen,
    RunStarted,
    StepFailed,
    StepFinished,
    StepStarted,
    WatchSummary,
)
from saltus.journal.store import Journal
from saltus.model.cloud import Cloud
from saltus.model.load import read_cloud
from saltus.plan import Impact, Plan, Stage, Step
from saltus.plan.actions import (
    ApplyState,
    CompareLists,
    CompareMachines,
    ListApis,
    RecordVersions,
    StartServices,
    StopServices,
)
from saltus.plan.databases import BackUpDatabases, DbSync
from saltus.planner import plans
from saltus.planner.computes import ComputeRequest
from saltus.planner.facts import Facts, MachineFacts
from saltus.planner.plans import Catalog
from saltus.runner.clock import SystemClock
from saltus.runner.gates import Asker, JournalAsker
from saltus.runner.performer import Outcome, StepContext, Verdict
from saltus.runner.performers.fake import EveryKind
from saltus.runner.run import Runner

ROWS = dict(  # noqa: C408
    identity_services=7, images=2, flavors=1, compute_services=3, servers=2, networks=2, subnets=2, ports=5, routers=1,
    volumes=1, volume_types=1, orchestration_services=1,
)  # fmt: skip
VERSIONS = {
    "zed": {"keystone": "2:22.0.0-2", "nova-api": "2:26.1.0-4", "neutron-server": "2:21.0.0-7"},
    "epoxy": {"keystone": "2:27.0.0-3", "nova-api": "2:31.0.0-6", "neutron-server": "2:26.0.0-9"},
}
FILES = {
    "/etc/nova/nova.conf": "@@ -4,5 +4,6 @@\n my_ip = (its-own-address)\n-enabled_apis = osapi_compute,metadata\n"
    " [api]\n auth_strategy = keystone\n+[workarounds]\n+disable_compute_service_check_for_ffu = true",
    "/etc/keystone/keystone.conf": "@@ -1,3 +1,3 @@\n [token]\n-provider = fernet\n+provider = jws\n expiration = 3600",
}
APIS = ("cinder", "glance", "heat", "keystone", "neutron", "nova", "placement")


Scene = tuple[Cloud, Facts, Catalog]


@functools.cache
def cloud_and_facts() -> Scene:
    """The lab's small cloud, just deployed on zed."""
    catalog = Catalog.load()
    releases, roles = catalog.releases.releases, catalog.roles.roles
    cloud = read_cloud(
        shipped("lab") / "clouds" / "small",
        known_releases=[name for release in releases for name in (release.name, release.series)],
        known_roles={role.role: [database.name for database in role.databases] for role in roles},
    )
    machines = {}
    for node in cloud.nodes:
        if not node.rehearsal:
            first = node.machines()[0]
            machines[first.name] = MachineFacts(
                node=node.name, slot=first.slot, release="zed", running=True, answers=True, free_bytes=50 << 30,
                holds_vip=first.name.startswith("prx"),
            )  # fmt: skip
    known = {service.name for service in catalog.services.services}
    heads = [catalog.services.heads(name, "zed") for name in sorted(known & set(cloud.services))]
    schemas = {database: tuple(versions) for service in heads for database, versions in service.items()}
    return cloud, Facts(machines=machines, schemas=schemas, database_bytes=1 << 28), catalog


@functools.cache
def make_plan(*, expires_after: timedelta | None = None) -> Plan:
    """The control plane of that cloud, from zed to epoxy."""
    cloud, facts, catalog = cloud_and_facts()
    return plans.plan_control(cloud, facts, catalog, target="epoxy", expires_after=expires_after)


class _NoMaster:
    def ensure_started(self) -> None:
        """There is none to start."""


class FakeWorkplace(Workplace):
    """The place with the cloud of this module and no Salt: plans are made, or refused, by the real planner."""

    def __init__(self, settings: Settings, scene: Scene) -> None:
        super().__init__(settings)
        self.cloud, self._facts, self.catalog = scene
        self.master = _NoMaster()  # type: ignore[assignment]
        self.fleet = FakeFleet(self._facts.machines)  # type: ignore[assignment]
        computes = [node.name for node in self.cloud.with_role("nova.compute")]
        self.fleet.targets["I@nova:compute"] = tuple(computes)  # type: ignore[attr-defined]

    def gather(self) -> Facts:
        return self._facts


class FakeDesk(Desk):
    """The desk of `saltus web`; its runners are threads that walk the fake cloud."""

    def __init__(self, journal: Journal, state: Path, *, pace_s: float = 0.0, scene: Scene | None = None) -> None:
        self._scene = scene or cloud_and_facts()
        settings = Settings.from_options(state=str(state), model=None, journal=journal_url(state))
        super().__init__(FakeWorkplace(settings, self._scene))
        self._journal, self._pace_s = journal, pace_s
        self.errands = Errands(settings, journal, dumps=state / "dumps", program=("/bin/echo", "would do:"))
        self.offered: list[tuple[str, str]] = []

    def _workplace(self) -> Workplace:
        place = FakeWorkplace(self._settings, self._scene)
        place.journal = self._journal
        return place

    def offer_way_back(self, run: str, who: Person) -> None:
        self.offered.append((run, who.name))

    def start(self, name: str, who: Person) -> str:
        run = find_or_create_run(self._workplace(), name, who.name)
        self._journal.leases.refuse_if_held(run)
        worker = Worker(pace=lambda _: self._pace_s)
        walk = threading.Thread(
            target=run_here, args=(self._journal, run, worker, JournalAsker()), kwargs={"by": who.name}
        )
        walk.daemon = True
        walk.start()
        return run


def journal_url(state: Path) -> str:
    return f"sqlite:///{state}/journal.db"


class Worker:
    """Takes the time that it is told to, and leaves the evidence that a real performer leaves."""

    def __init__(
        self, *, pace: Callable[[StepContext], float] = lambda _: 0.0, fail_at: Mapping[str, int] | None = None
    ) -> None:
        self.performed: list[str] = []
        self._pace, self._fail_at = pace, dict(fail_at or {})

    def perform(self, action: Any, context: StepContext) -> Outcome:
        self.performed.append(context.step.id)
        if pause := self._pace(context):
            context.say(f"working on {context.step.title}", 0.5)
            time.sleep(pause)
        if self._fail_at.get(context.step.id, 0) > 0:
            self._fail_at[context.step.id] -= 1
            raise OperatorError(
                what=f"{context.step.id} failed", because="the disk of dbs01 is full", do="make room, then go on"
            )
        summary, evidence = outcome(action, context)
        return Outcome(summary, evidence)

    def verify(self, action: Any, context: StepContext) -> Verdict:
        return Verdict.not_done("the fake cloud remembers nothing")


def outcome(action: Any, context: StepContext) -> tuple[str, Evidence]:
    match action:
        case DbSync():
            before = {d: list(context.plan.facts[f"schema of {d}"].split()) for d in action.heads}
            after = {d: list(heads) for d, heads in action.heads.items()}
            commands = [{"argv": list(c.argv), "exit_code": 0, "seconds": 1.4} for c in action.commands]
            done = {"service": action.service, "release": action.release, "before": before, "after": after,
                    "commands": commands}  # fmt: skip
            moves = "; ".join(f"{d} {' '.join(before[d])} -> {' '.join(after[d])}" for d in after)
            return f"{action.service} in 1.4 s: {moves}", {"db_sync": done}
        case ListApis():
            seconds = {name: 0.1 + len(name) / 100 for name in ROWS}
            return f"{sum(ROWS.values())} rows in {len(ROWS)} lists", {"rows": dict(ROWS), "seconds": seconds}
        case CompareLists():
            counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in ROWS.items())
            lines = ["as expected: changed: compute services: nova-compute cmp01: state down -> up: it answers again"]
            return f"nothing lost, nothing changed: {counts}", {"lines": [*lines, counts]}
        case RecordVersions():
            release, machine = ("zed", "ctl01-a") if context.step.id.startswith("check/") else ("epoxy", "ctl01-b")
            return "4 components on 1 machine", {
                "versions": {machine: dict(VERSIONS[release])},
                "serving": {machine: "ctl01"},
            }
        case CompareMachines():
            packages = {"nova-api": ["2:26.1.0-4", "2:31.0.0-6"], "python3": ["3.11.2-1+b1", "3.13.5-1"],
                        "python3-oslo.db": ["12.1.0-2", "17.2.0-2"], "python3-distutils": ["3.11.2-3", None],
                        "libpython3.13": [None, "3.13.5-2"]}  # fmt: skip
            return "5 packages of 412 differ, 2 files of 9", {
                "packages": {action.node: packages}, "files": {action.node: dict(FILES)},
            }  # fmt: skip
        case BackUpDatabases():
            return f"{action.method} backup {action.label} in 2.1 s", {"backup": {"seconds": 2.1, "bytes": 41_943_040}}
        case _:
            return "", {}


class Watch:
    """Writes down what a watcher would have seen of a run: the APIs are away from the freeze to the switch."""

    def __init__(self, journal: Journal, run: str) -> None:
        self._journal, self._run = journal, run

    def write_down(self) -> None:
        begun = {e.step: e for _, e in self._journal.read(self._run) if isinstance(e, StepStarted)}
        ended = {e.step: e for _, e in self._journal.read(self._run) if isinstance(e, StepFinished)}
        if "real-upgrade/switch-prx01" not in ended:
            return
        down, up = begun["real-upgrade/stop-ctl01"].at, ended["real-upgrade/switch-prx01"].at
        now, events = SystemClock().now(), []
        for number, api in enumerate(APIS):
            for what in ("read", "write"):
                since = down + timedelta(milliseconds=90 * number + (40 if what == "write" else 0))
                until = up + timedelta(milliseconds=70 * number)
                lasted = (until - since).total_seconds()
                lost = int(lasted * 4)
                events.append(OutageSeen(at=now, by="ann", target=api, what=what, started=since, ended=until,
                                         step="real-upgrade/stop-ctl01", lost=lost))  # fmt: skip
                events.append(WatchSummary(at=now, by="ann", target=api, what=what, asked=lost + 400, lost=lost,
                                           outage_s=lasted, longest_s=lasted))  # fmt: skip
        for name in ("web-1", "web-2"):
            events.append(WatchSummary(at=now, by="ann", target=name, what="ping", asked=1800, lost=0, outage_s=0.0,
                                       longest_s=0.0))  # fmt: skip
        self._journal.append(self._run, *events)


def run_here(journal: Journal, run: str, worker: Worker, asker: Asker | None = None, *, by: str = "ann") -> str:
    """Walk the run in this process, until it ends or has to stop; its status."""
    state = Runner(journal, EveryKind(worker), asker or JournalAsker(waits=False), by=by).run(run)
    if state.is_over:
        Watch(journal, run).write_down()
    return state.status


def fleet_plan(nodes: int = 1000) -> Plan:
    """The data plane of a large cloud: a sample of ten computes, then the others, three steps each in fifty lanes."""
    names = [f"cmp{number:04}" for number in range(1, nodes + 1)]

    def stage(name: str, title: str, machines: list[str]) -> Stage:
        steps = [
            Step(id=f"{name}/{verb}-{machine}", title=f"{title} {machine}", action=action, lane=f"lane{number % 50}")
            for number, machine in enumerate(machines)
            for verb, title, action in (
                ("stop", "Stop nova-compute on", StopServices(machine=machine, services=("nova",))),
                ("upgrade", "Upgrade the packages of", ApplyState(target=machine, states=("saltus.prepared",))),
                ("start", "Start nova-compute on", StartServices(machine=machine, services=("nova",))),
            )
        ]
        return Stage(id=name, title=f"Upgrade {len(machines)} computes", impact=Impact.PACKETS,
                     way_back="install the packages of zed again", steps=tuple(steps))  # fmt: skip

    stages = (stage("sample", "Sample", names[:10]), stage("all", "All", names[10:]))
    return Plan(name="compute", cloud="large", source="zed", target="epoxy", stages=stages)


def many_computes(nodes: int, *, ways_back: tuple[str, ...] = ()) -> Scene:
    """A control plane on epoxy with so many computes behind it that are still on zed."""
    shape = read_cloud(shipped("lab") / "clouds" / "computes")
    pattern, others = shape.node("cmp01"), tuple(n for n in shape.nodes if not n.runs("nova.compute"))
    names = tuple(f"cmp{number:04}" for number in range(1, nodes + 1))
    computes = tuple(pattern.model_copy(update={"name": name}) for name in names)
    cloud = shape.model_copy(update={"nodes": (*others, *computes)})
    machines = {
        machine.name: MachineFacts(
            node=machine.node, slot=machine.slot, release="zed" if machine.node in names else "epoxy", running=True,
            answers=True, holds_vip=machine.name == "prx01-b",
        )
        for machine in cloud.machines()
        if machine.slot != "a"
    }  # fmt: skip
    return cloud, Facts(machines=machines, ways_back=dict.fromkeys(ways_back, "zed")), Catalog.load()


def one_by_one(nodes: int = 1000) -> Plan:
    """What the planner makes of a thousand computes that are upgraded one after another: eleven thousand steps."""
    cloud, facts, catalog = many_computes(nodes)
    names = tuple(node.name for node in cloud.with_role("nova.compute"))
    return plans.plan_compute(cloud, facts, catalog, ComputeRequest(target="epoxy", nodes=names, batch="1"))


def half_done(journal: Journal, plan: Plan, *, done: int = 612, running: int = 50, failed: int = 2) -> str:
    """A run of a fleet in its middle, as the journal has it: nobody walks it."""
    run, now = journal.create_run(plan, by="ann"), SystemClock().now()
    events: list[Any] = [RunStarted(at=now, by="ann", runner="r", host="h", pid=1, saltus="0")]
    machines: dict[str, list[str]] = {}
    for step in plan.steps():
        machines.setdefault(step.id.rpartition("-")[2], []).append(step.id)
    packages = {"nova-compute": ["2:26.1.0-4", "2:31.0.0-6"], "qemu-system-x86": ["1:7.2+dfsg-7", "1:10.0.3+ds-1"]}
    for number, (machine, steps) in enumerate(machines.items()):
        over = 3 if number < done else 1 if number < done + running + failed else 0
        for step in steps[:over]:
            evidence = {"packages": {machine: packages}} if "/upgrade-" in step else {}
            events += [
                StepStarted(at=now, by="ann", step=step, attempt=1),
                StepFinished(at=now, by="ann", step=step, summary="done", seconds=2.0, evidence=evidence),
            ]
        if over == 1:
            events.append(StepStarted(at=now, by="ann", step=steps[1], attempt=1))
        if over == 1 and number >= done + running:
            because = "dpkg was interrupted: No space left on device"
            events.append(StepFailed(at=now, by="ann", step=steps[1], what=f"{machine}: saltus.prepared failed",
                                     because=because, do="make room, then saltus run", seconds=41.0))  # fmt: skip
    journal.append(run, *events)
    return run
