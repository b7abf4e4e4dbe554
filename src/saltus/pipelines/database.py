"""The stages of a rehearsal on dumps: toolboxes, every service's route with its stops, and the questions at the end."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from saltus.catalog.routes import Route, Stop, needed_releases
from saltus.catalog.schemas import load_schemas
from saltus.catalog.services import Crossing, CrossingStep, ManageCommand, Range, RowCheck, Service, load_services
from saltus.plan.actions import Action
from saltus.plan.databases import BuildToolbox, CheckRows, Command, CountRows, CureRows, ManageDatabases, MoveTables
from saltus.plan.plan import Impact, Plan, Stage, Step

_NOTHING_TO_UNDO = "nothing to undo: it is a clone, and the dumps are only read"


def rehearse_dumps(
    cloud: str, source: str, target: str, routes: Mapping[str, Route], versions: Mapping[str, tuple[str, ...]]
) -> Plan:
    """The whole rehearsal of `routes` on databases that stand at `versions`; what is not in a route is left alone."""
    services = load_services()
    lanes = _lanes([services.get(name) for name in routes])
    databases = tuple(d for name in routes for d in services.get(name).databases if d in versions)
    after = tuple(d for name in routes for d in services.get(name).databases_in(target))
    return Plan(
        name="rehearse-dumps",
        cloud=cloud,
        source=source,
        target=target,
        facts={database: " ".join(versions[database]) for database in sorted(versions)},
        stages=(
            Stage(
                id="toolboxes",
                title="Make the manage tools of every stop ready",
                impact=Impact.NONE,
                way_back=_NOTHING_TO_UNDO,
                steps=tuple(
                    Step(
                        id=f"toolboxes/{release}",
                        title=f"Manage tools of {release}: {', '.join(names)}",
                        action=BuildToolbox(release=release, services=names),
                        lane=release,
                    )
                    for release, names in needed_releases(routes).items()
                ),
            ),
            Stage(
                id="databases",
                title=f"Take the databases from {source} to {target}",
                impact=Impact.NONE,
                way_back=_NOTHING_TO_UNDO,
                steps=(
                    Step(id="databases/rows-before", title="Count the rows", action=CountRows(databases=databases)),
                    *_all_routes(routes, lanes),
                    Step(id="databases/rows-after", title="Count the rows again", action=CountRows(databases=after)),
                ),
            ),
            Stage(
                id="verify",
                title="Ask the rows what the exit codes do not say",
                impact=Impact.NONE,
                way_back=_NOTHING_TO_UNDO,
                steps=tuple(
                    _questions(name, checks)
                    for name in routes
                    if (checks := _checks(services.get(name), target, after))
                )
                or (Step(id="verify/rows", title="Count the rows", action=CountRows(databases=after)),),
            ),
        ),
    )


def _lanes(services: list[Service]) -> dict[str, str]:
    """{service: lane}: side by side, but a service in the lane of what it depends on."""
    names = {service.name for service in services}
    together: dict[str, list[str]] = {}
    for service in services:
        before = [name for name in service.depends_on if name in names]
        together[service.name] = together[before[0]] if before else []
        together[service.name].append(service.name)
    return {name: "+".join(group) for name, group in together.items()}


def _all_routes(routes: Mapping[str, Route], lanes: Mapping[str, str]) -> Iterator[Step]:
    """Service by service; one that inherits from another follows the first stop at which its heritage is ready."""
    waiting: dict[str, dict[str, str]] = {}  # {donor: {its stop: heir}}
    for name, route in routes.items():
        heritage = load_services().get(name).inherits
        if heritage and route.stops[0].creates and heritage.service in routes:
            stops = routes[heritage.service].releases
            ready = next(stop for stop in stops if Range(since=heritage.not_before).holds(stop))
            waiting.setdefault(heritage.service, {})[ready] = name
    heirs = {heir for stops in waiting.values() for heir in stops.values()}
    for name, route in routes.items():
        if name in heirs:
            continue
        yield from _before_its_stops(name, route, lanes[name])
        previous = route.source
        for stop in route.stops:
            yield from _steps_of(name, previous, stop, lanes[name])
            previous = stop.release
            if heir := waiting.get(name, {}).get(stop.release):
                (first,) = routes[heir].stops
                yield from _steps_of(heir, route.source, first, lanes[heir], inherits=True)


def _before_its_stops(name: str, route: Route, lane: str) -> Iterator[Step]:
    service = load_services().get(name)
    if turned := _turn_home(service, route):
        yield Step(
            id=f"databases/{name}-turn-home", title=f"{name}: point the clone at itself", action=turned, lane=lane
        )
    if conditions := _conditions(service, route):
        title = f"{name}: look whether {route.source} finished its data migrations"
        yield Step(id=f"databases/{name}-conditions", title=title, action=conditions, lane=lane)


def _steps_of(name: str, previous: str, stop: Stop, lane: str, *, inherits: bool = False) -> Iterator[Step]:
    """Everything that is done at one stop."""
    service = load_services().get(name)
    for key, title, action in (*(_inherit(service, stop) if inherits else ()), *_stop(service, previous, stop)):
        yield Step(
            id=f"databases/{name}-{stop.release}-{key}",
            title=f"{name} {stop.release}: {title}",
            action=action,
            lane=lane,
        )


def _inherit(service: Service, stop: Stop) -> Iterator[tuple[str, str, Action]]:
    """The tables of another service become the new one's; its own tools take them on from there."""
    heritage = service.inherits
    assert heritage is not None
    (database,) = service.databases
    yield (
        "inherit",
        f"take over the tables that {heritage.service} kept in {heritage.database}",
        MoveTables(
            service=service.name,
            source=heritage.database,
            target=database,
            tables=heritage.tables,
            because=heritage.source,
        ),
    )
    yield (
        "stamp",
        f"say which schema they have: {heritage.version}",
        _manage(service, stop.release, heritage.stamp, {database: (heritage.version,)}),
    )
    yield from _data_migrations(service, stop.release, "first-")
    if heritage.undone:
        yield "first-rows", "look whether they did", CheckRows(service=service.name, checks=heritage.undone)


def _turn_home(service: Service, route: Route) -> CureRows | None:
    """A clone must not reach what it was cloned from: nova's cell mappings hold addresses of production."""
    has_cells = "nova_cell0" in service.databases_in(route.source)
    if not service.turn_home or not has_cells or route.stops[0].creates:
        return None
    return CureRows(service=service.name, statements=service.turn_home, because="they hold production's addresses")


def _conditions(service: Service, route: Route) -> CheckRows | None:
    asked = {b.needs: b.undone for b in service.blockers if b.id in route.conditions and b.undone}
    return CheckRows(service=service.name, checks=asked) if asked else None


def _stop(service: Service, previous: str, stop: Stop) -> Iterator[tuple[str, str, Action]]:
    """(key, title, action) of everything that is done with the tools of one stop."""
    if not stop.creates:
        for fault in service.faults:
            if fault.apply and fault.apply.coming_from.holds(previous) and fault.holds(stop.release):
                cure = CureRows(
                    service=service.name,
                    create=fault.apply.create,
                    statements=fault.apply.sql,
                    because=f"{fault.says} ({fault.source})",
                )
                yield f"cure-{fault.id}", fault.cure, cure
    for crossing in service.crossings:
        if crossing.holds(stop.release) and crossing.coming_from.holds(previous):
            yield from _crossing(service, stop.release, crossing)
            return
    waits = dict(stop.sync_to)
    commands = service.commands(stop.release, "db_sync")
    held = [c for c in commands if waits and c.partly and any(d in waits for d in c.brings)]
    for index, command in enumerate(commands):
        key, title = _key(command, index), command.says
        if command in held:
            version = next(waits[d] for d in command.brings if d in waits)
            argv = tuple(word.replace("{version}", version) for word in command.partly)
            expect = {d: (waits[d],) for d in command.brings if d in waits}
            action = _manage(service, stop.release, argv, expect)
            yield f"{key}-to-{version}", f"{title}, as far as {version}", action
        else:
            yield key, title, _manage_whole(service, stop, command)
    if held:
        met = [b for b in service.blockers if b.sync_to and b.sync_to.items() <= waits.items()]
        may_fail = tuple(name for blocker in met for name in blocker.may_fail)
        yield from _data_migrations(service, stop.release, "first-", may_fail)
        if asked := {b.needs: b.undone for b in met if b.undone}:
            yield (
                "first-rows",
                f"look whether they did: {'; '.join(asked)}",
                CheckRows(service=service.name, checks=asked),
            )
        for index, command in enumerate(commands):
            if command in held:
                yield (
                    f"{_key(command, index)}-on",
                    f"{command.says}, from there on",
                    _manage_whole(service, stop, command),
                )
    yield from _data_migrations(service, stop.release)


def _data_migrations(
    service: Service, release: str, prefix: str = "", may_fail: tuple[str, ...] = ()
) -> Iterator[tuple[str, str, Action]]:
    for index, command in enumerate(service.commands(release, "data_migrations")):
        action = _manage(service, release, command.argv, {}, exit_codes=command.exit_codes, repeat_on=command.repeat_on)
        action = action.model_copy(update={"tolerates": (*command.tolerates, *may_fail)})
        yield f"{prefix}{_key(command, index)}", command.says, action


def _crossing(service: Service, release: str, crossing: Crossing) -> Iterator[tuple[str, str, Action]]:
    for step in crossing.steps:
        yield step.id, step.says, _crossing_step(service, release, step)


def _crossing_step(service: Service, release: str, step: CrossingStep) -> Action:
    schemas = load_schemas()
    expect = {
        database: schemas.get(database).heads(release) or () if version == "head" else (version,)
        for database, version in step.expect.items()
    }
    return _manage(
        service,
        release,
        step.argv,
        expect,
        exit_codes=step.exit_codes,
        repeat_on=step.repeat_on,
        create=step.create,
        ahead=step.ahead,
        ahead_script=step.ahead_script,
    )


def _manage_whole(service: Service, stop: Stop, command: ManageCommand) -> ManageDatabases:
    heads = load_services().heads(service.name, stop.release)
    expect = {database: heads[database] for database in command.brings if database in heads}
    create = service.databases_in(stop.release) if stop.creates else ()
    return _manage(service, stop.release, command.argv, expect, exit_codes=command.exit_codes, create=create)


def _manage(
    service: Service,
    release: str,
    argv: tuple[str, ...],
    expect: Mapping[str, tuple[str, ...]],
    *,
    exit_codes: tuple[int, ...] = (0,),
    repeat_on: tuple[int, ...] = (),
    create: tuple[str, ...] = (),
    ahead: tuple[str, ...] = (),
    ahead_script: str = "",
) -> ManageDatabases:
    words = {word.strip("{}") for word in argv}
    return ManageDatabases(
        service=service.name,
        release=release,
        command=Command(argv=argv, user=service.user, exit_codes=exit_codes),
        repeat_on=repeat_on,
        create=create,
        ahead=ahead,
        ahead_script=ahead_script,
        expect=dict(expect),
        lookups={word: sql for word, sql in service.lookups.items() if word in words},
    )


def _key(command: ManageCommand, index: int) -> str:
    """`api_db-sync`: the words of the command that are neither options nor their values."""
    words = []
    for word in command.argv[1:]:
        if word.startswith("--"):
            break
        if not word.startswith("{"):
            words.append(word)
    return "-".join(words) or str(index)


def _checks(service: Service, target: str, databases: Collection[str]) -> list[RowCheck]:
    """What is asked of the rows at the end, of databases that are there."""
    return [c for c in service.row_checks if c.holds(target) and set(c.databases) <= set(databases)]


def _questions(name: str, asked: list[RowCheck]) -> Step:
    checks = {check.says: check.sql for check in asked if not check.only_warns}
    warnings = {check.says: check.sql for check in asked if check.only_warns}
    return Step(
        id=f"verify/{name}",
        title=f"{name}: {'; '.join([*checks, *warnings])}",
        action=CheckRows(service=name, checks=checks, warnings=warnings),
    )
