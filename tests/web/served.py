"""A page in a process of its own, for the browser: `served.py JOURNAL KEY PORT`. Its runs are walked here."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from page_cloud import Worker, run_here

from saltus.journal.approvals import Person
from saltus.journal.signatures import Signer
from saltus.journal.store import Journal
from saltus.runner.gates import JournalAsker
from saltus.web.serve import Door, serve
from saltus.web.site import Site


def main(url: str, key: str, port: str, pace_s: str = "0.05") -> None:
    journal = Journal(url, signer=Signer.from_file(Path(key)))

    def start(run: str, who: Person) -> None:
        worker = Worker(pace=lambda _: float(pace_s))
        walk = threading.Thread(target=run_here, args=(journal, run, worker, JournalAsker()), kwargs={"by": who.name})
        walk.daemon = True
        walk.start()

    serve(Site(journal, start), Door(port=int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
