"""The HTTP API: what programs read and do, in one shape, errors too."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from conftest import Page
from page_cloud import Worker, run_here
from starlette.testclient import TestClient

from saltus.commands import runs
from saltus.journal.store import Journal
from saltus.web.api import describe_api


@pytest.fixture
def of(page: Page, journal: Journal):  # type: ignore[no-untyped-def]
    def client(name: str) -> TestClient:
        token = journal.accounts.new_token(name, lifetime=timedelta(hours=1))
        return TestClient(page.client().app, headers={"authorization": f"Bearer {token}"}, follow_redirects=False)

    return client


def test_a_program_reads_where_a_run_stands_and_approves_it(of, journal: Journal, waiting: str) -> None:  # type: ignore[no-untyped-def]
    bob = of("bob")
    assert bob.get("/api/v1/runs").json()["runs"][0]["now"] == "gate rehearse/approve"
    assert bob.get(f"/api/v1/runs/{waiting}").json()["gate"] == "rehearse/approve"
    answer = bob.post(f"/api/v1/runs/{waiting}/approve", json={"comment": "by a program"})
    assert answer.json() == {"run": waiting, "said": "rehearse/approve approved by bob"}
    again = bob.post(f"/api/v1/runs/{waiting}/approve", json={})
    assert again.status_code == 409
    assert set(again.json()["error"]) == {"status", "what", "because", "do"}
    assert runs.audit(journal, waiting)[-1].origin == "testclient by API"
    assert run_here(journal, waiting, Worker()) == "waiting"


def test_every_error_has_one_shape(of, page: Page, waiting: str) -> None:  # type: ignore[no-untyped-def]
    bob, eve = of("bob"), of("eve")
    found = {
        401: page.client().get("/api/v1/runs"),
        403: eve.post(f"/api/v1/runs/{waiting}/pause", json={}),
        404: bob.get("/api/v1/runs/nothing"),
        405: bob.post("/api/v1/runs", json={}),
        409: bob.post(f"/api/v1/runs/{waiting}/skip", json={"step": "check/lists", "because": "it is done"}),
        422: bob.post(f"/api/v1/runs/{waiting}/skip", json={"step": 3}),
    }
    for status, answer in found.items():
        assert answer.status_code == status, answer.text
        assert set(answer.json()["error"]) == {"status", "what", "because", "do"}
    assert bob.post(f"/api/v1/runs/{waiting}/pause", content=b"{", headers={"content-type": "application/json"}
                    ).status_code == 422  # fmt: skip


def test_the_log_goes_on_from_where_the_program_is(of, waiting: str) -> None:  # type: ignore[no-untyped-def]
    eve = of("eve")
    lines = eve.get(f"/api/v1/runs/{waiting}/log").json()["lines"]
    later = eve.get(f"/api/v1/runs/{waiting}/log?after={lines[-2]['seq']}").json()["lines"]
    assert later == lines[-1:]
    one = eve.get(f"/api/v1/runs/{waiting}/log?step=rehearse/db_sync-nova").json()["lines"]
    assert {line["kind"] for line in one} == {"step.started", "step.finished"}


HOP = {"older": "zed", "newer": "epoxy", "service": "nova"}


def test_every_address_of_the_description_answers_and_as_it_says(of, journal: Journal, waiting: str) -> None:  # type: ignore[no-untyped-def]
    eve, described = of("eve"), describe_api()
    errand = of("ann").post("/api/v1/errands/toolbox-check", json={}).json()["errand"]
    fingerprint = journal.find_run(waiting).fingerprint
    assert json.loads(eve.get("/api/v1/openapi.json").text) == described
    for path, operations in described["paths"].items():
        if "get" in operations:
            named = path.format(run=waiting, plan=fingerprint, release="epoxy", errand=errand)
            required = [p["name"] for p in operations["get"]["parameters"] if p["in"] == "query" and p["required"]]
            answer = eve.get(named, params={name: HOP[name] for name in required})
            assert answer.status_code == 200, path
            reference = operations["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
            wanted = described["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
            assert set(answer.json()) <= set(wanted), path
    assert "#/$defs" not in json.dumps(described)


def test_prometheus_counts_runs_and_waiting_gates(of, waiting: str) -> None:  # type: ignore[no-untyped-def]
    text = of("eve").get("/metrics").text
    assert 'saltus_runs{cloud="small",plan="control",status="waiting"} 1' in text
    assert f'saltus_gate_waiting{{run="{waiting}",gate="rehearse/approve"}} 1' in text
    assert all(line.startswith("#") or len(line.rsplit(" ", 1)) == 2 for line in text.splitlines())
