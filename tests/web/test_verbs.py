"""What the command line can do, the page can: plans, accounts, tokens, the catalogue, the model; each by its role."""

from __future__ import annotations

import html
import re
import time
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from browsing import PASSWORD
from conftest import Page
from page_cloud import FakeDesk, many_computes
from starlette.testclient import TestClient
from test_pages import csrf

from saltus.commands import runs
from saltus.journal.approvals import Person
from saltus.journal.store import Journal
from saltus.planner import plans
from saltus.planner.computes import ComputeRequest
from saltus.web.app import make_app
from saltus.web.site import Site

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


def test_computes_are_planned_in_the_page_as_at_the_command_line(journal: Journal, tmp_path: Path) -> None:
    scene = many_computes(12, ways_back=("cmp0003",))
    page = Page(Site(journal, FakeDesk(journal, tmp_path, scene=scene)))
    ann = page.of("ann")
    made = press(ann, "/api/v1/plans", kind="compute", to="epoxy", exclude="cmp0001,cmp0002", test="2", sample="1",
                 batch="3", max_failures="2", pause="10m", window="22:00-06:00", expires="90m")  # fmt: skip
    assert made.status_code == 303, made.text
    plan = journal.find_plan(journal.plans()[0].fingerprint)
    cloud, facts, catalog = scene
    asked = ComputeRequest(target="epoxy", nodes=tuple(f"cmp{n:04}" for n in range(3, 13)), test=2, sample=1, batch="3",
                           max_failures=2, pause=timedelta(minutes=10), window="22:00-06:00",
                           expiry=timedelta(minutes=90))  # fmt: skip
    assert plan.fingerprint == plans.plan_compute(cloud, facts, catalog, asked).fingerprint
    press(ann, "/api/v1/plans", kind="compute", to="epoxy")
    everybody = ComputeRequest(target="epoxy", nodes=tuple(f"cmp{n:04}" for n in range(1, 13)))
    assert plans.plan_compute(cloud, facts, catalog, everybody).fingerprint in {p.fingerprint for p in journal.plans()}
    own = press(ann, "/api/v1/plans", kind="compute")
    assert "the control plane runs epoxy" in own.text, "the model's own release is zed: as at the command line"
    press(ann, "/api/v1/plans", kind="compute-rollback", nodes="cmp0003")
    back = plans.plan_compute_rollback(cloud, facts, catalog, ["cmp0003"])
    assert back.fingerprint in {p.fingerprint for p in journal.plans()}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"kind": "compute", "target": "cmp9*"}, "matches no minion"),
        ({"kind": "compute", "limit": "cmp0001", "exclude": "cmp0001"}, "take all of it away"),
        ({"kind": "compute", "batch": "some"}, "is no size of a batch"),
        ({"kind": "compute", "window": "at night"}, "is no maintenance window"),
        ({"kind": "compute", "pause": "soon"}, "a duration is a number"),
        ({"kind": "compute", "test": "0"}, "test"),
        ({"kind": "compute", "nodes": "cmp0001"}, "it takes no nodes"),
        ({"kind": "compute-rollback", "nodes": "cmp0001"}, "has nothing to return to"),
        ({"kind": "gateway-rollback", "nodes": " , "}, "no node is named"),
        ({"kind": "gateway"}, "'I@neutron:gateway' matches no minion"),
        ({"kind": "compute-rollback", "nodes": " , "}, "no node is named"),
        ({"kind": "control", "batch": "3"}, "it takes no batch"),
    ],
)
def test_a_plan_of_computes_that_cannot_be_is_refused_at_the_page(
    journal: Journal, tmp_path: Path, fields: dict[str, str], says: str
) -> None:
    page = Page(Site(journal, FakeDesk(journal, tmp_path, scene=many_computes(3))))
    answer = press(page.of("ann"), "/api/v1/plans", **fields)
    assert answer.status_code in (404, 409, 422)
    assert says in html.unescape(answer.text)
    assert journal.plans() == []


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


def test_tools_are_built_and_dumps_rehearsed_in_the_page(page: Page, journal: Journal, tmp_path: Path) -> None:
    ann = page.of("ann")
    assert "saltus web --dumps DIR" in ann.get("/tools").text
    (tmp_path / "dumps" / "of-monday").mkdir(parents=True)
    assert 'value="of-monday"' in ann.get("/tools").text
    begun = press(ann, "/api/v1/errands/rehearse", on="/tools", origin="of-monday", to="epoxy", services="nova, heat")
    assert begun.headers["location"].startswith("/tools/rehearse-1?said=")
    shown = until_said(ann, "/tools/rehearse-1", "would do:")
    assert "--dump" in shown
    assert "of-monday --to epoxy --service nova --service heat" in shown
    built = press(ann, "/api/v1/errands/toolbox-build", on="/tools", release="zed")
    assert built.headers["location"].startswith("/tools/toolbox-build-2")
    assert "toolbox build zed" in until_said(ann, "/tools/toolbox-build-2", "would do:")
    assert "nothing called ../x" in press(ann, "/api/v1/errands/rehearse", on="/tools", origin="../x", to="zed").text
    eve = page.of("eve")
    assert "toolbox-build-2" in eve.get("/tools").text
    assert "<button" not in eve.get("/tools").text.partition("<main")[2]
    assert press(eve, "/api/v1/errands/toolbox-check", on="/tools").status_code == 403


def until_said(client: TestClient, address: str, words: str) -> str:
    end = time.monotonic() + 30
    while words not in (text := client.get(address).text) or "data-again" in text:
        assert time.monotonic() < end, text
        time.sleep(0.1)
    return text


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
    client = Page(Site(journal)).of("ann")
    assert "Make a plan" not in client.get("/plans").text
    answer = press(client, "/api/v1/plans", on="/", kind="control")
    assert answer.status_code == 409
    assert "saltus plan control" in answer.text
    assert "saltus model check" in client.get("/model").text
