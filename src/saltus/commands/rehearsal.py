"""`saltus rehearse`: load dumps or clone a running server, recognise the release, plan, run, report."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from saltus.catalog.releases import load_releases
from saltus.catalog.routes import find_routes
from saltus.catalog.rows import compare_rows
from saltus.catalog.services import Service, load_services
from saltus.commands.identity import who_acts
from saltus.commands.settings import Settings
from saltus.database.dumps import look
from saltus.database.load import load
from saltus.database.private import PrivateServer
from saltus.database.recognise import WrongDumps, missing_databases, recognise
from saltus.database.running import RunningServer
from saltus.errors import OperatorError
from saltus.journal.fold import RunState
from saltus.journal.store import Journal
from saltus.pipelines.database import rehearse_dumps
from saltus.plan.databases import CheckRows, CureRows, ManageDatabases, MoveTables
from saltus.plan.plan import Plan
from saltus.report.rehearsal import CommandLine, RehearsalReport
from saltus.runner.gates import AutoApprover
from saltus.runner.performers.rehearsal import Clone, performers
from saltus.runner.progress import Progress
from saltus.runner.run import Runner
from saltus.toolbox.given import release_of
from saltus.toolbox.recipes import load_recipes
from saltus.toolbox.shelf import Shelf

Say = Callable[[str], None]


@dataclass(frozen=True)
class Rehearsal:
    """What came of it: the run's state, its plan, and how long the dumps took to load."""

    run: str
    state: RunState
    plan: Plan
    load_s: float
    directory: Path
    left_out: tuple[str, ...]
    """Services whose databases were not in the dumps."""


def rehearse(
    settings: Settings,
    dump: Path | RunningServer,
    target: str,
    *,
    source: str | None = None,
    services: Iterable[str] | None = None,
    sources: Mapping[str, Path] | None = None,
    toolboxes: Path | None = None,
    keep: bool = False,
    progress: Progress,
    say: Say,
) -> Rehearsal:
    """Rehearse on what `dump` holds, or go on where an interrupted rehearsal of the same dumps and hop stopped.

    Writes below the state directory only; dumps and servers are read. The clone is removed when all is done, unless
    `keep`.
    """
    target = load_releases().get(target).name
    name, label = _name(dump, source, target, services), dump.label if isinstance(dump, RunningServer) else dump.name
    directory = settings.state / "rehearsals" / name
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    server = PrivateServer(directory / "mariadb")
    journal = Journal(settings.journal_url)
    given, who = dict(sources or {}), who_acts(journal)
    try:
        loaded = _loaded_before(directory)
        run = None
        if loaded is not None:
            plan, left_out = make_plan(label, loaded, target, services=services, given=given)
            run = _unfinished(journal, plan, directory)
        if loaded is None or run is None:
            loaded = _load(dump, server, source, directory, say)
            plan, left_out = make_plan(label, loaded, target, services=services, given=given)
            run = journal.create_run(plan, by=who.name)
            (directory / "run").write_text(run)
        else:
            say(f"going on with {run}: the dumps are loaded")
        shelf = Shelf(toolboxes or settings.state / "toolboxes")
        (directory / "tools").mkdir(exist_ok=True)
        clone = Clone(server, shelf, directory / "tools", given)
        asker = AutoApprover(who.name)
        state = Runner(journal, performers(clone), asker, progress=progress, by=who.name).run(run)
    except WrongDumps:
        server.remove()
        (directory / "loaded.json").unlink(missing_ok=True)
        raise
    finally:
        server.stop()
    if state.status == "done" and not keep:
        server.remove()
        (directory / "loaded.json").unlink(missing_ok=True)
    return Rehearsal(run, state, plan, loaded.seconds, directory, left_out)


def report_of(rehearsal: Rehearsal) -> RehearsalReport:
    """Everything that is worth keeping of it."""
    plan, state = rehearsal.plan, rehearsal.state
    stops: dict[str, list[str]] = {}
    lines = []
    for step in plan.steps():
        action, stood = step.action, state.steps[step.id]
        if not isinstance(action, ManageDatabases | CureRows | MoveTables | CheckRows):
            continue
        release = action.release if isinstance(action, ManageDatabases) else ""
        if release and release not in stops.setdefault(action.service, []):
            stops[action.service].append(release)
        lines.append(
            CommandLine(
                service=action.service,
                release=release,
                title=step.title,
                lane=step.lane,
                status=stood.status,
                seconds=stood.seconds,
                summary=stood.summary,
                schemas=_schemas(stood.evidence),
            )
        )
    before, after = (_rows(state.steps[f"databases/rows-{when}"].evidence) for when in ("before", "after"))
    return RehearsalReport(
        run=rehearsal.run,
        dumps=plan.cloud,
        source=plan.source,
        target=plan.target,
        status=state.status,
        reason=state.reason,
        routes={service: tuple(releases) for service, releases in stops.items()},
        load_s=rehearsal.load_s,
        commands=tuple(lines),
        differences=compare_rows(before, after, plan.source, plan.target) if before and after else (),
        left_out=rehearsal.left_out,
        warnings=(
            *(f"{step}: {failure.what}" for step, failure in state.failures()),
            *_tolerated(state),
            *_doubtful(state),
        ),
        cpus=os.cpu_count() or 1,
    )


def _tolerated(state: RunState) -> list[str]:
    """Data migrations that need running services, and so were not rehearsed."""
    return [
        f"{step}: {name} asks running services, and was not rehearsed"
        for step, stood in state.steps.items()
        if "-first-" not in step  # run again, and judged, on the whole schema
        for name in stood.evidence.get("tolerated", [])  # type: ignore[union-attr]
    ]


def _doubtful(state: RunState) -> list[str]:
    """What the rows said that is no failure, and that somebody will notice."""
    return [
        str(warning)
        for stood in state.steps.values()
        for warning in stood.evidence.get("warnings", [])  # type: ignore[union-attr]
    ]


def _schemas(evidence: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    before, after = evidence.get("before", {}), evidence.get("after", {})
    return {d: (" ".join(before.get(d, ())), " ".join(versions)) for d, versions in after.items()}


def _rows(evidence: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    return dict(evidence.get("rows", {}))


def make_plan(
    cloud: str,
    loaded: Loaded,
    target: str,
    *,
    services: Iterable[str] | None = None,
    given: Mapping[str, Path] | None = None,
) -> tuple[Plan, tuple[str, ...]]:
    """The plan for the services whose databases are there, and the names of those left out. Raises NoRoute."""
    source, versions = loaded.release, loaded.versions
    wanted = list(services) if services is not None else [s.name for s in load_services().services]
    here: list[str] = []
    left_out: list[str] = []
    incomplete = missing_databases(set(versions), source)
    begins: set[str] = set()
    for name in wanted:
        service = load_services().get(name)
        begins_later = service.exists_in(target) and (
            not service.exists_in(source) or _is_still_elsewhere(service, source, versions)
        )
        complete = set(service.databases_in(source)) <= set(versions)
        if name in incomplete:
            raise WrongDumps(
                what=f"the dumps hold {name} in part only",
                reasons=[f"{database} is missing" for database in incomplete[name]],
                do=f"add them; {name} of {source} has the databases {', '.join(service.databases_in(source))}",
            )
        if begins_later or (complete and service.exists_in(source)):
            here.append(name)
            begins |= {name} if begins_later else set()
        elif service.exists_in(target):
            left_out.append(name)
    recipes = load_recipes()
    supplied = {service: release_of(service, path) for service, path in (given or {}).items()}

    def available(service: str, release: str) -> bool:
        return service in recipes.available(release) or supplied.get(service) == release

    # A service that begins on the way is there for those that depend on it, and for nobody else.
    dependants = [n for n in here if n not in begins]
    here = [n for n in here if n not in begins or any(n in load_services().get(d).depends_on for d in dependants)]
    routes = find_routes(source, target, names=here, available=available, begins=begins)
    return rehearse_dumps(cloud, source, target, routes, versions), tuple(left_out)


def _is_still_elsewhere(service: Service, source: str, versions: Mapping[str, tuple[str, ...]]) -> bool:
    """May a cloud of that release keep its rows in another database, and is there none of its own?"""
    heritage = service.inherits
    return (
        heritage is not None
        and heritage.coming_from.holds(source)
        and heritage.database in versions
        and not set(service.databases) & set(versions)
    )


class Loaded(BaseModel):
    """What was found in the dumps when they were loaded; the clone itself may be half-way by now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    seconds: float
    release: str
    versions: dict[str, tuple[str, ...]]


def _loaded_before(directory: Path) -> Loaded | None:
    """What an earlier, interrupted rehearsal of these dumps found in them."""
    marker = directory / "loaded.json"
    return Loaded.model_validate_json(marker.read_text()) if marker.exists() else None


def _load(dump: Path | RunningServer, server: PrivateServer, said: str | None, directory: Path, say: Say) -> Loaded:
    """Load into an empty server and recognise the release. Raises WrongDumps and UnusableDump."""
    marker = directory / "loaded.json"
    marker.unlink(missing_ok=True)
    server.remove()
    began = time.monotonic()
    if isinstance(dump, RunningServer):
        names = dump.clone_into(server, say=lambda text, fraction: say(text))
    else:
        names = load(look(dump), server, say=lambda text, fraction: say(text))
    seconds = time.monotonic() - began
    say(f"{len(names)} databases loaded in {seconds:.1f} s")
    known = {d for service in load_services().services for d in service.databases}
    versions = {d: server.read_versions(d) for d in names if d in known}
    tables = {d: set(server.tables(d)) for d in versions}
    release = recognise(versions, tables, said=load_releases().get(said).name if said else None)
    say(f"the databases are of {release}")
    loaded = Loaded(seconds=seconds, release=release, versions=versions)
    marker.write_text(loaded.model_dump_json() + "\n")
    return loaded


def _unfinished(journal: Journal, plan: Plan, directory: Path) -> str | None:
    """The run that this clone was loaded for, when it can go on: another plan needs another clone."""
    try:
        run = (directory / "run").read_text()
        same = journal.find_run(run).fingerprint == plan.fingerprint
        return run if same and not journal.state(run).is_over else None
    except (OSError, OperatorError):  # no such run, or one of another version of Saltus
        return None


def _name(dump: Path | RunningServer, source: str | None, target: str, services: Iterable[str] | None) -> str:
    """One directory for one set of dumps and one hop, so that the same words go on where they stopped."""
    if isinstance(dump, RunningServer):
        words = f"{dump.identity} {source} {target} {sorted(services or [])}"
        return f"{dump.label}-to-{target}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"
    if not dump.is_dir():
        raise OperatorError(what=f"{dump} is not a directory", because="--dump names one with dumps", do="name another")
    digest = hashlib.sha256()
    for path in sorted(p for p in dump.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(dump)} {path.stat().st_size} {path.stat().st_mtime_ns}".encode())
    digest.update(f"{source} {target} {sorted(services or [])}".encode())
    return f"{dump.name}-to-{target}-{digest.hexdigest()[:8]}"
