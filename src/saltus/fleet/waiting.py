"""Waiting for the returns of a job: until the last one, or until it is known that one will not come.

Salt's own client ends silently without a minion that died, and its presence lists name the dead as alive for a while.
So we look ourselves: every few seconds those that have not returned are asked with `saltutil.find_job` whether they
are still at it. Who does not answer, or answers that it has no such job, twice in a row, is lost.

    the job    ....................................ctl01 returns.......
    the look             find_job -> cmp01 is at it          find_job -> cmp01 silent (1)   find_job -> cmp01 lost
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from saltus.fleet.port import Job
from saltus.fleet.returns import is_final


@dataclass(frozen=True)
class Patience:
    """How often we look, how long a minion has to answer a look, and how many looks in a row may fail."""

    look_every_s: float = 10.0
    answer_within_s: float = 10.0
    looks: int = 2

    @property
    def bound_s(self) -> float:
        """The longest time in which a death goes unnoticed."""
        return self.looks * (self.look_every_s + self.answer_within_s)


class Bus(Protocol):
    """Jobs out, returns in. One for each thread."""

    def publish(self, job: Job, arguments: list[Any]) -> tuple[str, ...]:
        """Give a job to the master; the minions that it went to."""

    def next_return(self, wait_s: float) -> Mapping[str, Any] | None:
        """The next return of any job (`jid`, `id`, `return`, `retcode`, `success`), or None after `wait_s`."""

    def cached_returns(self, jid: str) -> Mapping[str, Mapping[str, Any]]:
        """{minion: return} that the master has kept of a job."""

    def new_jid(self) -> str:
        """A job id that nobody else has."""


@dataclass
class Look:
    """One round of asking the missing minions whether they are at it."""

    jid: str
    asked: set[str]
    until: float
    at_it: set[str] = field(default_factory=set)
    idle: set[str] = field(default_factory=set)

    @property
    def is_over(self) -> bool:
        return self.asked <= self.at_it | self.idle or time.monotonic() >= self.until


Load = Mapping[str, Any]


@dataclass
class Awaited:
    returns: dict[str, Load]
    lost: dict[str, str]
    """{minion id: why no return is expected any more}."""


def wait_for_returns(
    bus: Bus,
    job: Job,
    *,
    timeout_s: float,
    patience: Patience,
    on_return: Callable[[str, Load], None] | None = None,
) -> Awaited:
    """Collect the returns of a published job. What is not in `returns` at the end is in `lost`."""
    missing = set(job.minions)
    awaited = Awaited({}, {})
    strikes: dict[str, tuple[int, str]] = {}
    end = time.monotonic() + timeout_s
    next_look = time.monotonic() + patience.look_every_s
    look: Look | None = None

    def take(minion: str, load: Load) -> None:
        if minion in missing and is_final(load.get("return")):
            missing.discard(minion)
            awaited.returns[minion] = load
            if on_return:
                on_return(minion, load)

    while missing:
        now = time.monotonic()
        if now >= end:
            for minion in missing:
                awaited.lost[minion] = f"it has not returned within {timeout_s:.0f} s"
            break
        due = look.until if look else next_look
        load = bus.next_return(max(0.01, min(due, end) - now))
        if load is not None and load.get("jid") == job.jid:
            take(str(load["id"]), load)
        elif load is not None and look and load.get("jid") == look.jid:
            (look.at_it if load.get("return") else look.idle).add(str(load["id"]))
        if look and look.is_over:
            # A return may have passed us between two readings of the bus: the job cache has it.
            for minion, kept in bus.cached_returns(job.jid).items():
                take(minion, kept)
            _judge(look, missing, strikes, awaited, patience)
            look, next_look = None, time.monotonic() + patience.look_every_s
        elif not look and missing and time.monotonic() >= next_look:
            look = _look(bus, job.jid, missing, patience)
    return awaited


def _look(bus: Bus, jid: str, missing: set[str], patience: Patience) -> Look:
    asking = Job(jid=bus.new_jid(), function="saltutil.find_job", minions=tuple(sorted(missing)))
    bus.publish(asking, [jid])
    return Look(asking.jid, set(missing), time.monotonic() + patience.answer_within_s)


def _judge(
    look: Look, missing: set[str], strikes: dict[str, tuple[int, str]], awaited: Awaited, patience: Patience
) -> None:
    for minion in look.asked & missing:
        if minion in look.at_it:
            strikes.pop(minion, None)
            continue
        why = "it answers, but is not at this job any more" if minion in look.idle else "it does not answer"
        count = strikes.get(minion, (0, ""))[0] + 1
        strikes[minion] = (count, why)
        if count >= patience.looks:
            missing.discard(minion)
            awaited.lost[minion] = why
