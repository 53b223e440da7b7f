"""Chaining the rows that are stored without a chain: those from before keys were set. In batches, each one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from focal_data.database.engine import Database
from focal_data.database.scope import Row, TenantScope, Transaction
from focal_data.database.statement import Statement
from focal_data.domain.chain import AuditKeys, ChainHead, lane
from focal_data.errors import SettingsError
from focal_data.ids import NO_TENANT
from focal_data.repositories.audit import AuditEventRepository, TurnRecordRepository
from focal_data.repositories.chain import ChainedRepository, Link, claim, move

BATCH: Final = 500
"""Rows that are chained in one transaction."""

REPOSITORIES: Final[tuple[type[ChainedRepository[Any, Any]], ...]] = (
    TurnRecordRepository,
    AuditEventRepository,
)


async def chain_audit(database: Database, tenant_id: UUID | None = None) -> int:
    """Chain every row that has no chain, of all tenants or one, oldest first, and tell how many there were.

    Each goes to the end of its chain, behind what was written since keys were set. It can be stopped at any time and run
    again, also while services write. Raises ``SettingsError`` when no keys are set.
    """
    keys = database.chaining.keys
    if keys is None:
        raise SettingsError("FOCAL_DATA_AUDIT_KEYS", "is not set: without a key nothing can be chained")
    chained = 0
    async for tenant in _tenants(database, tenant_id):
        chained += await _chain_tenant(TenantScope(database, tenant), keys)
    return chained


async def _chain_tenant(scope: TenantScope, keys: AuditKeys) -> int:
    chained, place = 0, _BEGINNING
    while places := await scope.fetch(_NEXT_ROWS, {"tenant_id": scope.tenant_id, "limit": BATCH, **place}):
        ids = [found["id"] for found in places]
        chained += await scope.run(lambda tx, ids=ids: _chain_rows(tx, ids, keys))  # type: ignore[misc]
        place = {"created_at": places[-1]["created_at"], "id": places[-1]["id"]}
    return chained


async def _tenants(database: Database, tenant_id: UUID | None) -> AsyncIterator[UUID]:
    """Those that have rows without a chain, in their order; or the one that was named."""
    if tenant_id is not None:
        yield tenant_id
        return
    found: UUID = NO_TENANT
    while True:
        async with Transaction(database, NO_TENANT) as tx:
            row = await tx.fetch_row(_NEXT_TENANT, {"after": found, "limit": 1})
        if row is None:
            return
        found = row["tenant_id"]
        yield found


async def _chain_rows(tx: Transaction, ids: list[UUID], keys: AuditKeys) -> int:
    """Chain those of ``ids`` that nobody has chained meanwhile, by their time and id."""
    links = [
        (repository, Link(repository.kind, dict(row), keys, row["session_id"] or lane(row["id"].int)))
        for repository in REPOSITORIES
        for row in await tx.fetch(repository.without_link(), {"tenant_id": tx.tenant_id, "ids": ids})
    ]
    links.sort(key=lambda pair: _BY_TIME(pair[1].row))
    heads = {chain_id: await claim(tx, chain_id) for chain_id in sorted({link.chain_id for _, link in links})}
    chained: dict[type[ChainedRepository[Any, Any]], list[dict[str, Any]]] = {r: [] for r in REPOSITORIES}
    for repository, link in links:
        values = link.behind(heads[link.chain_id])
        heads[link.chain_id] = ChainHead(values["chain_sequence"], values["hash"])
        chained[repository].append(_kept(values))
    for repository, rows in chained.items():
        await tx.execute_many(repository.set_link(), rows)
    await tx.execute_many(move(), [_head(tx, chain_id, head) for chain_id, head in heads.items()])
    return len(links)


def _kept(values: Row) -> dict[str, Any]:
    """An erased row's text is gone; so is its salt."""
    return {**values, "salt": None} if values["erased_at"] is not None else dict(values)


def _head(tx: Transaction, chain_id: UUID, head: ChainHead) -> dict[str, Any]:
    return {
        "tenant_id": tx.tenant_id,
        "chain_id": chain_id,
        "chain_sequence": head.sequence,
        "hash": head.hash,
    }


_BEGINNING: Final[dict[str, Any]] = {"created_at": datetime(1, 1, 2, tzinfo=UTC), "id": UUID(int=0)}
_BY_TIME: Final = itemgetter("created_at", "id")
_TABLES: Final = tuple(repository.kind.table for repository in REPOSITORIES)


def _first_of(columns: str, condition: str) -> Statement:
    """The first rows without a chain, of all kinds together, by ``columns``."""
    rows = f"SELECT {columns} FROM {{}} WHERE chain_id IS NULL AND {condition}"  # noqa: S608  (names of ours)
    each = (f"({rows.format(table)} ORDER BY {columns} LIMIT :limit)" for table in _TABLES)
    return Statement(text(f"{' UNION ALL '.join(each)} ORDER BY {columns} LIMIT :limit"))


_NEXT_TENANT: Final = _first_of("tenant_id", "tenant_id > :after")
_NEXT_ROWS: Final = _first_of(
    "created_at, id", "tenant_id = :tenant_id AND (created_at, id) > (:created_at, :id)"
)
