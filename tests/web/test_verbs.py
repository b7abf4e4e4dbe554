"""What the command line can do, the page can: plans, accounts, tokens, the catalogue, the model; each by its role."""

from __future__ import annotations

import re
import time
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from browsing import PASSWORD
from conftest import Page
from starlette.testclient import TestClient
from test_pages import csrf

from saltus.commands import runs
from saltus.journal.approvals import Person
from saltus.journal.store import Journal
from saltus.web.app import make_app

ROOT = Path(__file__).parents[2]
HTML = {"accept": "text/html"}


def press(client: TestClient, address: str, *, on: str = "/plans", **fields: str):  # type: ignore[no-untyped-def]
    """Send a form of the page `on`, as a browser does."""
    return client.post(address, data={"csrf": csrf(client.get(on).text), **fields}, headers=HTML)


def test_every_verb_of_the_command_line_is_at_the_page_or_said_not_to_be(page: Page) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    told = re.findall(r"^\| `saltus ([a-z ]+)` \| ([^|]+) \|$", (ROOT / "docs" / "web.md").read_text(), re.MULTILINE)
    assert {words for words, _ in told} == set(project["entry-points"]["saltus.cli"])
    known = {route.path for route in make_app(page.site).routes}  # type: ignore[attr-defined]
    known |= {f"/api/v1{route.path}" for mount in make_app(page.site).routes for route in getattr(mount, "routes", ())}
    for words, place in told:
        for address in re.findall(r"`(/[^`]*)`", place):
            assert address in known, f"saltus {words} is said to be at {address}"
        assert "`/" in place or place.strip().startswith("not:"), words


def test_a_plan_is_made_shown_and_run_in_the_page(page: Page, journal: Journal) -> None:
    client = page.of("ann")
    made = press(client, "/api/v1/plans", kind="control", to="epoxy", expires="2h")
    assert made.status_code == 303
    assert made.headers["location"].startswith(f"/plans/{journal.plans()[0].fingerprint}?said=")
    html = client.get(made.headers["location"]).text
    assert "real-upgrade: Move the control plane to epoxy" in html
    assert "way back" in html
    begun = press(client, f"/api/v1/plans/{journal.plans()[0].fingerprint}/run", on=made.headers["location"])
    run = journal.runs()[0].id
    assert begun.headers["location"].startswith(f"/runs/{run}?said=")
    until_it_waits(journal, run)
    assert journal.find_run(run).created_by == "ann"
    again = press(client, f"/api/v1/plans/{journal.plans()[0].fingerprint}/run")
    assert again.status_code == 409
    assert f"{run} is being run already" in again.text
    assert [record.id for record in journal.runs()] == [run], "the run that is not over, and no second one"
    runs.abort(journal, run, Person("ann", role="operator"))


def until_it_waits(journal: Journal, run: str) -> None:
    end = time.monotonic() + 150
    while journal.state(run).status != "waiting":
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"kind": "control", "to": "yoga"}, "yoga is older than zed"),
        ({"kind": "control", "to": "mycloud"}, "no release is called"),
        ({"kind": "rollback"}, "slot b has no machines"),
        ({"kind": "accept", "to": "epoxy"}, "it takes no to"),
        ({"kind": "control", "expires": "soon"}, "a duration is a number"),
        ({"kind": "everything"}, "no plan is called"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_with_the_reasons(
    page: Page, journal: Journal, fields: dict[str, str], says: str
) -> None:
    answer = press(page.of("ann"), "/api/v1/plans", **fields)
    assert answer.status_code in (404, 409)
    assert says in answer.text
    assert journal.plans() == []


def test_a_viewer_is_offered_no_plan_and_may_make_none(page: Page, journal: Journal) -> None:
    client = page.of("eve")
    html = client.get("/plans").text
    assert "Make a plan" not in html
    answer = press(client, "/api/v1/plans", kind="control", to="epoxy")
    assert answer.status_code == 403
    assert "eve is a viewer" in answer.text
    assert journal.plans() == []


def test_an_account_is_made_changed_and_closed_in_the_page(page: Page, journal: Journal) -> None:
    bob = page.of("bob")
    made = press(bob, "/api/v1/accounts", on="/accounts", name="dora", role="viewer")
    token = re.search(r"saltus_[0-9a-f]+_[0-9a-f]+", made.text)
    assert token
    assert made.headers["cache-control"] == "no-store"
    account = journal.accounts.check_token(token[0])
    assert account is not None
    assert (account.name, account.role) == ("dora", "viewer")
    assert journal.accounts.check_token(token[0]) is None, "it lets in once"
    press(bob, "/api/v1/accounts/dora/set", on="/accounts", role="operator", state="open")
    press(bob, "/api/v1/accounts/dora/password", on="/accounts", password=PASSWORD)
    assert journal.accounts.find("dora").role == "operator"
    dora = page.of("dora")
    press(bob, "/api/v1/accounts/dora/set", on="/accounts", role="operator", state="closed")
    assert dora.get("/").status_code == 303, "her session ended with it"


def test_nobody_keeps_accounts_but_an_approver_and_everybody_keeps_their_own(page: Page, journal: Journal) -> None:
    ann = page.of("ann")
    for address, fields in (
        ("/api/v1/accounts", {"name": "dora", "role": "approver"}),
        ("/api/v1/accounts/ann/set", {"role": "approver"}),
        ("/api/v1/accounts/bob/password", {"password": PASSWORD}),
        ("/api/v1/accounts/bob/token", {}),
    ):
        answer = press(ann, address, on="/accounts", **fields)
        assert answer.status_code == 403, address
        assert "ann is an operator" in answer.text
    assert journal.accounts.find("ann").role == "operator"
    html = ann.get("/accounts").text
    assert "Make an account" not in html
    assert press(ann, "/api/v1/accounts/ann/password", on="/accounts", password="short").status_code == 400
    made = press(ann, "/api/v1/accounts/ann/token", on="/accounts", label="a program", expires="2h")
    token = re.search(r"saltus_([0-9a-f]+)_[0-9a-f]+", made.text)
    assert token
    assert "a program" in ann.get("/accounts").text
    press(ann, f"/api/v1/tokens/{token[1]}/revoke", on="/accounts")
    assert journal.accounts.check_token(token[0]) is None
    other = journal.accounts.new_token("bob", lifetime=timedelta(hours=1)).split("_")[1]
    assert press(ann, f"/api/v1/tokens/{other}/revoke", on="/accounts").status_code == 403


def test_the_catalogue_the_model_and_the_log_say_what_the_command_line_says(page: Page, waiting: str) -> None:
    client = page.of("eve")
    assert "2025.1" in client.get("/catalog").text
    diff = client.get("/catalog?older=zed&newer=epoxy").text
    assert "schema of nova_api" in diff
    route = client.get("/catalog?older=mitaka&newer=epoxy&service=nova").text
    assert "ocata" in route[route.index("Found") :]
    assert 'role="alert"' in client.get("/catalog?older=epoxy&newer=zed&service=nova").text
    assert "nova" in client.get("/catalog/epoxy").text
    assert client.get("/catalog/nothing").status_code == 404
    model = client.get("/model").text
    assert "no mistake" in model
    assert "ctl01-a" in model
    log = client.get(f"/runs/{waiting}/log?q=db_sync-nova").text
    assert "rehearse/db_sync-nova done in" in log
    assert "check/facts" not in log


def test_a_page_without_a_desk_says_what_does_it_instead(journal: Journal) -> None:
    from saltus.web.site import Site

    client = Page(Site(journal)).of("ann")
    assert "Make a plan" not in client.get("/plans").text
    answer = press(client, "/api/v1/plans", on="/", kind="control")
    assert answer.status_code == 409
    assert "saltus plan control" in answer.text
    assert "saltus model check" in client.get("/model").text
