"""Schema versions: spelt one way, placed among the releases, and floors that follow from the mined chains."""

import pytest

from saltus.catalog.schemas import load_schemas, spell_versions
from saltus.catalog.services import load_services


def test_alembic_wins_over_the_stale_table_that_migrate_left_behind():
    assert spell_versions(["c6214ca60943"], {"heat": 86}) == ("c6214ca60943",)


def test_one_repository_is_a_number_and_several_are_named():
    assert spell_versions([], {"nova": 319}) == ("319",)
    assert spell_versions([], {"keystone": 109, "keystone_expand": 4}) == ("keystone=109", "keystone_expand=4")


@pytest.mark.parametrize(
    ("database", "versions", "releases"),
    [
        ("nova", ("319",), ("mitaka",)),
        ("neutron", ("4ffceebfcdc",), ("mitaka",)),
        ("nova", ("ccb0fa1a2252",), ("zed",)),
        ("nova_cell0", ("ccb0fa1a2252",), ("zed",)),
        ("glance", ("wallaby_contract01",), ("wallaby", "xena", "yoga", "zed")),
        ("keystone", ("47147121", "c88cdce8f248"), ("caracal", "dalmatian", "epoxy")),
    ],
)
def test_a_release_is_recognised_by_its_schema(database, versions, releases):
    place = load_schemas().get(database).place(versions)
    assert (place.kind, place.releases) == ("release", releases)


def test_a_schema_between_two_releases_names_both():
    place = load_schemas().get("nova").place(("329",))
    assert (place.kind, place.releases) == ("between", ("mitaka", "newton"))
    place = load_schemas().get("neutron").place(("5c85685d616d", "929c968efe70"))
    assert (place.kind, place.releases) == ("between", ("newton", "ocata"))


def test_a_schema_that_no_release_has_is_unknown():
    assert load_schemas().get("nova").place(("deadbeef0000",)).kind == "unknown"
    assert load_schemas().get("cinder").place(("9999",)).kind == "unknown"


@pytest.mark.parametrize(
    ("service", "target", "floor"),
    [
        ("nova", "ocata", "mitaka"),
        ("nova", "wallaby", "train"),
        ("nova", "antelope", "train"),
        ("nova", "epoxy", "xena"),
        ("cinder", "queens", "ocata"),
        ("cinder", "train", "rocky"),
        ("cinder", "antelope", "ussuri"),
        ("cinder", "bobcat", "xena"),
        ("heat", "ussuri", "newton"),
        ("keystone", "antelope", "ussuri"),
        ("keystone", "bobcat", "yoga"),
        ("glance", "xena", "ocata"),
        ("neutron", "gazpacho", "mitaka"),
    ],
)
def test_the_floors_that_follow_from_the_chains_are_those_found_by_reading_the_code(service, target, floor):
    """Expected: read from the tags of the services by hand, apart from the miner."""
    entry, schemas = load_services().get(service), load_schemas()
    accepted = [
        release
        for release in schemas.get(entry.databases[-1]).releases
        if all(
            schemas.get(d).accepts(target, schemas.get(d).heads(release) or (), entry.repositories[d])
            for d in entry.databases_in(release)
        )
    ]
    assert accepted[0] == floor


def test_what_a_release_accepts_of_computes_is_older_than_itself_and_never_goes_back():
    from saltus.catalog.releases import load_releases

    releases = load_releases()
    checked = [r for r in releases.releases if r.compute.oldest_supported]
    assert checked[0].name == "wallaby"
    oldest = [releases.index(r.compute.oldest_supported) for r in checked]
    assert oldest == sorted(oldest)
    assert all(releases.index(r.compute.oldest_supported) < releases.index(r.name) for r in checked)
    versions = [r.compute.service_version for r in releases.releases]
    assert versions == sorted(versions)
