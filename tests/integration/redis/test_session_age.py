from __future__ import annotations

import asyncio
from uuid import UUID

import redis

from focal_data.ids import TenantId, new_id
from focal_data.redis.client import RedisClient
from focal_data.redis.session import RedisSessionMaintenance, RedisSessionStore
from focal_data.settings import Settings
from focal_data.testing.contracts.session import MovedClock
from tests.integration.redis.examples import AGENT, a_session


async def test_cleanup(
    store: RedisSessionStore, maintenance: RedisSessionMaintenance, direct: redis.Redis, clock: MovedClock
) -> None:
    """Cleaning up removes what is too old, of every kind of key, and leaves the rest; it tells how many."""
    for number in range(250):
        await store.save(a_session(channel_user_id=f"old-{number}"))
    clock.advance(days=5)
    young = await store.save(a_session())
    before = set(direct.keys())
    assert 0 == await maintenance.cleanup()
    clock.advance(days=3)

    assert 250 == await maintenance.cleanup()

    assert {key for key in before if young.session_id.hex.encode() in key} <= set(direct.keys())
    assert 7 == direct.dbsize()  # two copies, four indexes, one age
    assert [young] == await store.list_by_agent(AGENT)
    clock.advance(days=5)
    assert 1 == await maintenance.cleanup()
    assert [] == direct.keys()


async def test_cleanup_goes_on_until_nothing_is_left(
    store: RedisSessionStore, maintenance: RedisSessionMaintenance, direct: redis.Redis, clock: MovedClock
) -> None:
    """However many lie in one shard, of which it takes a hundred at a time."""
    for number in range(320):
        await store.save(a_session(session_id=UUID(int=16 * number)))
    clock.advance(days=8)

    assert 320 == await maintenance.cleanup()
    assert [] == direct.keys()


async def test_cleanup_ends_where_ages_are_of_no_session(
    maintenance: RedisSessionMaintenance, direct: redis.Redis
) -> None:
    """What somebody else put among them goes, and is not looked at over and over."""
    direct.zadd("focal:ages:0", {f"somebody else's {number}": 0 for number in range(100)})

    async with asyncio.timeout(20):
        assert 0 == await maintenance.cleanup()
    assert [] == direct.keys()


async def test_moved_sessions_are_cleaned_up(
    store: RedisSessionStore, maintenance: RedisSessionMaintenance, direct: redis.Redis, clock: MovedClock
) -> None:
    """Nothing stays of a session that was found by other things before."""
    session = await store.save(a_session())
    await store.save(
        session.evolve(
            agent_id=new_id(), channel_user_id="moved", customer_profile_id=new_id(), status="idle"
        )
    )
    clock.advance(days=8)

    assert 1 == await maintenance.cleanup()
    assert [] == direct.keys()


async def test_used_meanwhile(
    store: RedisSessionStore, maintenance: RedisSessionMaintenance, direct: redis.Redis, clock: MovedClock
) -> None:
    """A session that was used is not removed, even where its entry among the ages lags behind."""
    session = await store.save(a_session())
    clock.advance(days=6)
    session = await store.save(session)
    (shard,) = (key for key in direct.keys("focal:ages:*"))
    (member,) = direct.zrange(shard, 0, -1)
    direct.zadd(shard, {member: 0})
    clock.advance(days=2)

    assert 0 == await maintenance.cleanup()

    assert session == await store.get(session.session_id)
    assert -int(session.last_activity_at.timestamp()) * 1_000_000 == direct.zscore(shard, member)


async def test_ages_that_were_lost(
    store: RedisSessionStore, maintenance: RedisSessionMaintenance, direct: redis.Redis, clock: MovedClock
) -> None:
    """Come back with the first save in another hour, so that the session is cleaned up in the end."""
    session = await store.save(a_session())
    direct.delete(*direct.keys("focal:ages:*"))
    clock.advance(hours=1)
    await store.save(session)
    clock.advance(days=8)

    assert 1 == await maintenance.cleanup()
    assert [] == direct.keys()


async def test_saves_sweep(store: RedisSessionStore, direct: redis.Redis, clock: MovedClock) -> None:
    """A deployment that never cleans up does not grow for ever: new sessions sweep old ones."""
    for _ in range(40):
        for number in range(20):
            await store.save(a_session(channel_user_id=f"user-{number}"))
        clock.advance(days=2)

    assert direct.dbsize() < 20 * 6 * 10


async def test_cleanup_spans_tenants(
    client: RedisClient, maintenance: RedisSessionMaintenance, direct: redis.Redis, clock: MovedClock
) -> None:
    """Cleaning up is for all tenants."""
    for _ in range(3):
        await RedisSessionStore(client, TenantId(new_id()), clock=clock).save(a_session())
    clock.advance(days=8)

    assert 3 == await maintenance.cleanup()
    assert [] == direct.keys()


async def test_max_age_is_a_setting(settings: Settings, tenant_id: TenantId, clock: MovedClock) -> None:
    """How long a session lasts without activity is a setting."""
    async with RedisClient(settings.model_copy(update={"session_max_age": 60.0})) as client:
        store = RedisSessionStore(client, tenant_id, clock=clock)
        session = await store.save(a_session())
        clock.advance(seconds=60)
        assert session == await store.get(session.session_id)
        clock.advance(microseconds=1)
        assert await store.get(session.session_id) is None
        assert 1 == await RedisSessionMaintenance(client, clock=clock).cleanup()
