"""Searches as one writes them by hand with asyncpg: the same table, role, policy, columns and objects as ours.

The tenant, custom plans and what the way itself sets travel in one message with BEGIN, as measured to be the fastest; the ids
are found first, so that no sort carries whole rows. What comes back is validated into the same objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter

from benchmarks.searching.stored import Stored
from focal_data.domain.memory import Episode
from focal_data.tables.columns import pack_half, unpack_half

COLUMNS: Final = (
    "tenant_id, id, agent_id, customer_profile_id, session_id, group_id, content, content_type, language, source,"
    " source_metadata, importance, occurred_at, recorded_at, valid_from, valid_to, embedding, embedding_model,"
    " embedding_dimensions, entity_ids"
)
_EPISODES: Final = TypeAdapter(list[Episode])
MINE: Final = "tenant_id = $1 AND agent_id = $2 AND embedding_model = $4"
"""The rows that a search is among."""


EXACT: Final = f"""
    WITH hits AS MATERIALIZED (
        SELECT id, (embedding <=> $3) + 0 AS distance FROM episodes WHERE {MINE} ORDER BY distance, id LIMIT 10)
    SELECT {COLUMNS}, distance FROM hits JOIN episodes USING (id) WHERE tenant_id = $1 ORDER BY distance, id"""  # noqa: S608
"""Every row of the agent compared; the ``+ 0`` keeps an index out of it."""

GRAPH: Final = f"""
    WITH hits AS MATERIALIZED (
        SELECT id, embedding <=> $3 AS distance FROM episodes WHERE {MINE} ORDER BY embedding <=> $3 LIMIT 10)
    SELECT {COLUMNS}, distance FROM hits JOIN episodes USING (id) WHERE tenant_id = $1 ORDER BY distance, id"""  # noqa: S608
"""HNSW, whose relaxed order is put right in the end."""


class ByHand:
    """A service that wrote its own searches."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    async def exact(self, query: int) -> list[UUID]:
        """The exact scan."""
        return await self.ask(query, EXACT)

    async def graph(self, query: int, ef_search: int) -> list[UUID]:
        """HNSW at ``ef_search``, going on until there are ten; the planner is kept from sorting instead."""
        settings = {
            "hnsw.ef_search": str(ef_search),
            "hnsw.iterative_scan": "relaxed_order",
            "enable_sort": "off",
        }
        return await self.ask(query, GRAPH, settings)

    async def ask(
        self, query: int, statement: str, settings: Mapping[str, str] | None = None, *more: object
    ) -> list[UUID]:
        """The ids of ``statement``, whose arguments are tenant, agent, vector, model and ``more``."""
        scope = self._stored.scope(query)
        vector = pack_half(self._stored.embedding(query))
        arguments = (scope.tenant_id, scope.agent_id, vector, self._stored.corpus.model, *more)
        async with self._stored.base.bound.acquire() as connection:
            rows = await fetched(connection, statement, arguments, scope.tenant_id, settings)
        return [episode.id for episode in episodes(rows)]


async def fetched(
    connection: asyncpg.Connection,
    statement: str,
    arguments: Sequence[object],
    tenant_id: UUID,
    settings: Mapping[str, str] | None = None,
) -> list[asyncpg.Record]:
    """The rows of ``statement``, in a transaction of the tenant with custom plans."""
    every = {"focal.tenant_id": f"{tenant_id}", "plan_cache_mode": "force_custom_plan", **(settings or {})}
    await connection.execute(
        "BEGIN;" + ";".join(f"SET LOCAL {name}='{value}'" for name, value in every.items())
    )
    rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
    await connection.execute("COMMIT")
    return rows


def episodes(rows: Sequence[asyncpg.Record]) -> list[Episode]:
    """The rows as the same objects that ours gives."""
    return _EPISODES.validate_python([_fields(row) for row in rows])


def _fields(row: asyncpg.Record) -> dict[str, Any]:
    values = dict(row)
    for extra in ("distance", "rank"):
        values.pop(extra, None)
    vector, model, dimensions = (
        values["embedding"],
        values.pop("embedding_model"),
        values.pop("embedding_dimensions"),
    )
    if vector is not None:
        values["embedding"] = unpack_half(vector, dimensions, model)
    return values
