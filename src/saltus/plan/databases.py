"""The actions on databases: kept, cloned, put back, and taken to a release's schema by its own tools."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from saltus.plan.action import ActionBase, AfterACrash


class BackUpDatabases(ActionBase):
    """Take a backup of `databases` of `server` into the directory `label` on that server.

    `frozen` says that writing has been stopped: then the checksums and row counts of all tables are taken too, and
    the backup is the moment that a rollback returns to.
    """

    kind: Literal["database.back-up"] = "database.back-up"
    after_a_crash: ClassVar[AfterACrash] = "verify"
    server: str
    label: str
    databases: tuple[str, ...]
    method: Literal["physical", "logical"] = "physical"
    frozen: bool = False


class CloneDatabases(ActionBase):
    """Load `databases` of the backup `label` of `server` into the private MariaDB of the machine `to`.

    What points home is turned to `to`: the endpoints in keystone's catalogue, and nova's cell mappings.
    """

    kind: Literal["database.clone"] = "database.clone"
    server: str
    label: str
    to: str
    databases: tuple[str, ...]


class RestoreDatabases(ActionBase):
    """Put `databases` of `server` back to the backup `label`, and compare the checksums taken with it."""

    kind: Literal["database.restore"] = "database.restore"
    server: str
    label: str
    databases: tuple[str, ...]


class CheckWrites(ActionBase):
    """Look for what tenants wrote since the backup `label` was frozen; fails with the list unless `discard` is set."""

    kind: Literal["database.check-writes"] = "database.check-writes"
    server: str
    label: str
    discard: bool = False


class PrepareBackup(ActionBase):
    """Make the physical backup `label` consistent outside the window, so that putting it back is quick."""

    kind: Literal["database.prepare-backup"] = "database.prepare-backup"
    server: str
    label: str


class ForgetBackup(ActionBase):
    """Remove the backup `label` of `server`. Has no way back."""

    kind: Literal["database.forget-backup"] = "database.forget-backup"
    server: str
    label: str


class Command(BaseModel):
    """One manage command, as it is run: `argv` under the service's own user."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    argv: tuple[str, ...]
    user: str
    exit_codes: tuple[int, ...] = (0,)
    """The exit codes that do not mean failure."""


class DbSync(ActionBase):
    """Run the service's commands in their order on `machine`, then read every schema version and compare it with
    `heads`: a command that exits 0 has not therefore worked."""

    kind: Literal["database.db_sync"] = "database.db_sync"
    service: str
    machine: str
    database_server: str
    """The machine of the MariaDB whose schema versions are read afterwards."""
    release: str
    commands: tuple[Command, ...]
    heads: dict[str, tuple[str, ...]]
    """{database: schema heads of `release`}, from the catalogue."""


class PrepareDbSync(ActionBase):
    """Have the programs of `commands` wait on `machine`, imported, so that within the window only their work is left.

    Nothing is asked of a database. Where one cannot wait, it starts when it is called, as ever.
    """

    kind: Literal["database.prepare-db-sync"] = "database.prepare-db-sync"
    machine: str
    commands: tuple[Command, ...]


class BuildToolbox(ActionBase):
    """Make the manage tools of `release` for `services` ready; what is ready already is nothing to do."""

    kind: Literal["toolbox.build"] = "toolbox.build"
    release: str
    services: tuple[str, ...]


class ManageDatabases(ActionBase):
    """Run one manage command of `release` on the clone, as often as it asks for, then compare the schema versions.

    `{config}`, and the words of `lookups` ({word: SQL that finds it}), are filled in when it is run. The databases in
    `create` are made before, where they do not exist.
    """

    kind: Literal["database.manage"] = "database.manage"
    service: str
    release: str
    command: Command
    repeat_on: tuple[int, ...] = ()
    tolerates: tuple[str, ...] = ()
    """Data migrations that may fail in a clone, because they ask running services."""
    create: tuple[str, ...] = ()
    ahead: tuple[str, ...] = ()
    """SQL before the command: the rows that it would write one by one. Safe to repeat."""
    ahead_script: str = ""
    """The same in Python: a file of the catalogue, run by the release's interpreter. Where it fails nothing is lost."""
    expect: dict[str, tuple[str, ...]] = Field(default={})
    """{database: versions afterwards}"""
    lookups: dict[str, str] = Field(default={})


class CureRows(ActionBase):
    """Put right in the clone what a known fault left in the rows, or what points away from it. Safe to repeat."""

    kind: Literal["database.cure"] = "database.cure"
    service: str
    create: tuple[str, ...] = ()
    statements: tuple[str, ...]
    because: str


class MoveTables(ActionBase):
    """Take tables over from another database of the clone, as they are; every row is compared. Nothing is removed."""

    kind: Literal["database.move-tables"] = "database.move-tables"
    service: str
    source: str
    target: str
    tables: tuple[str, ...]
    because: str


class CheckRows(ActionBase):
    """Ask the clone questions whose answer must be 0; fails with every one that is not."""

    kind: Literal["database.check-rows"] = "database.check-rows"
    service: str
    checks: dict[str, str]
    """{what must hold: SQL that counts the rows for which it does not}"""
    warnings: dict[str, str] = Field(default={})
    """The same for what only warns."""


class CountRows(ActionBase):
    """Count the rows of every table of `databases`; the report compares the counts."""

    kind: Literal["database.count-rows"] = "database.count-rows"
    databases: tuple[str, ...]
