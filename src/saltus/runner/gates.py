"""Who answers a gate: a person at the terminal, a person elsewhere through the journal, or nobody before we go."""

from __future__ import annotations

import getpass
import select
import socket
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TextIO

from saltus.journal.approvals import Person
from saltus.plan.plan import Gate, Plan, Stage


@dataclass(frozen=True)
class Question:
    """A gate as a person sees it."""

    run: str
    plan: Plan
    stage: Stage
    gate: Gate
    evidence: tuple[str, ...]
    """What was found by the steps that the gate names, and how long the stage took: a line each."""
    expires_at: datetime | None


@dataclass(frozen=True)
class Answer:
    who: Person
    approve: bool
    comment: str = ""


class Asker(Protocol):
    """Puts a question to somebody. The runner reads the journal at the same time: whoever is first has answered."""

    waits: bool
    """False: a run that comes to a gate stops there and is taken up again when it has been answered."""

    def ask(self, question: Question) -> None:
        """Show the question. Does not wait."""

    def answer(self, timeout_s: float) -> Answer | None:
        """The answer, if it comes within `timeout_s`."""

    def over(self) -> None:
        """The question has been answered elsewhere, or has expired."""


def this_person() -> Person:
    """The user of the operating system, and the host."""
    user = getpass.getuser()
    return Person(user, f"{user}@{socket.gethostname()}")


class JournalAsker:
    """Waits for an answer that another process writes: `saltus approve`, or the page."""

    def __init__(self, *, waits: bool = True) -> None:
        self.waits = waits

    def ask(self, question: Question) -> None:
        pass

    def answer(self, timeout_s: float) -> Answer | None:
        time.sleep(timeout_s)
        return None

    def over(self) -> None:
        pass


class AutoApprover:
    """`--approve-as`: approves everything in the name of `who`, and the comment says that nobody looked."""

    waits = True

    def __init__(self, who: Person | str) -> None:
        self._who = who if isinstance(who, Person) else Person(who, f"--approve-as, {this_person().origin}")
        self._asked = False

    def ask(self, question: Question) -> None:
        self._asked = True

    def answer(self, timeout_s: float) -> Answer | None:
        if not self._asked:  # it did not count, or more persons are needed
            time.sleep(timeout_s)
            return None
        self._asked = False
        return Answer(self._who, approve=True, comment="approved by --approve-as, unseen")

    def over(self) -> None:
        pass


class TerminalAsker:
    """Asks on the terminal, and goes on listening to the journal while the person thinks."""

    waits = True

    def __init__(self, who: Person | None = None, *, read: TextIO | None = None, write: TextIO | None = None) -> None:
        self._who = who or this_person()
        self._read, self._write = read or sys.stdin, write or sys.stderr
        self._closed = False

    def ask(self, question: Question) -> None:
        gate, stage = question.gate, question.stage
        lines = ["", f"gate {gate.id}: {gate.question}", *(f"  {line}" for line in question.evidence)]
        lines.append(f"  the stage was: {stage.impact}; way back: {stage.way_back}")
        if gate.answers > 1:
            lines.append(f"  {gate.answers} persons must approve; who started the run does not count")
        if question.expires_at:
            until = question.expires_at.astimezone()
            lines.append(f"  expires {until:%Y-%m-%d %H:%M:%S %Z}; then the run is to {gate.on_expiry}")
        print("\n".join(lines), file=self._write)
        self._prompt()

    def _prompt(self) -> None:
        print("approve? [yes/no, a comment may follow] ", end="", file=self._write, flush=True)

    def answer(self, timeout_s: float) -> Answer | None:
        if self._closed:
            time.sleep(timeout_s)
            return None
        if not select.select([self._read], [], [], timeout_s)[0]:
            return None
        line = self._read.readline()
        if not line:  # the terminal is gone; `saltus approve` still works
            self._closed = True
            return None
        word, _, comment = line.strip().partition(" ")
        if word.lower() in ("yes", "y", "no", "n"):
            return Answer(self._who, approve=word.lower().startswith("y"), comment=comment.strip())
        self._prompt()
        return None

    def over(self) -> None:
        print(file=self._write)
