"""The buttons of a run: approve, reject, pause, resume, accept drift, abort, retry, skip, start."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from saltus.commands import runs
from saltus.commands.identity import demand
from saltus.errors import OperatorError
from saltus.web.access import Asking
from saltus.web.actions import Action, Answer, Comment, Do, Wish
from saltus.web.site import Site


class AnswerWish(Wish):
    gate: str | None = Field(default=None, max_length=300)
    """The gate that is meant; the one that waits when it is left out."""
    comment: str = Comment


class ReasonWish(Wish):
    reason: str = Comment


class RetryWish(Wish):
    step: str | None = Field(default=None, max_length=300)
    """This step and everything behind it; what failed or is unknown when it is left out."""


class SkipWish(Wish):
    step: str = Field(max_length=300)
    because: str = Field(max_length=2000)


def _approve(site: Site, asking: Asking, run: str, wish: Any) -> str:
    answer = runs.approve(site.journal, run, asking.who, gate=wish.gate, comment=wish.comment, clock=site.clock)
    return f"{answer.gate} approved by {answer.by}"


def _reject(site: Site, asking: Asking, run: str, wish: Any) -> str:
    answer = runs.reject(site.journal, run, asking.who, gate=wish.gate, comment=wish.comment, clock=site.clock)
    return f"{answer.gate} rejected by {answer.by}"


def _pause(site: Site, asking: Asking, run: str, wish: Any) -> str:
    runs.pause(site.journal, run, asking.who, reason=wish.reason, clock=site.clock)
    return "It pauses when its running step is done."


def _resume(site: Site, asking: Asking, run: str, wish: Any) -> str:
    runs.resume(site.journal, run, asking.who, clock=site.clock)
    return "It goes on."


def _accept_drift(site: Site, asking: Asking, run: str, wish: Any) -> str:
    runs.accept_drift(site.journal, run, asking.who, comment=wish.reason, clock=site.clock)
    return "The cloud is taken as it was found; the run can go on."


def _abort(site: Site, asking: Asking, run: str, wish: Any) -> str:
    runs.abort(site.journal, run, asking.who, reason=wish.reason, clock=site.clock)
    if not site.journal.state(run).is_over:
        return "It ends when its running step is done."
    if site.desk is not None:
        site.desk.offer_way_back(run, asking.who)
    return f"It is aborted. Way back: {runs.show_status(site.journal, run).way_back}"


def _retry(site: Site, asking: Asking, run: str, wish: Any) -> str:
    runs.retry(site.journal, run, asking.who, step=wish.step, clock=site.clock)
    return "What failed or is unknown will be done again." if wish.step is None else f"It goes on from {wish.step}."


def _skip(site: Site, asking: Asking, run: str, wish: Any) -> str:
    runs.skip(site.journal, run, asking.who, step=wish.step, because=wish.because, clock=site.clock)
    return f"{wish.step} is skipped."


def _start(site: Site, asking: Asking, run: str, wish: Any) -> str:
    demand(site.journal, asking.who, "operator", f"run {run}")
    desk = site.demand_desk(f"{run} was not started", f"saltus run {run}")
    if lease := site.journal.leases.holder(run):
        raise OperatorError(
            what=f"{run} was not started",
            because=f"process {lease.pid} on {lease.host} is running it",
            do="see how far it has come",
        )
    desk.start(run, asking.who)
    return "A runner takes it up."


VERBS: dict[str, tuple[type[Wish], Any, str]] = {
    "approve": (AnswerWish, _approve, "Approve the gate that waits"),
    "reject": (AnswerWish, _reject, "Reject the gate that waits: the run ends"),
    "pause": (ReasonWish, _pause, "Pause when the running step is done"),
    "resume": (Wish, _resume, "Take a pause back before it takes hold"),
    "accept-drift": (ReasonWish, _accept_drift, "Go on in spite of the differences that paused the run"),
    "abort": (ReasonWish, _abort, "End the run for good when the running step is done"),
    "retry": (RetryWish, _retry, "Do again what failed or is unknown"),
    "skip": (SkipWish, _skip, "Take a step out of the run, with the reason on record"),
    "start": (Wish, _start, "Let a runner take the run up"),
}
"""{verb: (what is sent, what is done, in a sentence)}. Which role each takes is said by `commands/`."""


def _on_a_run(verb: Any) -> Do:
    def do(site: Site, asking: Asking, names: dict[str, str], wish: Any) -> Answer:
        run = site.journal.find_run(names["run"]).id
        return Answer(run=run, said=verb(site, asking, run, wish))

    return do


ACTIONS = tuple(
    Action(f"/runs/{{run}}/{verb}", wish, _on_a_run(do), about, "/runs/{run}")
    for verb, (wish, do, about) in VERBS.items()
)
