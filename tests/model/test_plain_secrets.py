"""What passes for a plain secret in a tree, and what does not."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from saltus.cli.app import main
from saltus.model import ModelRefused, read_cloud
from saltus.model.plain import plain_secrets

SMALL = Path(__file__).parents[2] / "lab" / "clouds" / "small"
PGP = "-----BEGIN PGP MESSAGE-----\n\nwYwDAAAA\n-----END PGP MESSAGE-----"


@pytest.mark.parametrize(
    ("parameters", "places"),
    [
        ({"nova": {"controller": {"password": "hunter2"}}}, ["nova:controller:password"]),
        ({"_param": {"mysql_admin_password": 12345678}}, ["_param:mysql_admin_password"]),
        ({"rootPassword": "x"}, ["rootPassword"]),
        ({"~password": "x", "db-pass": "y"}, ["~password", "db-pass"]),
        ({"neutron": {"metadata_proxy_shared_secret": "x"}}, ["neutron:metadata_proxy_shared_secret"]),
        ({"heat": {"auth_encryption_key": "0123456789abcdef"}}, ["heat:auth_encryption_key"]),
        ({"passwords": {"nova": "x", "glance": PGP}}, ["passwords:nova"]),
        ({"secrets": {"fernet": {"0": "x", "1": PGP}}}, ["secrets:fernet:0"]),
        ({"url": "mysql+pymysql://nova:hunter2@10.0.0.1/nova"}, ["url"]),
        ({"url": "redis://:hunter2@10.0.0.1"}, ["url"]),
        ({"env": ["OS_PASSWORD=hunter2"]}, ["env:0"]),
        ({"note": "-----BEGIN OPENSSH PRIVATE KEY-----\nabc"}, ["note"]),
        ({"note": "-----BEGIN PGP PRIVATE KEY BLOCK-----\nabc"}, ["note"]),
        ({"note": "gAAAAAB" + "x" * 60}, ["note"]),
        ({"password": PGP.rpartition("\n")[0]}, ["password"]),
        ({"password": f"{PGP} and more"}, ["password"]),
        ({"secret": "hunter2"}, ["secret"]),
        ({"admin_password": "admin"}, ["admin_password"]),
    ],
)
def test_a_plain_secret_is_found_by_its_place(parameters: dict[str, Any], places: list[str]) -> None:
    assert [place for place, *_ in plain_secrets(parameters, {"admin", "database:nova"})] == places


@pytest.mark.parametrize(
    "parameters",
    [
        {"password": PGP},
        {"password": "${_param:nova_password}"},
        {"url": "mysql+pymysql://nova:${_param:nova_password}@10.0.0.1/nova"},
        {"url": f"mysql+pymysql://nova:{PGP}@10.0.0.1/nova"},
        {"url": "http://10.0.0.1:5000/v3"},
        {"server": {"secrets": ["admin", "database:nova"]}},
        {"users": [{"name": "nova", "secret": "database:nova"}]},
        {"token": {"engine": "fernet", "expiration": 3600}},
        {"tokens": {"engine": "fernet"}},
        {"token_expiration": 3600, "password_hash_rounds": 5, "ask_password": True, "password": ""},
        {"public_key": "ssh-ed25519 AAAA", "signed_by": "/usr/share/keyrings/debian.gpg"},
        {"compass": "north", "bypass": "yes", "keyboard": "us"},
    ],
)
def test_what_is_encrypted_refers_or_only_sounds_so_is_left_alone(parameters: dict[str, Any]) -> None:
    assert list(plain_secrets(parameters, {"admin", "database:nova"})) == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The lab's tree, with a plain secret in a node's file."""
    shutil.copytree(SMALL.parents[1], tmp_path / "lab", symlinks=True)
    tree = tmp_path / "lab" / "clouds" / "small"
    node = tree / "nodes" / "cmp01.yml"
    content = yaml.safe_load(node.read_text())
    content["parameters"]["backup"] = {"password": "hunter22hunter"}
    node.write_text(yaml.safe_dump(content))
    return tree


def mark(tree: Path, lab: bool) -> None:
    common = tree / "classes" / "cluster" / "small" / "init.yml"
    common.write_text(common.read_text().replace("lab: true", f"lab: {str(lab).lower()}"))


def test_a_lab_is_exempt_by_its_marker_and_by_nothing_else(tree: Path) -> None:
    assert read_cloud(tree).lab
    mark(tree, False)
    with pytest.raises(ModelRefused, match=r"nodes/cmp01\.yml: backup:password is a plain secret"):
        read_cloud(tree)
    common = tree / "classes" / "cluster" / "small" / "init.yml"
    common.write_text(common.read_text().replace("    lab: false\n", ""))
    with pytest.raises(ModelRefused, match="backup:password is a plain secret"):
        read_cloud(tree)


def test_model_check_refuses_tree_and_store_and_never_shows_a_value(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    store = state / "secrets" / "small.yml"
    store.parent.mkdir(parents=True)
    store.write_text(yaml.safe_dump({"rabbitmq": "tuna-melt-on-rye", "database": {"nova": PGP}}))
    store.chmod(0o600)
    words = ["--state", str(state), "model", "check", str(tree)]
    assert main(words) == 0
    mark(tree, False)
    assert main(words) == 1
    refused = capsys.readouterr().err
    assert "nodes/cmp01.yml: backup:password" in refused
    assert "hunter22hunter" not in refused

    node = tree / "nodes" / "cmp01.yml"
    node.write_text(node.read_text().replace("hunter22hunter", "${_param:cloud_name}"))
    assert main(words) == 1
    refused = capsys.readouterr().err
    assert f"{store}: rabbitmq is a plain secret" in refused
    assert "database:nova" not in refused
    assert "tuna-melt" not in refused


def test_the_trees_own_secrets_reach_no_node(tree: Path) -> None:
    node = tree / "nodes" / "ctl01.yml"
    content = yaml.safe_load(node.read_text())
    content["parameters"]["secrets"] = {"database": {"nova": PGP}, "fernet": {"0": PGP, "1": PGP}}
    node.write_text(yaml.safe_dump(content))
    cloud = read_cloud(tree)
    assert cloud.secrets["database"] == {"nova": PGP}
    assert sorted(cloud.secrets["fernet"]) == ["0", "1"]
    assert all("secrets" not in cloud.parameters(each.name) for each in cloud.nodes)
    other = tree / "nodes" / "cmp01.yml"
    content = yaml.safe_load(other.read_text())
    content["parameters"]["secrets"] = {"database": {"nova": "another"}}
    other.write_text(yaml.safe_dump(content))
    with pytest.raises(ModelRefused, match=r"nodes/ctl01\.yml: secrets:database:nova is not as on the other nodes"):
        read_cloud(tree)
