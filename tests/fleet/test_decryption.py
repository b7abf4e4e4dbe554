"""Secrets encrypted in the tree, with the very commands of docs/model.md, and what becomes of them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import QUICK, Minion, free_port

from saltus.commands.settings import shipped
from saltus.fleet.decryption import Decryption, NotDecrypted
from saltus.fleet.keys import MinionKeys
from saltus.fleet.live import SaltFleet
from saltus.fleet.master import Master, MasterSettings
from saltus.fleet.pillar import pillar_for
from saltus.fleet.port import values
from saltus.journal.redactor import Redactor
from saltus.model import SecretStore, read_cloud, required_secrets

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed: apt-get install gpg")

PAGE = Path(__file__).parents[2] / "docs" / "model.md"
SMALL = Path(__file__).parents[2] / "lab" / "clouds" / "small"


@dataclass
class Office:
    """A state directory with a master's key, and an operator elsewhere who has its public half."""

    state: Path
    tree: Path
    home: Path

    @property
    def keys(self) -> Path:
        return self.state / "salt" / "gpgkeys"

    def says(self, line: str, words: str = "") -> str:
        """A line of the page, in the shell of the operator."""
        line = line.replace("/var/lib/saltus", str(self.state))
        environment = {**os.environ, "GNUPGHOME": str(self.home)}
        done = subprocess.run(
            ["bash", "-ceu", line],
            input=words,
            env=environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def encrypt(self, secret: str) -> str:
        line = next(line for line in page_lines() if line.startswith("openssl"))
        return self.says(line.partition(" | ")[2], secret)

    def put(self, node: str, parameters: dict[str, Any]) -> None:
        file = self.tree / "nodes" / f"{node}.yml"
        content = yaml.safe_load(file.read_text())
        content["parameters"] |= parameters
        file.write_text(yaml.safe_dump(content))


def page_lines() -> list[str]:
    """The commands that the page tells an operator to type."""
    section = PAGE.read_text().partition("## Secrets")[2].partition("\n## ")[0]
    return [line.strip() for line in section.splitlines() if re.match(r"    (install|gpg|openssl) ", line)]


@pytest.fixture(scope="module")
def office() -> Iterator[Office]:
    directory = Path(tempfile.mkdtemp(prefix="saltus-gpg-"))  # short: the agents' sockets are in it
    office = Office(directory / "state", directory / "lab" / "clouds" / "small", directory / "home")
    office.home.mkdir(mode=0o700)
    shutil.copytree(SMALL.parents[1], directory / "lab", symlinks=True)
    common = office.tree / "classes" / "cluster" / "small" / "init.yml"
    common.write_text(common.read_text().replace("    lab: true\n", ""))
    try:
        for line in page_lines():
            if not line.startswith("openssl"):
                office.says(line)
        yield office
    finally:
        for home in (office.keys, office.home):
            subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, timeout=30)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def encrypted(office: Office) -> dict[str, str]:
    """{path: value} of every secret that the cloud needs, all of them encrypted into the tree of one that is no lab."""
    cloud = read_cloud(office.tree)
    made = {path: f"value-of-{path.replace(':', '-')}" for path in required_secrets(cloud)}
    tree: dict[str, Any] = {}
    plain = {path: {"0": f"{made.pop(path)}-0", "1": f"{path}-is-1"} for path in ("fernet", "credential")}
    for path, value in made.items():
        *above, last = path.split(":")
        at = tree
        for key in above:
            at = at.setdefault(key, {})
        at[last] = office.encrypt(value)
    tree |= {path: {number: office.encrypt(key) for number, key in keys.items()} for path, keys in plain.items()}
    monitor = f"https://monitor:{office.encrypt('tuna-melt-on-rye').strip()}@10.77.0.9/metrics"
    office.put("cmp01", {"monitoring": {"url": monitor}})
    secrets = office.tree / "classes" / "cluster" / "small" / "secrets.yml"
    secrets.write_text(yaml.safe_dump({"parameters": {"secrets": tree}}, default_style="|"))
    for file in (office.tree / "nodes").glob("*.yml"):
        content = yaml.safe_load(file.read_text())
        content["classes"].append("cluster.small.secrets")
        file.write_text(yaml.safe_dump(content))
    return made


def store(office: Office) -> SecretStore:
    cloud = read_cloud(office.tree)
    return SecretStore(
        office.state / "secrets", cloud.name, of_model=cloud.secrets, decrypt=Decryption(office.keys).text
    )


def test_the_store_reads_what_the_tree_has_encrypted(office: Office, encrypted: dict[str, str]) -> None:
    cloud, found = read_cloud(office.tree), store(office)
    assert not found.path.exists()
    assert found.missing(required_secrets(cloud)) == []
    assert {path: found.get(path) for path in encrypted} == encrypted
    assert found.get("fernet") == {"0": "value-of-fernet-0", "1": "fernet-is-1"}
    assert set(encrypted.values()) < found.values()
    assert found.generate(cloud) == []
    assert not found.path.exists()
    redactor = Redactor(found.values() | Decryption(office.keys).values_in(cloud.pillar))
    assert redactor.text("a value-of-database-nova b tuna-melt-on-rye c") == "a [hidden] b [hidden] c"


def test_a_file_may_be_encrypted_too_and_the_tree_wins(
    office: Office, encrypted: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "small.yml"
    file.write_text(yaml.safe_dump({"tenant": office.encrypt("of the file"), "rabbitmq": "never read"}))
    file.chmod(0o600)
    cloud = read_cloud(office.tree)
    both = SecretStore(tmp_path, "small", of_model=cloud.secrets, decrypt=Decryption(office.keys).text)
    assert (both.get("tenant"), both.get("rabbitmq")) == ("of the file", encrypted["rabbitmq"])
    assert both.plain() == ["rabbitmq"]


def test_a_node_is_handed_its_own_secrets_decrypted_and_no_others(office: Office, encrypted: dict[str, str]) -> None:
    cloud = read_cloud(office.tree)
    keys = MinionKeys(MasterSettings(office.state / "salt", office.tree))
    for machine in cloud.machines():
        keys.record(machine.name, {"node": machine.node, "slot": machine.slot, "release": "zed"})
    handed = {
        machine.name: pillar_for(
            machine.name,
            model_path=str(office.tree),
            secrets_path=str(office.state / "secrets"),
            grains_path=str(office.state / "salt" / "grains"),
            keys_path=str(office.keys),
        )
        for machine in cloud.machines()
    }
    assert handed["cmp01"]["monitoring"]["url"] == "https://monitor:tuna-melt-on-rye@10.77.0.9/metrics"
    assert handed["ctl01-a"]["saltus"]["secrets"]["database"]["nova"] == encrypted["database:nova"]
    assert encrypted["database:nova"] not in str(handed["cmp01"])
    assert "tuna-melt" not in str(handed["ctl01-a"])
    assert "BEGIN PGP MESSAGE" not in str(handed)


def test_without_the_key_it_says_which_directory_lacks_it_and_quotes_nothing(
    office: Office, encrypted: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    with pytest.raises(NotDecrypted) as refused:
        Decryption(tmp_path / "keys").text(office.encrypt("hunter22hunter"))
    assert f"gpg --homedir {tmp_path}/keys --import" in refused.value.do
    assert refused.value.because == "decryption failed: No secret key"
    assert "PGP MESSAGE" not in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.salt
def test_a_real_master_decrypts_for_a_real_minion(office: Office, encrypted: dict[str, str]) -> None:
    settings = MasterSettings(
        directory=office.state / "salt",
        formulas=shipped("formulas"),
        publish_port=free_port(),
        return_port=free_port(),
        pillar={"model_path": str(office.tree), "secrets_path": str(office.state / "secrets")},
    )
    master, keys = Master(settings), MinionKeys(settings)
    root = office.state / "cmp01"
    files = keys.minion_files("cmp01", grains={"node": "cmp01", "slot": None, "release": "zed"}, root=root)  # type: ignore[arg-type]
    for path, (text, mode) in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
        Path(path).chmod(mode)
    minion = Minion(root)
    try:
        master.ensure_started()
        minion.start()
        fleet = SaltFleet(master.config, patience=QUICK)
        fleet.wait_for(["cmp01"], 90)
        # Salt masks pillar values in what it returns; so the minion is asked for their sums.
        for place, value in {
            "monitoring.url": "https://monitor:tuna-melt-on-rye@10.77.0.9/metrics",
            "saltus.secrets.service.neutron": encrypted["service:neutron"],
        }.items():
            text = "{{ pillar." + place + " | sha256 }}"
            asked = fleet.call(["cmp01"], "slsutil.renderer", kwargs={"string": text, "default_renderer": "jinja"})
            assert values(asked)["cmp01"].strip() == hashlib.sha256(value.encode()).hexdigest()
        log = master.log_tail(1000) + (root / "var/log/salt/minion").read_text(errors="replace")
        assert not [value for value in [*encrypted.values(), "tuna-melt-on-rye"] if value in log]
    finally:
        minion.kill()
        master.stop()


def test_the_page_shows_commands_that_were_just_run() -> None:
    programs = [textwrap.shorten(line, 24, placeholder="").split()[0] for line in page_lines()]
    assert programs == ["install", "gpg", "gpg", "gpg", "openssl"]
