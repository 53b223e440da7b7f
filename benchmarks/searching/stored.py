"""A corpus in PostgreSQL: a database of its own, loaded through the project, and the connections of everybody who asks."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import numpy as np

from benchmarks.ground import pool
from benchmarks.searching.corpora import Corpus, Scope
from focal_data.data_layer import DataLayer
from focal_data.domain.config import Agent
from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import ContentType, Episode, EpisodeSource, Language
from focal_data.ids import new_id
from focal_data.migration import runner
from focal_data.operations.operator import Operator
from focal_data.settings import Settings
from focal_data.testing.databases import fresh_database
from focal_data.testing.engines import Engines

BATCH = 2000


@dataclass(frozen=True)
class Base:
    """A database at head, a service's door to it, the operator's, and connections by hand."""

    url: str
    settings: Settings
    data: DataLayer
    operator: Operator
    bound: asyncpg.Pool
    """By hand, as the application role, which the policies bind."""
    owner: asyncpg.Pool
    """By hand, as the owner, whom no policy binds."""


@dataclass(frozen=True)
class Stored:
    """A corpus, loaded: ``ids[n]`` is the episode of row n."""

    corpus: Corpus
    base: Base
    ids: list[UUID]
    seconds: float
    """How long loading took."""

    def scope(self, query: int) -> Scope:
        """Whom a query asks."""
        return self.corpus.scopes[int(self.corpus.asked[query])]

    def embedding(self, query: int) -> Embedding:
        """What is asked."""
        return embedding_of(self.corpus.queries[query], self.corpus.model)


@asynccontextmanager
async def database(engines: Engines) -> AsyncIterator[Base]:
    """An empty one at head, dropped at the end."""
    async with fresh_database(engines.admin_url) as url:
        settings = Settings.of(database_url=url, redis_url=engines.redis_url, statement_timeout=600.0)
        await runner.upgrade(settings)
        async with (
            DataLayer.open(settings) as data,
            Operator.open(settings) as operator,
            pool(url, role="focal_app") as bound,
            pool(url) as owner,
        ):
            yield Base(url, settings, data, operator, bound, owner)


async def load(base: Base, corpus: Corpus) -> Stored:
    """Store the corpus, a tenant at a time, as an operator does."""
    ids = [new_id() for _ in corpus.owners]
    for scope in corpus.scopes:
        await base.data.tenant(scope.tenant_id).config.save_agent(
            Agent(id=scope.agent_id, name=str(scope.rows))
        )
    tenants = list(dict.fromkeys(scope.tenant_id for scope in corpus.scopes))
    of_scope = np.array([tenants.index(scope.tenant_id) for scope in corpus.scopes])
    start = time.perf_counter()
    for number, tenant_id in enumerate(tenants):
        rows = np.flatnonzero(of_scope[corpus.owners] == number)
        await add(base, tenant_id, (episode(corpus, int(row), ids[row]) for row in rows))
    seconds = time.perf_counter() - start
    await base.owner.execute("VACUUM (ANALYZE) episodes")
    return Stored(corpus, base, ids, seconds)


async def add(base: Base, tenant_id: UUID, episodes: Iterator[Episode]) -> None:
    """By the operator's ``load_episodes``."""
    await base.operator.tenant(tenant_id).load_episodes(episodes)


def episode(corpus: Corpus, row: int, id_: UUID) -> Episode:
    """Row ``row`` as an episode."""
    occurred_at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=row)
    return Episode(
        id=id_,
        agent_id=corpus.scopes[int(corpus.owners[row])].agent_id,
        content=corpus.texts[row],
        content_type=ContentType.DOCUMENT,
        language=Language.ENGLISH,
        source=EpisodeSource.EXTERNAL,
        source_metadata={"row": row},
        occurred_at=occurred_at,
        embedding=embedding_of(corpus.vectors[row], corpus.model),
    )


def embedding_of(halves: np.ndarray[tuple[int], np.dtype[np.float16]], model: str) -> Embedding:
    """A row of a corpus."""
    return Embedding.from_bytes(halves.astype("<f4").tobytes(), model=model)
