"""Errands of the page: real processes, one at a time, on nothing but what the administrator put within reach."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from saltus.commands.errands import Errand, Errands
from saltus.commands.identity import NotAllowed
from saltus.commands.settings import Settings
from saltus.errors import OperatorError
from saltus.journal.approvals import Person
from saltus.journal.redactor import Redactor
from saltus.journal.store import Journal, NotFound

ANN = Person("ann", role="operator")
SLOW = ("/bin/sh", "-c", "echo begun; sleep 60", "saltus")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_options(state=str(tmp_path / "state"), model=None, journal=f"sqlite:///{tmp_path}/journal.db")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(f"sqlite:///{tmp_path}/journal.db", redactor=Redactor(["a long secret of the cloud"]))
    journal.accounts.create("ann", "operator", by="root")
    yield journal
    journal.close()


def until_over(errands: Errands, name: str) -> Errand:
    end = time.monotonic() + 60
    while (found := errands.find(name)).status == "running":
        assert time.monotonic() < end, errands.output(name)
        time.sleep(0.1)
    return found


def test_it_is_the_command_of_the_same_name_with_its_output_kept(settings: Settings, journal: Journal) -> None:
    errands = Errands(settings, journal)
    begun = errands.check_toolboxes(ANN, "epoxy")
    assert (begun.words, begun.by, begun.status) == (("toolbox", "check", "epoxy"), "ann", "running")
    assert until_over(errands, begun.id).status == "failed"
    assert "there is no toolbox of epoxy" in errands.output(begun.id)
    assert [errand.id for errand in errands.all()] == ["toolbox-check-1"]


def test_a_rehearsal_is_of_what_lies_in_the_directory_and_of_nothing_else(
    settings: Settings, journal: Journal, tmp_path: Path
) -> None:
    dumps, outside = tmp_path / "dumps", tmp_path / "outside"
    (dumps / "of-monday").mkdir(parents=True)
    outside.mkdir()
    (dumps / "elsewhere").symlink_to(outside)
    (dumps / "db1.cnf").write_text("[client]\nhost=192.0.2.1\n")
    (dumps / "notes.txt").write_text("nothing")
    errands = Errands(settings, journal, dumps=dumps)
    assert [(o.name, o.kind) for o in errands.origins()] == [("db1.cnf", "server"), ("of-monday", "dumps")]
    for strange in ("elsewhere", "../outside", str(outside), "of-monday/..", "", ".", "notes.txt"):
        with pytest.raises(NotFound, match="nothing called"):
            errands.rehearse(ANN, strange, "epoxy", source=None, services=[])
    assert errands.all() == []
    begun = errands.rehearse(ANN, "of-monday", "2025.1", source="zed", services=["nova"])
    assert begun.words[:3] == ("rehearse", "--dump", str(dumps / "of-monday"))
    assert begun.words[3:] == ("--to", "epoxy", "--from", "zed", "--service", "nova")
    assert until_over(errands, begun.id).status == "failed"
    assert "error:" in errands.output(begun.id)
    assert "of-monday" in errands.output(begun.id)


@pytest.mark.parametrize("release", ["--toolboxes", "nothing", "../x"])
def test_words_that_are_no_release_or_service_begin_nothing(settings: Settings, journal: Journal, release: str) -> None:
    errands = Errands(settings, journal)
    with pytest.raises(OperatorError):
        errands.build_toolbox(ANN, release, [])
    with pytest.raises(OperatorError):
        errands.build_toolbox(ANN, "epoxy", ["nova", release])
    assert errands.all() == []


def test_there_is_one_at_a_time_and_it_can_be_stopped(settings: Settings, journal: Journal) -> None:
    errands = Errands(settings, journal, program=SLOW)
    first = errands.build_toolbox(ANN, "epoxy", [])
    with pytest.raises(OperatorError, match="one at a time"):
        errands.check_toolboxes(ANN, None)
    with pytest.raises(NotAllowed):
        errands.stop(Person("eve", role="viewer"), first.id)
    while "begun" not in errands.output(first.id):
        time.sleep(0.05)
    errands.stop(ANN, first.id)
    assert until_over(errands, first.id).status == "stopped"
    with pytest.raises(OperatorError, match="it is over"):
        errands.stop(ANN, first.id)
    assert errands.check_toolboxes(ANN, None).id == "toolbox-check-2"
    errands.stop(ANN, "toolbox-check-2")
    until_over(errands, "toolbox-check-2")


def test_another_page_sees_that_it_lives_and_a_viewer_begins_none(settings: Settings, journal: Journal) -> None:
    errands = Errands(settings, journal, program=SLOW)
    with pytest.raises(NotAllowed):
        errands.build_toolbox(Person("eve", role="viewer"), "epoxy", [])
    name = errands.build_toolbox(ANN, "epoxy", []).id
    other = Errands(settings, journal)
    assert other.find(name).status == "running"
    while "begun" not in other.output(name):
        time.sleep(0.05)
    other.stop(ANN, name)
    assert until_over(errands, name).status == "stopped"


def test_no_secret_is_in_what_it_shows_and_no_other_file_is_shown(settings: Settings, journal: Journal) -> None:
    errands = Errands(settings, journal, program=("/bin/echo", "a long secret of the cloud"))
    name = errands.check_toolboxes(ANN, None).id
    until_over(errands, name)
    assert "a long secret" not in errands.output(name)
    assert "toolbox check" in errands.output(name)
    for strange in ("../journal-1", "toolbox-check-9", "x"):
        with pytest.raises(NotFound):
            errands.output(strange)
