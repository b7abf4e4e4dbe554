"""A cloud of ten thousand instances, made of one of 27: every row that belongs to an instance, copied many times."""

from __future__ import annotations

from pathlib import Path

from saltus.database.dumps import look
from saltus.database.load import load
from saltus.database.private import PrivateServer

SMALL = Path(__file__).parents[1] / "tests" / "data" / "databases" / "mitaka-small"
UNIQUE = {"instances": "uuid", "instance_id_mappings": "uuid"}
"""Tables that hold an instance's uuid under another name than `instance_uuid`."""


def make(server: PrivateServer, instances: int) -> int:
    """Fill `server` with nova's databases of the small cloud and copies of its instances; how many there are now."""
    load(look(SMALL), server)
    for other in set(server.databases()) - {"nova", "nova_api"}:
        server.drop_database(other)
    ((few,),) = server.query("SELECT COUNT(*) FROM nova.instances")
    multiply(server, max(0, instances // few - 1))
    # Instances older than Mitaka have none. Those of the small cloud itself keep theirs: nova 15.1.5 can make none for
    # members of server groups (ObjectActionError: unable to load uuid).
    server.query("DELETE FROM nova_api.request_specs WHERE MOD(id, 2) AND instance_uuid LIKE '0000%'")
    return int(server.query("SELECT COUNT(*) FROM nova.instances")[0][0])


def multiply(server: PrivateServer, copies: int, *, at: int = 0) -> None:
    """`copies` more of every instance, each with a uuid of its own: it holds the number of the copy, from `at` on."""
    if copies < 1:
        return
    rows = server.query(
        "SELECT table_schema, table_name, column_name, extra FROM information_schema.columns"
        " WHERE table_schema IN ('nova', 'nova_api') AND table_name NOT LIKE 'shadow%%' ORDER BY ordinal_position"
    )
    columns: dict[tuple[str, str], list[str]] = {}
    for schema, table, column, extra in rows:
        if extra != "auto_increment":
            columns.setdefault((schema, table), []).append(column)
    connection = server.connect("nova")
    with connection.cursor() as cursor:
        cursor.execute("SET FOREIGN_KEY_CHECKS = 0, UNIQUE_CHECKS = 0")
        for (schema, table), names in columns.items():
            own = UNIQUE.get(table, "instance_uuid")
            if own not in names:
                continue
            written = ", ".join(f"`{name}`" for name in names)
            read = ", ".join(
                f"INSERT(t.`{name}`, {at + 1}, 8, LPAD(HEX(s.seq), 8, '0'))" if name == own else f"t.`{name}`"
                for name in names
            )
            cursor.execute(
                f"INSERT INTO `{schema}`.`{table}` ({written})"
                f" SELECT {read} FROM `{schema}`.`{table}` t, seq_1_to_{copies} s WHERE t.`{own}` IS NOT NULL"
            )
    connection.close()
