"""Takes tables over from one database of a clone into another, as they are, and compares every row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pymysql

from saltus.database.private import PrivateServer
from saltus.errors import OperatorError

Say = Callable[[str], None]


class CannotTakeOver(OperatorError):
    """The tables could not be taken over whole. The database that they come from is as it was."""


def take_over(
    server: PrivateServer, source: str, target: str, tables: Iterable[str], *, say: Say = lambda text: None
) -> dict[str, int]:
    """Copy `tables` with their definitions and rows; {table: rows}. `target` is made where it does not exist.

    Safe to repeat until the tools of `target` have been there: then it refuses.
    """
    tables = list(tables)
    if lacking := set(tables) - set(server.tables(source)):
        raise CannotTakeOver(
            what=f"{source} lacks what {target} begins with",
            because=f"it has no {', '.join(sorted(lacking))}",
            do=f"look at the schema version of {source}: its own db_sync must come first",
        )
    server.create_database(target)
    if server.read_versions(target):
        raise CannotTakeOver(
            what=f"{target} is in use already",
            because=f"it has the schema version {' '.join(server.read_versions(target))}",
            do=f"decide which rows are the true ones; dumps with {target} are taken on without {source}'s",
        )
    connection = server.connect(target)
    try:
        with connection.cursor() as cursor:
            # Tables refer to each other: all are there at the end.
            cursor.execute("SET FOREIGN_KEY_CHECKS = 0, UNIQUE_CHECKS = 0")
            for table in tables:
                say(f"{source}.{table}")
                _copy(cursor, source, target, table)
            return {table: _compare(cursor, source, target, table) for table in tables}
    finally:
        connection.close()


def _copy(cursor: pymysql.cursors.Cursor, source: str, target: str, table: str) -> None:
    cursor.execute(f"SHOW CREATE TABLE `{source}`.`{table}`")
    ((_, definition),) = cursor.fetchall()
    cursor.execute(f"DROP TABLE IF EXISTS `{target}`.`{table}`")
    cursor.execute(definition)
    cursor.execute(f"INSERT INTO `{target}`.`{table}` SELECT * FROM `{source}`.`{table}`")


def _compare(cursor: pymysql.cursors.Cursor, source: str, target: str, table: str) -> int:
    """The rows that both have. Raises CannotTakeOver when one lacks some."""

    def ask(sql: str) -> Any:
        cursor.execute(sql)
        return cursor.fetchall()[0][0]

    for a, b in ((source, target), (target, source)):
        differs = ask(f"SELECT COUNT(*) FROM (SELECT * FROM `{a}`.`{table}` EXCEPT SELECT * FROM `{b}`.`{table}`) AS d")
        if differs:
            raise CannotTakeOver(
                what=f"{table} was not taken over whole",
                because=f"{a} has {differs} rows that {b} has not",
                do="repeat it; the database that it comes from is as it was",
            )
    return int(ask(f"SELECT COUNT(*) FROM `{target}`.`{table}`"))
