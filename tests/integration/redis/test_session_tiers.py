from __future__ import annotations

import asyncio
import zlib

import redis

from focal_data.ids import TenantId
from focal_data.redis.client import RedisClient
from focal_data.redis.codec import encode
from focal_data.redis.session import RedisSessionStore
from focal_data.settings import Settings
from focal_data.testing.contracts.session import MovedClock
from tests.integration.redis.examples import AGENT, SECRET, a_session, cold_key, hot_key

THIRTY_MINUTES = 1_800_000


async def test_save_both_tiers(store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId) -> None:
    """A save writes a hot copy that expires, and a compressed one that does not."""
    session = await store.save(a_session())

    hot, cold = hot_key(tenant_id, session.session_id), cold_key(tenant_id, session.session_id)
    assert THIRTY_MINUTES - 5000 < direct.pttl(hot) <= THIRTY_MINUTES
    assert -1 == direct.ttl(cold)
    assert SECRET.encode() in direct.get(hot)
    assert SECRET.encode() not in direct.get(cold)
    assert direct.strlen(cold) < direct.strlen(hot)


async def test_promotion(store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId) -> None:
    """When the hot copy has expired, a get makes the session hot again for its full time, with the cold copy's bytes."""
    session = await store.save(a_session())
    hot, cold = hot_key(tenant_id, session.session_id), cold_key(tenant_id, session.session_id)
    direct.pexpire(hot, 0)
    assert not direct.exists(hot)

    assert session == await store.get(session.session_id)

    assert direct.get(cold) == direct.get(hot)
    assert THIRTY_MINUTES - 5000 < direct.pttl(hot) <= THIRTY_MINUTES
    assert session == await store.get(session.session_id)


async def test_get_keeps_hot(store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId) -> None:
    """A get gives a hot copy its full time back once a sixteenth has gone, and writes nothing before that."""
    session = await store.save(a_session())
    hot = hot_key(tenant_id, session.session_id)

    direct.pexpire(hot, THIRTY_MINUTES - 60_000)
    await store.get(session.session_id)
    assert direct.pttl(hot) <= THIRTY_MINUTES - 60_000

    direct.pexpire(hot, 60_000)
    await store.get(session.session_id)
    assert THIRTY_MINUTES - 5000 < direct.pttl(hot)


async def test_by_channel_promotes(
    store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId
) -> None:
    """A session found by its channel becomes hot."""
    session = await store.save(a_session())
    await store.demote_to_persistent(session.session_id)

    assert session == await store.get_by_channel(session.channel, session.channel_user_id)
    assert direct.exists(hot_key(tenant_id, session.session_id))


async def test_lists_leave_cold(store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId) -> None:
    """A list reads cold sessions and leaves them cold."""
    session = await store.save(a_session())
    await store.demote_to_persistent(session.session_id)

    assert [session] == await store.list_by_agent(AGENT)
    assert not direct.exists(hot_key(tenant_id, session.session_id))


async def test_promote_gives_the_full_time(
    store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId
) -> None:
    """To promote a hot session gives it its full time, and keeps its copy."""
    session = await store.save(a_session())
    hot = hot_key(tenant_id, session.session_id)
    before = direct.get(hot)
    direct.pexpire(hot, THIRTY_MINUTES - 60_000)

    assert await store.promote_to_hot(session.session_id)

    assert before == direct.get(hot)
    assert THIRTY_MINUTES - 5000 < direct.pttl(hot)


async def test_hot_ttl_is_a_setting(
    settings: Settings, direct: redis.Redis, tenant_id: TenantId, clock: MovedClock
) -> None:
    """How long a session stays hot is a setting."""
    async with RedisClient(settings.model_copy(update={"session_hot_ttl": 2.5})) as client:
        session = await RedisSessionStore(client, tenant_id, clock=clock).save(a_session())

    assert 1000 < direct.pttl(hot_key(tenant_id, session.session_id)) <= 2500


async def test_an_idle_session_gets_cold_by_itself(
    store: RedisSessionStore, settings: Settings, direct: redis.Redis, tenant_id: TenantId, clock: MovedClock
) -> None:
    """When its time is over the hot copy is gone, the session is not, and who asks for it makes it hot again."""
    async with RedisClient(settings.model_copy(update={"session_hot_ttl": 0.05})) as client:
        session = await RedisSessionStore(client, tenant_id, clock=clock).save(a_session())
    hot = hot_key(tenant_id, session.session_id)
    while direct.exists(hot):  # noqa: ASYNC110  (nobody tells)
        await asyncio.sleep(0.02)

    assert [session] == await store.list_by_agent(AGENT)
    assert session == await store.get_by_channel(session.channel, session.channel_user_id)
    assert THIRTY_MINUTES - 5000 < direct.pttl(hot)


async def test_delete(store: RedisSessionStore, direct: redis.Redis) -> None:
    """A deleted session leaves nothing behind, and is deleted once."""
    session = await store.save(a_session())

    assert await store.delete(session.session_id)

    assert [] == direct.keys()
    assert not await store.delete(session.session_id)
    assert await store.get(session.session_id) is None


async def test_cold_size(store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId) -> None:
    """The cold copy is smaller than zlib alone makes it, whatever it holds."""
    session = await store.save(a_session(variables={}))

    json = session.model_dump_json().encode()
    assert direct.strlen(cold_key(tenant_id, session.session_id)) < len(zlib.compress(json, 1))


async def test_stored_bytes(store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId) -> None:
    """The server stores what the codec says, with the id of the write put in."""
    session = await store.save(a_session())
    encoded = encode(session)

    for key, expected in ((hot_key, encoded.hot), (cold_key, encoded.cold)):
        stored = direct.get(key(tenant_id, session.session_id))
        assert expected == stored[:1] + bytes(32) + stored[33:]
        assert bytes(8) != stored[1:9]
