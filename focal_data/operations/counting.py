"""What embeddings there are, of all tenants: by kind and model, and what has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text

from focal_data.database.engine import Database
from focal_data.database.scope import Transaction
from focal_data.database.statement import Statement
from focal_data.domain.embedding_text import SOURCES
from focal_data.ids import NO_TENANT
from focal_data.repositories.reembedding import KINDS, Kind, ToEmbed


@dataclass(frozen=True)
class Census:
    """How many of one kind have an embedding of one model in one tenant; ``None``: they have none, and something to embed."""

    tenant_id: UUID
    kind: str
    model: str | None
    count: int


async def count_embeddings(database: Database) -> list[Census]:
    """By tenant, kind and model. It reads every row that may have an embedding, without the embedding."""
    found: list[Census] = []
    for kind, statement in _MODELS:
        async with Transaction(database, NO_TENANT) as tx:
            rows = await tx.fetch(statement, {})
        found += [
            Census(UUID(int=row["tenant_id"].int), kind.name, row["model"], row["count"]) for row in rows
        ]
    return sorted(found, key=lambda census: (census.tenant_id, census.kind, census.model or ""))


async def tenants_with(database: Database, which: ToEmbed, model: str) -> Sequence[UUID]:
    """The tenants that have anything to embed, in their order."""
    async with Transaction(database, NO_TENANT) as tx:
        rows = await tx.fetch(_TENANTS[which], {"model": model} if which is not ToEmbed.MISSING else {})
    return [UUID(int=row["tenant_id"].int) for row in rows]


def _models(kind: Kind) -> Statement:
    sources = ", ".join(SOURCES[kind.mapper.domain])
    something = f"embedding_model IS NOT NULL OR concat_ws('', {sources}) ~ '\\S'"
    counted = (
        f"SELECT tenant_id, embedding_model AS model, count(*) AS count FROM {kind.name} WHERE {something}"  # noqa: S608
    )
    return Statement(text(f"{counted} GROUP BY 1, 2"))


def _tenants(which: ToEmbed) -> Statement:
    wanted = {
        ToEmbed.OTHER: "embedding_model <> :model",
        ToEmbed.MISSING: "embedding_model IS NULL",
        ToEmbed.ALL: "embedding_model IS DISTINCT FROM :model",
    }[which]
    each = (f"SELECT tenant_id FROM {kind.name} WHERE {wanted}" for kind in KINDS)  # noqa: S608  (names of ours)
    return Statement(text(f"{' UNION '.join(each)} ORDER BY tenant_id"))


_MODELS: Final = tuple((kind, _models(kind)) for kind in KINDS)
_TENANTS: Final = {which: _tenants(which) for which in ToEmbed}
