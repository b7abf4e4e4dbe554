"""
What tenants wrote since a moment: read from the rows of the databases, so that a rollback can say what it would lose.

Heartbeats of services and agents, and what Saltus itself writes (its watcher's and its proofs' objects, all called
``saltus-...``), are nobody's loss and are left out.
"""

__salt__ = {}

# What became of a row with the three times that oslo.db's models have, and when. {since} is in UTC, as services write.
_TIMES = (
    "CASE WHEN deleted_at >= '{since}' THEN 'delete' WHEN created_at >= '{since}' THEN 'create' ELSE 'update' END,"
    " id, %s, GREATEST(created_at, COALESCE(updated_at, created_at), COALESCE(deleted_at, created_at))"
)
_SINCE = "(created_at >= '{since}' OR updated_at >= '{since}' OR deleted_at >= '{since}')"

# (database, kind, SELECT of verb, id, name, when)
QUESTIONS = (
    (
        "nova",
        "instance",
        "SELECT LOWER(a.action), i.uuid, i.display_name, a.start_time FROM instance_actions a"
        " JOIN instances i ON i.uuid = a.instance_uuid WHERE a.start_time >= '{since}'"
        " AND i.display_name NOT LIKE 'saltus-verify-%'",
    ),
    (
        "nova_api",
        "keypair",
        "SELECT 'create', id, name, created_at FROM key_pairs WHERE created_at >= '{since}'"
        " AND name NOT LIKE 'saltus-watch%'",
    ),
    ("nova_api", "flavor", "SELECT 'create', flavorid, name, created_at FROM flavors WHERE created_at >= '{since}'"),
    (
        "glance",
        "image",
        f"SELECT {_TIMES % 'name'} FROM images WHERE {_SINCE} AND COALESCE(name, '') NOT LIKE 'saltus-guest-%'",
    ),
    ("cinder", "volume", f"SELECT {_TIMES % 'display_name'} FROM volumes WHERE {_SINCE}"),
    ("heat", "stack", f"SELECT {_TIMES % 'name'} FROM stack WHERE {_SINCE}"),
    (
        "neutron",
        "network object",
        "SELECT 'create', s.id, CONCAT(s.resource_type, ' ', COALESCE(n.name, p.name, r.name, g.name, '')), s.created_at"
        " FROM standardattributes s LEFT JOIN networks n ON n.standard_attr_id = s.id"
        " LEFT JOIN ports p ON p.standard_attr_id = s.id LEFT JOIN routers r ON r.standard_attr_id = s.id"
        " LEFT JOIN securitygroups g ON g.standard_attr_id = s.id WHERE s.created_at >= '{since}'"
        " AND s.resource_type != 'address_scopes' AND COALESCE(p.name, '') NOT LIKE 'saltus-verify-%'"
        " AND COALESCE(s.description, '') NOT LIKE 'saltus-verify%'",
    ),
    (
        "keystone",
        "user",
        "SELECT 'create', u.id, l.name, u.created_at FROM user u LEFT JOIN local_user l ON l.user_id = u.id"
        " WHERE u.created_at >= '{since}'",
    ),
)

# Rows that vanish without a trace, or bear no time: their number at the freeze is known.
COUNTED = (
    ("keystone", "project", "project"),
    ("keystone", "assignment", "role assignment"),
    ("neutron", "networks", "network"),
    ("neutron", "subnets", "subnet"),
    ("neutron", "routers", "router"),
    ("neutron", "securitygroups", "security group"),
    ("neutron", "floatingips", "floating IP"),
)


def since(label):
    """
    [{"service", "kind", "verb", "id", "name", "at"}] of what was written after the frozen backup ``label`` was taken,
    oldest first. ``at`` is empty for what only a count of rows tells.
    """
    backups = __salt__["saltus_mariadb.list_backups"]()
    if label not in backups:
        raise ValueError(f"there is no backup {label}")
    moment = backups[label]["taken_at"][:19].replace("T", " ")
    present = set(__salt__["saltus_mariadb.databases"]())
    found = [
        _write(database, kind, *row)
        for database, kind, question in QUESTIONS
        if database in present
        for row in _query(question.format(since=moment), database)
    ]
    taken = __salt__["saltus_mariadb.taken_checksums"](label)
    for database, table, kind in COUNTED:
        before = taken.get(f"{database}.{table}", {}).get("rows")
        if database not in present or before is None:
            continue
        more = int(_query(f"SELECT COUNT(*) FROM `{table}`", database)[0][0]) - int(before)
        if more < 0:
            found.append(_write(database, kind, "delete", "", f"{-more} of them", ""))
        elif more > 0 and database == "keystone":  # neutron's new rows bear their time and are found above
            found.append(_write(database, kind, "create", "", f"{more} of them", ""))
    return sorted(found, key=lambda write: write["at"])


def _write(database, kind, verb, identity, name, at):
    return {
        "service": {"nova_api": "nova"}.get(database, database),
        "kind": kind,
        "verb": verb,
        "id": str(identity),
        "name": name or "",
        "at": str(at or ""),
    }


def _query(statement, database):
    return __salt__["saltus_mariadb.query"](statement, database)
