"""Stopping, starting and switching: what is asked of which machine, in which order, and what the operator is told."""

from world import World

from saltus.plan.actions import ReachProxy, StartServices, StopServices, SwitchProxy


def test_the_services_of_a_machine_are_stopped_through_salt(world: World) -> None:
    world.create("ctl01-a")
    world.fleet.answer("saltus_node.stop", {"nova-api.service": "inactive", "glance-api.service": "inactive"})
    state = world.perform(StopServices(machine="ctl01-a", services=("nova", "glance")))
    assert (state.status, state.summary) == ("done", "2 units stopped on ctl01-a")
    assert world.fleet.asked[-1].arguments == (["nova", "glance"],)
    assert state.notes["jid"], "a later attempt must be able to look the job up"


def test_a_machine_that_is_off_runs_no_services_and_is_not_asked(world: World) -> None:
    world.create("ctl01-b")
    world.provider.stop("ctl01-b")
    world.fleet.silence("ctl01-b")
    state = world.perform(StopServices(machine="ctl01-b"))
    assert (state.status, state.summary) == ("done", "ctl01-b is off: nothing runs there")
    assert world.calls() == []


def test_a_silent_minion_fails_the_step_and_says_which(world: World) -> None:
    world.create("ctl01-a")
    world.fleet.silence("ctl01-a")
    state = world.perform(StopServices(machine="ctl01-a"))
    assert state.status == "failed"
    assert state.failure is not None
    assert state.failure.what == "ctl01-a did not return from saltus_node.stop"


def test_services_are_started_and_their_apis_waited_for(world: World) -> None:
    world.fleet.answer("saltus_node.start", {"nova-api.service": "active"})
    world.fleet.answer("saltus_node.wait_apis", {"nova": 4.2})
    state = world.perform(StartServices(machine="ctl01-b", services=("nova",), timeout_s=60))
    assert state.summary == "1 units started; nova 4.2 s"
    assert world.calls() == [("ctl01-b", "saltus_node.start"), ("ctl01-b", "saltus_node.wait_apis")]
    assert world.fleet.asked[-1].arguments == (["nova"], 60)


def test_a_proxy_is_started_without_waiting_for_what_it_passes_on(world: World) -> None:
    world.fleet.answer("saltus_node.start", {"haproxy.service": "active"})
    assert world.perform(StartServices(machine="prx01-b", wait=False)).status == "done"
    assert world.calls() == [("prx01-b", "saltus_node.start")]


def test_an_api_that_does_not_come_up_fails_the_step_with_the_minions_words(world: World) -> None:
    world.fleet.answer("saltus_node.start", {"nova-api.service": "active"})
    world.fleet.answer("saltus_node.wait_apis", raises="not alive after 300 s: nova: 503")
    state = world.perform(StartServices(machine="ctl01-b"))
    assert state.status == "failed"
    assert state.failure is not None
    assert "nova: 503" in state.failure.because


def test_the_virtual_address_is_left_before_it_is_taken(world: World) -> None:
    world.create("prx01-a", "prx01-b")
    world.fleet.answer("saltus_node.leave_vip", {"vip": "10.77.0.10", "left": True})
    world.fleet.answer("saltus_node.take_vip", {"vip": "10.77.0.10", "taken": True})
    state = world.perform(SwitchProxy(take="prx01-b", leave="prx01-a", address="10.77.0.10"))
    assert (state.status, state.summary) == ("done", "10.77.0.10 is at prx01-b")
    assert world.calls() == [("prx01-a", "saltus_node.leave_vip"), ("prx01-b", "saltus_node.take_vip")]


def test_a_proxy_that_is_off_has_left_the_address_already(world: World) -> None:
    world.create("prx01-a", "prx01-b")
    world.provider.stop("prx01-a")
    world.fleet.answer("saltus_node.take_vip", {"vip": "10.77.0.10", "taken": True})
    assert world.perform(SwitchProxy(take="prx01-b", leave="prx01-a", address="10.77.0.10")).status == "done"
    assert world.calls() == [("prx01-b", "saltus_node.take_vip")]


def test_an_address_that_is_not_the_plans_fails_the_switch(world: World) -> None:
    world.fleet.answer("saltus_node.take_vip", {"vip": "10.77.0.99", "taken": True})
    state = world.perform(SwitchProxy(take="prx01-a", leave="prx01-a", address="10.77.0.10"))
    assert state.failure is not None
    assert state.failure.what == "prx01-a took the address 10.77.0.99, not 10.77.0.10"


def test_the_new_slot_finds_the_address_at_its_own_proxy_before_anybody_else(world: World) -> None:
    world.create("ctl01-b", "prx01-b")
    world.fleet.answer("saltus_node.keep_vip_inside", {"vip": "10.77.0.10", "taken": True})
    world.fleet.answer("saltus_node.reach_vip_by", {"vip": "10.77.0.10", "by": "10.77.0.14"})
    state = world.perform(ReachProxy(machines=("ctl01-b",), proxy="prx01-b", address="10.77.0.10"))
    assert (state.status, state.summary) == (
        "done",
        "10.77.0.10 is at prx01-b for ctl01-b, and where it was for everybody else",
    )
    assert world.calls() == [("prx01-b", "saltus_node.keep_vip_inside"), ("ctl01-b", "saltus_node.reach_vip_by")]


def test_after_the_switch_the_new_slot_finds_the_address_where_everybody_does(world: World) -> None:
    world.create("ctl01-b")
    world.fleet.answer("saltus_node.reach_vip_directly", {"vip": "10.77.0.10", "changed": True})
    assert world.perform(ReachProxy(machines=("ctl01-b",), proxy=None, address="10.77.0.10")).status == "done"
    assert world.calls() == [("ctl01-b", "saltus_node.reach_vip_directly")]


def test_a_proxy_that_was_never_created_cannot_be_reached(world: World) -> None:
    world.create("ctl01-b")
    world.fleet.answer("saltus_node.keep_vip_inside", {"vip": "10.77.0.10", "taken": True})
    state = world.perform(ReachProxy(machines=("ctl01-b",), proxy="prx01-b", address="10.77.0.10"))
    assert state.failure is not None
    assert state.failure.what == "there is no machine prx01-b"
