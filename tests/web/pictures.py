"""Pictures of every page, on the fake cloud: `python tests/web/pictures.py DIRECTORY [PAGE ...]`.

At 1440 and 390 pixels, light and dark: NAME-WIDTH-SCHEME.png. `pictures.py docs/images docs` makes those of docs/, and
`pictures.py docs/images real STATE RUN` those of a real run, from a copy of the state's journal.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from browsing import PASSWORD, PEOPLE, Server, browser, log_in
from page_cloud import Worker, fleet_plan, half_done, make_plan, run_here

from saltus.commands import runs
from saltus.journal.approvals import Person
from saltus.journal.signatures import Signer
from saltus.journal.store import Journal
from saltus.runner.performer import StepContext


def scenes(journal: Journal) -> dict[str, str]:
    """{name: address} of every page, in runs that have come to where the page has something to show."""
    bob = Person("bob", role="approver")
    done = journal.create_run(make_plan(), by="ann")
    pace = Worker(pace=_pace)
    while run_here(journal, done, pace) == "waiting":
        runs.approve(journal, done, bob, comment="the lists are equal")
    waits = journal.create_run(make_plan(expires_after=timedelta(hours=2)), by="ann")
    run_here(journal, waits, Worker(pace=lambda _: 0.02))
    fails = journal.create_run(make_plan().model_copy(update={"cloud": "other"}), by="ann")
    run_here(journal, fails, Worker(fail_at={"rehearse/clone": 1}))
    fleet = half_done(journal, fleet_plan())
    return {
        "clouds": "/",
        "runs": "/runs",
        "gate": f"/runs/{waits}",
        "run": f"/runs/{done}",
        "failed": f"/runs/{fails}",
        "step": f"/runs/{done}/steps/rehearse/db_sync-nova",
        "evidence": f"/runs/{done}/evidence",
        "outages": f"/runs/{done}/outages",
        "fleet": f"/runs/{fleet}/fleet",
        "plans": "/plans",
        "plan": f"/plans/{journal.find_run(done).fingerprint}",
        "tools": "/tools",
        "accounts": "/accounts",
        "catalogue": "/catalog?older=zed&newer=epoxy",
        "model": "/model",
        "log": f"/runs/{done}/log",
        "audit": f"/runs/{done}/audit",
        "report": f"/runs/{done}/report.html",
    }


def _pace(context: StepContext) -> float:
    """Seconds, so that the picture of a window looks like one."""
    stage, _, name = context.step.id.partition("/")
    if name.startswith("db_sync-"):
        return 0.5 + 0.13 * (len(name) % 5) + (0.2 if stage == "real-upgrade" else 0.0)
    return 0.7 if stage == "real-upgrade" else 0.02


OF_THE_DOCS = (
    ("page-gate", "gate", 1440, 1000, "light"),
    ("page-gate-phone", "gate", 390, 844, "dark"),
    ("page-fleet", "fleet", 1440, 900, "dark"),
)
"""(file, scene, width, height, scheme): what docs/ shows, as much of it as a window does."""
OF_A_REAL_RUN = (
    ("page-evidence", "evidence", 1440, 920, "light"),
    ("page-outages", "outages", 1440, 1000, "light"),
)


def real(directory: str, state: str, run: str) -> None:
    """Of a run that a lab has finished. The journal is copied, so that the lab is not disturbed."""
    with tempfile.TemporaryDirectory() as place, browser() as chromium:
        here = Path(place)
        live = f"file:{state}/journal.db?mode=ro"
        with closing(sqlite3.connect(live, uri=True)) as source, closing(sqlite3.connect(here / "journal.db")) as copy:
            source.backup(copy)
        shutil.copy(Path(state) / "journal.key", here / "journal.key")
        journal = Journal(f"sqlite:///{here}/journal.db", signer=Signer.from_file(here / "journal.key"))
        journal.accounts.create("bob", "approver", by="root")
        journal.accounts.set_password("bob", PASSWORD)
        server = Server(here)
        for file, scene, *window in OF_A_REAL_RUN:
            with _tab(chromium, server, *window) as tab:
                _open(tab, f"{server.url}/runs/{run}/{scene}")
                tab.screenshot(path=Path(directory) / f"{file}.png")
        server.stop(at_once=True)
        journal.close()


def main(directory: str, *wanted: str) -> None:
    out = Path(directory)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, browser() as chromium:
        here = Path(place)
        journal = Journal(f"sqlite:///{here}/journal.db", signer=Signer.from_file(here / "journal.key"))
        for name, role in PEOPLE.items():
            journal.accounts.create(name, role, by="root")
            journal.accounts.set_password(name, PASSWORD)
        addresses = scenes(journal)
        server = Server(here)
        if wanted == ("docs",):
            for file, scene, *window in OF_THE_DOCS:
                with _tab(chromium, server, *window) as tab:
                    _open(tab, server.url + addresses[scene])
                    tab.screenshot(path=out / f"{file}.png")
        else:
            for width, scheme in itertools.product((1440, 390), ("light", "dark")):
                with _tab(chromium, server, width, 900, scheme) as tab:
                    for name in wanted or addresses:
                        _open(tab, server.url + addresses[name])
                        tab.screenshot(path=out / f"{name}-{width}-{scheme}.png", full_page=True)
        server.stop(at_once=True)
        journal.close()


@contextmanager
def _tab(chromium: Any, server: Server, width: int, height: int, scheme: str) -> Iterator[Any]:
    """A window in which bob has logged in."""
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    tab = context.new_page()
    log_in(tab, server.url, "bob", PASSWORD)
    tab.wait_for_url(f"{server.url}/")
    yield tab
    context.close()


def _open(tab: Any, address: str) -> None:
    tab.goto(address)
    if address.endswith("/fleet"):
        tab.locator('[data-node="cmp0663"]').click()
    if address.endswith("/evidence"):
        tab.locator("summary", has_text="/etc/nova/nova.conf").first.click()
        tab.evaluate("scrollTo(0, document.querySelectorAll('section')[3].offsetTop - 16)")
    tab.wait_for_timeout(900)


if __name__ == "__main__":
    if sys.argv[2:3] == ["real"]:
        real(sys.argv[1], *sys.argv[3:])
    else:
        main(*sys.argv[1:])
