"""Which release notes are shown for a hop, and that each says where it is from."""

import itertools

from saltus.catalog.notes import notes_between
from saltus.catalog.releases import load_releases
from saltus.catalog.services import load_services

ALL = {service.name for service in load_services().services}


def test_a_hop_is_told_what_lies_between_its_ends_and_nothing_else() -> None:
    notes = notes_between("zed", "epoxy", ALL)
    said = {note.release for note in notes}
    assert "antelope" in said
    assert said <= {"antelope", "bobcat", "caracal", "dalmatian", "epoxy"}
    assert any("starts only beside computes of caracal" in note.says and note.done for note in notes)
    assert any(note.service == "heat" and note.release == "bobcat" for note in notes), "a fault that begins on the way"
    assert all(note.source for note in notes)


def test_only_the_services_of_the_cloud_are_spoken_of() -> None:
    assert {note.service for note in notes_between("zed", "epoxy", {"heat"})} == {"heat"}


def test_nothing_is_told_of_staying_or_going_back() -> None:
    assert notes_between("epoxy", "epoxy", ALL) == notes_between("epoxy", "zed", ALL) == ()


def test_every_hop_in_the_catalogue_can_be_asked_for() -> None:
    releases = [release.name for release in load_releases().releases]
    order = load_releases()
    for older, newer in itertools.pairwise(releases):
        assert all(order.get(note.release).name == newer for note in notes_between(older, newer, ALL))
    assert len(notes_between(releases[0], releases[-1], ALL)) > 12
