"""What erasing, exporting and deleting work on: one tenant, by its tables and its live sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table

from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope, Transaction
from focal_data.database.statement import Statement
from focal_data.database.tenancy import promised, read_access
from focal_data.domain.base import UtcDatetime, ValueObject
from focal_data.errors import UsageError
from focal_data.ids import NO_TENANT, TenantId
from focal_data.redis.client import RedisClient
from focal_data.redis.erasure import SessionErasure
from focal_data.repositories import erasure as sql
from focal_data.repositories.erasure import Part
from focal_data.tables import metadata

ROUNDS: Final = 5
"""How often is looked again for what others wrote meanwhile."""

LIVE: Final = "sessions"
"""What live sessions are called where tables are called by their names."""

IDEATION: Final = "ideation"
"""What ideation sessions on Redis are called there."""


class ErasureReceipt(ValueObject):
    """What was erased, or would be (``dry_run``): rows by their table, ``sessions`` and ``ideation`` on Redis.

    Kinds that there were none of are left out. What an earlier run that was interrupted had erased is not counted again.
    """

    tenant_id: TenantId
    profile_ids: tuple[UUID, ...] = ()
    """The profile with everything that was merged into it, by id; none where a whole tenant was deleted."""
    counts: dict[str, int]
    dry_run: bool
    started_at: UtcDatetime
    finished_at: UtcDatetime


@dataclass(frozen=True)
class Ground:
    """One tenant."""

    scope: TenantScope
    redis: RedisClient
    tables: tuple[Table, ...]
    """Every table that has a tenant, parents before their children."""

    @property
    def live(self) -> SessionErasure:
        """The tenant's live sessions."""
        return SessionErasure(self.redis, self.scope.tenant_id)

    async def emptied(self, statement: Statement, values: Mapping[str, Any], *, short: int = 1) -> int:
        """How many rows ``statement`` changed, batch by batch, each in a transaction of its own.

        It ends with a batch of none, or with so many that were ``short`` of a whole one: somebody may go on writing.
        """
        total = 0
        while short:
            done = await self.scope.run(
                lambda tx: tx.execute(statement, self.bound(values)), custom_plan=True
            )
            total += done
            if done < sql.BATCH:
                short = short - 1 if done else 0
        return total

    async def counted(
        self, parts: Iterable[Part], values: Mapping[str, Any], tx: Transaction | None = None
    ) -> Counter[str]:
        """How many rows there are of each table, in a transaction of its own or in ``tx``."""

        async def work(tx: Transaction) -> Counter[str]:
            found: Counter[str] = Counter()
            for part in parts:
                rows = await tx.fetch(sql.count_of(part), self.bound(values))
                found[part.table.name] += rows[0][0]  # type: ignore[index]
            return +found

        return await (tx or self.scope).run(work)

    def bound(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """``values`` with the tenant."""
        return {**values, "tenant_id": self.scope.tenant_id}

    def receipt(
        self, counts: Counter[str], started: datetime, *, dry_run: bool, profile_ids: Iterable[UUID] = ()
    ) -> ErasureReceipt:
        """The receipt of what began at ``started`` and ends now."""
        return ErasureReceipt(
            tenant_id=self.scope.tenant_id,
            profile_ids=tuple(profile_ids),
            counts=dict(sorted((+counts).items())),
            dry_run=dry_run,
            started_at=started,
            finished_at=self.scope.now(),
        )


async def stored_tables(database: Database, role: str) -> tuple[Table, ...]:
    """Every table that has a tenant and is in the database, parents before their children.

    Raises ``UsageError`` for tables in the database that this process does not know: it would pass over what is in them.
    """
    async with Transaction(database, NO_TENANT) as tx:
        access = await read_access(tx.connection, role)
    strangers = sorted(name for name, table in access.items() if table.policy and name not in metadata.tables)
    if strangers:
        raise UsageError(
            f"tables that this process does not know hold tenants' data: {', '.join(strangers)};"
            " import the modules that declare them first (on the command line: --import)"
        )
    return tuple(
        table for table in metadata.sorted_tables if promised(table).isolated and table.name in access
    )
