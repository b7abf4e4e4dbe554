"""The fleet as it is: jobs through a running Salt master."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from saltus.fleet import returns
from saltus.fleet.bus import Buses, SaltBus
from saltus.fleet.errors import NoMaster, NoReturn, NoSuchTarget, PillarRefused, StateFailed, listed
from saltus.fleet.port import (
    TEN_MINUTES,
    CallReturn,
    FoundJob,
    Job,
    OnJob,
    OnReturn,
    OnStateReturn,
    StateReturn,
    values,
)
from saltus.fleet.waiting import Awaited, Load, Patience, wait_for_returns

T = TypeVar("T")


class SaltFleet:
    """`Fleet` on the master whose configuration file is `config` (see `fleet.master`)."""

    def __init__(self, config: Path, *, patience: Patience | None = None) -> None:
        self._config = config
        self._patience = patience or Patience()
        self._buses = Buses(config)

    def minions(self) -> tuple[str, ...]:
        accepted = self._config.parent / "pki" / "minions"
        return tuple(sorted(path.name for path in accepted.iterdir())) if accepted.is_dir() else ()

    def target(self, expression: str) -> tuple[str, ...]:
        found = self._with_bus(lambda bus: bus.matching(expression))
        unknown = [m for word in expression.split() if word.startswith("L@") for m in self._unknown(word[2:])]
        if unknown or not found:
            raise NoSuchTarget(
                what=f"the target {expression!r} "
                + (f"names unknown minions: {listed(unknown)}" if unknown else "matches no minion"),
                because=f"these minions are known: {listed(self.minions(), 20) or 'none'}; pillar and grains are known "
                "of those that have been up since their key was accepted",
                do="correct the target, or start the machine it means and wait until its minion answers",
            )
        return found

    def call(
        self,
        target: str | Sequence[str],
        function: str,
        *args: object,
        kwargs: Mapping[str, object] | None = None,
        timeout_s: float = TEN_MINUTES,
        lenient: bool = False,
        on_job: OnJob | None = None,
        on_return: OnReturn | None = None,
    ) -> dict[str, CallReturn]:
        job = self._new_job(target, function)

        def taken(minion: str, load: Load) -> None:
            if on_return:
                on_return(returns.call_return(minion, load))

        awaited = self._run(job, _arguments(args, kwargs), timeout_s, on_job, taken)
        if awaited.lost and not lenient:
            raise _no_return(job, awaited.lost)
        return {m: returns.call_return(m, load) for m, load in sorted(awaited.returns.items())}

    def apply(
        self,
        target: str | Sequence[str],
        states: Sequence[str] = (),
        *,
        pillar: Mapping[str, object] | None = None,
        timeout_s: float = 3600,
        on_job: OnJob | None = None,
        on_return: OnStateReturn | None = None,
    ) -> dict[str, StateReturn]:
        minions, end = self._resolve(target), time.monotonic() + timeout_s
        function, what = ("state.sls", ", ".join(states)) if states else ("state.highstate", "the highstate")
        arguments = _arguments((",".join(states),) if states else (), {"pillar": dict(pillar)} if pillar else None)
        done: dict[str, StateReturn] = {}
        lost: dict[str, str] = {}
        busy: set[str] = set()

        def taken(minion: str, load: Load) -> None:
            if returns.is_conflict(load.get("return")) and time.monotonic() < end:
                busy.add(minion)
                return
            done[minion] = returns.state_return(minion, load)
            if on_return:
                on_return(done[minion])

        while True:
            job = self._new_job(minions, function)
            lost |= self._run(job, arguments, max(1.0, end - time.monotonic()), on_job, taken).lost
            if not busy:
                break
            # Another state run is at it there and ours has not begun. We ask again ourselves: with `queue`, two runs of
            # Salt 3008.3 wait for each other for ever (seen), or answer `queued` and start at some time later.
            minions = tuple(sorted(busy))
            busy.clear()
            time.sleep(random.uniform(0.5, 2.0))
        failures = {minion: returns.failures(answer) for minion, answer in done.items() if not answer.worked}
        if failures:
            raise StateFailed(
                what=f"{what} failed on {listed(sorted(failures))}",
                do=f"correct the cause and do it again; all that the minions said: "
                f"salt-run -c {self._config.parent} jobs.lookup_jid {job.jid}",
                failures={**failures, **{minion: (why,) for minion, why in lost.items()}},
            )
        if lost:
            raise _no_return(job, lost)
        return dict(sorted(done.items()))

    def lookup(self, jid: str) -> FoundJob | None:
        published = self._with_bus(lambda bus: bus.cached_job(jid))
        if not published:
            return None
        job = Job(jid=jid, function=str(published["fun"]), minions=tuple(sorted(published.get("Minions", ()))))
        at_it = self._at_it(job)
        # After the question, not before it: a return that came meanwhile is one.
        kept = self._with_bus(lambda bus: bus.cached_returns(jid))
        final = {m: load for m, load in sorted(kept.items()) if returns.is_final(load.get("return"))}
        missing = [minion for minion in job.minions if minion not in final]
        return FoundJob(
            job=job,
            calls={m: returns.call_return(m, load) for m, load in final.items()},
            states={m: returns.state_return(m, load) for m, load in final.items()}
            if job.function.startswith("state.")
            else {},
            running=tuple(minion for minion in missing if minion in at_it),
            lost=tuple(minion for minion in missing if minion not in at_it),
        )

    def _at_it(self, job: Job) -> set[str]:
        kept = self._with_bus(lambda bus: bus.cached_returns(job.jid))
        missing = tuple(m for m in job.minions if m not in kept and m in self.minions())
        if not missing:
            return set()
        answers = self.call(
            missing, "saltutil.find_job", job.jid, timeout_s=self._patience.answer_within_s, lenient=True
        )
        return {minion for minion, answer in answers.items() if answer.value}

    def wait_for(self, minions: Sequence[str], timeout_s: float) -> None:
        unknown = self._unknown(",".join(minions))
        if unknown:
            raise NoSuchTarget(
                what=f"no key is accepted for {listed(unknown)}",
                because="a minion without an accepted key is never heard",
                do="create the machine with saltus: its key is made and accepted before its first boot",
            )
        begun = time.monotonic()
        end, missing = begun + timeout_s, set(minions)
        while missing and time.monotonic() < end:
            # A ping that is published before a minion has connected is lost: many short ones, not one long one. But
            # each is a process of the minion, and one that is slow would be kept from its answers by ever more of them.
            short = 1.0 if len(missing) < 50 else 10.0
            patient = min(20.0, max(short, (time.monotonic() - begun) / 8))
            rest = min(patient, end - time.monotonic())
            answers = self.call(tuple(missing), "test.ping", timeout_s=max(0.05, rest), lenient=True)
            missing -= {minion for minion, answer in answers.items() if answer.worked}
        if missing:
            raise NoReturn(
                what=f"{listed(sorted(missing))} did not answer within {timeout_s:.0f} s",
                because="the machine may not have booted, or its minion cannot reach the master",
                do="look at the machine's console and at /var/log/salt/minion on it",
                jid=None,
                missing=dict.fromkeys(sorted(missing), "it does not answer"),
            )

    def refresh_pillar(self, target: str | Sequence[str]) -> None:
        minions = self._resolve(target)
        values(self.call(minions, "saltutil.refresh_pillar", kwargs={"wait": True, "timeout": 60}, timeout_s=120))
        # Salt 3008 shows stars in place of what stands in a pillar, unless it is asked like this.
        held = self.call(minions, "pillar.get", "_errors", kwargs={"unmask": True}, timeout_s=60)
        errors = {minion: broken for minion, answer in held.items() if (broken := _pillar_errors(answer.value))}
        if errors:
            raise PillarRefused(
                what=f"the pillar of {listed(sorted(errors))} cannot be computed",
                because="; ".join(dict.fromkeys(text for texts in errors.values() for text in texts)),
                do="correct the model or the catalogue; no state is applied with what was left of the pillar",
            )

    def sync_modules(self, target: str | Sequence[str]) -> None:
        values(self.call(self._resolve(target), "saltutil.sync_all", timeout_s=120))

    def _run(
        self,
        job: Job,
        arguments: list[Any],
        timeout_s: float,
        on_job: OnJob | None,
        on_return: Callable[[str, Load], None],
    ) -> Awaited:
        if on_job:
            on_job(job)
        return self._with_bus(partial(self._publish_and_wait, job, arguments, timeout_s, on_return))

    def _publish_and_wait(
        self,
        job: Job,
        arguments: list[Any],
        timeout_s: float,
        on_return: Callable[[str, Load], None],
        bus: SaltBus,
    ) -> Awaited:
        bus.publish(job, arguments)
        return wait_for_returns(bus, job, timeout_s=timeout_s, patience=self._patience, on_return=on_return)

    def _with_bus(self, work: Callable[[SaltBus], T]) -> T:
        try:
            return work(self._buses.of_this_thread())
        except NoMaster:
            self._buses.drop()
            raise

    def _new_job(self, target: str | Sequence[str], function: str) -> Job:
        minions = self._resolve(target)
        return Job(jid=self._with_bus(lambda bus: bus.new_jid()), function=function, minions=minions)

    def _resolve(self, target: str | Sequence[str]) -> tuple[str, ...]:
        """The minions that are meant, decided once: what is asked and what is expected cannot differ."""
        if isinstance(target, str):
            return self.target(target)
        unknown = self._unknown(",".join(target))
        if unknown or not target:
            return self.target("L@" + ",".join(target))
        return tuple(sorted(target))

    def _unknown(self, names: str) -> list[str]:
        known = set(self.minions())
        return [name for name in names.split(",") if name and name not in known]


def _arguments(args: Sequence[object], kwargs: Mapping[str, object] | None) -> list[Any]:
    """As Salt's minions want them: keyword arguments travel in a marked dict behind the others."""
    return [*args, {"__kwarg__": True, **kwargs}] if kwargs else list(args)


def _no_return(job: Job, lost: Mapping[str, str]) -> NoReturn:
    minions = sorted(lost)
    reasons = dict.fromkeys(lost.values())
    return NoReturn(
        what=f"{listed(minions)} did not return from {job.function}",
        because="; ".join(f"{reason} ({listed([m for m in minions if lost[m] == reason])})" for reason in reasons),
        do="see that the machine runs and its minion is up; whether the work was done there is unknown until you look",
        jid=job.jid,
        missing=dict(lost),
    )


def _pillar_errors(value: object) -> list[str]:
    """Salt writes what broke a pillar into the pillar itself, under `_errors`, and goes on with the rest."""
    errors = value if isinstance(value, list) else [value] if value else []
    return [str(error).removeprefix("Failed to load ext_pillar saltus_pillar: ") for error in errors]
