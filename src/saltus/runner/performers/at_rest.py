"""A step that is done again waits until nothing of its earlier attempt is still at work.

A runner that is killed leaves its job behind: the minion goes on with it, and nobody listens. Two migrations of one
schema side by side, or two backups into one directory, break what either alone would have done well. So a performer
that takes a step over first asks Salt what became of the job that was noted last, and goes to work, or looks, when
that has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from saltus.fleet.port import Fleet
from saltus.runner.performer import Outcome, Performer, StepContext, Verdict, Verifier

ASK_EVERY_S = 1.0


def at_rest(performer: Performer, fleet: Fleet) -> Performer:
    """`performer`, which does not begin before the job of the attempt before it has ended."""
    return _VerifierAtRest(performer, fleet) if isinstance(performer, Verifier) else _AtRest(performer, fleet)


@dataclass(frozen=True)
class _AtRest:
    performer: Performer
    fleet: Fleet

    def perform(self, action: Any, context: StepContext) -> Outcome:
        wait_for_rest(self.fleet, context)
        return self.performer.perform(action, context)


class _VerifierAtRest(_AtRest):
    def verify(self, action: Any, context: StepContext) -> Verdict:
        wait_for_rest(self.fleet, context)
        assert isinstance(self.performer, Verifier)
        return self.performer.verify(action, context)


def wait_for_rest(fleet: Fleet, context: StepContext) -> None:
    """Return when the job that this step noted last runs nowhere any more. Raises Abort when the operator stops it.

    How long that may take is the job's own affair: each has an end of its own, and the operator sees what is awaited.
    """
    jid = context.noted().get("jid")
    if not isinstance(jid, str):
        return
    while (found := fleet.lookup(jid)) is not None and found.running:
        where = ", ".join(found.running)
        context.say(f"waiting for {found.job.function} of an earlier attempt, still at work on {where} (job {jid})")
        context.wait(ASK_EVERY_S)
