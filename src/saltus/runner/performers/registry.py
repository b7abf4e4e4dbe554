"""Who performs what: every kind of action and its performer. A new kind of action is added here."""

from __future__ import annotations

from saltus.plan.actions import (
    ApplyState,
    BackUpDatabases,
    BootInstance,
    BuildImage,
    CallFunction,
    CheckFacts,
    CheckWrites,
    CloneDatabases,
    CompareLists,
    CompareMachines,
    CreateMachine,
    DbSync,
    DestroyMachine,
    ForgetBackup,
    ListApis,
    PrepareBackup,
    PrepareStart,
    ReachProxy,
    RecordVersions,
    RestoreDatabases,
    SeedTenant,
    StartMachine,
    StartServices,
    StopMachine,
    StopServices,
    SwitchProxy,
)
from saltus.runner.performer import Performer, Performers
from saltus.runner.performers import databases, differences, instances, machines, salt, services, verify
from saltus.runner.performers.ground import Ground


def performers(ground: Ground) -> Performers:
    """{kind of action: its performer} on real ground."""
    by_action: dict[type, Performer] = {
        CheckFacts: verify.FactsChecker(ground),
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
        DbSync: databases.DbSyncer(ground),
        ListApis: verify.ApiLister(ground),
        CompareLists: verify.ListComparer(ground),
        BootInstance: instances.InstanceBooter(ground),
        SeedTenant: instances.TenantSeeder(ground),
    }
    return {action.model_fields["kind"].default: performer for action, performer in by_action.items()}  # type: ignore[attr-defined]
