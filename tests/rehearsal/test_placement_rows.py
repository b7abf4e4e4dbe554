"""Placement's rows, which a Rocky cloud still keeps in nova_api, reach the database that placement gets of its own."""

from __future__ import annotations

import json
import subprocess

import pytest

from rehearsal.asking import ask, assert_at_heads
from saltus.database.moving import CannotTakeOver, take_over
from saltus.database.private import find_program

pytestmark = [pytest.mark.mariadb, pytest.mark.timeout(1800)]

ROCKY_WRITES = """
import json, sys
import webob
from nova import config, context, objects
from nova.conf import CONF
config.parse_args(["nova-manage", "--config-file", sys.argv[1]])
CONF.set_override("auth_strategy", "noauth2", group="api")
from nova.api.openstack.placement import deploy
from oslo_policy import opts
opts._register(CONF)
objects.register_all()
app = deploy.loadapp(CONF)

def ask(method, path, version, body=None):
    request = webob.Request.blank(path, method=method, environ={"REMOTE_ADDR": "127.0.0.1"})
    request.headers.update({"X-Auth-Token": "admin", "OpenStack-API-Version": "placement " + version})
    if body is not None:
        request.content_type, request.body = "application/json", json.dumps(body)
    answer = request.get_response(app)
    assert answer.status_int < 300, (path, answer.status, answer.body)

admin = context.get_admin_context()
(cell1,) = [c for c in objects.CellMappingList.get_all(admin) if not c.is_cell0()]
with context.target_cell(admin, cell1) as cell:
    nodes = objects.ComputeNodeList.get_all(cell)
    filters = {"deleted": False}
    instances = objects.InstanceList.get_by_filters(cell, filters, expected_attrs=["flavor"])
    for node in nodes:
        ask("POST", "/resource_providers", "1.0", {"uuid": node.uuid, "name": node.hypervisor_hostname})
        inventories = {"VCPU": {"total": 64}, "MEMORY_MB": {"total": 65536}, "DISK_GB": {"total": 1000}}
        ask("PUT", "/resource_providers/%s/inventories" % node.uuid, "1.0",
            {"resource_provider_generation": 0, "inventories": inventories})
        ask("PUT", "/traits/CUSTOM_OLD_IRON", "1.6")
        ask("PUT", "/resource_providers/%s/traits" % node.uuid, "1.6",
            {"resource_provider_generation": 1, "traits": ["CUSTOM_OLD_IRON"]})
    written = {}
    for instance in [i for i in instances if i.host]:
        (node,) = [n for n in nodes if n.host == instance.host]
        flavor = instance.flavor
        resources = {"VCPU": flavor.vcpus, "MEMORY_MB": flavor.memory_mb}
        ask("PUT", "/allocations/" + instance.uuid, "1.12",
            {"allocations": {node.uuid: {"resources": resources}},
             "project_id": instance.project_id, "user_id": instance.user_id})
        written[instance.uuid] = {node.uuid: resources}
print(json.dumps(written))
"""

TARGET_READS = """
import json, sys
import webob
from oslo_config import cfg
from placement import conf, db_api, deploy
config = cfg.ConfigOpts()
conf.register_opts(config)
config(["--config-file", sys.argv[1]], project="placement")
config.set_override("auth_strategy", "noauth2", group="api")
db_api.configure(config)
app = deploy.loadapp(config)

def ask(path):
    request = webob.Request.blank(path, environ={"REMOTE_ADDR": "127.0.0.1"})
    request.headers.update({"X-Auth-Token": "admin", "OpenStack-API-Version": "placement 1.36"})
    answer = request.get_response(app)
    assert answer.status_int == 200, (path, answer.status, answer.body)
    return answer.json

found = {}
for uuid in sys.argv[2:]:
    answer = ask("/allocations/" + uuid)
    found[uuid] = {"resources": {p: a["resources"] for p, a in answer["allocations"].items()},
                   "project": answer["project_id"]}
providers = [p["uuid"] for p in ask("/resource_providers")["resource_providers"]]
traits = [ask("/resource_providers/%s/traits" % uuid)["traits"] for uuid in providers]
print(json.dumps({"allocations": found, "traits": traits}))
"""

INCOMPLETE = "00000000-0000-0000-0000-000000000000"


def dump(server, directory, databases):
    directory.mkdir()
    for database in databases:
        command = [find_program("mariadb-dump"), "--no-defaults", f"--socket={server.socket}", "--user=root", database]
        with (directory / f"{database}.sql").open("wb") as out:
            subprocess.run(command, stdout=out, check=True)
    return directory


@pytest.mark.long
@pytest.mark.toolbox
def test_a_rocky_cloud_keeps_its_allocations_in_placements_own_database(hop, mitaka, shelf, tmp_path):
    """Written by Rocky's own placement code into nova_api, read by Train's own placement code afterwards."""
    _, rocky, tools = hop(mitaka, "rocky", ["nova"])
    written = json.loads(ask(shelf, "rocky", "nova", tools, ROCKY_WRITES))
    assert len(written) == 21
    # As Ocata and Pike left them: allocations whose consumer was never written down.
    old = sorted(written)[:7]
    rocky.query("DELETE FROM nova_api.consumers WHERE uuid IN %s", [old])
    projects = dict(rocky.query("SELECT uuid, project_id FROM nova.instances WHERE uuid IN %s", [list(written)]))
    before = rocky.count_rows("nova_api")
    assert before["allocations"] == 42
    dumps = dump(rocky, tmp_path / "rocky-dumps", ["nova_api", "nova", "nova_cell0"])

    report, clone, tools = hop(dumps, "train", ["nova", "placement"])
    assert_at_heads(clone, "train", ["nova", "placement"])
    after = clone.count_rows("placement")
    moved = ("allocations", "inventories", "resource_providers", "resource_provider_traits", "traits")
    assert {table: after[table] for table in moved} == {table: before[table] for table in moved}
    assert after["consumers"] == 21
    assert not [w for w in report.warnings if "allocations" in w or "resource provider" in w], report.warnings
    assert report.unexplained == ()
    assert any("take over the tables that nova kept in nova_api" in line.title for line in report.commands)

    read = json.loads(ask(shelf, "train", "placement", tools, TARGET_READS, *written))
    assert {uuid: found["resources"] for uuid, found in read["allocations"].items()} == written
    assert {uuid: found["project"] for uuid, found in read["allocations"].items()} == {
        uuid: INCOMPLETE if uuid in old else projects[uuid] for uuid in written
    }
    assert read["traits"] == [["CUSTOM_OLD_IRON"], ["CUSTOM_OLD_IRON"]]


def test_tables_are_taken_over_whole_and_their_foreign_keys_with_them(server):
    server.create_database("old")
    server.query("CREATE TABLE old.parents (id int PRIMARY KEY AUTO_INCREMENT, name varchar(9) NOT NULL)")
    server.query(
        "CREATE TABLE old.children (id int PRIMARY KEY, parent int, FOREIGN KEY (parent) REFERENCES parents (id))"
    )
    server.query("INSERT INTO old.parents VALUES (7, 'x'), (9, 'y')")
    server.query("INSERT INTO old.children VALUES (1, 7), (2, NULL)")
    for _ in range(2):  # as after a crash in its middle
        assert take_over(server, "old", "new", ["children", "parents"]) == {"children": 2, "parents": 2}
    ((_, definition),) = server.query("SHOW CREATE TABLE new.children")
    assert "REFERENCES `parents` (`id`)" in definition
    assert server.query("SELECT * FROM new.children ORDER BY id") == [(1, 7), (2, None)]
    assert server.count_rows("old") == {"children": 2, "parents": 2}


def test_a_database_that_is_in_use_is_not_overwritten(server):
    for database in ("old", "new"):
        server.create_database(database)
        server.query(f"CREATE TABLE {database}.t (i int)")
    server.query("CREATE TABLE new.alembic_version (version_num varchar(32) NOT NULL)")
    server.query("INSERT INTO new.alembic_version VALUES ('b4ed3a175331')")
    with pytest.raises(CannotTakeOver, match="new is in use already"):
        take_over(server, "old", "new", ["t"])


def test_what_is_not_there_cannot_be_taken_over(server):
    server.create_database("old")
    with pytest.raises(CannotTakeOver, match="it has no allocations"):
        take_over(server, "old", "new", ["allocations"])
