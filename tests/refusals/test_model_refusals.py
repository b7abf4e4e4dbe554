"""Each directory `model-*` is a mistake made in the shape `small`: files laid over it, and the refusal word for word.

`removed.txt` names files that are taken away. After a deliberate change of words: SALTUS_REWRITE=1 pytest.
"""

import os
import shutil
from pathlib import Path

import pytest

from saltus.model import ModelRefused, SecretStore, read_cloud

HERE = Path(__file__).parent
SMALL = HERE.parents[1] / "lab" / "clouds" / "small"
RELEASES = ("zed", "antelope", "2023.1", "epoxy", "2025.1")
ROLES = {
    "mariadb.server": (),
    "rabbitmq.server": (),
    "memcached.server": (),
    "haproxy.proxy": (),
    "horizon.server": (),
    "keystone.server": ("keystone",),
    "glance.server": ("glance",),
    "placement.server": ("placement",),
    "nova.controller": ("nova", "nova_api", "nova_cell0"),
    "nova.compute": (),
    "neutron.server": ("neutron",),
    "neutron.compute": (),
    "neutron.gateway": (),
    "ovn.central": (),
    "cinder.controller": ("cinder",),
    "heat.server": ("heat",),
}


@pytest.mark.parametrize("case", sorted(HERE.glob("model-*")), ids=lambda case: case.name)
def test_a_mistake_in_the_model_is_refused_in_these_words(case: Path, tmp_path: Path) -> None:
    tree = tmp_path / "small"
    shutil.copytree(SMALL, tree)
    shutil.copytree(case / "small", tree, dirs_exist_ok=True)
    if (case / "removed.txt").exists():
        for name in (case / "removed.txt").read_text().split():
            (tree / name).unlink() if (tree / name).is_file() else shutil.rmtree(tree / name)
    store = SecretStore(case, "secrets") if (case / "secrets.yml").exists() else None
    if store:
        store.path.chmod(0o600)
    with pytest.raises(ModelRefused) as refused:
        read_cloud(tree, known_releases=RELEASES, known_roles=ROLES, secrets=store)
    error = str(refused.value).replace(str(tree), "small").replace(f"{case}/", "") + "\n"
    if os.environ.get("SALTUS_REWRITE"):
        (case / "error.txt").write_text(error)
    assert error == (case / "error.txt").read_text()
