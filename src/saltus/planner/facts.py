"""What is: the facts of a running cloud that a plan is made from. `commands/gathering.py` gathers them through Salt."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class MachineFacts(BaseModel):
    """One machine as it is found. What stands in its grains was written when it was created."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    node: str
    slot: str | None = None
    release: str | None = None
    """What it is deployed as; None for a machine that Saltus did not create."""
    was: str | None = None
    """The older release that the cloud still takes a compute for, until the last of them has come through."""
    running: bool
    answers: bool
    """Its minion answered."""
    versions: dict[str, str] = {}
    """{component: package version}."""
    free_bytes: int | None = None
    holds_vip: bool = False


class Facts(BaseModel):
    """Everything a plan is made from, besides model and catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machines: dict[str, MachineFacts]
    """{machine: facts}, of machines that exist."""
    schemas: dict[str, tuple[str, ...]] = {}
    """{database: schema versions, sorted}."""
    backups: tuple[str, ...] = ()
    """Labels of the backups on the database server."""
    database_bytes: int | None = None
    ways_back: dict[str, str] = {}
    """{node: the release that it can return to}, of those that keep what they were before an upgrade."""
    writes: tuple[str, ...] = ()
    """What tenants wrote since the frozen backup, a line each: what a rollback would lose."""

    def of_node(self, node: str) -> dict[str, MachineFacts]:
        return {name: machine for name, machine in self.machines.items() if machine.node == node}


VIRTUAL_ADDRESS = "virtual address at"


def deployed_as(machine: str) -> str:
    return f"{machine} is deployed as"


def schema_of(database: str) -> str:
    return f"schema of {database}"


def binding_facts(facts: Facts) -> dict[str, str]:
    """What a plan is bound to, as `{fact: value}` in words an operator reads. The runner takes them again (drift)."""
    found = {deployed_as(name): machine.release or "unknown" for name, machine in facts.machines.items()}
    holders = [name for name, machine in facts.machines.items() if machine.holds_vip]
    found[VIRTUAL_ADDRESS] = " ".join(holders) or "nobody"
    found |= {schema_of(database): " ".join(versions) for database, versions in facts.schemas.items()}
    return dict(sorted(found.items()))
