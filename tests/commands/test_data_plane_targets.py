"""Whom a plan of the data plane means: targets, limits and exclusions, without surprises."""

from __future__ import annotations

import pytest

from planning import SHAPES, shape
from saltus.commands.data_plane import find_nodes
from saltus.errors import OperatorError
from saltus.fleet.errors import NoSuchTarget
from saltus.fleet.fake import FakeFleet
from saltus.model.cloud import Cloud


@pytest.fixture
def cloud() -> Cloud:
    return shape(SHAPES / "computes")


@pytest.fixture
def fleet(cloud: Cloud) -> FakeFleet:
    return FakeFleet(machine.name for machine in cloud.machines())


def test_a_target_means_what_salt_says(fleet: FakeFleet, cloud: Cloud) -> None:
    assert find_nodes(fleet, cloud, "cmp*") == ("cmp01", "cmp02", "cmp03", "cmp04")
    fleet.targets["I@nova:compute and not cmp03*"] = ("cmp01", "cmp02", "cmp04")
    assert find_nodes(fleet, cloud, "I@nova:compute and not cmp03*") == ("cmp01", "cmp02", "cmp04")


def test_a_limit_never_adds_and_an_exclusion_never_keeps(fleet: FakeFleet, cloud: Cloud) -> None:
    assert find_nodes(fleet, cloud, "cmp0[12]", limit="cmp0[23]") == ("cmp02",)
    assert find_nodes(fleet, cloud, "cmp*", exclude="cmp01") == ("cmp02", "cmp03", "cmp04")
    assert find_nodes(fleet, cloud, "cmp*", limit="cmp0[12]", exclude="cmp02") == ("cmp01",)


def test_a_misspelt_exclusion_excludes_nobody_silently(fleet: FakeFleet, cloud: Cloud) -> None:
    with pytest.raises(NoSuchTarget, match="cpm01"):
        find_nodes(fleet, cloud, "cmp*", exclude="cpm01")


def test_nobody_left_is_an_error(fleet: FakeFleet, cloud: Cloud) -> None:
    with pytest.raises(OperatorError) as refused:
        find_nodes(fleet, cloud, "cmp01", exclude="cmp*")
    assert refused.value.what == "nothing is left of the target 'cmp01'"
    assert "--exclude cmp*" in refused.value.because


def test_a_machine_of_a_slot_is_told_by_its_node(fleet: FakeFleet, cloud: Cloud) -> None:
    assert find_nodes(fleet, cloud, "ctl01*") == ("ctl01",)
