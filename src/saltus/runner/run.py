"""Walks a plan: step by step, lanes side by side, gates answered by people, everything in the journal.

One door for starting and resuming: `Runner(...).run(run_id)`. What is finished is never performed again.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from saltus.errors import Abort, OperatorError
from saltus.journal.approvals import AnswerNotCounted, answer_gate
from saltus.journal.events import DriftSeen, FactsHeld, GateAsked, GateExpired, Paused, RunFinished
from saltus.journal.fold import RunState
from saltus.journal.history import last_durations
from saltus.journal.store import Journal, NotReadable
from saltus.plan.order import Block, GateAhead, walk
from saltus.plan.plan import Plan, Stage, Step
from saltus.runner.clock import Clock, SystemClock
from saltus.runner.drift import TakeFacts, differences, expected_facts
from saltus.runner.gates import Asker, Question, this_person
from saltus.runner.interrupt import Interrupts
from saltus.runner.ledger import Ledger
from saltus.runner.parts import parts_of
from saltus.runner.performer import Performers
from saltus.runner.progress import Progress, SilentProgress, spell_seconds
from saltus.runner.steps import Halt, StepDesk

Notify = Callable[[str, RunState, str], None]
"""Called with the run's id, its state and one line: a gate waits, a failure, an end. Must not raise."""

_POLL_S = 0.3


class Runner:
    """Runs and resumes runs. Holds nothing of a run between two calls: the journal does."""

    def __init__(
        self,
        journal: Journal,
        performers: Performers,
        asker: Asker,
        clock: Clock | None = None,
        progress: Progress | None = None,
        *,
        by: str | None = None,
        facts: TakeFacts | None = None,
        notify: Notify | None = None,
        ttl_s: float = 30,
    ) -> None:
        self._journal, self._performers, self._asker = journal, performers, asker
        self._clock = clock or SystemClock()
        self._progress = progress or SilentProgress()
        self._by = by or this_person().name
        self._facts, self._notify, self._ttl_s = facts, notify, ttl_s

    def run(self, run: str) -> RunState:
        """Walk the run to its end, or to where it has to stop; returns its state, whose `status` says which.

        Raises LeaseHeld or LockHeld, nothing touched, when somebody else is at it; other OperatorErrors when the
        journal fails underneath. A failed step raises nothing: the state has `failures()`.
        """
        record = self._journal.find_run(run)
        ledger = Ledger(self._journal, record.id, by=self._by, clock=self._clock, ttl_s=self._ttl_s)
        with ledger:
            plan = ledger.state.plan
            self._free_what_is_over(plan.cloud)
            if ledger.state.is_over:
                return ledger.state
            self._journal.locks.take(record.id, plan.cloud, parts_of(plan), over_from=self._undone_by(record.undoes))
            with Interrupts(self._progress.note) as interrupts:
                _Walk(self, ledger, interrupts).go()
        return ledger.state

    def _free_what_is_over(self, cloud: str) -> None:
        """A runner that dies between the end of its run and giving back its locks leaves them behind."""
        for holder in set(self._journal.locks.held(cloud).values()):
            try:
                is_over = self._journal.state(holder).is_over
            except NotReadable:  # of another version of Saltus, which alone knows
                continue
            if is_over:
                self._journal.locks.give_back(holder)

    def _undone_by(self, undoes: str | None) -> str | None:
        """The run whose locks pass to the one that undoes it. It must not be walked by anybody meanwhile."""
        if undoes is None:
            return None
        if lease := self._journal.leases.holder(undoes):
            raise OperatorError(
                what=f"{undoes} cannot be undone yet",
                because=f"process {lease.pid} on {lease.host} is still running it",
                do=f"saltus abort {undoes}, then say this again",
            )
        if not self._journal.state(undoes).is_over:
            at = self._clock.now()
            self._journal.append(
                undoes, RunFinished(at=at, by=self._by, status="aborted", reason="another run undoes it")
            )
        return undoes


class _Walk:
    """One runner's walk over one run."""

    def __init__(self, runner: Runner, ledger: Ledger, interrupts: Interrupts) -> None:
        self._r, self._ledger, self._interrupts = runner, ledger, interrupts
        self._plan: Plan = ledger.state.plan
        self._failed = threading.Event()
        self._steps = StepDesk(
            plan=self._plan,
            ledger=ledger,
            performers=runner._performers,
            progress=runner._progress,
            interrupts=interrupts,
            clock=runner._clock,
            by=runner._by,
            redactor=runner._journal.redactor,
            last_s=last_durations(runner._journal, plan_name=self._plan.name, cloud=self._plan.cloud),
            may_go_on=self._may_go_on,
        )

    def go(self) -> None:
        state, progress = self._ledger.state, self._r._progress
        done = sum(step.is_over for step in state.steps.values())
        self._ledger.begin()
        progress.run_begins(self._ledger.run, self._plan, done, len(state.steps))
        try:
            self._walk()
        except Halt as halt:
            self._halted(halt)
        except Abort:
            self._halted(Halt("paused", self._stopped_at_once(), now=True))
        else:
            self._end("done", "")

    def _walk(self) -> None:
        self._may_go_on()
        self._check_drift()
        shown: Stage | None = None
        for item in walk(self._plan):
            if self._ledger.state.is_passed(item):
                continue
            if item.stage is not shown:
                shown = item.stage
                self._r._progress.stage_begins(shown)
            if isinstance(item, GateAhead):
                self._gate(item)
                self._check_drift()
            else:
                self._block(item)

    def _may_go_on(self) -> None:
        state = self._ledger.state
        if state.abort_requested:
            raise Halt("aborted", state.abort_requested)
        if self._interrupts.stop_now.is_set():
            raise Abort
        if self._interrupts.wants_pause:
            raise Halt("paused", "ctrl-C")
        if state.pause_requested:
            raise Halt("paused", state.pause_requested)
        if self._failed.is_set():
            raise Halt("failed", "another lane failed")

    def _check_drift(self) -> None:
        """Take the facts again; pause where the cloud is not as it should be by now, and nobody has accepted that."""
        state = self._ledger.state
        expected = expected_facts(state)
        if self._r._facts is None or not expected or state.next_block() is None:
            return
        try:
            found = self._r._facts()
        except OperatorError as exc:
            raise Halt("paused", f"the facts could not be taken again: {exc.what}: {exc.because}") from exc
        differing = tuple(line for line in differences(expected, found) if line not in state.accepted)
        if not differing:
            self._ledger.append(FactsHeld(at=self._now(), by=self._r._by, facts=len(expected)))
            return
        self._ledger.append(DriftSeen(at=self._now(), by=self._r._by, differences=differing))
        raise Halt(
            "paused",
            f"the cloud is not as it should be by now: {'; '.join(differing)}. Mend it, or take it as it is:"
            f" saltus resume {self._ledger.run} --accept-drift; or abort, and plan again",
        )

    # -- steps

    def _block(self, block: Block) -> None:
        if len(block.lanes) == 1:
            for step in block.lanes[0]:
                self._steps.do(block.stage, step)
            return
        stops: list[BaseException] = []
        threads = [
            threading.Thread(
                target=self._lane, args=(block.stage, lane, stops), daemon=True, name=f"lane {lane[0].lane}"
            )
            for lane in block.lanes
        ]
        for thread in threads:
            thread.start()
        with self._interrupts.breakable():
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)
        if stops:
            raise min(stops, key=_how_grave)

    def _lane(self, stage: Stage, steps: tuple[Step, ...], stops: list[BaseException]) -> None:
        try:
            for step in steps:
                self._steps.do(stage, step)
        except BaseException as exc:  # carried over to the thread that waits for the lanes
            stops.append(exc)
            self._failed.set()  # the others finish what runs and begin nothing new

    # -- gates

    def _gate(self, item: GateAhead) -> None:
        gate, progress = item.gate, self._r._progress
        state = self._ledger.state.gates[gate.id]
        if state.status in ("ahead", "expired"):
            expires_at = self._now() + gate.expires_after if gate.expires_after is not None else None
            self._ledger.append(
                GateAsked(
                    at=self._now(),
                    by=self._r._by,
                    gate=gate.id,
                    fingerprint=self._plan.fingerprint,
                    asking=secrets.token_hex(8),
                    expires_at=expires_at,
                )
            )
            state = self._ledger.state.gates[gate.id]
            self._tell(f"gate {gate.id} waits for an answer: {gate.question}")
        if state.status == "asked":
            progress.gate_opens(gate, state.expires_at)
            self._r._asker.ask(self._question(item))
        while True:
            self._ledger.catch_up()
            state = self._ledger.state.gates[gate.id]
            if state.status == "approved":
                names = " and ".join(approval.by for approval in state.approvals)
                progress.gate_closes(gate, f"approved by {names}")
                return
            if state.status == "rejected":
                said = state.rejection
                words = f": {said.comment}" if said and said.comment else ""
                progress.gate_closes(gate, f"rejected by {said.by if said else 'somebody'}{words}")
                raise Halt("aborted", f"gate {gate.id} was rejected{words}")
            self._may_go_on_waiting()
            if state.status == "asked" and state.expires_at and self._now() > state.expires_at:
                expired = GateExpired(at=self._now(), by=self._r._by, gate=gate.id, asking=state.asking)
                if not self._ledger.append_if_current(expired):
                    continue
                state = self._ledger.state.gates[gate.id]
            if state.status == "expired":
                self._r._asker.over()
                progress.gate_closes(gate, "expired without an answer")
                outcome = "aborted" if gate.on_expiry == "abort" else "paused"
                raise Halt("aborted" if outcome == "aborted" else "paused", f"gate {gate.id} expired without an answer")
            self._listen(gate.id)

    def _listen(self, gate: str) -> None:
        if not self._r._asker.waits:
            raise Halt("waiting", f"gate {gate} waits for an answer")
        answer = self._r._asker.answer(_POLL_S)
        if answer is None:
            return
        try:
            answer_gate(
                self._r._journal,
                self._ledger.run,
                answer.who,
                approve=answer.approve,
                at=self._now(),
                gate=gate,
                comment=answer.comment,
            )
        except AnswerNotCounted as exc:
            self._r._progress.note(f"{exc.what}: {exc.because}")

    def _may_go_on_waiting(self) -> None:
        self._may_go_on()
        if self._ledger.lost.is_set():
            self._ledger.append()  # raises LeaseLost, which says why

    def _question(self, item: GateAhead) -> Question:
        steps = self._ledger.state.steps
        titles = {step.id: step.title for step in self._plan.steps()}
        evidence = [
            f"{titles[name]}: {steps[name].summary or steps[name].status}"
            for name in item.gate.evidence
            if name in steps
        ]
        took = sum(steps[step.id].seconds or 0.0 for step in item.stage.steps)
        evidence.append(f"{item.stage.title}: {len(item.stage.steps)} steps, {spell_seconds(took)} of work")
        return Question(
            run=self._ledger.run,
            plan=self._plan,
            stage=item.stage,
            gate=item.gate,
            evidence=tuple(evidence),
            expires_at=self._ledger.state.gates[item.gate.id].expires_at,
        )

    # -- ends

    def _halted(self, halt: Halt) -> None:
        if halt.status == "waiting":
            self._r._progress.note(halt.reason)
        elif halt.status == "paused":
            self._ledger.append(Paused(at=self._now(), by=self._r._by, reason=halt.reason, step=halt.step))
            self._r._progress.note(f"paused: {halt.reason}")
            self._tell(f"paused: {halt.reason}")
        elif halt.status == "failed":
            self._end("failed", halt.reason)
        else:
            self._end("aborted", halt.reason)

    def _end(self, status: str, reason: str) -> None:
        self._ledger.append(
            RunFinished.model_validate({"at": self._now(), "by": self._r._by, "status": status, "reason": reason})
        )
        if status != "failed":
            self._r._journal.locks.give_back(self._ledger.run)
        line = f"{status}: {reason}" if reason else status
        self._r._progress.note(line)
        self._tell(line)

    def _stopped_at_once(self) -> str:
        left = [step for step, state in self._ledger.state.steps.items() if state.status == "running"]
        return "stopped at once" + (f" in the middle of {', '.join(left)}" if left else "")

    def _tell(self, line: str) -> None:
        if self._r._notify:
            self._r._notify(self._ledger.run, self._ledger.state, line)

    def _now(self) -> datetime:
        return self._r._clock.now()


def _how_grave(stop: BaseException) -> int:
    """Of several lanes that stopped, the one that the operator must hear of: a bug, a stop, a failure, a pause."""
    if not isinstance(stop, Halt):
        return 0 if not isinstance(stop, Abort) else 1
    if stop.status == "failed":
        return 2 if stop.step else 9
    return 3


def expires_in(state: RunState, gate: str, clock: Clock) -> timedelta | None:
    """How long a waiting gate may still be answered."""
    expires_at = state.gates[gate].expires_at
    return expires_at - clock.now() if expires_at else None
