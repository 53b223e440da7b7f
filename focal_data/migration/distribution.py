"""The schema sharded by tenant, with Citus: every table distributed by ``tenant_id``, all of them co-located.

Nothing of the schema changes for it, since the tenant is first in every key (docs/decisions/0004). Tables go one by one, each
in a transaction of its own, parents first. What is distributed already is passed over: it can be broken off and repeated.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import asyncpg

from focal_data.database.tenancy import literal, tenant_tables
from focal_data.database.translation import DRIVER_ERRORS, translated
from focal_data.errors import SchemaError, UsageError
from focal_data.migration.connection import connected, migration_lock
from focal_data.migration.place import Place, Target
from focal_data.migration.revisions import VERSION_TABLE, read_status
from focal_data.tables import metadata

_PRESENT: Final = "SELECT to_regproc('create_distributed_table') IS NOT NULL"
_DISTRIBUTED: Final = """
    SELECT c.relname::text AS name, t.distribution_column
      FROM citus_tables t JOIN pg_class c ON c.oid = t.table_name
     WHERE t.citus_table_type = 'distributed' AND pg_table_is_visible(c.oid)"""
_COLUMN: Final = "tenant_id"


async def distribute(target: Target, *, dry_run: bool = False) -> list[str]:
    """Distribute every table that has a tenant and is not distributed yet; the statements, which ``dry_run`` only tells.

    Empty when nothing is left to do. ``UsageError`` where the database has no Citus; ``SchemaError`` when it is not at head,
    or a table is distributed by another column; the others as ``runner.upgrade``.
    """
    place = Place.of(target)
    async with migration_lock(place.url, VERSION_TABLE), connected(place.url) as connection:
        await _refuse(connection)
        statements = _statements(await _distributed(connection))
        if not dry_run:
            await _run(connection, statements)
        return statements


async def _refuse(connection: asyncpg.Connection) -> None:
    if not await connection.fetchval(_PRESENT):
        raise UsageError(
            "this database has no Citus, and one PostgreSQL needs none: CREATE EXTENSION citus on a server that has it"
        )
    if not (status := await read_status(connection)).at_head:
        raise SchemaError(f"the database is at {status.current or 'no revision'}: upgrade it to head first")


async def _distributed(connection: asyncpg.Connection) -> set[str]:
    by_column = {row["name"]: row["distribution_column"] for row in await connection.fetch(_DISTRIBUTED)}
    for name in tenant_tables(metadata):
        if by_column.get(name, _COLUMN) != _COLUMN:
            raise SchemaError(
                f"{name} is distributed by {by_column[name]} and not by {_COLUMN}: undistribute_table('{name}') first"
            )
    return set(by_column)


def _statements(done: set[str]) -> list[str]:
    """Parents first, so that a foreign key never points from a distributed table to one that is not."""
    tenants = set(tenant_tables(metadata))
    names = [table.name for table in metadata.sorted_tables if table.name in tenants]
    first = next((name for name in names if name in done), names[0])
    return [_statement(name, None if name == first else first) for name in names if name not in done]


def _statement(name: str, beside: str | None) -> str:
    place = literal(beside or "none")
    return f"SELECT create_distributed_table({literal(name)}, {literal(_COLUMN)}, colocate_with => {place})"


async def _run(connection: asyncpg.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        try:
            await connection.execute(statement)
        except DRIVER_ERRORS as error:
            failure = translated(error)
        else:
            continue
        raise failure
