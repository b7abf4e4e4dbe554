"""The one place where real objects are wired together: settings in, cloud, machines, fleet and journal out."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from saltus.commands.gathering import gather_facts
from saltus.commands.identity import who_acts
from saltus.commands.journals import open_journal
from saltus.commands.settings import Settings
from saltus.fleet.decryption import Decryption
from saltus.fleet.keys import MinionKeys
from saltus.fleet.live import SaltFleet
from saltus.fleet.master import Master, MasterSettings
from saltus.journal.approvals import Person
from saltus.journal.redactor import Redactor
from saltus.journal.store import Journal
from saltus.machines.images import ImageStore
from saltus.machines.network import Bridge
from saltus.machines.nspawn import NspawnProvider
from saltus.machines.provider import FileContent
from saltus.model.cloud import Cloud
from saltus.model.load import read_cloud
from saltus.model.plain import plain_secrets
from saltus.model.secrets import SecretStore, required_secrets
from saltus.planner.facts import Facts
from saltus.planner.plans import Catalog
from saltus.runner.performer import Performers
from saltus.runner.performers.ground import Ground
from saltus.runner.performers.registry import performers
from saltus.verify.computes import OpenStackComputes
from saltus.verify.connection import Login, connect
from saltus.verify.gateways import OpenStackGateways


class Workplace:
    """Everything that a command may need, made when it is first asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @functools.cached_property
    def catalog(self) -> Catalog:
        return Catalog.load()

    @functools.cached_property
    def cloud(self) -> Cloud:
        """The model, checked against the catalogue. Raises ModelRefused with every mistake."""
        releases, roles = self.catalog.releases.releases, self.catalog.roles.roles
        return read_cloud(
            self.settings.model,
            known_releases=[name for release in releases for name in (release.name, release.series)],
            known_roles={role.role: [database.name for database in role.databases] for role in roles},
        )

    @functools.cached_property
    def secrets(self) -> SecretStore:
        return SecretStore(
            self.settings.secrets, self.cloud.name, of_model=self.cloud.secrets, decrypt=self.decryption.text
        )

    @functools.cached_property
    def decryption(self) -> Decryption:
        return Decryption(self.master_settings.gpg)

    @functools.cached_property
    def journal(self) -> Journal:
        return open_journal(self.settings, self.redactor)

    @functools.cached_property
    def who(self) -> Person:
        """Who is at this command: asked once, since a one-time token lets in once. Raises NotAllowed."""
        return who_acts(self.journal)

    @functools.cached_property
    def redactor(self) -> Redactor:
        """Knows every secret of the cloud: its store's, what else is encrypted in its model, and what a lab's shows."""
        shown = {value for *_, value in plain_secrets(self.cloud.pillar, required_secrets(self.cloud))}
        return Redactor(self.secrets.values() | self.decryption.values_in(self.cloud.pillar) | shown)

    @functools.cached_property
    def images(self) -> ImageStore:
        return ImageStore(self.settings.images, package_sources=self.cloud.package_sources)

    @functools.cached_property
    def provider(self) -> NspawnProvider:
        networks = self.cloud.networks
        management, external = networks.management, networks.external
        return NspawnProvider(
            self.settings.machines,
            self.images,
            bridge=Bridge(f"br-{self.cloud.name}"[:15], f"{management.master}/{management.cidr.prefixlen}"),
            external=Bridge(f"bx-{self.cloud.name}"[:15], f"{external.host}/{external.cidr.prefixlen}"),
        )

    @functools.cached_property
    def master_settings(self) -> MasterSettings:
        return MasterSettings(
            directory=self.settings.salt,
            formulas=self.settings.formulas,
            address=str(self.cloud.networks.management.master),
            pillar={"model_path": str(self.settings.model), "secrets_path": str(self.settings.secrets)},
        )

    @functools.cached_property
    def master(self) -> Master:
        return Master(self.master_settings)

    @functools.cached_property
    def fleet(self) -> SaltFleet:
        return SaltFleet(self.master_settings.config)

    @functools.cached_property
    def keys(self) -> MinionKeys:
        return MinionKeys(self.master_settings)

    @functools.cached_property
    def ground(self) -> Ground:
        def minion_files(minion_id: str, grains: Mapping[str, Any]) -> dict[str, FileContent]:
            made = self.keys.minion_files(minion_id, grains=grains)
            return {str(path): FileContent(text, mode) for path, (text, mode) in made.items()}

        return Ground(
            cloud=self.cloud,
            catalog=self.catalog,
            provider=self.provider,
            images=self.images,
            fleet=self.fleet,
            minion_files=minion_files,
            forget_minion=self.keys.remove,
            record_release=self.record_release,
            forget_older=self.forget_older,
            computes=lambda: OpenStackComputes(connect(self.login(str(self.cloud.networks.management.vip)))),
            gateways=lambda: OpenStackGateways(connect(self.login(str(self.cloud.networks.management.vip)))),
            login=self.login,
            gather=self.gather,
            guest=self.settings.state / "guest",
            tenant_password=lambda: str(self.secrets.get("tenant")),
            lists=self.cloud_state / "lists",
        )

    def record_release(self, machine: str, release: str) -> None:
        """What the pillar of that machine is computed for from now on. What it was is kept while that is older."""
        known, before = self.cloud.machine(machine), self.keys.recorded(machine)
        was = before.get("was") or before.get("release")
        older = {"was": was} if was and self.catalog.releases.is_newer(release, was) else {}
        self.keys.record(machine, {"node": known.node, "slot": known.slot, "release": release, **older})

    def forget_older(self, machines: Sequence[str]) -> None:
        """These have come through: what they were is nobody's concern any more."""
        for machine in machines:
            known = self.keys.recorded(machine)
            known.pop("was", None)
            self.keys.record(machine, known)

    @functools.cached_property
    def performers(self) -> Performers:
        return performers(self.ground)

    @property
    def cloud_state(self) -> Path:
        """What is kept of this cloud between runs."""
        return self.settings.state / "clouds" / self.cloud.name

    def login(self, host: str) -> Login:
        password = self.secrets.get("admin")
        assert isinstance(password, str)
        return Login(host=host, username="admin", project="admin", password=password, region=self.cloud.region)

    def gather(self) -> Facts:
        """The facts of the running cloud, through Salt. Raises NoMaster when there is no master."""
        return gather_facts(
            self.cloud, self.provider, self.fleet, was=lambda machine: self.keys.recorded(machine).get("was")
        )
