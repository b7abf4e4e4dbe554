"""What `saltus catalog` says of releases, and how it refuses."""

from __future__ import annotations

import pytest

from saltus.commands.catalog import diff_releases, route, show_release
from saltus.errors import OperatorError


def test_a_release_is_shown_with_what_nova_asks_of_its_surroundings():
    columns, rows = show_release("2025.1")
    nova = dict(zip(columns, next(row for row in rows if row[0] == "nova"), strict=True))
    assert nova["asks for"] == "computes of caracal or later; libvirt 8.0; QEMU 6.2; Python 3.9"
    assert nova["takes on from"] == "xena"


def test_data_migrations_that_must_have_run_are_shown_in_words():
    _, rows = show_release("caracal")
    (cinder,) = [row for row in rows if row[0] == "cinder"]
    assert cinder[-1] == "use_quota of every volume and snapshot"


def test_what_changes_between_two_releases_has_computes_and_hypervisors():
    _, rows = diff_releases("zed", "epoxy")
    assert ("nova", "asks for computes of", "yoga or later -> caracal or later") in rows
    assert ("nova", "asks for libvirt", "6.0 -> 8.0") in rows


def test_a_new_service_and_a_new_database_are_among_the_changes():
    _, rows = diff_releases("mitaka", "train")
    assert ("placement", "new service", "since stein") in rows
    assert ("nova", "new database", "nova_cell0") in rows


def test_processes_and_endpoints_that_go_are_among_the_changes():
    _, rows = diff_releases("rocky", "xena")
    told = {(service, what): change for service, what, change in rows}
    assert "nova-consoleauth and nova-placement-api are gone" in told["nova", "since train"]
    assert "the endpoint volumev2" in told["cinder", "since xena"]
    assert not any(what == "since pike" for _, what, _ in rows)


@pytest.mark.parametrize("ask", [lambda: route("nova", "epoxy", "zed"), lambda: diff_releases("epoxy", "zed")])
def test_a_way_back_is_refused_with_what_to_say_instead(ask):
    with pytest.raises(OperatorError, match="zed is not newer than epoxy") as refusal:
        ask()
    assert refusal.value.do in (
        "name a newer one: flamingo, gazpacho, hibiscus",
        "saltus catalog diff zed epoxy",
    )


def test_nothing_changes_from_a_release_to_itself():
    with pytest.raises(OperatorError, match="name two releases"):
        diff_releases("zed", "zed")
