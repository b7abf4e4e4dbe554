"""Real hops: the databases of real clouds, the real manage tools of every stop, a real MariaDB."""

from __future__ import annotations

import getpass
import grp
import json
import os
import re
from urllib.error import HTTPError

import pytest

from rehearsal.asking import ask, assert_at_heads, fetch, run, serving

pytestmark = [pytest.mark.mariadb, pytest.mark.toolbox, pytest.mark.timeout(1800)]


NOVA_OBJECTS = """
import sys
from nova import config, context, objects
from nova.objects import cell_mapping, flavor, instance_mapping
config.parse_args(["nova-manage", "--config-file", sys.argv[1]])
objects.register_all()
admin = context.get_admin_context()
cells = cell_mapping.CellMappingList.get_all(admin)
print("cells %d" % len(cells))
cell1 = [cell for cell in cells if not cell.is_cell0()][0]
with context.target_cell(admin, cell1) as there:
    instances = objects.InstanceList.get_by_filters(there or admin, {"deleted": False}, expected_attrs=["flavor"])
print("instances %d, with a flavor %d" % (len(instances), len([i for i in instances if i.flavor.vcpus > 0])))
print("flavors %d" % len(flavor.FlavorList.get_all(admin)))
"""


PLACEMENT_OF_OCATA = """
import sys
from nova import config
from nova.conf import CONF
config.parse_args(["nova-placement-api", "--config-file", sys.argv[1]])
CONF.set_override("auth_strategy", "noauth2", group="api")
from nova.api.openstack.placement import deploy
application = deploy.loadapp(CONF)
"""

KEYSTONE = """
import sys
from keystone.server.flask import core
files, sys.argv[1:] = sys.argv[1:], []  # keystone reads the words of the command too
application = core.initialize_application(name="public", config_files=files)
"""


@pytest.mark.long
def test_mitaka_to_ocata_by_the_ten_steps(hop, mitaka, shelf):
    """What must hold afterwards, asked of the rows and of nova's own objects."""
    report, clone, workspace = hop(mitaka, "ocata", ["nova", "neutron", "cinder"])
    assert report.source == "mitaka"
    steps = [line.title for line in report.commands if " of 10: " in line.title]
    assert len(steps) == 10
    assert_at_heads(clone, "ocata", ["nova", "neutron", "cinder"])

    def count(sql):
        return int(clone.query(sql)[0][0])

    cell1 = "SELECT id FROM nova_api.cell_mappings WHERE name = 'cell1'"
    assert count("SELECT COUNT(*) FROM nova_api.cell_mappings") == 2
    assert count(f"SELECT COUNT(*) FROM nova_api.instance_mappings WHERE cell_id = ({cell1})") == 27
    assert count("SELECT COUNT(*) FROM nova_api.flavors") == 8
    assert count("SELECT COUNT(*) FROM nova.instance_types WHERE deleted = 0") == 0  # moved, not copied
    assert count("SELECT COUNT(*) FROM nova_api.key_pairs") == 6
    assert count("SELECT COUNT(*) FROM nova_api.aggregates") == 2
    unspecified = "SELECT COUNT(*) FROM nova.instances i LEFT JOIN nova_api.request_specs s ON s.instance_uuid = i.uuid"
    assert count(f"{unspecified} WHERE i.deleted = 0 AND s.id IS NULL") == 0
    told = ask(shelf, "ocata", "nova", workspace, NOVA_OBJECTS).split("\n")
    assert told[:3] == ["cells 2", "instances 21, with a flavor 21", "flavors 8"]

    # nova-status asks a running placement API: Ocata's own, on loopback.
    config = workspace / "nova.conf"
    with serving(shelf, "ocata", "nova", workspace, PLACEMENT_OF_OCATA, config) as url:
        more = workspace / "nova-status.conf"
        more.write_text(f"[placement]\nauth_type = admin_token\ntoken = admin\nendpoint = {url}\n")
        words = ("--config-file", config, "--config-file", more, "upgrade", "check")
        code, said = run(shelf, "ocata", "nova", workspace, "nova-status", *words)
    checks, results = re.findall(r"\| Check: (.*?) +\|", said), re.findall(r"\| Result: (.*?) +\|", said)
    # A warning, and rightly: no compute of Ocata has started, so none has told placement what it has.
    expected = {"Cells v2": "Success", "Placement API": "Success", "Resource Providers": "Warning"}
    assert dict(zip(checks, results, strict=True)) == expected, said
    assert code == 1
    assert "2 compute nodes" in said


def log_in(url, user, password, project):
    """A token's headers and what it is for; keystone's own API."""
    who = {"name": user, "domain": {"id": "default"}, "password": password}
    scope = {"project": {"name": project, "domain": {"id": "default"}}}
    identity = {"methods": ["password"], "password": {"user": who}}
    headers, body = fetch(
        f"{url}/v3/auth/tokens", json.dumps({"auth": {"identity": identity, "scope": scope}}).encode()
    )
    return headers["x-subject-token"], json.loads(body)["token"]


@pytest.mark.long
def test_mitaka_to_rocky_with_all_services_and_users_log_in_with_their_old_passwords(hop, mitaka, shelf):
    report, clone, workspace = hop(mitaka, "rocky")
    names = ["keystone", "glance", "cinder", "neutron", "nova", "heat"]
    assert_at_heads(clone, "rocky", names)
    assert report.routes["nova"] == ("ocata", "rocky")
    assert report.unexplained == ()

    keys = workspace / "fernet-keys"
    keys.mkdir()
    more = workspace / "keystone-tokens.conf"
    more.write_text(f"[token]\nprovider = fernet\n[fernet_tokens]\nkey_repository = {keys}\n")
    config = workspace / "keystone.conf"
    files = ("--config-file", config, "--config-file", more)
    owner = ("--keystone-user", getpass.getuser(), "--keystone-group", grp.getgrgid(os.getgid()).gr_name)
    code, said = run(shelf, "rocky", "keystone", workspace, "keystone-manage", *files, "fernet_setup", *owner)
    assert code == 0, said
    with serving(shelf, "rocky", "keystone", workspace, KEYSTONE, config, more) as url:
        token, about = log_in(url, "alpha-u1", "pw", "alpha")
        assert about["user"]["id"] == "211db8995eb2432093890e93f3c77662"
        assert {service["type"] for service in about["catalog"]} >= {"identity", "compute", "network", "image"}
        _, projects = fetch(f"{url}/v3/auth/projects", **{"X-Auth-Token": token})
        assert "alpha" in {project["name"] for project in json.loads(projects)["projects"]}
        with pytest.raises(HTTPError, match="401"):
            log_in(url, "alpha-u1", "not the password", "alpha")


@pytest.mark.long
def test_mitaka_to_2026_1_with_all_services(hop, mitaka, shelf):
    report, clone, workspace = hop(mitaka, "2026.1")
    names = ["keystone", "glance", "cinder", "neutron", "nova", "heat", "placement"]
    assert_at_heads(clone, "gazpacho", names)
    assert report.routes["nova"] == ("ocata", "train", "antelope", "gazpacho")
    assert report.unexplained == ()
    told = ask(shelf, "gazpacho", "nova", workspace, NOVA_OBJECTS)
    assert told.split("\n")[:3] == ["cells 2", "instances 21, with a flavor 21", "flavors 8"]
    assert any("13 rows" in warning and "$6$" in warning for warning in report.warnings)


def test_zed_to_epoxy_in_one_step(hop, zed):
    report, clone, _ = hop(zed, "epoxy")
    names = ["keystone", "glance", "cinder", "neutron", "nova", "heat", "placement"]
    assert_at_heads(clone, "epoxy", names)
    assert set(report.routes.values()) == {("epoxy",)}
    assert report.unexplained == ()


@pytest.mark.long
def test_zed_to_2026_1(hop, zed):
    report, clone, _ = hop(zed, "gazpacho")
    assert_at_heads(clone, "gazpacho", ["keystone", "glance", "cinder", "neutron", "nova", "heat", "placement"])
    assert report.unexplained == ()
