from __future__ import annotations

import asyncio

import pytest
import redis

from focal_data.errors import NotFoundError
from focal_data.ids import TenantId, new_id
from focal_data.redis.client import RedisClient
from focal_data.redis.session import RedisSessionMaintenance, RedisSessionStore
from tests.integration.redis.conftest import FakeClock
from tests.integration.redis.examples import AGENT, SCENARIO, a_session


async def test_too_old(store: RedisSessionStore, clock: FakeClock) -> None:
    """Past the maximum age a session is absent for every call, swept or not; up to it, it is there."""
    session = await store.save(a_session())

    clock.advance(days=7)
    assert session == await store.get(session.session_id)
    assert [session] == await store.list_by_agent(AGENT)

    clock.advance(microseconds=1)
    assert await store.get(session.session_id) is None
    assert await store.get_by_channel(session.channel, session.channel_user_id) is None
    assert [] == await store.list_by_agent(AGENT)
    assert [] == await store.list_by_customer(session.customer_profile_id)
    assert [] == (await store.find_sessions_by_step_hash(SCENARIO, 2, "content-1")).items
    assert not await store.promote_to_hot(session.session_id)
    assert not await store.demote_to_persistent(session.session_id)
    with pytest.raises(NotFoundError):
        await store.save(session)
    assert not await store.delete(session.session_id)


async def test_a_new_one_in_its_place(store: RedisSessionStore, clock: FakeClock) -> None:
    """A new session may take the id of one that is too old, and inherits nothing of it."""
    old = await store.save(a_session(channel_user_id="old"))
    now = clock.advance(days=8)

    new = await store.save(a_session(session_id=old.session_id, agent_id=new_id()))

    assert (1, now) == (new.revision, new.created_at)
    assert new == await store.get(old.session_id)
    assert [] == await store.list_by_agent(old.agent_id)
    assert await store.get_by_channel(old.channel, "old") is None


async def test_activity_counts(store: RedisSessionStore, clock: FakeClock) -> None:
    """The age is counted from the last save."""
    session = await store.save(a_session())
    for _ in range(3):
        clock.advance(days=5)
        session = await store.save(session)

    assert session == await store.get(session.session_id)


async def test_cleanup(
    store: RedisSessionStore, maintenance: RedisSessionMaintenance, direct: redis.Redis, clock: FakeClock
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


async def test_moved_sessions_are_cleaned_up(
    store: RedisSessionStore, maintenance: RedisSessionMaintenance, direct: redis.Redis, clock: FakeClock
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
    store: RedisSessionStore, maintenance: RedisSessionMaintenance, direct: redis.Redis, clock: FakeClock
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


async def test_many_clean_up_at_once(
    store: RedisSessionStore, maintenance: RedisSessionMaintenance, direct: redis.Redis, clock: FakeClock
) -> None:
    """Any number may clean up at once, while others save; each session is counted once."""
    for number in range(100):
        await store.save(a_session(channel_user_id=f"old-{number}"))
    busy = [await store.save(a_session(channel_user_id=f"busy-{number}")) for number in range(20)]
    clock.advance(days=6)
    busy = [await store.save(session) for session in busy]
    clock.advance(days=2)

    counts = await asyncio.gather(
        *(maintenance.cleanup() for _ in range(5)), *(store.save(session) for session in busy)
    )

    assert sum(counts[:5]) <= 100  # what a save swept is counted by nobody
    assert 20 == len(await store.list_by_agent(AGENT))
    assert 0 == await maintenance.cleanup()


async def test_saves_sweep(store: RedisSessionStore, direct: redis.Redis, clock: FakeClock) -> None:
    """A deployment that never cleans up does not grow for ever: new sessions sweep old ones."""
    for _ in range(40):
        for number in range(20):
            await store.save(a_session(channel_user_id=f"user-{number}"))
        clock.advance(days=2)

    assert direct.dbsize() < 20 * 6 * 10


async def test_health(maintenance: RedisSessionMaintenance) -> None:
    """A server that answers is healthy."""
    assert await maintenance.health_check()


async def test_cleanup_spans_tenants(
    client: RedisClient, maintenance: RedisSessionMaintenance, direct: redis.Redis, clock: FakeClock
) -> None:
    """Cleaning up is for all tenants."""
    for _ in range(3):
        await RedisSessionStore(client, TenantId(new_id()), clock=clock).save(a_session())
    clock.advance(days=8)

    assert 3 == await maintenance.cleanup()
    assert [] == direct.keys()
