"""
What was written since a frozen backup: the rows that a rollback to it would lose.

Counts tell of what came and went, timestamps of what was only changed. What services write by themselves (agents' and
services' heartbeats, tokens, quotas, the catalogue) is not looked at.
"""

import concurrent.futures

__salt__ = {}

LOOKED_AT = {
    "cinder": {"volumes": "display_name", "snapshots": "display_name"},
    "glance": {"images": "name"},
    "heat": {"stack": "name"},
    "keystone": {"project": "name", "user": "id", "role": "name"},
    "neutron": {
        "networks": "name",
        "subnets": "name",
        "routers": "name",
        "ports": "name",
        "floatingips": "floating_ip_address",
        "securitygroups": "name",
    },
    "nova": {"instances": "display_name"},
    "nova_cell0": {"instances": "display_name"},
    "nova_api": {"flavors": "name", "key_pairs": "name", "aggregates": "name"},
}
"""{database: {table: the column that people know a row by}}."""
EXAMPLES = 5


def since(label):
    """
    ``{database.table: {"before": rows, "now": rows, "created": names, "deleted": names}}`` of tables with changes.

    ``created`` and ``deleted`` are names of up to five rows, where the table keeps the time of such a thing.
    """
    taken = __salt__["saltus_mariadb.taken_checksums"](label)
    at = __salt__["saltus_mariadb.list_backups"]()[label]["taken_at"][:19].replace("T", " ")
    wanted = [
        (database, table, name)
        for database, tables in LOOKED_AT.items()
        for table, name in tables.items()
        if f"{database}.{table}" in taken
    ]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: _changes(*one, at), wanted))
    changed = {}
    for (database, table, _), (rows, created, deleted) in zip(wanted, found, strict=True):
        before = taken[f"{database}.{table}"]["rows"]
        if rows != before or created or deleted:
            changed[f"{database}.{table}"] = {"before": before, "now": rows, "created": created, "deleted": deleted}
    return changed


def _changes(database, table, name, at):
    def ask(statement):
        return __salt__["saltus_mariadb.query"](statement, database)

    columns = {row[0] for row in ask(f"SHOW COLUMNS FROM {table}")}
    if not columns:
        return 0, [], []
    rows = int(ask(f"SELECT COUNT(*) FROM {table}")[0][0])
    name = name if name in columns else "id" if "id" in columns else next(iter(sorted(columns)))

    def names(moment, source):
        return [row[0] for row in ask(f"SELECT t.{name} FROM {source} WHERE {moment} > '{at}' LIMIT {EXAMPLES}")]

    # neutron keeps the times of all its resources in one table.
    if "standard_attr_id" in columns:
        source = f"{table} t JOIN standardattributes a ON a.id = t.standard_attr_id"
        return rows, names("a.created_at", source), []
    created = names("t.created_at", f"{table} t") if "created_at" in columns else []
    deleted = names("t.deleted_at", f"{table} t") if "deleted_at" in columns else []
    return rows, created, deleted
