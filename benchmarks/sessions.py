"""Live sessions under load: many tasks at once, promotions, the size of a cold one, a list out of many."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis

from benchmarks.ground import Ground
from benchmarks.timing import Ratio, Work
from benchmarks.works import a_session
from focal_data.domain.session import Session
from focal_data.ids import new_id
from focal_data.redis.client import RedisClient
from focal_data.redis.codec import decode, encode
from focal_data.redis.places import slot_of
from focal_data.redis.session import RedisSessionStore

MANY = 100_000
LISTED = 100
KEPT = 5_000
ROUNDS = 5


class Times:
    """How long each operation of a run took, and the run."""

    def __init__(self, each: list[float], whole: float) -> None:
        self.each = sorted(each)
        self.whole = whole

    def part(self, of_all: float) -> float:
        """The time in which this part of the operations was done."""
        return self.each[min(len(self.each) - 1, int(len(self.each) * of_all))]


async def at_once(tasks: int, operation: Callable[[int], Awaitable[Any]]) -> Times:
    """``operation`` in so many tasks at once; an error ends it."""
    each: list[float] = []

    async def one(number: int) -> None:
        start = time.perf_counter()
        await operation(number)
        each.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(tasks)))
    return Times(each, time.perf_counter() - start)


class ByHand:
    """redis-py's pool of as many connections, the same bytes in both tiers, and the same decoding."""

    def __init__(self, ground: Ground) -> None:
        pool = BlockingConnectionPool.from_url(
            ground.settings.sessions_url(), max_connections=ground.settings.redis_pool_size, timeout=None
        )
        self.client = Redis(connection_pool=pool)

    async def save(self, name: str, hot: bytes, cold: bytes) -> None:
        pipeline = self.client.pipeline(transaction=False)
        pipeline.set(f"bench-hot-{name}", hot, px=1_800_000)
        pipeline.set(f"bench-cold-{name}", cold)
        await pipeline.execute()

    async def get(self, name: str) -> Session:
        return decode(await self.client.get(f"bench-hot-{name}"), b"bench")


async def session_ratios(ground: Ground) -> AsyncIterator[Ratio]:
    """Every ratio that is not one operation's alone."""
    # The last of 10,000 waits for all others, which takes as long as the machine needs.
    patient = ground.settings.model_copy(update={"redis_timeout": 60.0})
    client, hand = RedisClient(patient), ByHand(ground)
    store = RedisSessionStore(client, ground.tenant.tenant_id)
    saved = [await store.save(a_session(ground)) for _ in range(KEPT)]
    encoded = [encode(session) for session in saved]
    for number, one in enumerate(encoded):
        await hand.save(str(number), one.hot, one.cold)

    async def ours(number: int) -> None:
        which = number // 2
        if number % 2:
            await store.get(saved[which].session_id)
        else:
            saved[which] = await store.save(saved[which])

    async def by_hand(number: int) -> None:
        which = number // 2
        if number % 2:
            await hand.get(str(which))
        else:
            await hand.save(str(which), encoded[which].hot, encoded[which].cold)

    for tasks in (1_000, 10_000):
        runs = [(await at_once(tasks, ours), await at_once(tasks, by_hand)) for _ in range(ROUNDS)]
        ratio = statistics.median(mine.whole / floor.whole for mine, floor in runs)
        yield Ratio(f"sessions, {tasks:,} tasks", "redis-py by hand, a pool", ratio, 1.25)
        spread = statistics.median(mine.part(0.99) / mine.part(0.5) for mine, _ in runs)
        yield Ratio(f"sessions, {tasks:,} tasks, p99", "its median", spread, 3.0 if tasks == 1_000 else None)

    async def promoted(number: int) -> None:
        await store.get(saved[number].session_id)

    async def plain(number: int) -> None:
        await hand.get(str(number))

    promotions, gets = [], []
    for _ in range(10):
        for session in saved[:100]:
            await store.demote_to_persistent(session.session_id)
        promotions += (await at_once(100, promoted)).each
        gets += (await at_once(100, plain)).each
    slowest = Times(promotions, 0).part(0.99)
    yield Ratio(
        "sessions promoted, 100 tasks, p99", "a plain GET, p99", slowest / Times(gets, 0).part(0.99), 2.0
    )
    yield Ratio("sessions promoted, 100 tasks, p99", "50 ms", slowest / 0.05, 1.0)
    yield await _cold_size(ground, saved[0])
    await hand.client.aclose()
    await client.close()


def _fresh() -> dict[str, Any]:
    return {"session_id": new_id(), "revision": 0}


async def _cold_size(ground: Ground, session: Session) -> Ratio:
    """What a thousand cold sessions take of the server's memory, with their keys and entries, each."""
    tenant = ground.data.tenant(new_id())
    async with Redis.from_url(ground.settings.sessions_url()) as client:
        before = (await client.info("memory"))["used_memory"]
        for number in range(1000):
            fresh = session.model_copy(
                update={**_fresh(), "tenant_id": tenant.tenant_id, "channel_user_id": f"user {number}"}
            )
            saved = await tenant.sessions.save(fresh)
            await client.delete(slot_of(tenant.tenant_id.hex.encode(), saved.session_id).hot)
        taken = (await client.info("memory"))["used_memory"] - before
    return Ratio(
        "sessions, a cold one's memory", "its JSON", taken / 1000 / len(session.model_dump_json()), 0.5
    )


async def list_work(ground: Ground) -> Work:
    """100 of 100,000 that one agent has."""
    tenant = ground.data.tenant(new_id())
    one = a_session(ground)
    for _ in range(MANY // 1000):
        await asyncio.gather(*(tenant.sessions.save(one.model_copy(update=_fresh())) for _ in range(1000)))
    client = Redis.from_url(ground.settings.sessions_url())
    listed = await tenant.sessions.list_by_agent(one.agent_id, limit=LISTED)
    names = [slot_of(tenant.tenant_id.hex.encode(), session.session_id).cold for session in listed]

    async def ours() -> None:
        await tenant.sessions.list_by_agent(one.agent_id, limit=LISTED)

    async def by_hand() -> None:
        values = await client.mget(names)
        for value, name in zip(values, names, strict=True):
            decode(value, name)

    return Work(
        "session list, 100 of 100,000",
        {"ours": ours, "MGET of the same, decoded": by_hand, "MGET of the same": lambda: client.mget(names)},
        {"MGET of the same, decoded": 2.0},
        operations=5,
    )
