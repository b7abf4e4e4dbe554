"""Who performs what: every kind of action and its performer. A new kind of action is added here."""

from __future__ import annotations

from saltus.plan.actions import (
    ApplyState,
    BootInstance,
    BuildImage,
    CallFunction,
    CheckFacts,
    CompareLists,
    CompareMachines,
    CreateMachine,
    DestroyMachine,
    ListApis,
    PrepareStart,
    ReachProxy,
    RecordVersions,
    RunManage,
    SeedTenant,
    StartMachine,
    StartServices,
    StopMachine,
    StopServices,
    SwitchProxy,
    WaitFor,
)
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
    CheckWrites,
    CloneDatabases,
    DbSync,
    ForgetBackup,
    PrepareBackup,
    PrepareDbSync,
    RestoreDatabases,
)
from saltus.runner.performer import Performer, Performers
from saltus.runner.performers import (
    computes,
    databases,
    differences,
    gateways,
    instances,
    machines,
    nodes,
    packages,
    salt,
    services,
    verify,
)
from saltus.runner.performers.at_rest import at_rest
from saltus.runner.performers.ground import Ground


def performers(ground: Ground) -> Performers:
    """{kind of action: its performer} on real ground."""
    by_action: dict[type, Performer] = {
        CheckFacts: verify.FactsChecker(),
        RecordVersions: verify.VersionsRecorder(ground),
        BuildImage: machines.ImageBuilder(ground),
        CreateMachine: machines.MachineCreator(ground),
        StartMachine: machines.MachineStarter(ground),
        StopMachine: machines.MachineStopper(ground),
        DestroyMachine: machines.MachineDestroyer(ground),
        CompareMachines: differences.MachineComparer(ground),
        ApplyState: salt.StateApplier(ground),
        CallFunction: salt.FunctionCaller(ground),
        StopServices: services.ServiceStopper(ground),
        StartServices: services.ServiceStarter(ground),
        PrepareStart: services.StartPreparer(ground),
        ReachProxy: services.ProxyReacher(ground),
        SwitchProxy: services.ProxySwitcher(ground),
        BackUpDatabases: databases.BackupTaker(ground),
        CloneDatabases: databases.Cloner(ground),
        RestoreDatabases: databases.Restorer(ground),
        CheckWrites: databases.WritesChecker(ground),
        PrepareBackup: databases.BackupPreparer(ground),
        ForgetBackup: databases.BackupForgetter(ground),
        PrepareDbSync: databases.DbSyncPreparer(ground),
        DbSync: databases.DbSyncer(ground),
        ListApis: verify.ApiLister(ground),
        CompareLists: verify.ListComparer(ground),
        BootInstance: instances.InstanceBooter(ground),
        ComparePackages: packages.PackageComparer(ground),
        RecordNodes: packages.NodeRecorder(ground),
        RestoreNodes: packages.NodeRestorer(ground),
        UpgradePackages: packages.PackageUpgrader(ground),
        ConfigureNodes: nodes.NodeConfigurer(ground),
        SettleNodes: nodes.NodeSettler(ground),
        RestartUnits: nodes.UnitRestarter(ground),
        CheckNetwork: nodes.NetworkChecker(ground),
        RunManage: nodes.Manager(ground),
        DisableComputes: computes.ComputeDisabler(ground),
        DrainComputes: computes.ComputeDrainer(ground),
        AwaitAgents: computes.AgentsAwaiter(ground),
        ProveComputes: computes.ComputeProver(ground),
        EnableComputes: computes.ComputeEnabler(ground),
        CheckAllUpgraded: computes.AllUpgradedChecker(ground),
        CheckBudget: computes.BudgetChecker(ground),
        EmptyGateways: gateways.GatewayEmptier(ground),
        RefillGateways: gateways.GatewayRefiller(ground),
        WaitFor: computes.Waiter(ground),
        SeedTenant: instances.TenantSeeder(ground),
    }
    return {
        action.model_fields["kind"].default: at_rest(performer, ground.fleet)  # type: ignore[attr-defined]
        for action, performer in by_action.items()
    }
