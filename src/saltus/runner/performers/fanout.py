"""One job over many nodes, told node by node: what worked is not done again, what failed is left out of what follows.

What each node answered is noted in the journal as it comes, so that an attempt that was cut short goes on with the
others. A node that failed in an earlier step of the run, or was down, is not asked again: it stays as it is, with its
error on record, until somebody takes the run back to it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from saltus.errors import OperatorError
from saltus.fleet.port import CallReturn, Job
from saltus.journal.events import Evidence
from saltus.runner.performer import Outcome, StepContext, stop_if_cancelled
from saltus.runner.performers.ground import Ground

NOTED = "node "
"""Beginning of the keys of notes that hold what worked on a node."""
NOTE_EVERY_S = 1.0
BACK_WITHIN_S = 45.0
"""How long a minion that was lost may take to come back: it may have been restarted by what it did."""
LOST_TIMES = 10
"""So often a minion may be lost and come back: one whose node is at the end of its strength is silent for a while."""
CAUSE_CHARACTERS = 600


@dataclass
class Tally:
    """What came of a step on each of its nodes."""

    context: StepContext
    worked: dict[str, JsonValue] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    """Nodes that earlier steps left behind, or that are down: not asked."""

    def __post_init__(self) -> None:
        self._unwritten: Evidence = {}
        self._lock, self._noted_at = threading.Lock(), 0.0

    def done(self, node: str, answer: JsonValue) -> None:
        """It worked there. Noted within a second or so."""
        with self._lock:
            self.worked[node] = answer
            self.failed.pop(node, None)
            self._unwritten[f"{NOTED}{node}"] = answer
        if time.monotonic() - self._noted_at > NOTE_EVERY_S:
            self.write_down()

    def attempt(self, node: str, do: Callable[[], JsonValue]) -> None:
        """What `do` returns is the node's answer; an OperatorError is its failure, told in a line."""
        stop_if_cancelled(self.context)
        try:
            self.done(node, do())
        except OperatorError as error:
            self.failed[node] = f"{error.what}: {error.because}"

    def write_down(self) -> None:
        with self._lock:
            unwritten, self._unwritten, self._noted_at = self._unwritten, {}, time.monotonic()
        if unwritten:
            self.context.note(unwritten)

    def outcome(self, did: str, **more: JsonValue) -> Outcome:
        """`did` says what happened to those on which it worked: `upgraded`."""
        self.write_down()
        told = [f"{len(self.worked)} {did}"]
        if self.failed:
            causes = [f"{node}: {brief(why)}" for node, why in sorted(self.failed.items())[:3]]
            told.append(f"{len(self.failed)} FAILED ({'; '.join(causes)}{'; ...' if len(self.failed) > 3 else ''})")
        if self.skipped:
            told.append(f"{len(self.skipped)} left out ({', '.join(sorted(self.skipped)[:8])})")
        evidence: Evidence = {"worked": dict(self.worked), **more}
        if self.failed:
            evidence["failed"] = dict(self.failed)
        if self.skipped:
            evidence["skipped"] = dict(self.skipped)
        return Outcome(", ".join(told), evidence)


def open_tally(context: StepContext, nodes: Sequence[str]) -> tuple[Tally, list[str]]:
    """The tally of a step so far, and the nodes that it still has to ask."""
    tally = Tally(context)
    noted, behind = context.noted(), left_behind(context)
    for node in nodes:
        if node in behind:
            tally.skipped[node] = behind[node]
        elif f"{NOTED}{node}" in noted:
            tally.worked[node] = noted[f"{NOTED}{node}"]
    return tally, [node for node in nodes if node not in tally.worked and node not in tally.skipped]


def leave_out_down(ground: Ground, tally: Tally, nodes: Sequence[str]) -> list[str]:
    """Those of `nodes` whose minions answer. The others are left out of the wave, and cost no part of the budget."""
    for node, answers in answering(ground, nodes).items():
        if not answers:
            tally.skipped[node] = "it is down: its minion does not answer"
    return [node for node in nodes if node not in tally.skipped]


def left_behind(context: StepContext) -> dict[str, str]:
    """{node: why} of those that steps before this one left behind."""
    found: dict[str, str] = {}
    for step in context.plan.steps():
        if step.id == context.step.id:
            break
        if not hasattr(step.action, "nodes"):
            continue
        evidence = context.evidence_of(step.id)
        for key in ("skipped", "failed"):
            told = evidence.get(key)
            if isinstance(told, dict):
                for node, why in told.items():
                    found.setdefault(node, f"{step.id}: {why}" if key == "failed" else str(why))
    return found


def fan_out(
    ground: Ground,
    context: StepContext,
    tally: Tally,
    nodes: Sequence[str],
    function: str,
    *args: object,
    timeout_s: float,
    retries: int = 0,
    digest: Callable[[str, JsonValue], JsonValue] = lambda _node, answer: answer,
    **kwargs: object,
) -> None:
    """Call `function` on all of `nodes` in one job, and again on those that failed. Everything goes into `tally`.

    `digest` makes of a node's answer what is kept of it. A minion that is lost in the middle is waited for a while and
    asked again: the function must find its own work.
    """
    waiting, failures, losses = list(nodes), Counter[str](), Counter[str]()
    while waiting:
        stop_if_cancelled(context)
        lost = _one_job(ground, context, tally, waiting, function, args, kwargs, timeout_s, digest)
        failures.update(node for node in waiting if node in tally.failed)
        losses.update(lost.keys())
        back = [node for node in _come_back(ground, context, lost) if losses[node] <= LOST_TIMES]
        tally.failed |= {node: why for node, why in lost.items() if node not in back}
        waiting = [n for n in waiting if n in back or (n in tally.failed and n not in lost and failures[n] <= retries)]
        if waiting:
            context.say(f"{function} again on {', '.join(waiting[:5])}{' ...' if len(waiting) > 5 else ''}")
    tally.write_down()


def _one_job(
    ground: Ground,
    context: StepContext,
    tally: Tally,
    nodes: Sequence[str],
    function: str,
    args: Sequence[object],
    kwargs: dict[str, object],
    timeout_s: float,
    digest: Callable[[str, JsonValue], JsonValue],
) -> dict[str, str]:
    """{node: why} of those that did not return."""
    jids: list[str] = []

    def noted(job: Job) -> None:
        jids.append(job.jid)
        context.note({"jid": job.jid})

    def returned(answer: CallReturn) -> None:
        if answer.worked:
            tally.done(answer.minion, digest(answer.minion, answer.value))
        else:
            tally.failed[answer.minion] = str(answer.error)[-4000:]
        count = sum(node in tally.worked or node in tally.failed for node in nodes)
        state = "" if answer.worked else f" FAILED: {brief(str(answer.error))}"
        context.say(f"{count} of {len(nodes)}: {answer.minion}{state}", count / len(nodes))

    for node in nodes:
        tally.failed.pop(node, None)
    answers = ground.fleet.call(
        list(nodes),
        function,
        *args,
        kwargs=kwargs or None,
        timeout_s=timeout_s,
        lenient=True,
        on_job=noted,
        on_return=returned,
    )
    jid = jids[-1] if jids else "?"
    return {
        node: f"its minion did not return from {function} (job {jid}): it died or was cut off in the middle"
        for node in nodes
        if node not in answers
    }


def _come_back(ground: Ground, context: StepContext, lost: dict[str, str]) -> list[str]:
    """Those of the lost whose minions answer again."""
    if not lost:
        return []
    context.say(f"waiting for {', '.join(sorted(lost)[:5])}: lost in the middle")
    deadline, back = time.monotonic() + BACK_WITHIN_S, set[str]()
    while len(back) < len(lost) and time.monotonic() < deadline:
        stop_if_cancelled(context)
        rest = [node for node in lost if node not in back]
        back |= {node for node, pong in answering(ground, rest).items() if pong}
        if len(back) < len(lost):
            context.wait(2)
    return [node for node in lost if node in back]


def answering(ground: Ground, nodes: Sequence[str], within_s: float = 15) -> dict[str, bool]:
    """{node: whether its minion answers}."""
    if not nodes:
        return {}
    try:
        answers = ground.fleet.call(list(nodes), "test.ping", timeout_s=within_s, lenient=True)
    except OperatorError:  # a key that is gone
        return dict.fromkeys(nodes, False)
    return {node: node in answers and answers[node].worked for node in nodes}


def brief(why: str) -> str:
    """The line of an error that says most, for a summary: the first, or the last of a traceback."""
    lines = [line.strip() for line in why.strip().splitlines() if line.strip()] or [why]
    told = lines[-1] if any(line.startswith("Traceback") for line in lines) else lines[0]
    told = told.removeprefix("ERROR: ")
    return told if len(told) <= 160 else f"{told[:157]}..."
