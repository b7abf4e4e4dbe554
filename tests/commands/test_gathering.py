"""Facts gathered from machines and minions that do not all answer."""

from typing import Any

import pytest

from planning import small
from saltus.commands.gathering import gather_facts
from saltus.fleet.fake import FakeFleet
from saltus.machines.fake import FakeProvider
from saltus.machines.provider import MachineSpec

NOVA = {"nova": "2:26.2.2-1"}


def spec(name: str, **labels: str) -> MachineSpec:
    return MachineSpec(name=name, image="any", address="10.77.0.9/24", hostname=name, labels=labels)


@pytest.fixture
def provider() -> FakeProvider:
    made: list[tuple[str, dict[str, Any]]] = [
        ("ctl01-a", {"node": "ctl01", "slot": "a", "release": "zed"}),
        ("prx01-a", {"node": "prx01", "slot": "a", "release": "zed"}),
        ("dbs01", {"node": "dbs01", "slot": "", "release": "zed"}),
        ("somebody-elses", {"node": "x"}),
    ]
    provider = FakeProvider()
    for name, labels in made:
        provider.create(spec(name, **labels))
        provider.start(name)
    return provider


@pytest.fixture
def fleet() -> FakeFleet:
    fleet = FakeFleet(machine.name for machine in small().machines())
    fleet.answer("saltus_node.versions", NOVA)
    fleet.answer(
        "saltus_node.disk", {"/": {"size_bytes": 9, "free_bytes": 5}, "/x": {"size_bytes": 9, "free_bytes": 3}}
    )
    fleet.answer("saltus_node.has_vip", True)
    fleet.answer("saltus_mariadb.schema_versions", {"nova": ["b", "a"], "scratch": []})
    fleet.answer("saltus_mariadb.list_backups", {"rehearsal": {}, "frozen": {}})
    fleet.answer("saltus_mariadb.sizes", {"nova": 700, "glance": 300})
    return fleet


def test_facts_are_what_machines_and_minions_say(provider: FakeProvider, fleet: FakeFleet) -> None:
    facts = gather_facts(small(), provider, fleet)
    assert sorted(facts.machines) == ["ctl01-a", "dbs01", "prx01-a"], "machines of others are not ours to look at"
    control = facts.machines["ctl01-a"]
    assert (control.node, control.slot, control.release, control.versions) == ("ctl01", "a", "zed", NOVA)
    assert control.free_bytes == 3, "the fullest file system counts"
    assert not control.holds_vip
    assert facts.machines["prx01-a"].holds_vip
    assert facts.machines["dbs01"].slot is None
    assert facts.schemas == {"nova": ("a", "b")}
    assert facts.backups == ("frozen", "rehearsal")
    assert facts.database_bytes == 1000
    assert control.was is None
    older = gather_facts(small(), provider, fleet, was={"ctl01-a": "yoga"}.get)
    assert (older.machines["ctl01-a"].was, older.machines["dbs01"].was) == ("yoga", None)


def test_a_machine_that_is_off_is_a_fact_and_is_not_asked(provider: FakeProvider, fleet: FakeFleet) -> None:
    provider.stop("ctl01-a")
    control = gather_facts(small(), provider, fleet).machines["ctl01-a"]
    assert (control.running, control.answers, control.versions) == (False, False, {})
    assert all("ctl01-a" not in asked.minions for asked in fleet.asked)


def test_a_silent_minion_is_a_fact_and_no_error(provider: FakeProvider, fleet: FakeFleet) -> None:
    fleet.silence("dbs01")
    facts = gather_facts(small(), provider, fleet)
    assert (facts.machines["dbs01"].running, facts.machines["dbs01"].answers) == (True, False)
    assert (facts.schemas, facts.backups, facts.database_bytes) == ({}, (), None)


def test_a_node_without_our_modules_does_not_hide_the_others(provider: FakeProvider, fleet: FakeFleet) -> None:
    fleet.answer("saltus_node.versions", raises="'saltus_node.versions' is not available.", minion="ctl01-a")
    facts = gather_facts(small(), provider, fleet)
    assert not facts.machines["ctl01-a"].answers
    assert facts.machines["prx01-a"].answers
