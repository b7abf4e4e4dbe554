"""The actions that a step can name. Each is plain data; a performer for each stands in `runner/performers/`.

To add one: a class here, or for the data plane in `data_plane.py`; in the union at the end; a performer there. Its page
is generated from its docstring.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from saltus.plan.action import ActionBase, AfterACrash
from saltus.plan.data_plane import (
    AwaitAgents,
    CheckBudget,
    CheckNetwork,
    ComparePackages,
    ConfigureNodes,
    DisableComputes,
    DrainComputes,
    EmptyGateways,
    EnableComputes,
    ProveComputes,
    RecordNodes,
    RefillGateways,
    RestartUnits,
    RestoreNodes,
    SettleNodes,
    UpgradePackages,
)


class CheckFacts(ActionBase):
    """Of plans made before the runner itself took the facts again, before a run and after every gate: nothing to do."""

    kind: Literal["facts.check"] = "facts.check"


class RecordVersions(ActionBase):
    """Write down the package version of every component on every machine that answers: the report shows them."""

    kind: Literal["facts.versions"] = "facts.versions"


class BuildImage(ActionBase):
    """Build the image of that name, with the packages of its roles; one that is up to date is nothing to do."""

    kind: Literal["image.build"] = "image.build"
    image: str
    node: str
    """A node that is built from it: its roles say which packages."""
    release: str


class CreateMachine(ActionBase):
    """Create `machine` with its own disk, on the image of `image`, boot it and wait until its minion answers.

    `fresh` destroys a machine of that name first: what an earlier, abandoned run left is not built upon.
    """

    kind: Literal["machine.create"] = "machine.create"
    machine: str
    node: str
    release: str
    image: str
    slot: Literal["a", "b"] | None = None
    fresh: bool = False
    isolated: bool = False
    """Reaches the Salt master and nothing else: a rehearsal cannot touch production, whatever is configured."""


class StartMachine(ActionBase):
    """Boot an existing machine and wait until its minion answers."""

    kind: Literal["machine.start"] = "machine.start"
    machine: str


class StopMachine(ActionBase):
    """Shut a machine down; its disk is kept. Stopping a stopped machine is nothing to do."""

    kind: Literal["machine.stop"] = "machine.stop"
    machine: str


class DestroyMachine(ActionBase):
    """Remove a machine with its disk and its minion key. Has no way back."""

    kind: Literal["machine.destroy"] = "machine.destroy"
    machine: str


class CompareMachines(ActionBase):
    """Compare the packages of two machines and the files that their roles write: evidence for those who decide.

    Comments are left out, and no secret leaves a machine.
    """

    kind: Literal["machine.compare"] = "machine.compare"
    node: str
    """Nodes with equal differences are shown once, under these names."""
    before: str
    after: str


class ApplyState(ActionBase):
    """Apply Salt states to the minions of `target` (compound syntax); the whole highstate when `states` is empty."""

    kind: Literal["salt.state"] = "salt.state"
    target: str
    states: tuple[str, ...] = ()
    timeout_s: float = 900


class CallFunction(ActionBase):
    """Call one Salt function on the minions of `target`. For what is neither a state nor an action of its own."""

    kind: Literal["salt.call"] = "salt.call"
    after_a_crash: ClassVar[AfterACrash] = "verify"
    target: str
    function: str
    arguments: tuple[str, ...] = ()
    timeout_s: float = 300


class StopServices(ActionBase):
    """Stop the units of `services` on `machine`: writing ends here. All services of the machine when empty."""

    kind: Literal["services.stop"] = "services.stop"
    machine: str
    services: tuple[str, ...] = ()


class StartServices(ActionBase):
    """Enable and start the units of `services` on `machine`, and wait until their APIs answer there."""

    kind: Literal["services.start"] = "services.start"
    machine: str
    services: tuple[str, ...] = ()
    wait: bool = True
    """False for a proxy that is started before what it passes requests on to."""
    timeout_s: float = 300


class PrepareStart(ActionBase):
    """Start the services of `machine` as far as their imports go: each then waits for its word.

    No database, queue or API is asked before. What cannot wait is left off, and starts as ever.
    """

    kind: Literal["services.prepare-start"] = "services.prepare-start"
    machine: str


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


class ListApis(ActionBase):
    """Ask the eight lists of the APIs at `auth_host` and keep them as `label`.

    With `by`, a proxy machine, they are asked there, whoever has the address `auth_host`.
    """

    kind: Literal["api.list"] = "api.list"
    auth_host: str
    label: str
    by: str | None = None
    like: str | None = None
    """A kept list: services that were up in it are waited for, a while, to report that they are up again."""


class CompareLists(ActionBase):
    """Compare two kept lists: nothing lost, nothing changed that the catalogue does not expect to change."""

    kind: Literal["api.compare"] = "api.compare"
    before: str
    after: str
    rehearsal: bool = False
    """True where `after` is of a clone: agents and computes do not report to it, so their liveness is left out."""
    unswitched: bool = False
    """True where `after` was asked before the switch: who has just started may not have reported yet."""


class BootInstance(ActionBase):
    """Boot an instance through the cloud's API on the compute `host`, wait until it is ACTIVE and answers ping.

    It is deleted when it has answered, unless `keep` is set: a proof that stays would be in the way of a rollback.
    """

    kind: Literal["instance.boot"] = "instance.boot"
    after_a_crash: ClassVar[AfterACrash] = "verify"
    name: str
    host: str
    keep: bool = False


class SwitchProxy(ActionBase):
    """Move the virtual address of the APIs from one proxy machine to the other."""

    kind: Literal["proxy.switch"] = "proxy.switch"
    take: str
    leave: str
    address: str


class ReachProxy(ActionBase):
    """Let `machines`, and nobody else, find the virtual address at the proxy machine `proxy`, before the switch.

    With `proxy` None they find it where everybody does.
    """

    kind: Literal["proxy.reach"] = "proxy.reach"
    machines: tuple[str, ...]
    proxy: str | None
    address: str


class WaitFor(ActionBase):
    """Wait: `seconds`, and then until the maintenance window is open."""

    kind: Literal["run.wait"] = "run.wait"
    seconds: float = 0
    window: str | None = None
    """`22:00-06:00`, in the time of the machine that Saltus runs on."""


class RunManage(ActionBase):
    """Run one manage command of a service on `machine`, as often as it asks for."""

    kind: Literal["services.manage"] = "services.manage"
    machine: str
    command: Command
    repeat_on: tuple[int, ...] = ()
    timeout_s: float = 3600


class SeedTenant(ActionBase):
    """Fill a fresh lab cloud with a tenant's things: project, user, images, flavor, networks, stack."""

    kind: Literal["lab.seed"] = "lab.seed"


Action = Annotated[
    CheckFacts
    | RecordVersions
    | BuildImage
    | CreateMachine
    | StartMachine
    | StopMachine
    | DestroyMachine
    | CompareMachines
    | ApplyState
    | CallFunction
    | StopServices
    | StartServices
    | PrepareStart
    | BackUpDatabases
    | CloneDatabases
    | RestoreDatabases
    | CheckWrites
    | PrepareBackup
    | ForgetBackup
    | PrepareDbSync
    | DbSync
    | BuildToolbox
    | ManageDatabases
    | CureRows
    | MoveTables
    | CheckRows
    | CountRows
    | ListApis
    | CompareLists
    | BootInstance
    | SwitchProxy
    | ReachProxy
    | ComparePackages
    | RecordNodes
    | RestoreNodes
    | DisableComputes
    | DrainComputes
    | UpgradePackages
    | ConfigureNodes
    | SettleNodes
    | RestartUnits
    | AwaitAgents
    | CheckNetwork
    | EmptyGateways
    | RefillGateways
    | ProveComputes
    | EnableComputes
    | CheckBudget
    | WaitFor
    | RunManage
    | SeedTenant,
    Field(discriminator="kind"),
]
