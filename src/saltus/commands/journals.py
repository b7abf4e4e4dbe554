"""Opening the journal for the verbs that need nothing else: no model, no Salt, no cloud."""

from __future__ import annotations

from saltus.commands.settings import Settings
from saltus.journal.redactor import Redactor, redact_process
from saltus.journal.signatures import Signer
from saltus.journal.store import Journal


def open_journal(settings: Settings, redactor: Redactor | None = None) -> Journal:
    """The journal of `settings`, with the key of this installation that signs answers to gates.

    Where several hosts share a journal on PostgreSQL, the same `journal.key` belongs on each of them.
    """
    if redactor:
        redact_process(redactor)
    settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Journal(settings.journal_url, redactor=redactor, signer=Signer.from_file(settings.state / "journal.key"))
