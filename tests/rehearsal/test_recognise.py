"""Which release a set of databases is of, and every reason why it is none."""

import pytest

from saltus.catalog.services import load_services
from saltus.database.recognise import MARKS, WrongDumps, missing_databases, recognise


def cloud(release):
    """Versions and tables of all databases of that release."""
    services = load_services()
    versions = {d: v for s in services.services for d, v in services.heads(s.name, release).items()}
    return versions, {d: set(MARKS[d]) for d in versions}


@pytest.mark.parametrize("release", ["mitaka", "ocata", "rocky", "zed", "epoxy"])
def test_a_release_is_recognised_by_all_its_databases_together(release):
    assert recognise(*cloud(release)) == release


def test_what_fits_several_releases_may_be_said():
    versions, tables = cloud("zed")
    only_glance = {"glance": versions["glance"]}
    assert recognise(only_glance, tables) == "wallaby"
    assert recognise(only_glance, tables, said="yoga") == "yoga"


def test_a_release_that_the_schemas_deny_is_refused():
    with pytest.raises(WrongDumps, match="--from says ocata, and the schemas are of mitaka"):
        recognise(*cloud("mitaka"), said="ocata")


def test_a_schema_between_two_releases_is_refused_with_both():
    versions, tables = cloud("mitaka")
    with pytest.raises(WrongDumps, match="nova is at 329, between mitaka and newton"):
        recognise({**versions, "nova": ("329",)}, tables)


def test_a_schema_that_nobody_knows_is_refused():
    versions, tables = cloud("zed")
    with pytest.raises(WrongDumps, match="cinder is at ffffffffffff"):
        recognise({**versions, "cinder": ("ffffffffffff",)}, tables)


def test_the_dump_of_another_service_is_recognised_by_its_tables():
    versions, tables = cloud("mitaka")
    with pytest.raises(WrongDumps, match="the database called nova is cinder's"):
        recognise(versions, {**tables, "nova": tables["cinder"]})


def test_a_database_migrated_already_does_not_fit_the_others():
    versions, tables = cloud("mitaka")
    with pytest.raises(WrongDumps, match=r"different releases:.*keystone is of ocata"):
        recognise({**versions, "keystone": cloud("ocata")[0]["keystone"]}, tables)


def test_a_database_without_a_version_is_refused():
    versions, tables = cloud("zed")
    with pytest.raises(WrongDumps, match="heat has no schema version"):
        recognise({**versions, "heat": ()}, tables)


def test_all_reasons_are_given_at_once():
    versions, tables = cloud("zed")
    with pytest.raises(WrongDumps) as refusal:
        recognise({**versions, "heat": (), "cinder": ("ffffffffffff",)}, {**tables, "nova": set()})
    assert len(refusal.value.reasons) == 3


def test_a_service_of_which_one_database_is_missing():
    assert missing_databases({"nova_api", "keystone"}, "zed") == {"nova": ["nova_cell0", "nova"]}
