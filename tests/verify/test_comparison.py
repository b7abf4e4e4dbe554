"""What differs between two sets of lists, and what of it is as it should be."""

from __future__ import annotations

from typing import Any

import pytest

from saltus.verify.comparison import ALWAYS, REHEARSAL, UNSWITCHED, Expectation, compare
from saltus.verify.lists import QUESTIONS, ApiLists
from saltus.verify.rows import ComputeService, Flavor, OrchestrationService, Row

COMPUTE = ComputeService(binary="nova-compute", host="cmp01", zone="nova", status="enabled", state="up")
DOWN = COMPUTE.model_copy(update={"state": "down"})
DISABLED = COMPUTE.model_copy(update={"status": "disabled"})
OWN = ComputeService(binary="nova-conductor", host="upg01", zone="internal", status="enabled", state="up")
TINY = Flavor(id="1", name="tiny", ram=128, vcpus=1, disk=0)
FAT = TINY.model_copy(update={"ram": 256})
ENGINE = OrchestrationService(binary="heat-engine", hostname="ctl01", status="up")


def lists(*rows: Row) -> ApiLists:
    sorted_in: dict[str, Any] = {q.name: tuple(r for r in rows if isinstance(r, q.row)) for q in QUESTIONS}
    return ApiLists(seconds={}, **sorted_in)


@pytest.mark.parametrize(
    ("before", "after", "expected", "fine", "line"),
    [
        pytest.param([TINY], [TINY], ALWAYS, True, "", id="nothing differs"),
        pytest.param([TINY], [], ALWAYS, False, "lost: flavors: tiny (1)", id="a row is lost"),
        pytest.param([], [TINY], ALWAYS, True, "appeared: flavors: tiny (1)", id="a row appeared"),
        pytest.param(
            [COMPUTE],
            [DOWN],
            UNSWITCHED,
            True,
            "as expected: changed: compute services: nova-compute cmp01: state up -> down: "
            "it has not reported since the window began",
            id="a compute has not reported before the switch",
        ),
        pytest.param([TINY], [], UNSWITCHED, False, "lost: flavors: tiny (1)", id="a row is lost before the switch"),
        pytest.param([TINY], [FAT], ALWAYS, False, "changed: flavors: tiny (1): ram 128 -> 256", id="a row changed"),
        pytest.param(
            [COMPUTE],
            [DOWN],
            ALWAYS,
            False,
            "changed: compute services: nova-compute cmp01: state up -> down",
            id="a compute went down",
        ),
        pytest.param(
            [DOWN],
            [COMPUTE],
            ALWAYS,
            True,
            "as expected: changed: compute services: nova-compute cmp01: state down -> up: it answers again",
            id="a compute came up",
        ),
        pytest.param(
            [COMPUTE],
            [DOWN],
            REHEARSAL,
            True,
            "as expected: changed: compute services: nova-compute cmp01: state up -> down: "
            "production's services report to production's database, not to the clone",
            id="a compute is down for the clone",
        ),
        pytest.param(
            [COMPUTE],
            [DISABLED],
            REHEARSAL,
            False,
            "changed: compute services: nova-compute cmp01: status enabled -> disabled",
            id="a compute is disabled in the clone",
        ),
        pytest.param(
            [],
            [OWN],
            REHEARSAL,
            True,
            "as expected: appeared: compute services: nova-conductor upg01: the rehearsal's own control node",
            id="the rehearsal's own",
        ),
        pytest.param(
            [ENGINE],
            [],
            ALWAYS,
            False,
            "lost: orchestration services: heat-engine ctl01",
            id="an engine is lost",
        ),
    ],
)
def test_a_difference_is_told_and_judged(
    before: list[Row], after: list[Row], expected: tuple[Expectation, ...], fine: bool, line: str
) -> None:
    comparison = compare(lists(*before), lists(*after), expected)
    assert comparison.is_as_it_should_be is fine
    assert comparison.lines()[:-1] == ([line] if line else [])


def test_the_last_line_counts_every_list() -> None:
    last = compare(lists(TINY), lists(TINY, COMPUTE)).lines()[-1]
    assert "flavors 1," in last
    assert "compute services 0 -> 1," in last
