"""Sign codes with exact re-ranking, as one would write that search by hand on the columns that ours keeps."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from asyncpg import BitString

from benchmarks.searching.by_hand import COLUMNS, MINE, ByHand
from benchmarks.searching.stored import Stored
from focal_data.tables.columns import codes_of, pack_half

CANDIDATES: Final = (50, 100, 200, 400, 800)
_COLUMN: Final = (
    "SELECT true FROM pg_attribute WHERE attrelid = 'episodes'::regclass AND attname = 'embedding_code'"
)
_NEAREST: Final = f"""
    WITH near AS MATERIALIZED (
        SELECT id FROM episodes WHERE {MINE} ORDER BY embedding_code <~> $5 LIMIT $6),
    hits AS MATERIALIZED (
        SELECT id, (SELECT e.embedding <=> $3 FROM episodes e WHERE e.tenant_id = $1 AND e.id = near.id) AS distance
          FROM near ORDER BY distance, id LIMIT 10)
    SELECT {COLUMNS}, distance FROM hits JOIN episodes USING (id) WHERE tenant_id = $1 ORDER BY distance, id"""  # noqa: S608
"""The code of every row of the agent compared, and the vectors of the nearest, fetched one by one by their key."""


class Codes:
    """That search over a corpus."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._hand = ByHand(stored)

    async def exist(self) -> bool:
        """Whether the schema has them."""
        return bool(await self._stored.base.owner.fetchval(_COLUMN))

    async def search(self, query: int, candidates: int) -> list[UUID]:
        """The ten nearest of so many ``candidates``."""
        [code] = codes_of([pack_half(self._stored.embedding(query))])
        return await self._hand.ask(
            query, _NEAREST, None, BitString.frombytes(code, 8 * len(code)), candidates
        )
