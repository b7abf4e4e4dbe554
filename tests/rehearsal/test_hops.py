"""Real hops: the databases of real clouds, the real manage tools of every stop, a real MariaDB."""

from __future__ import annotations

import pytest

from rehearsal.asking import ask, assert_at_heads

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


@pytest.mark.long
def test_mitaka_to_rocky_with_all_services(hop, mitaka):
    report, clone, _ = hop(mitaka, "rocky")
    names = ["keystone", "glance", "cinder", "neutron", "nova", "heat"]
    assert_at_heads(clone, "rocky", names)
    assert report.routes["nova"] == ("ocata", "rocky")
    assert report.unexplained == ()


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
