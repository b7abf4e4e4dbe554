"""A page in a process of its own, for the browser: `served.py JOURNAL KEY PORT`. Its runs are walked here."""

from __future__ import annotations

import sys
from pathlib import Path

from page_cloud import FakeDesk

from saltus.journal.signatures import Signer
from saltus.journal.store import Journal
from saltus.web.serve import Door, serve
from saltus.web.site import Site


def main(url: str, key: str, port: str, pace_s: str = "0.05") -> None:
    journal = Journal(url, signer=Signer.from_file(Path(key)))
    serve(Site(journal, FakeDesk(journal, Path(key).parent, pace_s=float(pace_s))), Door(port=int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
