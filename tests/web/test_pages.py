"""The pages as a browser without scripts gets them: what they say, and to whom."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from conftest import Page
from page_cloud import FakeDesk, Worker, fleet_plan, half_done, make_plan, run_here
from pydantic import JsonValue
from sqlalchemy import text

from saltus.commands import runs
from saltus.commands.reporting import report_of
from saltus.errors import OperatorError
from saltus.journal.approvals import Person
from saltus.journal.events import Evidence, RunStarted, StepFinished, StepNoted, StepStarted
from saltus.journal.store import Journal
from saltus.runner.gates import JournalAsker
from saltus.runner.performers.fake import EveryKind
from saltus.runner.run import Runner


def csrf(html: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', html)
    assert found
    return found[1]


def test_the_first_page_shows_each_cloud_and_what_comes_next(page: Page, waiting: str) -> None:
    html = page.of("eve").get("/").text
    assert "zed" in html
    assert "an answer to rehearse/approve" in html
    assert "ctl01-a" in html


OF_A_RUN = ("", "/stages/rehearse", "/steps/rehearse/db_sync-nova", "/evidence", "/outages", "/fleet", "/nodes/ctl01-b",
            "/nodes/ctl01-b?part", "/audit", "/audit.csv", "/audit.json", "/report.html", "/report.md",
            "/log")  # fmt: skip


@pytest.mark.parametrize("address", OF_A_RUN)
def test_every_page_of_a_run_opens(page: Page, waiting: str, address: str) -> None:
    answer = page.of("eve").get(f"/runs/{waiting}{address}")
    assert answer.status_code == 200
    assert waiting in answer.text or "csv" in address or "?part" in address


def test_the_evidence_shows_schemas_lists_and_versions(page: Page, journal: Journal, waiting: str) -> None:
    bob = Person("bob", role="approver")
    runs.approve(journal, waiting, bob)
    assert run_here(journal, waiting, Worker()) == "waiting"
    runs.approve(journal, waiting, bob)
    assert run_here(journal, waiting, Worker()) == "done"
    client = page.of("eve")
    html = client.get(f"/runs/{waiting}/evidence").text
    assert "422ece571366" in html
    assert "identity services" in html
    assert "2:31.0.0-6" in html
    chart = client.get(f"/runs/{waiting}/outages").text
    assert chart.count('class="outage is-read"') == 7
    report = client.get(f"/runs/{waiting}/report.html")
    assert "<script" not in report.text
    assert not re.search(r'(?:src|href)="', report.text)
    assert "sha256-" in report.headers["content-security-policy"]


def test_a_name_in_markup_is_shown_and_not_obeyed(page: Page, journal: Journal, waiting: str) -> None:
    runs.skip(journal, waiting, Person("ann", role="operator"), step="prepare/warm-ctl01", because="<script>x</script>")
    html = page.of("eve").get(f"/runs/{waiting}/audit").text
    assert "&lt;script&gt;x&lt;/script&gt;" in html
    assert "<script>x" not in html


def test_the_audit_is_searched_and_written_as_csv(page: Page, waiting: str) -> None:
    client = page.of("eve")
    assert "Nothing matches." in client.get(f"/runs/{waiting}/audit?q=nobody+said+this").text
    lines = client.get(f"/runs/{waiting}/audit.csv?q=gate.asked").text.splitlines()
    assert lines[0] == "seq,at,by,kind,what,from,signature"
    assert len(lines) == 2
    whole = json.loads(client.get(f"/runs/{waiting}/audit.json").text)
    assert whole["events"][0]["kind"] == "run.created"


def test_a_viewer_has_no_buttons_and_an_approver_has(page: Page, waiting: str) -> None:
    seen = page.of("eve").get(f"/runs/{waiting}").text
    assert "Approve" not in seen.replace("rehearse/approve", "")
    assert "eve is a viewer, and it takes an approver" in seen
    assert "Abort" not in seen
    assert ">Approve<" in page.of("bob").get(f"/runs/{waiting}").text


def test_an_unknown_run_and_an_unknown_page_say_so(page: Page) -> None:
    client = page.of("eve")
    assert client.get("/runs/nothing").status_code == 404
    assert "there is no run nothing" in client.get("/runs/nothing").text
    assert client.get("/nowhere").status_code == 404


def test_approving_in_the_page_is_on_record_with_its_origin(page: Page, journal: Journal, waiting: str) -> None:
    client = page.of("bob")
    mark = csrf(client.get(f"/runs/{waiting}").text)
    answer = client.post(f"/api/v1/runs/{waiting}/approve", data={"csrf": mark, "comment": "looks good"})
    assert answer.status_code == 303
    line = next(line for line in runs.audit(journal, waiting) if line.what == "gate.approved")
    assert (line.by, line.origin, line.signature) == ("bob", "testclient by page", "holds")
    assert run_here(journal, waiting, Worker()) == "waiting"


def test_what_is_refused_leads_back_to_where_the_button_is(page: Page, waiting: str) -> None:
    client = page.of("ann")
    mark = csrf(client.get(f"/runs/{waiting}").text)
    sent = {"csrf": mark, "step": "no/such-step", "because": "it is not there"}
    there = {"referer": f"http://saltus.test/runs/{waiting}?all=1#gate", "accept": "text/html"}
    refused = client.post(f"/api/v1/runs/{waiting}/skip", data=sent, headers=there)
    assert refused.status_code >= 400
    assert f'<a href="/runs/{waiting}?all=1">Back to where the button is</a>' in refused.text
    elsewhere = {**there, "referer": "http://evil.example/runs"}
    assert "Back to where" not in client.post(f"/api/v1/runs/{waiting}/skip", data=sent, headers=elsewhere).text


def test_a_run_of_another_version_is_listed_and_does_not_stop_the_others(
    page: Page, journal: Journal, waiting: str
) -> None:
    other = journal.create_run(make_plan().model_copy(update={"cloud": "other"}), by="ann")
    with journal.db.write() as connection:
        connection.execute(text("UPDATE events SET json = replace(json, 'run.created', 'run.dreamt') WHERE run = :run"),
                           {"run": other})  # fmt: skip
    client = page.of("eve")
    html = client.get("/").text
    assert "unreadable" in html
    assert waiting in html
    answer = client.get(f"/runs/{other}")
    assert answer.status_code == 409
    assert "cannot be read" in answer.text


def test_the_evidence_shows_what_differs_and_folds_nodes_that_are_equal(page: Page, journal: Journal) -> None:
    run = half_done(journal, fleet_plan(40), done=30, running=5, failed=1)
    html = page.of("eve").get(f"/runs/{run}/evidence").text
    assert "2 packages</strong> differ on cmp0001, cmp0002, cmp0003 and 7 more" in html
    assert html.count(">qemu-system-x86<") == 2, "one table for a stage, not one for a node"
    differences = report_of(journal, run).differences
    assert [len(group.nodes) for each in differences for group in each.packages] == [10, 20]


def test_the_evidence_stands_at_the_gate(page: Page, waiting: str) -> None:
    html = page.of("bob").get(f"/runs/{waiting}").text
    evidence = html[html.index('id="gate-evidence"') : html.index('class="rail"')]
    for said in ("422ece571366", "identity services", "/etc/nova/nova.conf", "disable_compute_service_check_for_ffu",
                 "Nothing was refused", "any of these would have refused it"):  # fmt: skip
        assert said in evidence
    assert '<span class="added">+[workarounds]</span>' in evidence


def test_an_answer_that_did_not_count_is_among_the_refusals(page: Page, journal: Journal, waiting: str) -> None:
    with pytest.raises(OperatorError):
        runs.approve(journal, waiting, Person("eve", role="viewer"))
    html = page.of("bob").get(f"/runs/{waiting}/evidence").text
    assert "Refused: an answer to rehearse/approve" in html
    assert "eve is a viewer" in html


def test_a_machine_shows_its_own_steps_and_log_and_no_other(page: Page, waiting: str) -> None:
    client = page.of("eve")
    html = client.get(f"/runs/{waiting}/nodes/upg01").text
    assert "db_sync-nova done in" in html
    assert "check/facts" not in html
    assert client.get(f"/runs/{waiting}/nodes/nobody").status_code == 404


def test_a_step_of_many_machines_fares_on_each_as_it_tells(page: Page, journal: Journal) -> None:
    plan = fleet_plan(30)
    run, now = journal.create_run(plan, by="ann"), datetime.now(UTC)
    step = next(step.id for step in plan.steps() if step.id.endswith("upgrade-cmp0011"))
    journal.append(
        run,
        RunStarted(at=now, by="ann", runner="r", host="h", pid=1, saltus="0"),
        StepStarted(at=now, by="ann", step=step, attempt=1),
        StepNoted(at=now, by="ann", step=step, data={"node cmp0012": "of another"}),
    )
    html = page.of("eve").get(f"/runs/{run}/nodes/cmp0011").text
    assert "of another" not in html
    assert "is-running" in html
    evidence: Evidence = {"worked": {"cmp0012": True}, "failed": {"cmp0011": "no space left on device"}}
    journal.append(run, StepFinished(at=now, by="ann", step=step, summary="1 FAILED", seconds=2.0, evidence=evidence))
    client = page.of("eve")
    assert "no space left on device" in client.get(f"/runs/{run}/nodes/cmp0011").text
    assert 'aria-label="cmp0011: failed"' in client.get(f"/runs/{run}/fleet").text


def test_differences_that_a_step_has_folded_itself_are_shown_like_the_others(page: Page, journal: Journal) -> None:
    plan = fleet_plan(12)
    run, now = journal.create_run(plan, by="ann"), datetime.now(UTC)
    changes: list[JsonValue] = [
        {"package": "nova-compute", "installed": "26.1", "candidate": "31.0", "what": "upgrade"},
        {"package": "python3-six", "installed": "1.16", "candidate": None, "what": "remove"},
    ]
    step, evidence = next(plan.steps()).id, {"differences": [{"nodes": ["cmp0002", "cmp0001"], "changes": changes}]}
    journal.append(
        run,
        StepFinished(at=now, by="ann", step=step, summary="", seconds=1.0, evidence=evidence),  # type: ignore[arg-type]
    )
    html = page.of("eve").get(f"/runs/{run}/evidence").text
    assert "2 packages</strong> differ on cmp0001 and cmp0002" in html


def test_a_difference_is_shown_and_an_operator_accepts_it_there(page: Page, journal: Journal) -> None:
    run = journal.create_run(make_plan(), by="ann")
    found = {**make_plan().facts, "virtual address at": "nobody"}
    runner = Runner(journal, EveryKind(Worker()), JournalAsker(waits=False), by="ann", facts=lambda: found)
    assert runner.run(run).status == "paused"
    line = "virtual address at: prx01-a expected, nobody found"
    seen = page.of("eve").get(f"/runs/{run}").text
    assert line in seen
    assert "/accept-drift" not in seen, "a viewer cannot"
    ann = page.of("ann")
    html = ann.get(f"/runs/{run}").text
    answer = ann.post(f"/api/v1/runs/{run}/accept-drift", data={"csrf": csrf(html), "reason": "known"})
    assert answer.status_code == 303
    assert f"/api/v1/runs/{run}/accept-drift" not in ann.get(f"/runs/{run}").text
    (accepted,) = [line for line in runs.audit(journal, run) if line.what == "drift.accepted"]
    assert (accepted.by, accepted.origin) == ("ann", "testclient by page")
    assert runner.run(run).status == "waiting"


def test_an_abort_at_the_page_offers_the_way_back(page: Page, journal: Journal, waiting: str) -> None:
    ann = page.of("ann")
    html = ann.get(f"/runs/{waiting}").text
    ann.post(f"/api/v1/runs/{waiting}/abort", data={"csrf": csrf(html), "reason": "another day"})
    assert journal.state(waiting).status == "aborted"
    assert isinstance(page.site.desk, FakeDesk)
    assert page.site.desk.offered == [(waiting, "ann")]
