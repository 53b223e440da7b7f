"""What is on disk, and what writing costs: loading in bulk beside COPY by hand, inserting with and without the indexes."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import orjson
from asyncpg import BitString

from benchmarks.by_hand import EPISODE_COLUMNS
from benchmarks.searching.corpora import Corpus
from benchmarks.searching.stored import BATCH, Base, Stored, database, episode
from focal_data.domain.config import Agent
from focal_data.domain.memory import Episode
from focal_data.ids import new_id
from focal_data.tables.columns import codes_of, pack_half
from focal_data.testing.engines import Engines

_INDEXES: Final = """
    SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition,
           pg_relation_size(indexrelid) AS bytes, indisprimary AS is_key
      FROM pg_index WHERE indrelid = 'episodes'::regclass ORDER BY indisprimary DESC, 1"""
_CONSTRAINTS: Final = """
    SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
     WHERE conrelid = 'episodes'::regclass AND contype = 'f'"""
_SEARCHES: Final = re.compile(
    r"USING (gin|hnsw|ivfflat)|embedding|\bcode|\bbits|_tsv|agent_id_language", re.IGNORECASE
)
"""An index that only searches need."""


@dataclass(frozen=True)
class Sizes:
    """Bytes on disk for each row."""

    rows: int
    dimensions: int
    heap: float
    vectors: Mapping[str, float]
    """Indexes and side tables that hold vectors or codes."""
    others: Mapping[str, float]

    @property
    def kilobytes(self) -> float:
        """Heap and vector indexes, per row and 100 dimensions."""
        return (self.heap + sum(self.vectors.values())) / self.dimensions * 100 / 1000


async def sizes(stored: Stored) -> Sizes:
    """Of the episodes as they lie there."""
    owner, rows = stored.base.owner, len(stored.ids)
    heap = await owner.fetchval("SELECT pg_table_size('episodes')")
    indexes = await owner.fetch(_INDEXES)
    held = {row["name"]: row["bytes"] / rows for row in indexes}
    vectors = {row["name"]: held[row["name"]] for row in indexes if _of_vectors(row["definition"])}
    for name in await _side_tables(stored.base):
        vectors[name] = await owner.fetchval("SELECT pg_total_relation_size($1::text::regclass)", name) / rows
    others = {name: size for name, size in held.items() if name not in vectors}
    return Sizes(rows, stored.corpus.dimensions, heap / rows, vectors, others)


def _of_vectors(definition: str) -> bool:
    return bool(re.search(r"embedding|\bcode|\bbits", definition))


async def _side_tables(base: Base) -> list[str]:
    """Tables beside the episodes that hold vectors or codes of theirs."""
    found = await base.owner.fetch(
        "SELECT DISTINCT c.relname::text AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " JOIN pg_type t ON t.oid = a.atttypid WHERE c.relkind = 'r' AND c.relname LIKE 'episode\\_%'"
        " AND t.typname IN ('bit', 'varbit', 'bytea', 'vector', 'halfvec')"
    )
    return [row["name"] for row in found]


@dataclass(frozen=True)
class Seconds:
    """How long something took."""

    what: str
    rows: int
    ours: float
    by_hand: float


async def bulk_load(engines: Engines, corpus: Corpus, rows: int) -> Seconds:
    """``rows`` of one tenant by ``load_episodes``, and by COPY into a table without indexes, which come afterwards."""
    tenant_id = corpus.scopes[0].tenant_id
    ours, hand = [], []
    for _ in range(2):  # each time in a new database
        async with database(engines) as base:
            agents = await _agents(base, tenant_id)
            new = list(_episodes(corpus, rows, agents))
            start = time.perf_counter()
            await base.operator.tenant(tenant_id).load_episodes(new)
            ours.append(time.perf_counter() - start)
            await base.owner.execute("TRUNCATE episodes CASCADE")
            hand.append(await _by_copy(base, tenant_id, new))
    return Seconds("bulk load, against COPY by hand and the indexes afterwards", rows, min(ours), min(hand))


async def _agents(base: Base, tenant_id: UUID) -> list[UUID]:
    tenant = base.data.tenant(tenant_id)
    return [(await tenant.config.save_agent(Agent(name=f"{n}"))).id for n in range(3)]


def _episodes(corpus: Corpus, rows: int, agents: Sequence[UUID]) -> Iterator[Episode]:
    for row in range(rows):
        one = episode(corpus, row % len(corpus.owners), new_id())
        yield one.model_copy(update={"agent_id": agents[row % len(agents)]})


async def _by_copy(base: Base, tenant_id: UUID, new: Sequence[Episode]) -> float:
    """Into a bare copy of the table; then keys, indexes, foreign keys and statistics, as the table has them."""
    indexes, keys = await base.owner.fetch(_INDEXES), await base.owner.fetch(_CONSTRAINTS)
    like = "LIKE episodes INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING CONSTRAINTS"
    parameters = await base.owner.fetchval(
        "SELECT array_to_string(reloptions, ',') FROM pg_class WHERE oid = 'episodes'::regclass"
    )
    await base.owner.execute(
        f"CREATE TABLE copied ({like})" + (f" WITH ({parameters})" if parameters else "")
    )
    start = time.perf_counter()
    async with base.owner.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL maintenance_work_mem = '1GB'; SET LOCAL statement_timeout = 0")
        records = _records(new, tenant_id)
        await connection.copy_records_to_table("copied", records=records, columns=EPISODE_COLUMNS)
        for row in indexes:
            await connection.execute(_moved(row["definition"], row["name"]), timeout=86_400)
        for row in keys:
            await connection.execute(f'ALTER TABLE copied ADD CONSTRAINT "{row["name"]}" {row["definition"]}')
    await base.owner.execute("VACUUM (ANALYZE) copied")
    return time.perf_counter() - start


def _records(new: Sequence[Episode], tenant_id: UUID) -> Iterator[tuple[object, ...]]:
    for start in range(0, len(new), BATCH):
        part = new[start : start + BATCH]
        vectors = [pack_half(one.embedding) for one in part if one.embedding is not None]
        for one, vector, code in zip(part, vectors, codes_of(vectors), strict=True):
            values = _values(one, tenant_id) | {
                "embedding": vector,
                "embedding_code": BitString.frombytes(code),
            }
            yield tuple(values[name] for name in EPISODE_COLUMNS)


def _values(episode: Episode, tenant_id: UUID) -> dict[str, object]:
    assert episode.embedding is not None
    return {
        **episode.__dict__,
        "tenant_id": tenant_id,
        "recorded_at": datetime.now(UTC),
        "source_metadata": orjson.dumps(episode.source_metadata).decode(),
        "embedding_model": episode.embedding.model,
        "embedding_dimensions": len(episode.embedding),
    }


def _moved(definition: str, name: str) -> str:
    return definition.replace(f"INDEX {name} ON public.episodes", f"INDEX copied_{name} ON copied")


async def insertion(stored: Stored, rows: int) -> list[Seconds]:
    """``rows`` by ``add_episodes`` with everything that searches need, without their indexes, and without tsvectors."""
    base = stored.base
    indexes = [row for row in await base.owner.fetch(_INDEXES) if _SEARCHES.search(row["definition"])]
    everything = await _inserted(stored, rows)
    for row in indexes:
        await base.owner.execute(f"DROP INDEX {row['name']}")
    without = await _inserted(stored, rows)
    await base.owner.execute(
        "ALTER TABLE episodes ALTER content_tsv DROP EXPRESSION, ALTER content_tsv DROP NOT NULL"
    )
    bare = await _inserted(stored, rows)
    return [
        Seconds(
            f"insert, against the same without {len(indexes)} indexes of searches", rows, everything, without
        ),
        Seconds("insert, against the same without those and without tsvectors", rows, everything, bare),
    ]


async def _inserted(stored: Stored, rows: int) -> float:
    """The median of three parts, times three."""
    tenant_id, corpus = stored.corpus.scopes[0].tenant_id, stored.corpus
    tenant = stored.base.data.tenant(tenant_id)
    times = []
    for _ in range(3):
        new = list(_episodes(corpus, rows // 3, [corpus.scopes[0].agent_id]))
        start = time.perf_counter()
        await tenant.memory.add_episodes(new)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 3
