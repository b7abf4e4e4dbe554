"""Step 3 from Mitaka to Ocata, for the two migrations that take a transaction and more an instance: as nova does them.

Runs in the toolbox of Ocata, on Python 2.7, with nova's own code. What that code makes of an instance depends on a few
columns alone: it makes one of every kind, and SQL gives the same to all others of the kind. `online_data_migrations` runs
afterwards, finds nothing left of these two, and does the others.
"""

import sys

from nova import config, context, exception, objects
from nova.db.sqlalchemy import api as db
from nova.objects import request_spec
from oslo_serialization import jsonutils

# What nova/objects/request_spec.py _create_minimal_request_spec reads of an instance, beside its uuid. An instance that is
# in a server group is of no kind: its group is asked too.
KINDS = """
CREATE TEMPORARY TABLE kinds (PRIMARY KEY (uuid), KEY (kind)) CHARACTER SET {charset} COLLATE {collation}
SELECT i.uuid, SHA2(CONCAT_WS('|', i.project_id, COALESCE(i.availability_zone, ''), e.flavor,
    COALESCE(REPLACE(e.numa_topology, i.uuid, ''), ''), COALESCE(REPLACE(e.pci_requests, i.uuid, ''), ''),
    COALESCE(m.image, '')), 256) AS kind
  FROM {nova}.instances i
  JOIN {nova}.instance_extra e ON e.instance_uuid = i.uuid AND e.deleted = 0
  LEFT JOIN (SELECT instance_uuid, SHA2(GROUP_CONCAT(`key`, '=', COALESCE(`value`, '') ORDER BY `key` SEPARATOR '|'), 256)
      AS image FROM {nova}.instance_system_metadata WHERE deleted = 0 GROUP BY instance_uuid) m ON m.instance_uuid = i.uuid
  LEFT JOIN {api}.request_specs s ON s.instance_uuid = i.uuid
 WHERE i.deleted = 0 AND s.id IS NULL AND e.flavor IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM {nova}.instance_group_member g WHERE g.instance_id = i.uuid)
   AND NOT EXISTS (SELECT 1 FROM {api}.instance_group_member g WHERE g.instance_uuid = i.uuid)
"""
COPY = """
INSERT INTO {api}.request_specs (created_at, instance_uuid, spec)
SELECT UTC_TIMESTAMP(), k.uuid, REPLACE(s.spec, x.example, k.uuid)
  FROM kinds k JOIN examples x ON x.kind = k.kind JOIN {api}.request_specs s ON s.instance_uuid = x.example
 WHERE k.uuid <> x.example
"""
LEFT = """
SELECT i.uuid FROM {nova}.instances i LEFT JOIN {api}.request_specs s ON s.instance_uuid = i.uuid
 WHERE i.deleted = 0 AND s.id IS NULL
"""
KEYS = """
SELECT DISTINCT i.user_id, i.key_name FROM instance_extra e JOIN instances i ON i.uuid = e.instance_uuid
 WHERE e.keypairs IS NULL AND e.deleted = 0
"""
FILL = """
UPDATE instance_extra e JOIN instances i ON i.uuid = e.instance_uuid
   SET e.keypairs = %s, e.updated_at = UTC_TIMESTAMP()
 WHERE e.keypairs IS NULL AND e.deleted = 0 AND i.user_id <=> %s AND i.key_name <=> %s
"""


def fill_keypairs(admin, connection):
    """nova/objects/instance.py _migrate_instance_keypairs, once a key and not once an instance."""
    moved = 0
    for user, name in connection.execute(KEYS).fetchall():
        found = objects.KeyPairList(objects=[])
        if name:
            try:
                found.objects.append(objects.KeyPair.get_by_name(admin, user, name))
            except exception.KeypairNotFound:
                pass
        moved += connection.execute(FILL, (jsonutils.dumps(found.obj_to_primitive()), user, name)).rowcount
    return moved


def write_request_specs(admin, connection, names):
    """nova/objects/request_spec.py migrate_instances_add_request_spec, once a kind and not once an instance."""
    connection.execute("SET SESSION group_concat_max_len = 16777216")
    connection.execute(KINDS.format(**names))
    connection.execute("CREATE TEMPORARY TABLE examples SELECT kind, MIN(uuid) AS example FROM kinds GROUP BY kind")
    moved = 0
    for (uuid,) in connection.execute("SELECT example FROM examples").fetchall():
        write_one(admin, uuid)
        moved += 1
    moved += connection.execute(COPY.format(**names)).rowcount
    for (uuid,) in connection.execute(LEFT.format(**names)).fetchall():
        write_one(admin, uuid)
        moved += 1
    last = connection.execute("SELECT uuid FROM instances WHERE deleted = 0 ORDER BY created_at DESC, id DESC LIMIT 1")
    for (uuid,) in last.fetchall():  # nova's own marker: it goes on behind this one
        request_spec._set_or_delete_marker_for_migrate_instances(admin, uuid)
    return moved


def write_one(admin, uuid):
    attributes = ["system_metadata", "flavor", "pci_requests", "numa_topology", "availability_zone"]
    instance = objects.Instance.get_by_uuid(admin, uuid, expected_attrs=attributes)
    request_spec._create_minimal_request_spec(admin, instance)


def main():
    config.parse_args(["nova-manage", "--config-file", sys.argv[1]])
    objects.register_all()
    admin = context.get_admin_context()
    connection = db.get_engine().connect()
    charset, collation = connection.execute(
        "SELECT character_set_name, collation_name FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = 'instances' AND column_name = 'uuid'"
    ).fetchone()
    names = {
        "nova": "`%s`" % db.get_engine().url.database,
        "api": "`%s`" % db.get_api_engine().url.database,
        "charset": charset,
        "collation": collation,
    }
    print(
        "%d key pairs of instances, %d request specs"
        % (fill_keypairs(admin, connection), write_request_specs(admin, connection, names))
    )


main()
