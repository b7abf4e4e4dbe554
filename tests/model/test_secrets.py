"""The secret store: written at random, read by its owner alone, and never shown."""

import base64
import subprocess
from pathlib import Path

import pytest

from saltus.model import Cloud, SecretStore, read_cloud, required_secrets
from saltus.model.secrets import SecretsUnreadable

SMALL = Path(__file__).parents[2] / "lab" / "clouds" / "small"


@pytest.fixture(scope="module")
def small() -> Cloud:
    return read_cloud(SMALL)


@pytest.fixture
def store(tmp_path: Path, small: Cloud) -> SecretStore:
    store = SecretStore(tmp_path / "secrets", small.name)
    store.generate(small)
    return store


def test_what_is_generated_is_what_the_roles_need(store: SecretStore, small: Cloud) -> None:
    assert store.missing(required_secrets(small)) == []
    assert read_cloud(SMALL, secrets=store).name == "small"
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert store.path.parent.stat().st_mode & 0o777 == 0o700


def test_keys_have_the_form_that_the_services_demand(store: SecretStore) -> None:
    for keys in ("fernet", "credential"):
        found = store.get(keys)
        assert isinstance(found, dict)
        assert sorted(found) == ["0", "1"]
        assert all(len(base64.urlsafe_b64decode(key)) == 32 for key in found.values())
    assert len(store.get("heat_auth_encryption_key")) == 32
    assert store.get("database:nova") != store.get("service:nova")


def test_a_pair_of_keys_is_one_that_ssh_takes(tmp_path: Path, small: Cloud) -> None:
    store = SecretStore(tmp_path, "pairs")
    store.generate(small, also=["nova:migration"])
    pair = store.get("nova:migration")
    assert isinstance(pair, dict)
    file = tmp_path / "identity"
    file.write_text(pair["private"])
    file.chmod(0o600)
    told = subprocess.run(["ssh-keygen", "-y", "-f", file], capture_output=True, text=True, check=True)
    assert told.stdout.split()[:2] == pair["public"].split()


def test_generating_again_changes_nothing(store: SecretStore, small: Cloud) -> None:
    before = store.path.read_text()
    assert store.generate(small) == []
    assert store.path.read_text() == before


def test_a_node_gets_only_what_its_roles_name(store: SecretStore, small: Cloud) -> None:
    tree = store.tree(small.node("dbs01").secrets)
    assert set(tree) == {"database"}
    assert set(store.tree(small.node("msg01").secrets)) == {"rabbitmq"}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_store_that_others_can_reach_is_refused(store: SecretStore, mode: int) -> None:
    store.path.chmod(mode)
    with pytest.raises(SecretsUnreadable, match="chmod 600"):
        store.values()


def test_no_value_stands_in_a_repr_or_an_error(store: SecretStore, small: Cloud) -> None:
    values = store.values()
    assert len(values) == len(required_secrets(small)) + 2  # fernet and credential have two keys each
    told = [repr(store), str(store)]
    for path in ("nothing:here", "database:nova:deeper"):
        with pytest.raises(SecretsUnreadable) as error:
            store.get(path)
        told.append(str(error.value))
    store.path.write_text(store.path.read_text() + "broken: [" + store.path.read_text())
    with pytest.raises(SecretsUnreadable) as error:
        store.values()
    told += [
        str(error.value),
        repr(error.value.__cause__),
        repr(error.value.__context__ if error.value.__cause__ else ""),
    ]
    assert not [value for value in values if any(value in text for text in told)]


def test_an_absent_store_says_who_writes_it(tmp_path: Path) -> None:
    with pytest.raises(SecretsUnreadable, match="saltus lab up"):
        SecretStore(tmp_path, "none").get("admin")
