"""Two machines compared: what differs is told, and what is each machine's own is not."""

from world import World

from saltus.plan.actions import CompareMachines
from saltus.runner.performers.differences import file_differences, package_differences

PACKAGES = {
    "ctl01-a": {"nova-api": "2:26.1.0-4", "python3": "3.11.2-1", "bash": "5.2.15-2", "python3-six": "1.16.0-4"},
    "ctl01-b": {"nova-api": "2:31.0.0-6", "python3": "3.13.5-1", "bash": "5.2.15-2", "uwsgi-core": "2.0.28-9"},
}
NOVA = {
    "ctl01-a": "[DEFAULT]\nmy_ip = 10.77.0.11\nenabled_apis = osapi_compute\n[api_database]\nmax_retries = -1",
    "ctl01-b": "[DEFAULT]\nmy_ip = 10.77.0.12\n[api_database]\nmax_retries = -1\n[workarounds]\nx = true",
}


def test_packages_and_files_that_differ_are_kept_as_evidence(world: World) -> None:
    for machine in PACKAGES:
        world.fleet.answer("saltus_node.packages", PACKAGES[machine], minion=machine)
        same = {"/etc/nova/nova.conf": NOVA[machine], "/etc/hosts": "10.77.0.21 dbs01"}
        world.fleet.answer("saltus_node.configuration", same, minion=machine)
    state = world.perform(CompareMachines(node="ctl01", before="ctl01-a", after="ctl01-b"))
    assert (state.status, state.summary) == ("done", "4 packages of 5 differ, 1 file of 2")
    assert state.evidence["packages"] == {
        "ctl01": {
            "nova-api": ["2:26.1.0-4", "2:31.0.0-6"],
            "python3": ["3.11.2-1", "3.13.5-1"],
            "python3-six": ["1.16.0-4", None],
            "uwsgi-core": [None, "2.0.28-9"],
        }
    }
    diff = state.evidence["files"]["ctl01"]["/etc/nova/nova.conf"].splitlines()  # type: ignore[index, call-overload, union-attr]
    assert " my_ip = (its-own-address)" in diff
    assert "-enabled_apis = osapi_compute" in diff
    assert "+[workarounds]" in diff


def test_a_file_that_is_new_is_shown_whole_and_equal_machines_leave_nothing() -> None:
    assert file_differences({}, {"/etc/nova/x.conf": "a = 1"}) == {"/etc/nova/x.conf": "@@ -0,0 +1 @@\n+a = 1"}
    assert file_differences({"/x": "a"}, {"/x": "a"}) == {}
    assert package_differences({"bash": "5"}, {"bash": "5"}) == {}
