"""The watcher's process against APIs that go away on schedule: what it measures is what happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from saltus.errors import OperatorError
from saltus.verify.watcher.process import Watcher
from saltus.verify.watcher.summary import ProbeSummary, summarise
from saltus.verify.watcher.targets import Targets

from .fake_cloud import PASSWORD, FakeApi, FakeCloud

NOISE_S = 0.6
"""What may be added to a measured time on a machine that has time."""


class Lateness:
    """How late this machine wakes who sleeps: what a busy one adds to every time that is measured on it meanwhile."""

    def __init__(self) -> None:
        self.worst_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.is_set():
            begun = time.monotonic()
            time.sleep(0.02)
            self.worst_s = max(self.worst_s, time.monotonic() - begun - 0.02)

    def __enter__(self) -> Lateness:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def noise_s(self) -> float:
        return NOISE_S + 5 * self.worst_s  # a question passes through several hands


@pytest.fixture
def late() -> Iterator[Lateness]:
    with Lateness() as lateness:
        yield lateness


def until(holds: Callable[[], object], within_s: float = 90) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def asked(watcher: Watcher, times: int = 3, *targets: str) -> None:
    """Return when every probe, or each of `targets`, has been asked so often, from now on."""

    def samples() -> dict[tuple[str, str], int]:
        probes = watcher.summary().probes
        return {(p.target, p.kind): p.samples for p in probes if not targets or p.target in targets}

    until(lambda: len({target for target, _ in samples()}) == (len(targets) or 7))
    before = samples()
    until(lambda: all(count >= before.get(probe, 0) + times for probe, count in samples().items()))


def over(watcher: Watcher, target: str, *kinds: str) -> None:
    """Return when an outage of it has been seen to end, in each of these ways of asking."""

    def ended(kind: str) -> bool:
        outages = watcher.summary().probe(target, kind).outages  # type: ignore[arg-type]
        return bool(outages) and outages[-1].ended is not None

    until(lambda: all(ended(kind) for kind in kinds))


def targets(cloud: FakeCloud, **more: object) -> Targets:
    fast = {"read_s": 0.2, "write_s": 0.2, "down_s": 0.1, "answer_timeout_s": 1.0}
    return Targets(auth_url=cloud.auth_url, username="admin", project="admin", **{**fast, **more})


def assert_measured(probe: ProbeSummary, true_s: float, late: Lateness, *, late_s: float = 0.0) -> None:
    """One outage: not shorter than the true one, and longer by no more than the periods allow."""
    assert len(probe.outages) == 1, probe
    allowed = true_s + probe.period_s + 0.1 + late_s + late.noise_s
    assert true_s - 0.02 <= probe.outages[0].seconds <= allowed, probe
    assert probe.outages[0].ended is not None


def away(api: FakeApi, seconds: float) -> float:
    """Refuse connections; the seconds for which that really was so."""
    api.stop()
    begun = time.monotonic()
    time.sleep(seconds)
    api.start()
    return time.monotonic() - begun


def test_an_api_that_refuses_connections_is_measured_and_no_other_is(
    cloud: FakeCloud, tmp_path: Path, late: Lateness
) -> None:
    with Watcher(targets(cloud), PASSWORD, tmp_path) as watcher:
        asked(watcher)
        before = datetime.now(UTC)
        true_s = away(cloud.apis["nova"], 2)
        over(watcher, "nova", "read", "write")
        asked(watcher)
    summary = watcher.summary()
    for kind in ("read", "write"):
        probe = summary.probe("nova", kind)
        assert_measured(probe, true_s, late)
        assert "Connection re" in probe.outages[0].error  # refused; reset for one that was being accepted
        assert abs((probe.outages[0].started - before).total_seconds()) < 0.3 + late.noise_s
    others = [probe for probe in summary.probes if probe.target != "nova"]
    assert {probe.target for probe in others} == {"keystone", "glance", "placement", "neutron", "cinder", "heat"}
    assert all(not probe.outages and probe.samples > 5 for probe in others), others
    assert [session.is_clean for session in summary.sessions] == [True]


def test_reads_that_go_on_while_writes_fail_are_told_apart(cloud: FakeCloud, tmp_path: Path, late: Lateness) -> None:
    with Watcher(targets(cloud), PASSWORD, tmp_path) as watcher:
        asked(watcher)
        begun = time.monotonic()
        cloud.apis["neutron"].write_mode = "503"
        time.sleep(1.5)
        cloud.apis["neutron"].write_mode = "up"
        true_s = time.monotonic() - begun
        over(watcher, "neutron", "write")
    assert_measured(watcher.summary().probe("neutron", "write"), true_s, late)
    assert watcher.summary().probe("neutron", "write").outages[0].error == "503 Service Unavailable"
    assert watcher.summary().probe("neutron", "read").outages == ()


def test_a_hanging_api_is_away_and_holds_up_nobody_else(cloud: FakeCloud, tmp_path: Path, late: Lateness) -> None:
    with Watcher(targets(cloud), PASSWORD, tmp_path) as watcher:
        asked(watcher)
        begun = time.monotonic()
        cloud.apis["heat"].mode = "hang"
        asked(watcher, 8, "glance")
        took_s = time.monotonic() - begun
        time.sleep(max(0.0, 2.5 - took_s))
        cloud.apis["heat"].mode = "up"
        true_s = time.monotonic() - begun
        over(watcher, "heat", "read")
    summary = watcher.summary()
    assert_measured(summary.probe("heat", "read"), true_s, late, late_s=1.0)
    assert summary.probe("heat", "read").outages[0].error == "no answer within 1 s"
    assert took_s < 4 + 8 * 5 * late.worst_s, "behind heat, each question to glance would wait for a second and more"


def test_a_slow_api_is_not_away_and_its_slowness_is_seen(cloud: FakeCloud, tmp_path: Path, late: Lateness) -> None:
    cloud.apis["cinder"].mode, cloud.apis["cinder"].slow_s = "slow", 0.5
    with Watcher(targets(cloud, answer_timeout_s=20.0), PASSWORD, tmp_path) as watcher:
        asked(watcher, 3, "cinder")
    probe = watcher.summary().probe("cinder", "read")
    assert probe.outages == ()
    assert 0.5 <= probe.slowest_s < 0.5 + late.noise_s


def test_what_the_writes_made_is_gone_at_the_end(cloud: FakeCloud, tmp_path: Path) -> None:
    cloud.objects["neutron"].add("left-by-a-dead-watcher")
    with Watcher(targets(cloud), PASSWORD, tmp_path):
        until(lambda: any(made - {"left-by-a-dead-watcher"} for made in list(cloud.objects.values())))
    assert not any(cloud.objects.values()), cloud.objects


def test_without_writes_nothing_is_written(cloud: FakeCloud, tmp_path: Path) -> None:
    with Watcher(targets(cloud, writes=False), PASSWORD, tmp_path) as watcher:
        asked(watcher, 5)
    sent = {(method, path) for api in cloud.apis.values() for method, path in api.requests if method != "GET"}
    assert sent == {("POST", "/v3/auth/tokens")}


def test_an_outage_of_keystone_is_not_laid_to_others_that_answer(
    cloud: FakeCloud, tmp_path: Path, late: Lateness
) -> None:
    with Watcher(targets(cloud), PASSWORD, tmp_path) as watcher:
        asked(watcher)
        true_s = away(cloud.apis["keystone"], 1.5)
        over(watcher, "keystone", "read")
    assert_measured(watcher.summary().probe("keystone", "read"), true_s, late)
    assert watcher.summary().probe("nova", "read").outages == ()


def test_a_watcher_that_is_killed_keeps_what_it_saw(cloud: FakeCloud, tmp_path: Path) -> None:
    watcher = Watcher(targets(cloud), PASSWORD, tmp_path).start()
    asked(watcher)
    away(cloud.apis["glance"], 1)
    over(watcher, "glance", "read")
    cloud.apis["nova"].mode = "503"
    until(lambda: watcher.summary().probe("nova", "read").outages)
    assert watcher._process is not None
    watcher._process.kill()
    watcher._process.wait()
    summary = summarise(tmp_path)
    assert summary.sessions[0].is_clean is False
    assert summary.probe("glance", "read").outages[0].ended is not None
    assert summary.probe("nova", "read").outages[0].ended is None
    cloud.apis["nova"].mode = "up"
    time.sleep(0.5)
    with Watcher(targets(cloud), PASSWORD, tmp_path) as watcher:
        asked(watcher, 1)
    summary = summarise(tmp_path)
    assert len(summary.sessions) == 2
    assert summary.unwatched_s > 0.3
    assert len(summary.probe("glance", "read").outages) == 1


def test_a_watcher_dies_with_its_parent(cloud: FakeCloud, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text(targets(cloud).model_dump_json())
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path\n"
            "from saltus.verify.watcher.process import Watcher\n"
            "from saltus.verify.watcher.targets import Targets\n"
            f"w = Watcher(Targets.model_validate_json(Path({str(tmp_path / 'in.json')!r}).read_text()), {PASSWORD!r},"
            f" Path({str(tmp_path)!r})).start()\n"
            "print(w._process.pid, flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(0.5)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline, "the watcher lives on"
        time.sleep(0.1)
    assert summarise(tmp_path).sessions[0].is_clean


def test_a_wrong_password_is_told_at_the_start_and_never_written(cloud: FakeCloud, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="does not accept admin"):
        Watcher(targets(cloud), "wrong-password", tmp_path).start()
    assert not any("wrong-password" in path.read_text() for path in tmp_path.iterdir())


def test_a_cloud_that_is_away_at_first_is_watched_once_it_answers(cloud: FakeCloud, tmp_path: Path) -> None:
    cloud.apis["keystone"].stop()
    with Watcher(targets(cloud), PASSWORD, tmp_path) as watcher:
        until(lambda: watcher.summary().probe("keystone", "read").outages)
        cloud.apis["keystone"].start()
        over(watcher, "keystone", "read")
        until(lambda: any(probe.target == "nova" and probe.samples for probe in watcher.summary().probes))
    summary = watcher.summary()
    assert summary.probe("keystone", "read").outages[0].ended is not None
    assert summary.probe("nova", "read").samples > 0
    assert summary.probe("nova", "read").outages == ()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="echo requests need a raw socket")
def test_instances_are_pinged_and_one_that_is_missing_is_away(cloud: FakeCloud, tmp_path: Path) -> None:
    with Watcher(targets(cloud, instances={"demo-1": "127.0.0.21"}, ping_timeout_s=0.5), PASSWORD, tmp_path) as watcher:
        watcher.ping("demo-2", "127.0.0.22")
        watcher.ping("missing", "255.255.255.255")  # no packet leaves for there
        time.sleep(3)
    summary = watcher.summary()
    for name in ("demo-1", "demo-2"):
        assert summary.probe(name, "ping").failures == 0
        assert 8 <= summary.probe(name, "ping").samples <= 14
    assert summary.probe("missing", "ping").outages[0].ended is None
    assert summary.pings_lost == summary.probe("missing", "ping").failures > 4
