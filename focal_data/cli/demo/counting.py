"""Rows counted by SQL written out by hand, to see what the policies show."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import text

from focal_data.data_layer import PostgresDataLayer
from focal_data.database.scope import HasScope
from focal_data.database.statement import Statement
from focal_data.database.tenancy import promised, tenant_tables
from focal_data.tables import metadata

_TABLES: Final = [
    table for table in tenant_tables(metadata) if "SELECT" in promised(metadata.tables[table]).grants
]
"""Those that a service may read: what is the owner's alone is refused to it altogether."""


def _counts(where: str) -> str:
    return " UNION ALL ".join(
        f"SELECT '{table}' AS name, count(*) AS rows FROM {table} WHERE {where}"  # noqa: S608  (names of ours)
        for table in _TABLES
    )


# lint: allow statements-elsewhere because raw SQL is what the demo shows
_OF_OWNER: Final = Statement(text(_counts("tenant_id = CAST(:owner AS uuid)")))
_SESSIONS: Final = Statement(
    # lint: allow statements-elsewhere because no store counts sessions beyond the thousand that it lists
    text("SELECT count(DISTINCT session_id) AS rows FROM episodes WHERE tenant_id = CAST(:owner AS uuid)")
)


async def rows_of(owner: UUID, seen_by: HasScope) -> dict[str, int]:
    """How many rows of ``owner`` there are in each table, as raw SQL shows them to a tenant."""
    # lint: allow statements-elsewhere because raw SQL is what the demo shows
    rows = await seen_by.scope.fetch(_OF_OWNER, {"owner": owner})
    return {row["name"]: row["rows"] for row in rows}


async def rows_without_tenant(data: PostgresDataLayer) -> int:
    """How many rows of anybody's raw SQL shows to a connection that names no tenant."""
    connection = await data.database.lease()
    clean = False
    try:
        # lint: allow statements-elsewhere because raw SQL is what the demo shows
        rows = await connection.fetch(_counts("true"))
        clean = True
    finally:
        data.database.give_back(connection, clean=clean)
    return sum(row["rows"] for row in rows)


async def sessions_of(tenant: HasScope, owner: UUID) -> int:
    """How many sessions the episodes of ``owner`` belong to."""
    # lint: allow statements-elsewhere because no store counts sessions beyond the thousand that it lists
    row = await tenant.scope.fetch_row(_SESSIONS, {"owner": owner})
    return int(row["rows"]) if row else 0
