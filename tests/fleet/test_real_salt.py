"""A real master and real minions: what Salt does, and what we make of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import PILLARS, QUICK, Lab, Minion, free_port

from saltus.fleet.errors import NoMaster, NoReturn, NoSuchTarget, PillarRefused, StateFailed
from saltus.fleet.live import SaltFleet
from saltus.fleet.master import Master, MasterSettings
from saltus.fleet.port import CallReturn, Job, StateReturn, values

pytestmark = pytest.mark.salt


@pytest.fixture
def victim(lab: Lab) -> Iterator[Minion]:
    """A minion `vic01` that may be killed."""
    minion = lab.add("vic01")
    try:
        lab.fleet.wait_for(["vic01"], 90)
        yield minion
    finally:
        minion.signal(signal.SIGCONT)
        lab.remove("vic01")


@pytest.mark.parametrize(
    ("expression", "minions"),
    [
        ("*", ("cmp001", "cmp002", "ctl01")),
        ("cmp*", ("cmp001", "cmp002")),
        ("I@nova:compute and not cmp002", ("cmp001",)),
        ("I@nova:controller or cmp002", ("cmp002", "ctl01")),
        ("G@saltus:node:ctl01", ("ctl01",)),
        ("L@ctl01,cmp001", ("cmp001", "ctl01")),
    ],
)
def test_targets_are_salts_own_compound_syntax(lab: Lab, expression: str, minions: tuple[str, ...]) -> None:
    assert lab.fleet.target(expression) == minions


@pytest.mark.parametrize(
    "expression", ["gtw*", "I@cinder:volume", "L@ctl01,gtw01", "and cmp*", "(cmp*", "X@cmp001", "cmp001 and"]
)
def test_a_target_that_means_nobody_is_an_error_and_never_an_empty_success(lab: Lab, expression: str) -> None:
    with pytest.raises(NoSuchTarget) as refused:
        lab.fleet.call(expression, "test.ping")
    assert "ctl01" in refused.value.because


def test_every_minion_returns_and_the_job_was_known_before_it_ran(lab: Lab) -> None:
    seen: list[object] = []
    returns = lab.fleet.call(
        "*", "test.echo", "hello", on_job=seen.append, on_return=lambda answer: seen.append(answer.minion)
    )
    assert values(returns) == dict.fromkeys(PILLARS, "hello")
    assert isinstance(seen[0], Job)
    assert seen[0].minions == tuple(sorted(PILLARS))
    assert sorted(str(minion) for minion in seen[1:]) == sorted(PILLARS)


def test_keyword_arguments_arrive(lab: Lab) -> None:
    returns = lab.fleet.call(["ctl01"], "test.kwarg", kwargs={"num": 1, "text": "two"})
    assert {k: v for k, v in values(returns)["ctl01"].items() if not k.startswith("__")} == {"num": 1, "text": "two"}


@pytest.mark.parametrize(
    ("function", "arguments", "word"),
    [
        ("cmd.nosuch", [], "not available"),
        ("nosuch.function", [], "not available"),
        ("test.exception", ["the reason"], "the reason"),
        ("test.sleep", [], "Passed invalid arguments"),
        ("cmd.run", ["echo it broke; exit 3"], "it broke"),
    ],
)
def test_an_error_on_a_minion_is_never_a_value(lab: Lab, function: str, arguments: list[str], word: str) -> None:
    answer = lab.fleet.call(["ctl01"], function, *arguments)["ctl01"]
    assert not answer.worked
    assert word in (answer.error or "")


def test_states_are_applied(lab: Lab) -> None:
    seen: list[StateReturn] = []
    done = lab.fleet.apply("cmp*", ["good"], on_return=seen.append)
    assert sorted(done) == ["cmp001", "cmp002"] == sorted(answer.minion for answer in seen)
    assert [state.id for state in done["cmp001"].results] == ["first", "second"]
    assert [state.function for state in done["cmp001"].changed] == ["test.succeed_with_changes"]


def test_the_highstate_is_applied_and_a_minion_without_one_is_a_failure(lab: Lab) -> None:
    with pytest.raises(StateFailed) as failed:
        lab.fleet.apply("*")
    assert list(failed.value.failures) == ["ctl01"]
    assert "top file" in failed.value.failures["ctl01"][0]


def test_a_failed_state_is_named_with_its_comment_and_without_what_only_waited_for_it(lab: Lab) -> None:
    with pytest.raises(StateFailed) as failed:
        lab.fleet.apply(["cmp001"], ["bad"])
    (failure,) = failed.value.failures["cmp001"]
    assert failure.startswith("broken file (file.managed): ")


def test_states_that_do_not_render_say_why(lab: Lab) -> None:
    with pytest.raises(StateFailed) as failed:
        lab.fleet.apply(["cmp001"], ["unrenderable"])
    assert "nobody has this" in str(failed.value)


def test_states_that_do_not_exist_say_so(lab: Lab) -> None:
    with pytest.raises(StateFailed) as failed:
        lab.fleet.apply(["cmp001"], ["nosuch"])
    assert "nosuch" in str(failed.value)


def test_two_state_runs_on_one_minion_follow_each_other(lab: Lab) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(lab.fleet.apply, ["cmp001"], ["slow"]) for _ in range(2)]
        assert all(run.result()["cmp001"].worked for run in runs)


def test_threads_call_the_same_minion_at_once_and_each_gets_its_own_answer(lab: Lab) -> None:
    def ask(number: int) -> bool:
        # Half of them fail: neither a value nor an exit code may go to the other half.
        command = f"echo {number}; exit {number % 2}"
        answer = lab.fleet.call(["ctl01"], "cmd.run", command)["ctl01"]
        return answer.worked == (number % 2 == 0) and str(number) in str(answer.value)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(ask, range(24)))


def test_a_minion_that_dies_in_the_middle_of_a_job_is_named_soon(lab: Lab, victim: Minion) -> None:
    threading.Timer(1.5, victim.kill).start()
    begun = time.monotonic()
    with pytest.raises(NoReturn) as silent:
        lab.fleet.call("vic01", "test.sleep", 60, timeout_s=300)
    assert list(silent.value.missing) == ["vic01"]
    assert time.monotonic() - begun < QUICK.bound_s + 5


def test_a_minion_that_was_restarted_in_the_middle_of_a_job_is_named_soon(lab: Lab, victim: Minion) -> None:
    def restart() -> None:
        victim.kill()
        victim.start()

    threading.Timer(1.5, restart).start()
    with pytest.raises(NoReturn) as silent:
        lab.fleet.call("vic01", "test.sleep", 120, timeout_s=300)
    assert list(silent.value.missing) == ["vic01"]


def test_a_silent_minion_is_an_error_and_the_others_have_returned(lab: Lab, victim: Minion) -> None:
    victim.signal(signal.SIGSTOP)
    returned: list[CallReturn] = []
    with pytest.raises(NoReturn) as silent:
        lab.fleet.call("vic01 or ctl01", "test.ping", on_return=returned.append)
    assert silent.value.missing == {"vic01": "it does not answer"}
    assert [answer.minion for answer in returned] == ["ctl01"]
    lenient = lab.fleet.call("vic01 or ctl01", "test.ping", timeout_s=2, lenient=True)
    assert list(lenient) == ["ctl01"]


def test_a_long_job_is_not_given_up_while_its_minion_is_at_it(lab: Lab) -> None:
    assert values(lab.fleet.call(["ctl01"], "test.sleep", 15)) == {"ctl01": True}


def test_a_job_is_found_after_its_runner_was_killed(lab: Lab) -> None:
    program = (
        "import sys; from pathlib import Path; from saltus.fleet.live import SaltFleet\n"
        "SaltFleet(Path(sys.argv[1])).call(['ctl01'], 'test.sleep', 6, on_job=lambda job: print(job.jid, flush=True))"
    )
    runner = subprocess.Popen(
        [sys.executable, "-c", program, str(lab.master.config)], stdout=subprocess.PIPE, text=True
    )
    assert runner.stdout is not None
    jid = runner.stdout.readline().strip()
    time.sleep(2)
    runner.kill()
    runner.communicate()
    found = lab.fleet.lookup(jid)
    assert found is not None
    assert (found.job.function, found.running, found.lost) == ("test.sleep", ("ctl01",), ())
    end = time.monotonic() + 30
    while not found.is_finished and time.monotonic() < end:
        time.sleep(1)
        found = lab.fleet.lookup(jid)
        assert found is not None
    assert found.calls["ctl01"].value is True


def test_a_job_that_was_never_given_to_salt_is_not_found(lab: Lab) -> None:
    assert lab.fleet.lookup("20200101000000000000_1") is None


def test_the_pillar_is_computed_again_and_a_broken_one_is_refused(lab: Lab) -> None:
    changed = {**PILLARS, "ctl01": {"saltus": {"node": "ctl01"}, "heat": {"server": {"enabled": True}}}}
    try:
        lab.set_pillars(changed)
        lab.fleet.refresh_pillar("ctl01")
        assert lab.fleet.target("I@heat:server") == ("ctl01",)
        lab.set_pillars({"broken": "the model does not resolve"})
        with pytest.raises(PillarRefused) as refused:
            lab.fleet.refresh_pillar("*")
        assert "the model does not resolve" in refused.value.because
        with pytest.raises(StateFailed) as failed:
            lab.fleet.apply(["cmp001"], ["good"])
        assert "the model does not resolve" in str(failed.value)
    finally:
        lab.set_pillars(dict(PILLARS))
        lab.fleet.refresh_pillar("*")


def test_modules_can_be_called_when_they_have_been_brought(lab: Lab, victim: Minion) -> None:
    lab.fleet.sync_modules(["vic01"])
    assert values(lab.fleet.call(["vic01"], "saltus_node.versions")) == {"vic01": {"nova": "26.1.0"}}


def test_a_minion_whose_key_was_removed_is_forgotten(lab: Lab) -> None:
    lab.add("tmp01")
    try:
        lab.fleet.wait_for(["tmp01"], 90)
        assert "tmp01" in lab.fleet.target("G@saltus:release:zed")
    finally:
        lab.remove("tmp01")
    with pytest.raises(NoSuchTarget):
        lab.fleet.target("tmp01")
    assert "tmp01" not in lab.fleet.target("G@saltus:release:zed")
    with pytest.raises(NoSuchTarget):
        lab.fleet.wait_for(["tmp01"], 5)


def test_waiting_for_a_minion_that_does_not_come_ends(lab: Lab, victim: Minion) -> None:
    victim.kill()
    begun = time.monotonic()
    with pytest.raises(NoReturn) as silent:
        lab.fleet.wait_for(["ctl01", "vic01"], 4)
    assert list(silent.value.missing) == ["vic01"]
    assert time.monotonic() - begun < 60


def test_a_running_master_is_found_again_by_another_process(lab: Lab) -> None:
    pid = lab.master.status().pid
    program = (
        "import sys, pickle; from saltus.fleet.master import Master; from conftest import HERE\n"
        "settings = pickle.loads(bytes.fromhex(sys.argv[1])); m = Master(settings); m.ensure_started()\n"
        "print(m.status().pid)"
    )
    import pickle

    found = subprocess.run(
        [sys.executable, "-c", program, pickle.dumps(lab.master.settings).hex()],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    assert found.stdout.strip() == str(pid)


def test_without_a_master_every_call_says_so(tmp_path: Path, lab: Lab) -> None:
    nobody = tmp_path / "salt"
    (nobody / "pki/minions").mkdir(parents=True)
    (nobody / "pki/minions/ctl01").write_text("")
    text = lab.master.config.read_text().replace(str(lab.master.settings.directory), str(nobody))
    (nobody / "master").write_text(
        text.replace(str(lab.master.settings.return_port), str(free_port())).replace(
            str(lab.master.settings.publish_port), str(free_port())
        )
    )
    with pytest.raises(NoMaster) as absent:
        SaltFleet(nobody / "master").call(["ctl01"], "test.ping")
    assert "master" in absent.value.what


def test_a_master_that_is_stopped_leaves_nothing_behind_and_starts_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="saltus-m-") as directory:
        formulas = Path(directory) / "formulas"
        formulas.mkdir()
        master = Master(
            MasterSettings(Path(directory) / "salt", formulas, publish_port=free_port(), return_port=free_port())
        )
        try:
            assert not master.stop()
            master.ensure_started()
            pid = master.status().pid
            assert pid is not None
            assert master.stop()
            assert not master.status().is_running
            left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
            assert directory not in left
            assert not os.path.exists(f"/proc/{pid}")
            master.ensure_started()
            assert master.stop()
        finally:
            master.stop()


def test_a_master_that_cannot_listen_says_who_could_look(lab: Lab) -> None:
    settings = MasterSettings(
        lab.directory / "other",
        lab.master.settings.formulas,
        publish_port=lab.master.settings.publish_port,
        return_port=free_port(),
    )
    with pytest.raises(NoMaster, match="cannot listen"):
        Master(settings).ensure_started()
