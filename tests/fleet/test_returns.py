"""The odd shapes, as Salt 3008.3 returned them."""

from __future__ import annotations

from typing import Any

import pytest

from saltus.fleet import returns

APPLIED: dict[str, Any] = {
    "return": {
        "test_|-waits_|-waits_|-nop": {
            "name": "waits",
            "changes": {},
            "result": False,
            "comment": "One or more requisite failed: bad.broken file",
            "__sls__": "bad",
            "__id__": "waits",
            "__run_num__": 1,
            "duration": 0.002,
        },
        "file_|-broken file_|-/proc/x_|-managed": {
            "name": "/proc/x",
            "changes": {},
            "result": False,
            "comment": ["Parent directory", "not present"],
            "__sls__": "bad",
            "__id__": "broken file",
            "__run_num__": 0,
            "duration": "12.5 ms",
        },
    },
    "retcode": 2,
    "success": False,
}


def test_states_come_in_the_order_of_their_running_and_the_cause_is_told() -> None:
    answer = returns.state_return("ctl01", APPLIED)
    assert [state.id for state in answer.results] == ["broken file", "waits"]
    assert answer.results[0].function == "file.managed"
    assert answer.results[0].duration_s == 0.0125
    assert returns.failures(answer) == ("broken file (file.managed): Parent directory\nnot present",)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (["Rendering SLS 'base:nova' failed: Jinja variable 'x' is undefined"], "Jinja variable"),
        (["Pillar failed to render with the following messages:", "Failed to load ext_pillar x: no"], "ext_pillar x"),
        ("The minion function caused an exception: Traceback ...", "Traceback"),
        ("Minion did not return. [No response]", "did not return"),
        ({"no_|-states_|-states_|-None": {"result": False, "comment": "No states found for this minion"}}, "top file"),
        ({"state.apply": "'state.apply' is not available."}, "not available"),
        ({}, "said nothing"),
        (None, "said nothing"),
        (False, "False"),
        ([], "empty"),
    ],
)
def test_a_state_run_that_has_not_taken_place_has_failed(answer: object, word: str) -> None:
    done = returns.state_return("ctl01", {"return": answer, "retcode": 1})
    assert not done.worked
    assert any(word in text for text in returns.failures(done))


@pytest.mark.parametrize(
    "answer",
    [
        "The minion function caused an exception: Traceback (most recent call last): ...",
        "ERROR: a command had a problem",
        {"test.ping": "docs", "test.pong": "'test.pong' is not available."},
        "",
        None,
    ],
)
def test_an_error_is_told_from_a_value_by_its_exit_code(answer: object) -> None:
    assert returns.call_return("ctl01", {"return": answer, "retcode": 1}).error
    assert returns.call_return("ctl01", {"return": answer, "retcode": 0, "success": True}).worked


def test_salts_own_word_for_silence_is_no_value_even_with_the_code_0() -> None:
    answer = returns.call_return("ctl01", {"return": "Minion did not return. [No response]", "retcode": 0})
    assert not answer.worked


def test_an_entry_of_the_job_cache_without_a_code_is_a_value() -> None:
    assert returns.call_return("ctl01", {"return": {"nova": "26.1.0"}}).value == {"nova": "26.1.0"}


@pytest.mark.parametrize(
    ("answer", "final"),
    [
        ({"queued": True, "result": True, "comment": "Job queued for execution"}, False),
        ("Minion did not return. [Not connected]", False),
        ("Minion of the year", True),
        ({"result": False}, True),
        (None, True),
    ],
)
def test_a_remark_that_there_is_no_return_yet_is_not_the_end(answer: object, final: bool) -> None:
    assert returns.is_final(answer) is final


def test_a_conflict_with_another_state_run_is_known() -> None:
    text = 'The function "state.sls" is running as PID 77 and was started at 2026, Nov 22 with jid 20261122'
    assert returns.is_conflict([text])
    assert not returns.is_conflict(["Rendering SLS failed"])


def test_changes_of_any_shape_are_kept() -> None:
    entry = {"result": None, "changes": [b"x", {1: {"set"}}], "comment": None, "name": "n"}
    (state,) = returns.state_return("ctl01", {"return": {"odd": entry}}).results
    assert state.changes == {"changes": ["x", {"1": ["set"]}]}
    assert (state.id, state.function, state.result) == ("odd", "odd", None)
