"""db_sync judged by the schema, writes that a rollback would lose, restores that differ; and facts that changed."""

from world import World

from saltus.plan.actions import CheckFacts
from saltus.plan.databases import CheckWrites, Command, DbSync, PrepareDbSync, RestoreDatabases
from saltus.planner.facts import binding_facts

SYNC = ("nova-manage", "db", "sync")


def db_sync() -> DbSync:
    return DbSync(
        service="nova",
        machine="ctl01-b",
        database_server="dbs01",
        release="epoxy",
        commands=(Command(argv=SYNC, user="nova"),),
        heads={"nova": ("2903cd72dc14",)},
    )


def versions(world: World, *versions: str) -> None:
    """What the database says each time that it is asked; the last answer stays."""
    waiting = list(versions)
    world.fleet.answer(
        "saltus_mariadb.schema_versions",
        lambda _minion, databases: {name: [waiting.pop(0) if len(waiting) > 1 else waiting[0]] for name in databases},
    )


def test_a_db_sync_runs_on_the_new_machine_and_its_schema_is_read_on_the_server(world: World) -> None:
    versions(world, "ccb0fa1a2252", "2903cd72dc14")
    world.fleet.answer("saltus_node.run_command", {"exit": 0, "output": "", "seconds": 11.8})
    state = world.perform(db_sync())
    assert (state.status, state.summary) == ("done", "nova in 11.8 s: nova ccb0fa1a2252 -> 2903cd72dc14")
    assert world.calls() == [
        ("dbs01", "saltus_mariadb.schema_versions"),
        ("ctl01-b", "saltus_node.run_command"),
        ("dbs01", "saltus_mariadb.schema_versions"),
    ]
    assert world.fleet.asked[1].arguments[:2] == (list(SYNC), "nova")


def test_a_db_sync_that_exits_0_and_leaves_the_schema_behind_has_failed(world: World) -> None:
    versions(world, "ccb0fa1a2252")
    world.fleet.answer("saltus_node.run_command", {"exit": 0, "output": "could not access cell", "seconds": 1.0})
    state = world.perform(db_sync())
    assert state.status == "failed"
    assert state.failure is not None
    assert "nova was at ccb0fa1a2252, is at ccb0fa1a2252" in state.failure.because
    assert "could not access cell" in state.failure.because


def test_a_db_sync_that_fails_tells_the_output_and_how_to_go_on(world: World) -> None:
    versions(world, "ccb0fa1a2252")
    world.fleet.answer("saltus_node.run_command", {"exit": 1, "output": "errno: 150", "seconds": 1.0})
    state = world.perform(db_sync())
    assert state.failure is not None
    assert state.failure.what.startswith("the db_sync of nova to epoxy on ctl01-b failed")
    assert "errno: 150" in state.failure.because
    assert "or roll back" in state.failure.do


def test_programs_that_wait_and_those_that_cannot_are_told(world: World) -> None:
    told = {"nova-manage": {"ready": True, "seconds": 2.1}, "heat-manage": {"ready": False, "seconds": 0.1}}
    world.fleet.answer("saltus_commands.prepare", told)
    commands = (Command(argv=SYNC, user="nova"), Command(argv=("heat-manage", "db_sync"), user="heat"))
    state = world.perform(PrepareDbSync(machine="ctl01-b", commands=commands))
    assert state.summary == "1 programs wait on ctl01-b; heat-manage will start when called"
    (asked,) = world.fleet.asked
    assert asked.arguments[0] == [
        {"argv": list(SYNC), "user": "nova"},
        {"argv": ["heat-manage", "db_sync"], "user": "heat"},
    ]


WRITES = [
    {"service": "nova", "kind": "instance", "verb": "create", "id": "7f", "name": "web3", "at": "2026-11-22 12:40:02"},
    {"service": "keystone", "kind": "project", "verb": "delete", "id": "", "name": "1 of them", "at": ""},
]


def test_writes_of_tenants_refuse_a_rollback_and_are_listed(world: World) -> None:
    world.fleet.answer("saltus_writes.since", WRITES)
    state = world.perform(CheckWrites(server="dbs01", label="frozen"))
    assert state.status == "failed"
    assert state.failure is not None
    assert state.failure.what == "a rollback would lose 2 writes of tenants"
    assert "2026-11-22 12:40:02: create instance web3 7f" in state.failure.because
    assert "since then: delete project 1 of them" in state.failure.because
    assert "--discard-writes" in state.failure.do


def test_writes_that_may_be_discarded_are_told_and_kept_in_the_journal(world: World) -> None:
    world.fleet.answer("saltus_writes.since", WRITES)
    state = world.perform(CheckWrites(server="dbs01", label="frozen", discard=True))
    assert state.summary == "2 writes of tenants will be lost, as --discard-writes says"
    assert len(state.evidence["writes"]) == 2  # type: ignore[arg-type]


def test_nothing_written_lets_a_rollback_go_on(world: World) -> None:
    world.fleet.answer("saltus_writes.since", [])
    assert world.perform(CheckWrites(server="dbs01", label="frozen")).status == "done"


def restore(world: World, differences: list[str]) -> object:
    answer = {"seconds": 9, "stopped_seconds": 4, "compared": 451, "differences": differences, "kept": "/var/x.before"}
    world.fleet.answer("saltus_mariadb.restore", answer)
    return world.perform(RestoreDatabases(server="dbs01", label="frozen", databases=("nova",)))


def test_a_restore_that_gives_the_checksums_of_the_freeze_is_done(world: World) -> None:
    state = restore(world, [])
    assert state.summary == (  # type: ignore[attr-defined]
        "451 tables are as they were at the freeze, by CHECKSUM TABLE; 9 s, MariaDB down 4 s"
    )


def test_a_restore_that_differs_fails_and_says_where_the_databases_of_before_are(world: World) -> None:
    failure = restore(world, ["nova.instances: 3 rows, 4 at the freeze"]).failure  # type: ignore[attr-defined]
    assert failure.what == "1 tables are not as they were at the freeze"
    assert "nova.instances" in failure.because
    assert "/var/x.before on dbs01" in failure.do


def test_a_plan_that_has_a_step_for_the_facts_still_runs(world: World) -> None:
    facts = binding_facts(world.facts)
    assert world.perform(CheckFacts(), facts=facts).summary == f"{len(facts)} facts, which the runner has compared"
