"""What a person types for the record: known secrets are kept out of it, where Saltus can read them."""

from __future__ import annotations

from collections.abc import Callable

from saltus.commands.journals import open_journal
from saltus.commands.settings import Settings
from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.journal.store import Journal


def open_journal_for(typed: str, settings: Settings, note: Callable[[str], None]) -> Journal:
    """The journal, for a verb that writes `typed` into it: with every secret of the cloud in its redactor.

    A verb that steers a run must work where nothing but the journal can be read: then what is typed is kept out by its
    look alone, and `note` is told so. Where nothing is typed, neither model nor secrets are read.
    """
    if not typed:
        return open_journal(settings)
    try:
        redactor = Workplace(settings).redactor
    except (OperatorError, OSError) as exc:
        why = exc.what if isinstance(exc, OperatorError) else str(exc)
        note(f"the secrets of the cloud cannot be read here ({why}): only what looks like one is kept off the record")
        return open_journal(settings)
    return open_journal(settings, redactor)
