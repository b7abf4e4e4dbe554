"""Minion keys, made before the machine's first boot: nothing is accepted by hand and nothing by anybody who asks.

The public half goes among the master's accepted keys, the private half with the minion's configuration onto the
machine's disk; the master's public key goes with it, so that the minion trusts this master and no other.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from saltus.errors import OperatorError
from saltus.fleet.master import MasterSettings

FileText = tuple[str, int]
"""Content and mode."""

SYSTEM_ROOT = PurePosixPath("/")

SLOW_GRAINS = ["esxi", "fibre_channel", "iscsi", "lvm", "mdadm", "metadata", "nvme", "package", "smartos", "zfs"]
"""Grain modules that look for hardware, volumes or clouds that no formula of ours asks about."""


@dataclass(frozen=True)
class MinionKeys:
    """The keys of one master's minions."""

    settings: MasterSettings

    def minion_files(
        self,
        minion_id: str,
        *,
        grains: Mapping[str, object],
        master_address: str | None = None,
        root: PurePosixPath = SYSTEM_ROOT,
    ) -> dict[PurePosixPath, FileText]:
        """Make a key pair, accept it, and return what must stand on the machine's disk: {absolute path: (text, mode)}.

        All files belong to root. `grains` stand under `saltus` in the minion's grains. Called again for the same id it
        makes a new pair: the machine with the old one is not heard any more. `root` is for minions in a directory of
        their own, as the tests have them.
        """
        _refuse_strange_id(minion_id)
        private, public = _key_pair()
        self._forget(minion_id)
        accepted = self._accepted / minion_id
        accepted.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        accepted.write_text(public)
        self.record(minion_id, grains)
        master_public = self.master_public_key()
        pki = root / "etc/salt/pki/minion"
        configuration = self._configuration(minion_id, grains, master_address or self.settings.address, root)
        return {
            root / "etc/salt/minion": (yaml.safe_dump(configuration, sort_keys=True), 0o600),
            pki / "minion.pem": (private, 0o400),
            pki / "minion.pub": (public, 0o644),
            pki / "minion_master.pub": (master_public, 0o644),
        }

    def remove(self, minion_id: str) -> None:
        """Forget a minion: its key, its grains and its pillar. Nothing to do when it is not known."""
        _refuse_strange_id(minion_id)
        (self._accepted / minion_id).unlink(missing_ok=True)
        (self.settings.grains / f"{minion_id}.yml").unlink(missing_ok=True)
        self._forget(minion_id)

    def record(self, minion_id: str, grains: Mapping[str, object]) -> None:
        """Write down what the machine is made as, for the pillar; again when a node is upgraded where it stands."""
        self.settings.grains.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self.settings.grains / f"{minion_id}.yml"
        fresh = file.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(dict(grains)))
        fresh.replace(file)

    def recorded(self, minion_id: str) -> dict[str, Any]:
        """What was written down of it; empty when nothing was."""
        file = self.settings.grains / f"{minion_id}.yml"
        return dict(yaml.safe_load(file.read_text())) if file.exists() else {}

    def master_public_key(self) -> str:
        """The master's public key; its pair is made when the master has not run yet."""
        private, public = self.settings.keys / "master.pem", self.settings.keys / "master.pub"
        if not public.is_file():
            self.settings.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
            private_text, public_text = _key_pair()
            private.touch(mode=0o400)
            private.chmod(0o600)
            private.write_text(private_text)
            private.chmod(0o400)
            public.write_text(public_text)
        return public.read_text()

    @property
    def _accepted(self) -> Path:
        return self.settings.keys / "minions"

    def _forget(self, minion_id: str) -> None:
        """What the master keeps of a minion would match targets after the machine is gone, or is another."""
        cache = self.settings.directory / "cache"
        for bank in ("grains", "pillar"):
            (cache / bank / f"{minion_id}.p").unlink(missing_ok=True)
        shutil.rmtree(cache / "minions" / minion_id, ignore_errors=True)

    def _configuration(
        self, minion_id: str, grains: Mapping[str, object], address: str, root: PurePosixPath
    ) -> dict[str, object]:
        return {
            "id": minion_id,
            "master": address,
            "master_port": self.settings.return_port,
            "publish_port": self.settings.publish_port,
            "master_finger": fingerprint(self.master_public_key()),
            "root_dir": str(root),
            "pki_dir": str(root / "etc/salt/pki/minion"),
            "cachedir": str(root / "var/cache/salt/minion"),
            "sock_dir": str(root / "run/salt/minion"),
            "pidfile": str(root / "run/salt-minion.pid"),
            "log_file": str(root / "var/log/salt/minion"),
            "log_level": "warning",
            "log_level_logfile": "warning",
            "grains": {"saltus": dict(grains)},
            # Back within a second or two of a restart, its own or the master's: there is no herd to hold back here.
            "random_startup_delay": 0,
            "random_reauth_delay": 0,
            "acceptance_wait_time": 1,
            "acceptance_wait_time_max": 5,
            "recon_default": 200,
            "recon_max": 2000,
            "recon_randomize": True,
            "auth_timeout": 10,
            "auth_tries": 60,
            "master_tries": -1,
            "master_alive_interval": 0,
            "tcp_keepalive_idle": 30,
            # A process of its own for each job. Threads would share one function loader and its exit codes: two jobs
            # at once on a minion could then report each other's failure (minion.py, gen_modules in _thread_return).
            "multiprocessing": True,
            "process_count_max": 20,
            "state_queue": False,
            "mine_interval": 0,
            "mine_enabled": False,
            "beacons": {},
            "enable_fqdns_grains": False,
            "enable_gpu_grains": False,
            "disable_grains": SLOW_GRAINS,
            "grains_refresh_every": 0,
            "autoload_dynamic_modules": True,
            "start_event_grains": [],
        }


def fingerprint(public_key: str) -> str:
    """A key's fingerprint as Salt compares it: SHA-256 of the lines between the first and the last."""
    lines = [line for line in public_key.encode().splitlines(keepends=True) if line.strip()]
    digest = hashlib.sha256(b"".join(lines[1:-1])).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def _key_pair() -> tuple[str, str]:
    """Private and public half, as Salt writes its own."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.TraditionalOpenSSL, s.NoEncryption())
    public = key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def _refuse_strange_id(minion_id: str) -> None:
    if not minion_id or not all(c.isalnum() or c in "-_." for c in minion_id) or minion_id.startswith("."):
        raise OperatorError(
            what=f"{minion_id!r} cannot be the id of a minion",
            because="letters, digits, '-', '_' and '.' make an id: it becomes the name of a file",
            do="name the node otherwise in the model",
        )
