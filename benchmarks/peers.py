"""Public peers, used the way their documentation shows: SQLModel's own session, advanced-alchemy's repository, aiocache.

They have no tenant, no policy and no role; what they read becomes the same domain object.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from aiocache.backends.redis import RedisCache
from aiocache.serializers import NullSerializer
from numpy.typing import NDArray
from redis.asyncio import Redis
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from benchmarks.ground import Ground
from focal_data.domain.config import Rule
from focal_data.domain.memory import Episode
from focal_data.domain.signs import sign_codes
from focal_data.ids import new_id
from focal_data.tables.config import RuleTable
from focal_data.tables.memory import EpisodeTable


class RuleRepository(SQLAlchemyAsyncRepository[RuleTable]):  # type: ignore[type-var]
    """advanced-alchemy's repository over our table."""

    model_type = RuleTable
    id_attribute = "id"


@asynccontextmanager
async def sessions(ground: Ground) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """SQLAlchemy's sessions over an engine of their own."""
    engine = create_async_engine(
        ground.settings.service_url(),
        pool_size=4,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    event.listen(engine.sync_engine, "connect", lambda connection, _: connection.run_async(_binary_vectors))
    yield async_sessionmaker(engine, expire_on_commit=False)
    await engine.dispose()


async def _binary_vectors(driver: Any) -> None:
    await driver.set_type_codec("halfvec", encoder=bytes, decoder=bytes, schema="public", format="binary")


def domain(row: RuleTable) -> Rule:
    """The row as a domain object."""
    values = row.model_dump(exclude={"embedding_code", "embedding_model", "embedding_dimensions"})
    return Rule.model_validate(values)


def table(rule: Rule, ground: Ground) -> RuleTable:
    """The domain object as a new row."""
    now = datetime.now(UTC)
    values = rule.model_dump(exclude={"embedding"}) | {
        "id": new_id(),
        "tenant_id": ground.tenant.tenant_id,
        "created_at": now,
        "updated_at": now,
        "revision": 1,
    }
    return RuleTable(**values)


def new_episodes(episodes: list[Episode], ground: Ground) -> list[EpisodeTable]:
    """The episodes as new rows."""
    vectors = np.stack([episode.embedding.vector for episode in episodes if episode.embedding])
    codes = sign_codes(vectors)
    return [_new_episode(episode, ground, code) for episode, code in zip(episodes, codes, strict=True)]


def _new_episode(episode: Episode, ground: Ground, code: NDArray[np.uint8]) -> EpisodeTable:
    embedding = episode.embedding
    assert embedding is not None
    values = episode.model_dump(exclude={"embedding"}) | {
        "id": new_id(),
        "tenant_id": ground.tenant.tenant_id,
        "recorded_at": datetime.now(UTC),
        "embedding": embedding.vector,
        "embedding_code": code.tobytes(),
        "embedding_model": embedding.model,
        "embedding_dimensions": len(embedding),
    }
    return EpisodeTable(**values)


def by_sqlmodel(ground: Ground, make: async_sessionmaker[AsyncSession]) -> dict[str, Callable[[], Any]]:
    """The works with SQLModel's table and SQLAlchemy's session."""
    tenant_id, first = ground.tenant.tenant_id, ground.rules[0]

    async def read() -> Rule:
        async with make() as session:
            row = await session.get(RuleTable, (tenant_id, first.id))
            assert row is not None
            return domain(row)

    async def listed() -> list[Rule]:
        async with make() as session:
            wanted = (RuleTable.tenant_id == tenant_id, RuleTable.agent_id == ground.agent.id)
            rows = await session.scalars(
                select(RuleTable).where(*wanted).order_by(RuleTable.priority.desc()).limit(50)
            )  # type: ignore[attr-defined]
            return [domain(row) for row in rows]

    async def insert() -> None:
        async with make() as session:
            session.add(table(first, ground))
            await session.commit()

    async def update() -> None:
        async with make() as session:
            row = await session.get(RuleTable, (tenant_id, ground.rules[1].id))
            assert row is not None
            row.updated_at = datetime.now(UTC)
            await session.commit()

    async def five() -> list[Rule]:
        async with make() as session, session.begin():
            rows = [await session.get(RuleTable, (tenant_id, rule.id)) for rule in ground.rules[10:15]]
            return [domain(row) for row in rows if row is not None]

    return {"read": read, "list": listed, "insert": insert, "update": update, "five": five}


def by_advanced_alchemy(
    ground: Ground, make: async_sessionmaker[AsyncSession]
) -> dict[str, Callable[[], Any]]:
    """Two of the works with advanced-alchemy's repository."""

    async def read() -> Rule:
        async with make() as session:
            row = await RuleRepository(session=session).get_one(
                tenant_id=ground.tenant.tenant_id, id=ground.rules[0].id
            )
            return domain(row)

    async def listed() -> list[Rule]:
        async with make() as session:
            rows = await RuleRepository(session=session).list(
                RuleTable.tenant_id == ground.tenant.tenant_id, RuleTable.agent_id == ground.agent.id
            )
            return [domain(row) for row in rows]

    return {"read": read, "list": listed}


def aiocache_over(client: Redis) -> RedisCache:
    """aiocache on the same server: one tier, no revision, no index."""
    cache = RedisCache(serializer=NullSerializer(encoding=None))
    cache.client = client  # its own way knows hosts and ports, not sockets
    return cache
