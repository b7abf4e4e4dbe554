"""Answers to gates: given to one asking of one gate of one plan, signed, and refused aloud when they do not count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from saltus.errors import OperatorError
from saltus.journal.accounts import ROLES, Role
from saltus.journal.events import AnswerRefused, GateAnswer, GateApproved, GateRejected
from saltus.journal.fold import RunState
from saltus.journal.store import Journal, JournalMoved


class AnswerNotCounted(OperatorError):
    """The answer was refused, and the journal says so."""


@dataclass(frozen=True)
class Person:
    """Who acts: an account with its role, else the user of the operating system; `origin` is from where."""

    name: str
    origin: str = ""
    role: Role | None = None
    """None: no account. Such a person may do everything while there are no accounts, and nothing once there are."""


def why_not_allowed(journal: Journal, who: Person, role: str) -> str | None:
    """Why `who` may not do what takes `role`; None when they may."""
    if who.role is None:
        if journal.accounts.any():
            return f"{who.name} is no account of this journal, and it has accounts"
        return None
    if role not in ROLES:
        return f"there is no role {role}"
    if ROLES.index(who.role) < ROLES.index(role):
        return f"{who.name} is {_article(who.role)} {who.role}, and it takes {_article(role)} {role}"
    return None


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def answer_gate(
    journal: Journal,
    run: str,
    who: Person,
    *,
    approve: bool,
    at: datetime,
    gate: str | None = None,
    comment: str = "",
) -> GateAnswer:
    """Answer the gate that waits (or `gate`). When it does not count: recorded, and AnswerNotCounted."""
    while True:
        state = journal.state(run)
        name = gate or _gate_meant(state)
        if name is None or name not in state.gates:
            raise AnswerNotCounted(
                what=f"{run} has no gate {name}" if name else f"no gate of {run} waits for an answer",
                because=f"its gates are {', '.join(state.gates)}" if state.gates else "its plan has no gates",
                do=f"saltus status {run}",
            )
        kind = GateApproved if approve else GateRejected
        answer: GateAnswer = kind(
            at=at,
            by=who.name,
            gate=name,
            fingerprint=state.plan.fingerprint,
            asking=state.gates[name].asking,
            comment=journal.redactor.text(comment),
            origin=journal.redactor.text(who.origin),
        )
        if journal.signer:
            answer = journal.signer.sign(answer)
        because = why_not_allowed(journal, who, state.gate(name).role) or state.why_not(answer)
        try:
            if because is None:
                journal.append(run, answer, expected_seq=state.seq)
                return answer
            refuse(journal, run, who, gate=name, because=because, at=at)
        except JournalMoved:
            continue


def _gate_meant(state: RunState) -> str | None:
    """The gate that waits; else the last that was asked, so that a late answer is refused by name and on record."""
    asked = [gate.id for gate in state.plan.gates() if state.gates[gate.id].status != "ahead"]
    waiting = state.waiting_gate()
    return waiting.id if waiting else asked[-1] if asked else None


def refuse(journal: Journal, run: str, who: Person, *, gate: str, because: str, at: datetime) -> None:
    """Record that an answer does not count, and raise."""
    journal.append(run, AnswerRefused(at=at, by=who.name, gate=gate, because=because, origin=who.origin))
    raise AnswerNotCounted(
        what=f"the answer of {who.name} to {gate} does not count",
        because=because,
        do=f"saltus status {run} shows what is asked, of whom and until when",
    )
