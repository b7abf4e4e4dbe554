"""What the catalogue says of roles and quirks."""

import pytest

from saltus.catalog.quirks import load_quirks
from saltus.catalog.releases import UnknownRelease
from saltus.catalog.roles import Bounded, UnknownRole, load_roles

CONTROL = (
    "memcached.server",
    "keystone.server",
    "glance.server",
    "placement.server",
    "nova.controller",
    "neutron.server",
    "cinder.controller",
    "heat.server",
)


def test_every_role_of_the_architecture_is_known() -> None:
    others = {"mariadb.server", "rabbitmq.server", "haproxy.proxy", "horizon.server", "nova.compute", "neutron.compute"}
    others |= {"nova.migration", "neutron.gateway", "ovn.central"}
    assert {role.role for role in load_roles().roles} == others | set(CONTROL)


def test_an_unknown_role_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownRole, match=r"nova\.controller"):
        load_roles().get("nova.control")


def test_a_bound_includes_both_of_its_ends() -> None:
    bound = Bounded(since="zed", until="epoxy")
    assert [bound.holds(r, "trixie") for r in ("yoga", "zed", "epoxy", "flamingo")] == [False, True, True, False]
    assert not Bounded(suites=("trixie",)).holds("zed", "bookworm")


def test_a_bound_names_a_release_that_exists() -> None:
    with pytest.raises(UnknownRelease):
        Bounded(since="zet")


def test_mariadb_keeps_the_databases_of_every_role_and_knows_their_passwords() -> None:
    part = load_roles().resolve("mariadb.server", "zed", "bookworm")
    wanted = {d.name for role in load_roles().roles for d in role.databases}
    assert {d.name for d in part.databases} == wanted
    assert {"nova", "nova_api", "nova_cell0", "keystone", "heat"} <= wanted
    assert set(part.secrets) == {f"database.{d.user}" for d in part.databases}


def test_the_proxy_fronts_the_seven_apis_that_users_call() -> None:
    part = load_roles().resolve("haproxy.proxy", "epoxy", "trixie")
    watched = {api.name: api.port for api in part.apis if api.watched}
    assert watched == {
        "keystone": 5000,
        "glance": 9292,
        "placement": 8778,
        "nova": 8774,
        "neutron": 9696,
        "cinder": 8776,
        "heat": 8004,
    }


def test_no_two_roles_of_a_control_node_write_one_file_or_listen_on_one_port() -> None:
    slices = [load_roles().resolve(role, "zed", "bookworm") for role in CONTROL]
    paths = [file.path for part in slices for file in part.files]
    ports = [api.port for part in slices for api in part.apis]
    assert len(paths) == len(set(paths))
    assert len(ports) == len(set(ports))


def test_a_compute_gets_no_password_of_a_database() -> None:
    secrets = load_roles().secrets(("nova.compute", "neutron.compute"), "zed", "bookworm")
    assert not [secret for secret in secrets if secret.startswith("database.")]


def test_a_password_is_never_in_the_arguments_of_a_command() -> None:
    for role in load_roles().roles:
        for command in role.first_schema:
            assert not [word for word in command.argv if "password" in word]


def test_the_check_of_old_computes_is_off_while_one_is_too_old() -> None:
    def holds(role: str, release: str, oldest: str | None) -> bool:
        quirks = load_quirks().holding(role, release=release, suite="trixie", oldest_compute=oldest)
        return "disable_compute_service_check_for_ffu" in quirks

    assert holds("nova.controller", "epoxy", "zed")
    assert holds("nova.compute", "epoxy", "zed")
    assert not holds("nova.controller", "epoxy", "caracal")
    assert not holds("nova.controller", "zed", "zed")
    assert not holds("nova.controller", "epoxy", None)
    assert not holds("keystone.server", "epoxy", "zed")


def test_the_quirks_of_a_new_mariadb_do_not_reach_an_old_one() -> None:
    quirks = load_quirks()

    def of(suite: str) -> set[str]:
        return set(quirks.holding("mariadb.server", release="epoxy", suite=suite, oldest_compute=None))

    assert of("bookworm") == set()
    assert of("trixie") == {"mariadb_uca_collations", "mariadb_snapshot_isolation"}
