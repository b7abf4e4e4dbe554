"""Pings in a network of their own, whose kernel is told for a while not to answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from saltus.verify.watcher.ping import checksum, echo_request
from saltus.verify.watcher.summary import summarise

NAMESPACE = """
import sys, threading, time
from pathlib import Path
from saltus.verify.watcher.ping import Pinger, answers
from saltus.verify.watcher.record import Recorder

silence = Path("/proc/sys/net/ipv4/icmp_echo_ignore_all")
recorder, stop = Recorder(Path(sys.argv[1])), threading.Event()
series = recorder.series("demo-1", "ping", 0.1)
pinger = Pinger("127.0.0.1", period_s=0.1, timeout_s=1.0)
thread = threading.Thread(target=pinger.run, args=(
    stop, lambda at, s: recorder.good(series, at, s), lambda at: recorder.bad(series, at, "no answer")))
thread.start()
time.sleep(1)
silence.write_text("1")
assert answers("127.0.0.1", within_s=0.3) is None
time.sleep(float(sys.argv[2]) - 0.3)
silence.write_text("0")
assert answers("127.0.0.1", within_s=2) < 0.5
time.sleep(1)
stop.set()
thread.join()
recorder.write_state(ended=True)
"""


def test_an_echo_request_carries_a_checksum_that_sums_to_nothing() -> None:
    assert checksum(echo_request(0x1234, 7)) == 0


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs a network namespace of its own")
@pytest.mark.parametrize("silent_s", [0.5, 2.0], ids=["shorter than the timeout", "longer than the timeout"])
def test_a_silence_is_one_outage_and_every_packet_in_it_is_lost(silent_s: float, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(NAMESPACE)
    command = f'ip link set lo up && exec "{sys.executable}" "{script}" "{tmp_path}" {silent_s}'
    subprocess.run(["unshare", "--net", "--mount-proc", "--pid", "--fork", "sh", "-c", command], check=True, timeout=60)
    probe = summarise(tmp_path).probe("demo-1", "ping")
    assert len(probe.outages) == 1
    assert silent_s - 0.02 <= probe.outages[0].seconds <= silent_s + 0.8
    assert abs(probe.failures - silent_s / 0.1) <= 4
    assert probe.outages[0].failures == probe.failures
