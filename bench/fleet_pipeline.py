"""The data plane's whole pipeline over many computes whose states do nothing, beside bare Salt doing the same jobs.

A real master; light minions that speak Salt's protocol (bench/light_minions.py); the real plan, runner, journal and
performers; nova's and neutron's APIs answer at once. Bare Salt is LocalClient with the same functions on the same
minions, one job after another.

python bench/fleet_pipeline.py [COUNT ...]        default: 100 1000
"""

from __future__ import annotations

import contextlib
import logging
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

import yaml

from saltus.commands.settings import shipped
from saltus.fleet.keys import MinionKeys
from saltus.fleet.live import SaltFleet
from saltus.fleet.master import Master, MasterSettings
from saltus.fleet.waiting import Patience
from saltus.journal.store import Journal
from saltus.machines.fake import FakeProvider
from saltus.machines.images import ImageStore
from saltus.model.cloud import Cloud
from saltus.model.load import read_cloud
from saltus.plan import Plan
from saltus.planner.computes import ComputeRequest
from saltus.planner.facts import Facts, MachineFacts
from saltus.planner.plans import Catalog, plan_compute
from saltus.runner.gates import AutoApprover
from saltus.runner.performer import Outcome, StepContext
from saltus.runner.performers.fanout import open_tally
from saltus.runner.performers.ground import Ground
from saltus.runner.performers.registry import performers
from saltus.runner.run import Runner
from saltus.verify.computes import FakeComputes
from saltus.verify.gateways import FakeGateways

ROOT = Path(__file__).resolve().parents[1]
BATCH, AT_MOST = "25%", 1.5
NOT_OF_THE_FLEET = ("test", "ask", "finish")
"""Stages without fan-out over all nodes, or which ask real APIs alone."""


@dataclass(frozen=True)
class Measured:
    count: int
    saltus_s: float
    bare_s: float
    journal_bytes: int
    peak_mb: float

    @property
    def ratio(self) -> float:
        return self.saltus_s / self.bare_s


class RecordingFleet(SaltFleet):
    """The real fleet, that keeps which job went to whom."""

    def __init__(self, config: Path) -> None:
        # A thousand minions on two cores answer a look more slowly than a thousand machines would.
        super().__init__(config, patience=Patience(look_every_s=30, answer_within_s=60))
        self.jobs: list[tuple[str, tuple[Any, ...], tuple[str, ...]]] = []

    def _run(self, job: Any, arguments: Any, *rest: Any) -> Any:
        self.jobs.append((job.function, tuple(arguments), job.minions))
        return super()._run(job, arguments, *rest)


class Everything:
    """In place of what asks APIs that are not there: it has worked on every node."""

    def perform(self, action: Any, context: StepContext) -> Outcome:
        tally, nodes = open_tally(context, action.nodes)
        for node in nodes:
            tally.done(node, True)
        return tally.outcome("done")


def cloud_of(count: int) -> Cloud:
    """The shape `computes` with so many computes."""
    shape = read_cloud(shipped("lab") / "clouds" / "computes")
    pattern = shape.node("cmp01")
    others = tuple(node for node in shape.nodes if not node.runs("nova.compute"))
    names = [f"cmp{number:04d}" for number in range(1, count + 1)]
    return shape.model_copy(update={"nodes": (*others, *(pattern.model_copy(update={"name": n}) for n in names))})


def facts_of(cloud: Cloud) -> Facts:
    def found(name: str, node: str, slot: str | None) -> MachineFacts:
        release = "zed" if node.startswith("cmp") else "epoxy"
        vip = name == "prx01-b"
        return MachineFacts(node=node, slot=slot, release=release, running=True, answers=True, holds_vip=vip)

    return Facts(machines={m.name: found(m.name, m.node, m.slot) for m in cloud.machines() if m.slot != "a"})


def plan_of(cloud: Cloud, facts: Facts) -> Plan:
    names = tuple(node.name for node in cloud.with_role("nova.compute"))
    made = plan_compute(cloud, facts, Catalog.load(), ComputeRequest(target="epoxy", nodes=names, batch=BATCH))
    return made.model_copy(update={"stages": tuple(s for s in made.stages if s.id not in NOT_OF_THE_FLEET)})


@contextlib.contextmanager
def fleet_of(directory: Path, count: int) -> Iterator[RecordingFleet]:
    """A master and so many minions; all of them share one key pair, which takes a thousandth of the time."""
    ports = [_free_port(), _free_port()]
    formulas = directory / "formulas"
    formulas.mkdir(parents=True)
    pillar = directory / "pillar.yml"
    pillar.write_text("{}\n")
    settings = MasterSettings(
        directory=directory / "salt",
        formulas=formulas,
        publish_port=ports[0],
        return_port=ports[1],
        extension=ROOT / "tests" / "fleet" / "extension",
        pillar={"file": str(pillar)},
    )
    master = Master(settings)
    minions: subprocess.Popen[str] | None = None
    try:
        master.ensure_started()
        root = directory / "minion"
        for path, (text, mode) in (
            MinionKeys(settings).minion_files("cmp0001", grains={}, root=PurePosixPath(root)).items()
        ):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text)
            Path(path).chmod(mode)
        key = (settings.keys / "minions" / "cmp0001").read_text()
        for number in range(2, count + 1):
            (settings.keys / "minions" / f"cmp{number:04d}").write_text(key)
        config = root / "etc/salt/minion"
        config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"log_level": "critical"}))
        began = time.perf_counter()
        minions = subprocess.Popen(
            [sys.executable, str(ROOT / "bench" / "light_minions.py"), str(config), str(count)],
            stdout=subprocess.PIPE,
            stderr=(directory / "minions.log").open("w"),
            text=True,
        )
        assert minions.stdout is not None
        assert minions.stdout.readline().strip() == "ready", (directory / "minions.log").read_text()[-3000:]
        fleet = RecordingFleet(master.config)
        # One ping, not many short ones as wait_for has them: a thousand in one process answer late.
        fleet.call([f"cmp{number:04d}" for number in range(1, count + 1)], "test.ping", timeout_s=600)
        print(f"  {count} minions have joined after {time.perf_counter() - began:.0f} s", flush=True)
        yield fleet
    finally:
        if minions is not None:
            minions.kill()
            minions.wait()
        master.stop()


def measure(count: int) -> Measured:
    directory = Path(tempfile.mkdtemp(prefix="saltus-bench-"))
    try:
        cloud = cloud_of(count)
        facts = facts_of(cloud)
        with fleet_of(directory, count) as fleet:
            fleet.jobs.clear()
            peak = Peak()
            saltus_s, journal = run_saltus(cloud, facts, fleet, directory)
            peak_mb = peak.stop()
            bare_s = run_bare(fleet)
        return Measured(count, saltus_s, bare_s, journal, peak_mb)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def run_saltus(cloud: Cloud, facts: Facts, fleet: SaltFleet, directory: Path) -> tuple[float, int]:
    """Seconds of the run, and the bytes of its journal."""
    ground = Ground(
        cloud=cloud,
        catalog=Catalog.load(),
        provider=FakeProvider(),
        images=ImageStore(directory / "images"),
        fleet=fleet,
        minion_files=lambda minion, grains: {},
        forget_minion=lambda minion: None,
        record_release=lambda machine, release: None,
        forget_older=lambda machines: None,
        computes=lambda: computes,
        gateways=lambda: FakeGateways([]),
        login=lambda host: cast(Any, None),
        gather=lambda: facts,
        guest=directory / "guest",
        tenant_password=lambda: "",
        lists=directory / "lists",
    )
    computes = FakeComputes([node.name for node in cloud.with_role("nova.compute")])
    nothing = Everything()
    registry = {**performers(ground), "computes.prove": nothing, "computes.await-agents": nothing}
    journal = Journal(f"sqlite:///{directory}/journal.db")
    plan = plan_of(cloud, facts)
    journal.save_plan(plan)
    run = journal.create_run(plan, by="bench")
    before = _size(directory)
    began = time.perf_counter()
    state = Runner(journal, registry, AutoApprover("bench"), by="bench").run(run)
    seconds = time.perf_counter() - began
    assert state.status == "done", f"{state.status}: {state.reason} {state.failures()}"
    journal.close()
    return seconds, _size(directory) - before


def run_bare(fleet: RecordingFleet) -> float:
    """The same jobs by Salt's own client, one after another. Seconds."""
    import salt.client

    client = salt.client.LocalClient(str(fleet._config))
    began = time.perf_counter()
    for function, arguments, minions in list(fleet.jobs):
        returned: set[str] = set()
        for answer in client.cmd_iter(list(minions), function, list(arguments), tgt_type="list", timeout=120):
            returned |= set(answer)
        assert returned >= set(minions), f"{function}: {len(returned)} of {len(minions)} returned"
    return time.perf_counter() - began


class Peak:
    """The most memory that this process had, above what it had at the beginning."""

    def __init__(self) -> None:
        self._first = self._most = _resident_mb()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self._most = max(self._most, _resident_mb())

    def stop(self) -> float:
        self._over.set()
        self._thread.join()
        return self._most - self._first


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1024**2


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.glob("journal.db*"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> int:
    logging.getLogger("salt").setLevel(logging.CRITICAL)
    counts = [int(word) for word in sys.argv[1:]] or [100, 1000]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results = []
    for count in counts:
        found = measure(count)
        results.append(found)
        times = f"saltus {found.saltus_s:6.1f} s  bare Salt {found.bare_s:6.1f} s  ratio {found.ratio:.2f}"
        journal, memory = found.journal_bytes / count / 1024, found.peak_mb / count * 1024
        print(f"{count:>6} computes  {times}  a node: journal {journal:.1f} KiB, memory {memory:.0f} KiB", flush=True)
    good = all(found.ratio <= AT_MOST for found in results)
    print(f"wanted: at most {AT_MOST} times bare Salt: {'good' if good else 'NOT GOOD'}")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
