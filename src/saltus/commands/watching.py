"""The outage watcher around a run: started before the first step, and what it saw written to the journal at the end."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.journal.events import OutageSeen, StepFailed, StepFinished, StepStarted, WatchSummary
from saltus.plan import Impact, Plan
from saltus.runner.clock import SystemClock
from saltus.runner.gates import this_person
from saltus.runner.progress import Progress
from saltus.verify.connection import connect
from saltus.verify.lists import QUESTIONS, fetch, parse
from saltus.verify.watcher.process import Watcher
from saltus.verify.watcher.summary import StepSpan, attribute, summarise
from saltus.verify.watcher.targets import Targets


def users_may_notice(plan: Plan) -> bool:
    """Whether outages are measured while the plan runs: only where it says that there may be any."""
    return any(stage.impact is not Impact.NONE for stage in plan.stages)


@contextmanager
def watched(workplace: Workplace, run: str, progress: Progress) -> Iterator[None]:
    """Watch every API and the tenants' instances while the body runs. A cloud that cannot be watched stops nothing."""
    directory = watch_directory(workplace, run)
    watcher: Watcher | None = None
    try:
        watcher = Watcher(_targets(workplace, directory), _password(workplace), directory).start()
    except OperatorError as error:
        progress.note(f"outages are not measured: {error.what} ({error.because})")
    try:
        yield
    finally:
        if watcher is not None:
            watcher.stop()
        if list(directory.glob("*.state.json")):
            _write_down(workplace, run, directory)


def watch_directory(workplace: Workplace, run: str) -> Path:
    return workplace.settings.runs / run / "watch"


def _password(workplace: Workplace) -> str:
    return workplace.login("").password


def _targets(workplace: Workplace, directory: Path) -> Targets:
    """Those of the run's first session, when it is resumed; else the cloud's, with every instance that answers ping."""
    kept = directory / "targets.json"
    if kept.exists():
        return Targets.model_validate_json(kept.read_text())
    cloud = workplace.cloud
    login = workplace.login(str(cloud.networks.management.vip))
    horizon = cloud.with_role("horizon.server")
    return Targets(
        auth_url=login.auth_url,
        username=login.username,
        project=login.project,
        region=login.region,
        horizon_url=f"http://{login.host}/horizon/auth/login/" if horizon else None,
        instances=_instances(workplace),
    )


def _instances(workplace: Workplace) -> dict[str, str]:
    """{name: address} of the active instances that have an address in the external network."""
    cloud = workplace.cloud
    connection = connect(workplace.login(str(cloud.networks.management.vip)))
    question = next(question for question in QUESTIONS if question.name == "servers")
    found = {}
    for server in parse(question, fetch(connection.compute, question)):
        fields = server.model_dump()
        for address in (words.split()[-1] for words in fields["addresses"]):
            if fields["status"] == "ACTIVE" and ipaddress.ip_address(address) in cloud.networks.external.cidr:
                found[str(fields["name"])] = address
    return found


def _write_down(workplace: Workplace, run: str, directory: Path) -> None:
    """Outages and totals as events of the run, each outage with the step in which it began."""
    journal = workplace.journal
    summary = summarise(directory)
    spans: list[StepSpan] = []
    begun: dict[str, StepStarted] = {}
    known: set[tuple[str, str, str]] = set()
    for _, event in journal.read(run):
        if isinstance(event, StepStarted):
            begun[event.step] = event
        elif isinstance(event, StepFinished | StepFailed) and event.step in begun:
            spans.append(StepSpan(step=event.step, started=begun.pop(event.step).at, ended=event.at))
        elif isinstance(event, OutageSeen):
            known.add((event.target, event.what, event.started.isoformat()))
    spans += [StepSpan(step=step, started=event.at, ended=None) for step, event in begun.items()]
    now, by = SystemClock().now(), this_person().name
    outages = [
        OutageSeen(
            at=now,
            by=by,
            target=found.outage.target,
            what=found.outage.kind,
            started=found.outage.started,
            ended=found.outage.ended,
            step=found.began_in,
            lost=found.outage.failures,
        )
        for found in attribute(summary.outages, spans)
    ]
    totals = [
        WatchSummary(
            at=now,
            by=by,
            target=probe.target,
            what=probe.kind,
            asked=probe.samples,
            lost=probe.failures,
            outage_s=probe.outage_s,
            longest_s=probe.longest_s,
        )
        for probe in summary.probes
    ]
    new = [event for event in outages if (event.target, event.what, event.started.isoformat()) not in known]
    journal.append(run, *new, *totals)
