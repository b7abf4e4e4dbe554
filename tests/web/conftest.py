"""A page on a fake cloud: with Starlette's client for most, and served for the browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browsing import PASSWORD, PEOPLE
from page_cloud import FakeDesk, Worker, make_plan, run_here
from starlette.testclient import TestClient

from saltus.journal.signatures import Signer
from saltus.journal.store import Journal
from saltus.web.app import make_app
from saltus.web.site import Site


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(f"sqlite:///{tmp_path}/journal.db", signer=Signer.from_file(tmp_path / "journal.key"))
    for name, role in PEOPLE.items():
        journal.accounts.create(name, role, by="root")
    yield journal
    journal.close()


@dataclass
class Page:
    """The page, and who may open it."""

    site: Site

    def client(self) -> TestClient:
        """A browser that nobody has logged in with."""
        return TestClient(make_app(self.site), base_url="http://saltus.test", follow_redirects=False)

    def of(self, name: str) -> TestClient:
        """A browser in which `name` has logged in."""
        client = self.client()
        mark = re.search(r'name="mark" value="([^"]+)"', client.get("/login").text)
        assert mark
        self.site.journal.accounts.set_password(name, PASSWORD)
        answer = client.post("/login", data={"mark": mark[1], "name": name, "word": PASSWORD, "next": "/"})
        assert answer.status_code == 303, answer.text
        return client


@pytest.fixture
def page(journal: Journal, tmp_path: Path) -> Page:
    return Page(Site(journal, FakeDesk(journal, tmp_path)))


@pytest.fixture
def waiting(journal: Journal) -> str:
    """A run that waits at its first gate, with nobody running it."""
    run = journal.create_run(make_plan(), by="ann")
    assert run_here(journal, run, Worker()) == "waiting"
    return run
