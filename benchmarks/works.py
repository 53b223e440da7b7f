"""The works: what is timed, by whom, and how much ours may cost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import numpy as np
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from benchmarks import by_hand, peers
from benchmarks.ground import Ground
from benchmarks.timing import Operation, Work
from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import Episode
from focal_data.domain.profile import Channel
from focal_data.domain.session import Session, StepVisit
from focal_data.redis.codec import decode, encode
from focal_data.repositories.config import RuleRepository

BARE, PROMISE = "asyncpg by hand, bare", "asyncpg by hand, same promise"
SQLMODEL, ADVANCED, AIOCACHE = "SQLModel", "advanced-alchemy", "aiocache (one tier)"
REDIS = "redis-py by hand, same bytes"
TOGETHER = f"{PROMISE}, 32 rows a statement"
EPISODES = 4992  # a multiple of 32


def both(ground: Ground, work: Callable[[Any], Awaitable[Any]]) -> dict[str, Operation]:
    """The same work by hand, twice: without a tenant, and with the same promise."""

    async def bare() -> Any:
        async with by_hand.bare(ground) as connection:
            return await work(connection)

    async def promised() -> Any:
        async with by_hand.promised(ground) as connection:
            return await work(connection)

    return {BARE: bare, PROMISE: promised}


def in_transaction(ground: Ground, work: Callable[[Any], Awaitable[Any]]) -> dict[str, Operation]:
    """As ``both``, with the bare one in a transaction of its own."""

    async def bare() -> Any:
        async with by_hand.bare(ground) as connection, connection.transaction():
            return await work(connection)

    return {**both(ground, work), BARE: bare}


async def postgres_works(ground: Ground, make: async_sessionmaker[AsyncSession]) -> AsyncIterator[Work]:
    """Everything on one row or a few."""
    tenant, first = ground.tenant, ground.rules[0]
    sqlmodel, advanced = peers.by_sqlmodel(ground, make), peers.by_advanced_alchemy(ground, make)
    floor = both(ground, lambda connection: by_hand.get_rule(connection, tenant.tenant_id, first.id))
    ours: Operation = lambda: tenant.config.get_rule(first.id)  # noqa: E731
    assert await ours() == await floor[BARE]() == await floor[PROMISE]() == await sqlmodel["read"]()
    yield Work(
        "read by id",
        {"ours": ours, **floor, SQLMODEL: sqlmodel["read"], ADVANCED: advanced["read"]},
        {BARE: 1.8, PROMISE: 1.25},
    )

    floor = both(ground, lambda connection: by_hand.list_rules(connection, tenant.tenant_id, ground.agent.id))
    ours = lambda: tenant.config.get_rules(ground.agent.id)  # noqa: E731
    assert await ours() == await floor[BARE]() == await floor[PROMISE]()
    yield Work(
        "list 50",
        {"ours": ours, **floor, SQLMODEL: sqlmodel["list"], ADVANCED: advanced["list"]},
        {BARE: 1.4, PROMISE: 1.2},
        operations=10,
    )
    yield _insert(ground, sqlmodel["insert"])
    yield _update(ground, sqlmodel["update"])
    yield _five_calls(ground, sqlmodel["five"])


def _insert(ground: Ground, peer: Operation) -> Work:
    tenant, first = ground.tenant, ground.rules[0].evolve(revision=0, agent_id=ground.agent.id, enabled=False)

    async def ours() -> None:
        await tenant.config.save_rule(first.evolve(id=uuid4()))

    async def work(connection: Any) -> None:
        await by_hand.insert_rule(connection, tenant.tenant_id, first.evolve(id=uuid4()))

    return Work(
        "insert one",
        {"ours": ours, **in_transaction(ground, work), SQLMODEL: peer},
        {BARE: 1.6, PROMISE: 1.3},
    )


def _update(ground: Ground, peer: Operation) -> Work:
    tenant = ground.tenant
    mine, bare, promised = ground.rules[2:5]

    async def ours() -> None:
        nonlocal mine
        mine = await tenant.config.save_rule(mine)

    async def by_bare() -> None:
        nonlocal bare
        async with by_hand.bare(ground) as connection, connection.transaction():
            bare = await by_hand.update_rule(connection, tenant.tenant_id, bare)

    async def by_promise() -> None:
        nonlocal promised
        async with by_hand.promised(ground) as connection:
            promised = await by_hand.update_rule(connection, tenant.tenant_id, promised)

    contenders = {"ours": ours, BARE: by_bare, PROMISE: by_promise, SQLMODEL: peer}
    return Work("update one, with its lock check", contenders, {BARE: 1.6, PROMISE: 1.3})


def _five_calls(ground: Ground, peer: Operation) -> Work:
    tenant, ids = ground.tenant, [rule.id for rule in ground.rules[10:15]]

    async def ours() -> None:
        async with tenant.transaction() as tx:
            for rule_id in ids:
                await tx.config.get_rule(rule_id)

    async def promised() -> None:
        async with by_hand.promised(ground) as connection:
            for rule_id in ids:
                await by_hand.get_rule(connection, tenant.tenant_id, rule_id)

    async def repositories() -> None:
        async with tenant.transaction() as tx:
            rules = RuleRepository(tx)
            for rule_id in ids:
                await rules.get(rule_id)

    contenders = {"ours": ours, PROMISE: promised, SQLMODEL: peer, "one repository of ours": repositories}
    return Work("five store calls in one transaction", contenders, {PROMISE: 1.3}, operations=10)


def bulk(ground: Ground, make: async_sessionmaker[AsyncSession]) -> Work:
    """Episodes with 1536 dimensions, from the same objects."""
    tenant = ground.tenant
    random = np.random.default_rng(7)
    episodes = [
        Episode(
            agent_id=ground.agent.id,
            content=f"message number {n}",
            embedding=Embedding(vector, model="random"),
        )
        for n, vector in enumerate(random.standard_normal((EPISODES, 1536), dtype=np.float32))
    ]

    async def ours() -> None:
        await tenant.memory.add_episodes([episode.model_copy(update={"id": uuid4()}) for episode in episodes])

    async def promised() -> None:
        async with by_hand.promised(ground) as connection:
            copies = [episode.model_copy(update={"id": uuid4()}) for episode in episodes]
            await by_hand.insert_episodes(connection, tenant.tenant_id, copies)

    async def together() -> None:
        async with by_hand.promised(ground) as connection:
            copies = [episode.model_copy(update={"id": uuid4()}) for episode in episodes]
            await by_hand.insert_episodes_together(connection, tenant.tenant_id, copies)

    async def sqlmodel() -> None:
        async with make() as session:
            session.add_all(peers.new_episodes(episodes, ground))
            await session.commit()

    contenders = {"ours": ours, PROMISE: promised, TOGETHER: together, SQLMODEL: sqlmodel}
    name = f"bulk insert of {EPISODES:,} episodes"
    return Work(name, contenders, {PROMISE: 1.3}, rounds=5, operations=1)


@asynccontextmanager
async def session_works(ground: Ground) -> AsyncIterator[list[Work]]:
    """A live session of about 5 KB: saved in both tiers, and read."""
    sessions, session = ground.tenant.sessions, await ground.tenant.sessions.save(a_session(ground))
    encoded = encode(session)
    client = Redis.from_url(ground.settings.sessions_url())
    cache = peers.aiocache_over(Redis.from_url(ground.settings.sessions_url()))
    await client.set(b"bench:hot", encoded.hot)
    await cache.set("bench:aio", encoded.hot)

    async def save() -> None:
        nonlocal session
        session = await sessions.save(session)

    async def save_by_hand(*, both_or_none: bool = False) -> None:
        pipeline = client.pipeline(transaction=both_or_none)
        pipeline.set(b"bench:hot", encoded.hot, px=1_800_000)
        pipeline.set(b"bench:cold", encoded.cold)
        await pipeline.execute()

    async def get_by_hand() -> Session:
        value = await client.get(b"bench:hot")
        return decode(value, b"bench:hot")

    async def save_by_aiocache() -> None:
        await cache.set("bench:aio", encoded.hot, ttl=1800)

    async def get_by_aiocache() -> Session:
        return decode(await cache.get("bench:aio"), b"bench:aio")

    assert await sessions.get(session.session_id) == await get_by_hand() == session
    yield [
        Work(
            "session save",
            {
                "ours": save,
                REDIS: save_by_hand,
                f"{REDIS}, MULTI and EXEC": lambda: save_by_hand(both_or_none=True),
                AIOCACHE: save_by_aiocache,
            },
            {REDIS: 1.6},
        ),
        Work(
            "session get",
            {"ours": lambda: sessions.get(session.session_id), REDIS: get_by_hand, AIOCACHE: get_by_aiocache},
            {REDIS: 1.3},
        ),
    ]
    await client.aclose()
    await cache.client.aclose()


def a_session(ground: Ground) -> Session:
    """A session in the middle of a conversation, about 5 KB as JSON."""
    visit = StepVisit(
        step_id=uuid4(),
        step_name="ask for the order number",
        entered_at=datetime.now(UTC),
        turn_number=3,
        confidence=0.9,
    )
    return Session(
        agent_id=ground.agent.id,
        channel=Channel.WEBCHAT,
        channel_user_id="ada@example.com",
        step_history=[visit.model_copy(update={"turn_number": n}) for n in range(12)],
        variables={f"variable_{n}": f"a value of moderate length, number {n}" for n in range(25)},
        rule_fires={str(rule.id): n for n, rule in enumerate(ground.rules[:8])},
    )
