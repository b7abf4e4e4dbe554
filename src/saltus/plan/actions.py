"""The actions that a step can name. Each is plain data; a performer for each stands in `runner/performers/`.

To add one: a class here, in `databases.py` or in `data_plane.py`; in the union at the end; a performer there. Its page
is generated from its docstring.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from saltus.plan.action import ActionBase, AfterACrash
from saltus.plan.data_plane import (
    AwaitAgents,
    CheckAllUpgraded,
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
from saltus.plan.databases import (
    BackUpDatabases,
    BuildToolbox,
    CheckRows,
    CheckWrites,
    CloneDatabases,
    Command,
    CountRows,
    CureRows,
    DbSync,
    ForgetBackup,
    ManageDatabases,
    MoveTables,
    PrepareBackup,
    PrepareDbSync,
    RestoreDatabases,
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
    | CheckAllUpgraded
    | CheckBudget
    | WaitFor
    | RunManage
    | SeedTenant,
    Field(discriminator="kind"),
]
