"""The shape `small`, read as it is."""

import shutil
import tomllib
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from saltus.catalog.releases import load_releases
from saltus.catalog.roles import load_roles
from saltus.model import Cloud, ModelRefused, read_cloud
from saltus.model.cloud import PackageSource
from saltus.model.read import resolve

SMALL = Path(__file__).parents[2] / "lab" / "clouds" / "small"


@pytest.fixture(scope="module")
def small() -> Cloud:
    return read_cloud(SMALL, known_releases=[release.name for release in load_releases().releases])


def test_small_has_the_machines_that_its_nodes_and_slots_say(small: Cloud) -> None:
    names = [machine.name for machine in small.machines()]
    assert names == ["cmp01", "ctl01-a", "ctl01-b", "dbs01", "msg01", "prx01-a", "prx01-b", "upg01"]
    assert small.machine("ctl01-b").address == IPv4Address("10.77.0.12")
    assert small.node_of("ctl01-b").name == "ctl01"
    assert small.networks.management.vip == IPv4Address("10.77.0.10")


def test_the_node_of_rehearsals_is_not_part_of_the_running_cloud(small: Cloud) -> None:
    assert small.rehearsal is not None
    assert small.rehearsal.name == "upg01"
    assert small.rehearsal.runs("mariadb.server")
    assert [node.name for node in small.with_role("keystone.server")] == ["ctl01"]


def test_the_pillar_is_the_tree_in_the_operators_keys(small: Cloud) -> None:
    assert small.parameters("cmp01")["nova"]["compute"]["enabled"] is True
    assert small.parameters("ctl01")["nova"]["controller"]["enabled"] is True
    assert set(small.parameters("dbs01")["mariadb"]["server"]["database"]) == {d.name for d in small.databases}
    assert small.parameters("dbs01")["_param"]["openstack_release"] == "zed"


def test_the_release_is_changed_in_one_line_of_one_file(tmp_path: Path) -> None:
    copy = tmp_path / "small"
    shutil.copytree(SMALL, copy)
    saying = [file for file in copy.rglob("*.yml") if "openstack_release: zed" in file.read_text()]
    assert len(saying) == 1
    saying[0].write_text(saying[0].read_text().replace("openstack_release: zed", "openstack_release: 2025.1"))
    assert read_cloud(copy, known_releases=["2025.1"]).release == "2025.1"


@pytest.mark.parametrize("shape", sorted(SMALL.parent.iterdir()), ids=lambda shape: shape.name)
def test_the_system_classes_stand_once_and_the_wheel_has_them_for_every_shape(shape: Path) -> None:
    system = shape / "classes" / "system"
    assert system.is_symlink()
    assert system.resolve() == SMALL.parents[1] / "classes" / "system"
    project = tomllib.loads((SMALL.parents[2] / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"].items()
    assert ("lab/classes/system", f"saltus/_data/lab/clouds/{shape.name}/classes/system") in included


@settings(deadline=None, max_examples=25)
@given(prefix=st.tuples(st.integers(1, 223), st.integers(0, 255), st.integers(0, 255)).filter(lambda p: p[0] != 10))
def test_with_overrides_a_second_lab_lies_in_other_networks(prefix: tuple[int, int, int]) -> None:
    management = ".".join(map(str, prefix))
    cloud = read_cloud(SMALL, overrides={"_param": {"management_prefix": management, "cloud_name": "second"}})
    network = IPv4Network(f"{management}.0/24")
    assert cloud.name == "second"
    assert cloud.networks.management.cidr == network
    assert all(machine.address in network for machine in cloud.machines())
    assert len({machine.address for machine in cloud.machines()}) == len(cloud.machines())
    assert cloud.networks.external == read_cloud(SMALL).networks.external


def test_overrides_take_the_place_of_lists_and_leave_the_rest(small: Cloud) -> None:
    cloud = read_cloud(SMALL, overrides={"rabbitmq": {"server": {"secrets": ["other"]}}})
    assert cloud.node("msg01").secrets == ("other",)
    assert cloud.parameters("cmp01")["cloud"] == small.parameters("cmp01")["cloud"]


def test_a_cloud_survives_json_without_its_pillar(small: Cloud) -> None:
    again = Cloud.model_validate_json(small.model_dump_json())
    assert again.model_copy(update={"pillar": small.pillar}) == small
    assert "pillar" not in small.model_dump()


def test_any_one_missing_file_is_refused_and_never_a_traceback(tmp_path: Path) -> None:
    files = sorted(file.relative_to(SMALL) for file in SMALL.rglob("*.yml"))
    files += [Path("classes/system") / file for file in ("keystone/server.yml", "mariadb/openstack.yml")]
    for number, file in enumerate(files):
        if file == Path("nodes/upg01.yml"):
            continue  # A cloud without a node for rehearsals is a cloud.
        copy = tmp_path / str(number)
        shutil.copytree(SMALL, copy)
        (copy / file).unlink()
        with pytest.raises(ModelRefused) as refused:
            read_cloud(copy)
        assert refused.value.reasons


@settings(deadline=None, max_examples=25)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text("a:${}[]-", max_size=8), lambda s: st.lists(s)))
def test_nonsense_in_a_node_is_refused_and_never_a_traceback(nonsense: object) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory, "small")
        shutil.copytree(SMALL, copy)
        for key in ("machine", "nova", "cloud"):
            content = {"classes": ["cluster.small.control"], "parameters": {key: nonsense}}
            (copy / "nodes" / "ctl01.yml").write_text(yaml.safe_dump(content))
            with pytest.raises(ModelRefused):
                read_cloud(copy)


def test_resolving_is_the_only_thing_that_knows_reclass() -> None:
    room = Path(resolve.__code__.co_filename).parents[1]
    importing = [file.name for file in room.rglob("*.py") if "import reclass_rs" in file.read_text()]
    assert importing == ["read.py"]


def test_the_model_names_every_secret_and_database_that_the_catalogue_says_its_roles_need(small: Cloud) -> None:
    roles = load_roles()
    for node in small.nodes:
        needed = {path.replace(".", ":") for path in roles.secrets(node.roles, "zed", "bookworm")}
        assert needed <= set(node.secrets), node.name
    known = {role.role: [database.name for database in role.databases] for role in roles.roles}
    assert read_cloud(SMALL, known_roles=known) == small


def test_package_sources_of_the_model_take_the_place_of_the_hosts(small: Cloud) -> None:
    assert small.package_sources("trixie") is None
    sources = {
        "debian": PackageSource(uri="http://own.example/debian"),
        "security": PackageSource(uri="http://own.example/security", suite="{suite}-security", components=("a", "b")),
        "backports": PackageSource(uri="http://own.example/zed", signed_by="/etc/own.gpg", machines="bookworm"),
    }
    own = small.model_copy(update={"packages": sources})
    assert own.package_sources("trixie") == (
        "deb http://own.example/debian trixie main\ndeb http://own.example/security trixie-security a b\n"
    )
    assert (own.package_sources("bookworm") or "").splitlines()[2] == (
        "deb [signed-by=/etc/own.gpg] http://own.example/zed bookworm main"
    )
