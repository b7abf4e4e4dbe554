"""A cloud on one machine: up, status, down, and a shell on its machines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from saltus.commands.packages import ensure_packages_served, stop_serving_packages
from saltus.commands.upgrades import run
from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.journal.events import RunFinished
from saltus.journal.fold import RunState
from saltus.journal.store import NotReadable
from saltus.machines import host
from saltus.machines.provider import Machine
from saltus.model.cloud import Cloud
from saltus.pipelines.backends import BACKENDS, gateway
from saltus.planner import plans
from saltus.planner.scenes import serving_slot
from saltus.runner.gates import AutoApprover, this_person
from saltus.runner.performers.machines import ANSWER_TIMEOUT_S
from saltus.runner.progress import Progress
from saltus.verify import instances
from saltus.verify.computes import COMPUTE, OpenStackComputes, await_agents
from saltus.verify.connection import connect

BOOT_EACH_S = 30.0
AGENTS_TIMEOUT_S = 240.0
GOLDEN = "golden"
"""The label of the copies of all disks, taken when the cloud had just been deployed."""


@dataclass(frozen=True)
class LabMachine:
    """A line of `saltus lab status`."""

    machine: str
    state: str
    address: str
    release: str
    disk_bytes: int


def up(workplace: Workplace, progress: Progress, *, pristine: bool = False) -> RunState | None:
    """Bring the lab up: deployed the first time, started or (`pristine`) put back to its golden copy later.

    Returns the state of the deploying run, or None when there was nothing to deploy.
    """
    prepare_host(workplace, progress)
    provider = workplace.provider
    provider.prepare_network()
    workplace.master.ensure_started()
    ensure_packages_served(workplace)
    golden = {machine.name for machine in _own(workplace) if GOLDEN in provider.copies(machine.name)}
    if golden and not pristine:
        start(workplace, progress)
        return None
    if golden and golden >= _as_deployed(workplace):
        restore_golden(workplace, progress)
        return None
    if golden:
        progress.note("an accepted upgrade took machines away with their golden copies: deploying anew")
        down(workplace, destroy=True)
        provider.prepare_network()
        workplace.master.ensure_started()
        ensure_packages_served(workplace)
    _boot(workplace, progress)  # what a deployment that was cut short, and a `lab down` behind it, have left off
    plan = plans.plan_deploy(workplace.cloud, workplace.catalog)
    workplace.journal.save_plan(plan)
    _, state = run(workplace, plan.fingerprint, AutoApprover("saltus lab up"), progress)
    if state.status == "done":
        save_golden(workplace, progress)
    return state


def prepare_host(workplace: Workplace, progress: Progress) -> None:
    """What the host and the secret store need before anything is deployed."""
    installed = host.prepare(workplace.settings.state)
    if installed:
        progress.note(f"installed on this host: {', '.join(installed)}")
    written = workplace.secrets.generate(workplace.cloud, also=["tenant"])
    if written:
        progress.note(f"{len(written)} secrets written at random to {workplace.secrets.path}")


def start(workplace: Workplace, progress: Progress) -> None:
    """Boot what is off and belongs to the serving slot; units that were enabled come up with their machine."""
    begun = datetime.now(UTC)
    if _boot(workplace, progress):
        wait_until_it_serves(workplace, progress, since=begun)


def _boot(workplace: Workplace, progress: Progress) -> list[str]:
    """Boot what is off, and wait until its minions answer."""
    off = [m.name for m in _own(workplace) if not m.is_running and not _made_later(workplace, m)]
    for name in off:
        progress.note(f"booting {name}")
        workplace.provider.start(name)
    if off:
        # They boot side by side, and share the cores of one host.
        workplace.fleet.wait_for(off, ANSWER_TIMEOUT_S + len(off) * BOOT_EACH_S)
    return off


def save_golden(workplace: Workplace, progress: Progress) -> None:
    """Stop every machine, copy its disk, start all again: the next `lab up --pristine` takes a minute."""
    provider, names = workplace.provider, [machine.name for machine in _own(workplace)]
    progress.note("saving a golden copy of every machine")
    for name in reversed(names):
        provider.stop(name)
    for name in names:
        provider.save_copy(name, GOLDEN)
    start(workplace, progress)


def restore_golden(workplace: Workplace, progress: Progress) -> None:
    """The cloud as it was when it had just been deployed: disks put back, machines made later destroyed."""
    provider = workplace.provider
    progress.note("putting every machine back to its golden copy")
    for name in _give_up_runs(workplace, because="the lab was put back to its golden copy"):
        progress.note(f"gave up the run {name}")
    for machine in _own(workplace):
        if _made_later(workplace, machine):
            provider.destroy(machine.name)
            workplace.keys.remove(machine.name)
        else:
            provider.stop(machine.name)
            provider.restore_copy(machine.name, GOLDEN)
            _is_as_deployed(workplace, machine)
    start(workplace, progress)
    for node in workplace.cloud.with_role("mariadb.server"):
        for label in workplace.fleet.call([node.name], "saltus_mariadb.list_backups")[node.name].value or ():
            workplace.fleet.call([node.name], "saltus_mariadb.remove_backup", label)


def _is_as_deployed(workplace: Workplace, machine: Machine) -> None:
    """A machine that was upgraded where it stands is of the model's release again, with its disk."""
    release = workplace.catalog.releases.get(workplace.cloud.release).name
    if machine.spec.labels.get("release") != release:
        workplace.record_release(machine.name, release)
        workplace.provider.relabel(machine.name, {**machine.spec.labels, "release": release})


def wait_until_it_serves(workplace: Workplace, progress: Progress, *, since: datetime) -> None:
    """Return when the serving proxy passes on every API, agents have reported, and the tenants' instances run again."""
    facts = workplace.gather()
    slot = serving_slot(workplace.cloud, facts)
    for node in workplace.cloud.with_role("haproxy.proxy"):
        proxy = f"{node.name}-{slot}"
        progress.note(f"waiting until {proxy} passes on every API")
        answer = workplace.fleet.call([proxy], "saltus_node.wait_apis", [], 300, timeout_s=330)[proxy]
        if not answer.worked:
            raise OperatorError(
                what="the cloud does not answer",
                because=str(answer.error).strip().splitlines()[-1],
                do=f"saltus lab exec {proxy} systemctl --failed, and the same on the control node",
            )
    networks = workplace.cloud.networks
    connection = connect(workplace.login(str(networks.management.vip)))
    progress.note("waiting until computes and agents report")
    computes, silent = OpenStackComputes(connection), dict[str, str]()
    for agents, nodes in _reporting(workplace.cloud).items():
        silent |= await_agents(computes, nodes, agents, timeout_s=AGENTS_TIMEOUT_S, since=since)
    if silent:
        raise OperatorError(
            what=f"{', '.join(sorted(silent))} came up and cannot carry instances",
            because="; ".join(f"{node}: {why}" for node, why in sorted(silent.items())),
            do=f"saltus lab exec {min(silent)} systemctl --failed; then `saltus lab up` again",
        )
    progress.note("waiting until the tenants' instances answer")
    instances.bring_back(connection, networks.external.cidr)


def _reporting(cloud: Cloud) -> dict[tuple[str, ...], list[str]]:
    """{agents: the nodes on which they must be alive before an instance can be given to the cloud}."""
    found: dict[tuple[str, ...], list[str]] = {}
    for node in cloud.nodes:
        if node.compute:
            found.setdefault((COMPUTE, *BACKENDS[node.compute.backend].agents), []).append(node.name)
        if node.runs("neutron.gateway"):
            found.setdefault(gateway.BACKEND.agents, []).append(node.name)
    return found


def down(workplace: Workplace, *, destroy: bool) -> list[str]:
    """Stop every machine, or destroy them with their disks and volumes, and stop the Salt master; what was done."""
    provider, done = workplace.provider, []
    volumes = sorted({volume.name for machine in _own(workplace) for volume in machine.spec.volumes})
    for machine in reversed(_own(workplace)):
        if destroy:
            provider.destroy(machine.name)
            workplace.keys.remove(machine.name)
            done.append(f"destroyed {machine.name}")
        elif machine.is_running:
            provider.stop(machine.name)
            done.append(f"stopped {machine.name}")
    if destroy:
        for volume in volumes:
            provider.remove_volume(volume)
            done.append(f"removed the volume {volume}")
        done += list(provider.clean())
    if destroy:
        done += [f"gave up the run {name}" for name in _give_up_runs(workplace, because="the lab was destroyed")]
    if stop_serving_packages(workplace):
        done.append("stopped the proxy for packages")
    if workplace.master.stop():
        done.append("stopped the Salt master")
    return done


def _give_up_runs(workplace: Workplace, *, because: str) -> list[str]:
    """Runs whose machines are not what they were can never go on: they end here, and hold no lock any more."""
    journal, ended = workplace.journal, []
    for record in journal.runs():
        try:
            is_over = journal.state(record.id).is_over
        except NotReadable:  # of another version of Saltus, which alone could go on with it
            continue
        if record.cloud == workplace.cloud.name and not is_over:
            at, by = datetime.now(UTC), this_person().name
            journal.append(record.id, RunFinished(at=at, by=by, status="aborted", reason=because))
            journal.locks.give_back(record.id)
            ended.append(record.id)
    return ended


def status(workplace: Workplace) -> list[LabMachine]:
    return [
        LabMachine(
            machine=machine.name,
            state=str(machine.state),
            address=machine.address,
            release=machine.spec.labels.get("release", "-"),
            disk_bytes=machine.disk_bytes,
        )
        for machine in _own(workplace)
    ]


def _own(workplace: Workplace) -> list[Machine]:
    """The machines of this cloud, in the order in which they are started: databases and messages first."""
    cloud = workplace.cloud
    known = {machine.name for machine in cloud.machines()}

    def place(machine: Machine) -> tuple[int, str]:
        roles = cloud.node_of(machine.name).roles
        order = ("mariadb.server", "rabbitmq.server", "keystone.server", "haproxy.proxy")
        return next((i for i, role in enumerate(order) if role in roles), len(order)), machine.name

    return sorted((m for m in workplace.provider.list() if m.name in known), key=place)


def _made_later(workplace: Workplace, machine: Machine) -> bool:
    """Made by a rehearsal, or by an upgrade that is not accepted, not when the cloud was deployed."""
    node = workplace.cloud.node_of(machine.name)
    first = workplace.provider.get(f"{node.name}-a")
    return node.rehearsal or (machine.spec.labels.get("slot") == "b" and first is not None)


def _as_deployed(workplace: Workplace) -> set[str]:
    """The machines of a cloud that has just been deployed: slot a of those that have slots."""
    return {machine.name for node in workplace.cloud.nodes if not node.rehearsal for machine in node.machines()[:1]}
