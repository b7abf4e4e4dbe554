"""The page in headless Chromium: a run watched and steered, and what happens when time or the server runs out."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from browsing import CHROMIUM, PASSWORD, PEOPLE, Effort, Server, browser, is_busy, log_in
from page_cloud import Worker, fleet_plan, half_done, make_plan, one_by_one, run_here

from saltus.commands import runs
from saltus.journal.approvals import Person
from saltus.journal.events import OutageSeen, RunStarted, StepFinished, StepStarted
from saltus.journal.signatures import Signer
from saltus.journal.store import Journal
from saltus.plan import Impact, Plan, Stage, Step
from saltus.plan.actions import StartMachine
from saltus.runner.gates import JournalAsker

STEPS = len(list(make_plan().steps()))

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="chromium is not installed: tests/prepare"),
]
playwright_api = pytest.importorskip("playwright.sync_api")
expect = playwright_api.expect
expect.set_options(
    timeout=30_000
)  # what is awaited comes within a second, but not on a machine that is busy with others
Tab = playwright_api.Page


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(f"sqlite:///{tmp_path}/journal.db", signer=Signer.from_file(tmp_path / "journal.key"))
    for name, role in PEOPLE.items():
        journal.accounts.create(name, role, by="root")
        journal.accounts.set_password(name, PASSWORD)
    yield journal
    journal.close()


@pytest.fixture
def server(journal: Journal, tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.stop(at_once=True)


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    with browser() as started:
        yield started


@pytest.fixture
def tab_of(chromium, server: Server) -> Iterator[Callable[..., Tab]]:  # type: ignore[no-untyped-def]
    """A tab in which somebody has logged in. What the console complains of fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_tab(name: str, *, width: int = 1440, dark: bool = False) -> Tab:
        scheme = "dark" if dark else "light"
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(60_000)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        log_in(tab, server.url, name, PASSWORD)
        return tab

    yield open_tab
    for context in contexts:
        context.close()
    assert complaints == []


def state(tab: Tab) -> object:
    return tab.locator("#head .state")


def mark(tab: Tab) -> None:
    """A page that is loaded again forgets this."""
    tab.evaluate("window.stayed = true")


def stayed(tab: Tab) -> bool:
    return bool(tab.evaluate("window.stayed === true"))


def test_a_run_is_planned_started_watched_approved_and_finished(tab_of, server: Server, journal: Journal) -> None:  # type: ignore[no-untyped-def]
    tab = tab_of("bob")
    tab.goto(f"{server.url}/plans")
    tab.get_by_label("To the release").first.select_option("epoxy")
    tab.get_by_label("Gates expire after").first.fill("2h")
    tab.get_by_role("button", name="Plan control").click()
    expect(tab.locator("pre.plan")).to_contain_text("real-upgrade: Move the control plane to epoxy")
    tab.get_by_role("button", name="Run it").click()
    gate = tab.get_by_role("region", name="The rehearsal on epoxy passed.")
    expect(gate).to_be_visible(timeout=60_000)
    mark(tab)
    expect(gate.locator("[data-until]")).to_contain_text(re.compile(r"1 h 59 m"))
    expect(gate).to_contain_text("nothing lost, nothing changed")
    expect(gate).to_contain_text("API down")
    evidence = tab.get_by_role("region", name="Evidence")
    expect(evidence).to_contain_text("9 databases")
    evidence.get_by_text("Packages and configuration").click()
    evidence.get_by_text("/etc/nova/nova.conf").click()
    expect(evidence.locator(".diff .added").last).to_have_text("+disable_compute_service_check_for_ffu = true")
    expect(tab.locator("#rail-rehearse")).to_contain_text("waiting")
    tab.locator("#step-rehearse_2f_db_5f_sync-nova summary").first.click()
    expect(tab.locator("#step-rehearse_2f_db_5f_sync-nova .log")).to_contain_text("db_sync-nova done in")
    assert stayed(tab)
    gate.get_by_label("Comment").fill("the lists are equal")
    gate.get_by_role("button", name="Approve").click()
    gate = tab.get_by_role("region", name="The cloud runs epoxy. Keep it?")
    expect(gate).to_be_visible(timeout=60_000)
    gate.get_by_role("button", name="Approve").click()
    expect(state(tab)).to_have_text("done", timeout=60_000)
    expect(tab.locator(".head")).to_contain_text(f"{STEPS} of {STEPS} steps")
    tab.get_by_role("link", name="Audit").click()
    expect(tab.get_by_role("region", name="Audit")).to_contain_text("rehearse/approve approved: the lists are equal")
    tab.get_by_role("link", name="Outages").click()
    expect(tab.locator("svg.outages")).to_be_visible()


def test_a_gate_that_expires_is_seen_to_expire_and_the_run_pauses(tab_of, server: Server, journal: Journal) -> None:  # type: ignore[no-untyped-def]
    run = journal.create_run(make_plan(expires_after=timedelta(seconds=10)), by="ann")
    walk = threading.Thread(target=run_here, args=(journal, run, Worker(), JournalAsker()))
    tab = tab_of("bob")
    tab.goto(f"{server.url}/runs/{run}")
    walk.start()
    expect(tab.locator("#gate .until")).to_contain_text("Expires, and the run pauses, in")
    mark(tab)
    expect(state(tab)).to_have_text("paused")
    expect(tab.locator("#head")).to_contain_text("gate rehearse/approve expired without an answer")
    expect(tab.get_by_role("button", name="Approve")).to_have_count(0)
    assert stayed(tab)
    walk.join(60)


def test_the_page_goes_on_after_the_server_was_killed(tab_of, server: Server, journal: Journal) -> None:  # type: ignore[no-untyped-def]
    run = journal.create_run(make_plan(), by="ann")
    worker = Worker(pace=lambda _: 0.3)
    walk = threading.Thread(target=run_here, args=(journal, run, worker, JournalAsker()))
    tab = tab_of("bob")
    tab.goto(f"{server.url}/runs/{run}")
    walk.start()
    expect(tab.locator("#rail-rehearse")).to_contain_text("running")
    mark(tab)
    server.stop(at_once=True)
    expect(tab.locator("#live")).to_contain_text("The connection is lost")
    walk_on = time.monotonic() + 4
    while time.monotonic() < walk_on:
        tab.wait_for_timeout(500)
    server.start()
    gate = tab.get_by_role("region", name="The rehearsal on epoxy passed.")
    expect(gate).to_be_visible(timeout=60_000)
    expect(tab.locator("#live")).to_have_text("")
    expect(tab.locator("#step-rehearse_2f_stop")).to_have_class(re.compile("is-done"))
    expect(tab.locator(".head")).to_contain_text(f"of {STEPS} steps")
    assert stayed(tab)
    tab.get_by_role("button", name="Reject").click()
    expect(state(tab)).to_have_text("aborted")
    walk.join(60)


def test_a_wrong_password_lets_nobody_in(chromium, server: Server, journal: Journal) -> None:  # type: ignore[no-untyped-def]
    tab = chromium.new_page()
    log_in(tab, server.url, "bob", "not the password")
    expect(tab.get_by_role("alert")).to_contain_text("let nobody in")
    tab.goto(f"{server.url}/runs")
    expect(tab).to_have_url(re.compile("/login"))
    tab.close()


def test_a_viewer_sees_everything_and_has_no_buttons(tab_of, server: Server, journal: Journal) -> None:  # type: ignore[no-untyped-def]
    run = journal.create_run(make_plan(), by="ann")
    run_here(journal, run, Worker())
    tab = tab_of("eve")
    tab.goto(f"{server.url}/runs/{run}")
    expect(tab.locator("#gate")).to_contain_text("eve is a viewer, and it takes an approver")
    assert tab.get_by_role("button").all_inner_texts() == ["Log out"]


def test_a_gate_is_approved_with_the_keyboard_alone(tab_of, server: Server, journal: Journal) -> None:  # type: ignore[no-untyped-def]
    run = journal.create_run(make_plan(), by="ann")
    run_here(journal, run, Worker())
    tab = tab_of("bob", width=390)
    tab.goto(f"{server.url}/runs/{run}")
    for _ in range(40):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.textContent.trim()") == "Approve":
            break
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("rehearse/approve approved by bob")).to_be_visible()
    assert runs.audit(journal, run)[-1].by == "bob"


def test_a_half_written_comment_survives_what_happens_meanwhile(tab_of, server: Server, journal: Journal) -> None:  # type: ignore[no-untyped-def]
    run = journal.create_run(make_plan(), by="ann")
    run_here(journal, run, Worker())
    tab = tab_of("bob")
    tab.goto(f"{server.url}/runs/{run}")
    tab.get_by_label("Comment").fill("half a sent")
    runs.pause(journal, run, Person("ann", role="operator"))
    runs.skip(journal, run, Person("ann", role="operator"), step="prepare/warm-ctl01", because="no need")
    expect(tab.locator("#rail-prepare")).to_contain_text("paused")
    expect(tab.get_by_label("Comment")).to_have_value("half a sent")


PAGES = ("", "/stages/rehearse", "/steps/rehearse/db_sync-nova", "/evidence", "/outages", "/fleet",
         "/nodes/ctl01-b", "/audit", "/log", "/report.html")  # fmt: skip


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious_and_a_phone_is_wide_enough(
    tab_of, server: Server, journal: Journal, dark: bool
) -> None:  # type: ignore[no-untyped-def]
    from axe_playwright_python.sync_playwright import Axe

    plans = [make_plan().model_copy(update={"cloud": cloud}) for cloud in ("small", "waits", "fails")]
    done, waits, fails = (journal.create_run(plan, by="ann") for plan in plans)
    while run_here(journal, done, Worker()) == "waiting":
        runs.approve(journal, done, Person("bob", role="approver"))
    run_here(journal, waits, Worker())
    run_here(journal, fails, Worker(fail_at={"rehearse/clone": 1}))
    tab = tab_of("bob", width=390, dark=dark)
    for address in (
        "/",
        "/runs",
        "/login",
        "/plans",
        f"/plans/{journal.find_run(done).fingerprint}",
        "/accounts",
        "/tools",
        "/catalog?older=zed&newer=epoxy",
        "/catalog/epoxy",
        "/model",
        f"/runs/{fails}",
        f"/runs/{waits}",
        *(f"/runs/{done}{page}" for page in PAGES),
    ):
        tab.goto(server.url + address)
        tab.wait_for_timeout(300)
        found = Axe().run(tab).response["violations"]
        bad = [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]
        assert bad == [], address
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390, address


def test_a_run_of_ten_thousand_steps_on_a_thousand_nodes_opens_in_two_seconds_and_stays_responsive(
    tab_of, server: Server, journal: Journal
) -> None:  # type: ignore[no-untyped-def]
    plan = one_by_one(1000)
    steps = [step.id for step in plan.steps()]
    assert len(steps) > 10_000
    tab = tab_of("bob")
    run, now = journal.create_run(plan, by="ann"), datetime.now(UTC)
    began = [StepStarted(at=now, by="ann", step=step, attempt=1) for step in steps[:5520]]
    ended = [StepFinished(at=now, by="ann", step=step, summary="done", seconds=2.0) for step in steps[:5500]]
    journal.append(run, RunStarted(at=now, by="ann", runner="r", host="h", pid=1, saltus="0"), *began, *ended)
    effort = Effort(tab, server)
    tab.goto(f"{server.url}/runs/{run}")
    expect(tab.locator(".head")).to_contain_text(f"5500 of {len(steps)} steps")
    assert_cheap(effort.spent(), f"{len(steps)} steps opened", at_most_s=2.0)
    assert tab.evaluate("document.querySelectorAll('*').length") < 3000

    mark(tab)
    wait_for_quiet(tab)
    effort.begin()
    for step in steps[5500:5520]:
        journal.append(run, StepFinished(at=now, by="ann", step=step, summary="done", seconds=2.0))
    expect(tab.locator(".head")).to_contain_text(f"5520 of {len(steps)} steps")
    assert_cheap(effort.spent(), "twenty steps that finished were shown", at_most_s=1.0)
    tab.get_by_role("link", name=f"All {len(plan.stages[2].steps)} steps").click()
    expect(tab.get_by_role("navigation", name="Steps by state")).to_contain_text("5506 done")
    tab.go_back()

    wait_for_quiet(tab)
    effort.begin()
    tab.wait_for_timeout(4000)
    server_s, tab_s, _ = effort.spent()
    assert server_s + tab_s < 0.4, "an open page costs nothing while nothing happens"


def test_stages_beyond_the_first_hundreds_of_steps_come_when_they_are_unfolded(
    tab_of, server: Server, journal: Journal
) -> None:  # type: ignore[no-untyped-def]
    plan = Plan(
        name="compute", cloud="large", source="zed", target="epoxy", stages=tuple(map(_stage_of_100, range(100)))
    )
    run, now = journal.create_run(plan, by="ann"), datetime.now(UTC)
    tab = tab_of("bob")
    journal.append(run, RunStarted(at=now, by="ann", runner="r", host="h", pid=1, saltus="0"),
                   StepStarted(at=now, by="ann", step="s0/cmp0000", attempt=1))  # fmt: skip
    effort = Effort(tab, server)
    tab.goto(f"{server.url}/runs/{run}")
    expect(tab.locator(".head")).to_contain_text("0 of 10000 steps")
    assert_cheap(effort.spent(), "a hundred stages opened", at_most_s=2.0)
    assert tab.locator(".step").count() == 400
    last = tab.locator("#stage-s99")
    expect(last.get_by_role("link", name="All 100 steps", include_hidden=True)).to_have_count(1)
    last.locator("summary").first.click()
    expect(last.locator(".step")).to_have_count(100)
    journal.append(run, StepStarted(at=now, by="ann", step="s99/cmp0050", attempt=1))
    expect(last.locator("#step-s99_2f_cmp0050")).to_have_class(re.compile("is-running"))


def assert_cheap(spent: tuple[float, float, float], what: str, *, at_most_s: float) -> None:
    """By processor time, of which the machine's other work takes none; by the clock too when there is none."""
    server_s, tab_s, took_s = spent
    print(f"{what} in {took_s:.2f} s: {server_s:.2f} s of the server's CPU, {tab_s:.2f} s of the tab's main thread")
    assert server_s + tab_s < at_most_s * 0.75
    assert tab_s < at_most_s * 0.25, "the main thread is free for whoever scrolls and types"
    assert took_s < at_most_s or is_busy()


def wait_for_quiet(tab: Tab) -> None:
    tab.wait_for_timeout(1500)


def _stage_of_100(number: int) -> Stage:
    steps = tuple(
        Step(id=f"s{number}/cmp{n:04}", title=f"Upgrade cmp{n:04}", action=StartMachine(machine=f"cmp{n:04}"),
             lane=f"l{n % 50}")
        for n in range(100)
    )  # fmt: skip
    return Stage(id=f"s{number}", title=f"Part {number}", impact=Impact.PACKETS, way_back="start them", steps=steps)


def test_a_fleet_of_a_thousand_is_one_map_that_opens_at_once_and_stays_so(
    tab_of, server: Server, journal: Journal
) -> None:  # type: ignore[no-untyped-def]
    run = half_done(journal, fleet_plan(1000))
    tab = tab_of("bob")
    effort = Effort(tab, server)
    tab.goto(f"{server.url}/runs/{run}/fleet")
    expect(tab.locator("#cells a")).to_have_count(1000)
    assert_cheap(effort.spent(), "1,000 machines opened", at_most_s=2.0)
    expect(tab.locator("#fleet-sum")).to_contain_text("1000 machines")
    assert tab.locator("#cells .is-done").count() == 612
    assert tab.locator("#cells").bounding_box()["height"] < 900, "on one screen"

    mark(tab)
    now, steps = datetime.now(UTC), [s.id for s in journal.plan_of(run).steps() if s.id.endswith("-cmp0900")]
    wait_for_quiet(tab)
    effort.begin()
    journal.append(run, StepStarted(at=now, by="ann", step=steps[0], attempt=1))
    expect(tab.locator('[data-node="cmp0900"]')).to_have_class(re.compile("is-running"))
    assert_cheap(effort.spent(), "a change on the map was shown", at_most_s=2.0)

    tab.locator('[data-node="cmp0664"]').click()
    panel = tab.get_by_label("The chosen machine")
    expect(panel).to_contain_text("dpkg was interrupted: No space left on device")
    expect(panel).to_contain_text("1 of 3 steps")
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("Enter")
    expect(panel).to_contain_text("cmp0663")
    tab.get_by_label("Find").fill("cmp09")
    assert tab.locator("#cells a:not(.is-other)").count() == 100
    assert stayed(tab)


def test_an_outage_is_drawn_while_it_lasts(tab_of, server: Server, journal: Journal) -> None:  # type: ignore[no-untyped-def]
    run, now = journal.create_run(make_plan(), by="ann"), datetime.now(UTC)
    step = "real-upgrade/stop-ctl01"
    journal.append(
        run,
        RunStarted(at=now, by="ann", runner="r", host="h", pid=1, saltus="0"),
        StepStarted(at=now, by="ann", step=step, attempt=1),
    )
    tab = tab_of("eve")
    tab.goto(f"{server.url}/runs/{run}/outages")
    expect(tab.locator("#outages")).to_contain_text("Not watched")
    mark(tab)
    away = {"by": "ann", "target": "nova", "what": "write", "started": now, "step": step}
    journal.append(run, OutageSeen(at=now, **away))
    expect(tab.locator("#outages h2").first).to_contain_text("Not back yet: nova (write)")
    expect(tab.locator("rect.outage")).to_have_count(1)
    expect(tab.locator("svg.outages")).to_contain_text("away now")
    journal.append(run, OutageSeen(at=now, ended=now + timedelta(seconds=7), **away))
    expect(tab.locator("#outages h2").first).to_contain_text("The longest API outage is 7.0 s")
    expect(tab.locator("rect.outage")).to_have_count(1)
    assert stayed(tab)
