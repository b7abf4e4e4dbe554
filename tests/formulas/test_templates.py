"""Every template renders on every release that a Debian suite carries, and says what the services can read."""

import configparser
import json
import re
import urllib.parse
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from saltus.catalog.quirks import load_quirks
from saltus.catalog.releases import load_releases
from saltus.catalog.roles import load_roles

FORMULAS = Path(__file__).parents[2] / "formulas"
DEPLOYABLE = [(r.name, r.suite) for r in load_releases().releases if r.suite in ("bookworm", "trixie")]
PASSWORD = "p%40ss-{}/?#"


def sample(role: str, release: str, suite: str) -> dict[str, Any]:
    """The pillar of a node that has `role` alone."""
    part = load_roles().resolve(role, release, suite)
    secrets: dict[str, Any] = {}
    for path in part.secrets:
        *folders, name = path.split(".")
        place = secrets
        for folder in folders:
            place = place.setdefault(folder, {})
        sets = {"fernet": ("0", "1"), "credential": ("0", "1"), "migration": ("private", "public")}
        place[name] = dict.fromkeys(sets[name], "a") if name in sets else PASSWORD.format(name)
    return {
        "saltus": {
            "cloud": "small",
            "node": "n01",
            "machine": "n01-a",
            "slot": "a",
            "release": release,
            "suite": suite,
            "address": "192.0.2.11",
            "region": "RegionOne",
            "domain": "small.lab",
            "vip": "192.0.2.10",
            "hosts": {"n01": "192.0.2.11", "dbs01": "192.0.2.21"},
            "database": {"host": "192.0.2.21"},
            "messaging": {"host": "192.0.2.22"},
            "control": ["192.0.2.11"],
            "rehearsal": False,
            "roles": {role: json.loads(part.model_dump_json())},
            "secrets": secrets,
            "quirks": load_quirks().holding(role, release=release, suite=suite, oldest_compute="zed"),
        }
    }


def jinja() -> jinja2.Environment:
    """As Salt renders: undefined names are errors, and the few filters of its own that are used here."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FORMULAS), undefined=jinja2.StrictUndefined, extensions=["jinja2.ext.do"]
    )
    environment.filters["json"] = json.dumps
    environment.globals["salt"] = {"saltus_packages.policy": lambda: "#!/bin/sh\nexit 101\n"}
    return environment


def render(role: str, release: str, suite: str, **more: Any) -> dict[str, str]:
    """{path: text} of the role's files; `more` stands in the pillar, too."""
    pillar = sample(role, release, suite) | more
    return {
        file["path"]: jinja().get_template(f"templates/{file['template']}").render(pillar=pillar, values=file["values"])
        for file in pillar["saltus"]["roles"][role]["files"]
    }


@pytest.mark.parametrize(("release", "suite"), DEPLOYABLE)
@pytest.mark.parametrize("role", [role.role for role in load_roles().roles])
def test_every_file_of_the_role_renders_and_its_options_can_be_read(role: str, release: str, suite: str) -> None:
    for path, text in render(role, release, suite).items():
        assert text.strip(), path
        assert "{{" not in text, path
        is_ini = path.endswith((".ini", ".conf", ".cnf")) and "apache" not in path and "ssh" not in path
        if not is_ini or "/etc/memcached" in path or "rabbitmq" in path:
            continue
        parser = configparser.RawConfigParser(strict=False, allow_no_value=path.endswith(".cnf"))
        parser.optionxform = str  # type: ignore[assignment]
        parser.read_string(text)
        assert parser.sections() or parser.defaults() or path.endswith("nova-compute.conf"), path


@pytest.mark.parametrize(("release", "suite"), DEPLOYABLE)
@pytest.mark.parametrize("role", [role.role for role in load_roles().roles if role.databases])
def test_passwords_survive_the_urls_of_databases_and_messaging(role: str, release: str, suite: str) -> None:
    text = "\n".join(render(role, release, suite).values())
    urls = re.findall(r"(?:connection|transport_url) = (\S+)", text)
    assert urls
    for url in urls:
        parts = urllib.parse.urlsplit(url)
        assert parts.hostname in ("192.0.2.21", "192.0.2.22")
        owner = "rabbitmq" if parts.scheme == "rabbit" else parts.username
        assert urllib.parse.unquote(parts.password or "") == PASSWORD.format(owner)


def test_the_quirk_of_old_computes_reaches_nova_and_goes_away_again() -> None:
    option = "disable_compute_service_check_for_ffu = true"
    assert option in render("nova.controller", "epoxy", "trixie")["/etc/nova/nova.conf"]
    assert option not in render("nova.controller", "zed", "bookworm")["/etc/nova/nova.conf"]


def test_a_compute_says_nothing_of_databases() -> None:
    text = render("nova.compute", "zed", "bookworm")["/etc/nova/nova.conf"]
    assert "mysql" not in text
    assert "compute_driver = libvirt.LibvirtDriver" in text


def test_a_compute_that_pretends_keeps_its_identity_where_there_is_one_to_keep() -> None:
    def driver(release: str, suite: str) -> str:
        text = render("nova.compute", release, suite, nova={"compute": {"driver": "fake"}})["/etc/nova/nova.conf"]
        return next(line for line in text.splitlines() if line.startswith("compute_driver"))

    assert driver("zed", "bookworm") == "compute_driver = fake.FakeDriver"
    assert driver("epoxy", "trixie") == "compute_driver = fake.FakeDriverWithoutFakeNodes"


def test_instances_move_over_ssh_where_the_node_has_the_role_for_it() -> None:
    pillar = sample("nova.compute", "zed", "bookworm")
    template = jinja().get_template("templates/nova.conf.jinja")
    assert "live_migration_uri" not in template.render(pillar=pillar, values={"compute": True})
    pillar["saltus"]["roles"]["nova.migration"] = {}
    text = template.render(pillar=pillar, values={"compute": True})
    assert "live_migration_uri = qemu+ssh://nova@%s/system\nlive_migration_inbound_addr = 192.0.2.11\n" in text


def test_services_listen_on_the_machines_own_address() -> None:
    for role in ("keystone.server", "nova.controller", "neutron.server", "cinder.controller", "heat.server"):
        for path, text in render(role, "epoxy", "trixie").items():
            if path.endswith("uwsgi.ini"):
                assert "http-socket = 192.0.2.11:" in text


@pytest.mark.parametrize(("release", "suite"), DEPLOYABLE)
@pytest.mark.parametrize("sls", ["init", "prepared", "configured", "base"])
@pytest.mark.parametrize("role", [role.role for role in load_roles().roles])
def test_the_states_of_every_role_are_yaml_and_name_parts_that_exist(
    sls: str, role: str, release: str, suite: str
) -> None:
    text = jinja().get_template(f"saltus/{sls}.sls").render(pillar=sample(role, release, suite))
    assert isinstance(yaml.safe_load(text), dict)


def test_a_rehearsal_starts_no_openstack_service_and_creates_no_schema() -> None:
    pillar = sample("nova.controller", "epoxy", "trixie")
    pillar["saltus"]["rehearsal"] = True
    states = yaml.safe_load(jinja().get_template("saltus/init.sls").render(pillar=pillar))
    assert states == {"include": ["saltus.prepared"]}
