from __future__ import annotations

from typing import Any

import pytest
import redis

from focal_data.domain.profile import Channel
from focal_data.domain.session import Session, SessionStatus
from focal_data.errors import CorruptDataError, Outcome, StoreConnectionError
from focal_data.ids import TenantId, new_id
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.session import RedisSessionStore
from focal_data.testing.contracts.session import MovedClock
from tests.integration.redis.examples import AGENT, SCENARIO, a_session, cold_key


async def by_step(store: RedisSessionStore, content: str = "content-1", **options: object) -> list[Session]:
    return (await store.find_sessions_by_step_hash(SCENARIO, 2, content, **options)).items


async def test_a_move_leaves_no_entry(store: RedisSessionStore, direct: redis.Redis) -> None:
    """The entries under what it had go with the save itself."""
    old = await store.save(a_session())
    await store.save(old.evolve(agent_id=new_id(), status=SessionStatus.CLOSED, customer_profile_id=None))

    assert 4 == direct.dbsize()  # two copies, the agent's index, the age


async def test_stale_entries(
    store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId, clock: MovedClock
) -> None:
    """Entries that mislead, of sessions gone or moved or by another time, are not believed, and repaired."""
    other = await store.save(
        a_session(agent_id=new_id(), customer_profile_id=new_id(), status=SessionStatus.IDLE)
    )
    clock.advance(seconds=1)
    old, customer = await store.save(a_session()), new_id()
    clock.advance(seconds=1)
    new = await store.save(a_session())
    tenant = tenant_id.hex.encode()
    index = keys.index(tenant, keys.agent_term(AGENT, SessionStatus.ACTIVE))
    planted = keys.index(tenant, keys.customer_term(customer))
    late = -(10**16)
    direct.zadd(index, {other.session_id.hex: late, new_id().hex: late, old.session_id.hex: late})
    direct.zadd(planted, {old.session_id.hex: late, new_id().hex: late})

    assert [new, old] == await store.list_by_agent(AGENT, limit=2)
    assert [new] == await store.list_by_agent(AGENT, SessionStatus.ACTIVE, limit=1)
    assert [] == await store.list_by_customer(customer)

    assert [new.session_id.hex.encode(), old.session_id.hex.encode()] == direct.zrange(index, 0, -1)
    assert not direct.exists(planted)
    assert [other] == await store.list_by_agent(other.agent_id)


async def test_what_can_not_be_repaired(
    store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is not believed all the same: a reader whose repair comes to nothing is given what is there."""
    session = await store.save(a_session())
    index = keys.index(tenant_id.hex.encode(), keys.agent_term(AGENT, SessionStatus.ACTIVE))
    direct.zadd(index, {new_id().hex: -(10**16)})

    async def lost(*_: object) -> None:
        raise StoreConnectionError("lost", outcome=Outcome.UNKNOWN)

    monkeypatch.setattr(store._reader.index, "repair", lost)
    assert [session] == await store.list_by_agent(AGENT)
    assert session == await store.get_by_channel(session.channel, session.channel_user_id)


async def test_more_stale_entries_than_asked_for(
    store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId
) -> None:
    """However many entries mislead, what is there is found."""
    sessions = [await store.save(a_session()) for _ in range(3)]
    term = keys.agent_term(AGENT, SessionStatus.ACTIVE)
    index = keys.index(tenant_id.hex.encode(), term)
    direct.zadd(index, {new_id().hex: -(10**16) - number for number in range(500)})

    assert sessions[:2] == await store.list_by_agent(AGENT, limit=2)


async def test_stale_channel(store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId) -> None:
    """A misleading entry of a channel hides nothing: not one of a closed session, nor of another's."""
    mine = await store.save(a_session())
    closed = await store.save(a_session(status=SessionStatus.CLOSED))
    other = await store.save(a_session(channel_user_id="other"))
    index = keys.index(tenant_id.hex.encode(), keys.channel_term(Channel.WEBCHAT, "user-1"))
    late = -(10**16)
    direct.zadd(index, {closed.session_id.hex: late, other.session_id.hex: late, new_id().hex: late})

    assert mine == await store.get_by_channel(Channel.WEBCHAT, "user-1")
    assert [mine.session_id.hex.encode()] == direct.zrange(index, 0, -1)


async def test_an_older_one_that_stands_first(
    store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId, clock: MovedClock
) -> None:
    """By a channel the newest is found, whatever its index says of an older one."""
    older = await store.save(a_session())
    clock.advance(seconds=1)
    newer = await store.save(a_session())
    index = keys.index(tenant_id.hex.encode(), keys.channel_term(Channel.WEBCHAT, "user-1"))
    direct.zadd(index, {older.session_id.hex: -(10**16)})

    assert newer == await store.get_by_channel(Channel.WEBCHAT, "user-1")


async def test_one_that_leaves_while_it_is_looked_for(
    store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is found by a channel is open and on it, though it was closed or moved between two round trips."""
    index = keys.index(tenant_id.hex.encode(), keys.channel_term(Channel.WEBCHAT, "user-1"))
    newest = store._reader.newest
    for leaving in ({"status": SessionStatus.CLOSED}, {"channel_user_id": "elsewhere"}):
        session = await store.save(a_session())
        direct.zadd(
            index, {new_id().hex: -(10**16), session.session_id.hex: -(10**16)}
        )  # so it has to look twice

        async def newest_that_leaves(*question: Any, leaving: Any = leaving, session: Any = session) -> Any:
            found = await newest(*question)
            await store.save(session.evolve(**leaving))
            return found

        with monkeypatch.context() as patch:
            patch.setattr(store._reader, "newest", newest_that_leaves)
            assert session == await store.get_by_channel(Channel.WEBCHAT, "user-1")
        assert await store.get_by_channel(Channel.WEBCHAT, "user-1") is None


async def test_a_lost_index(store: RedisSessionStore, direct: redis.Redis) -> None:
    """Each save writes all entries, so an index that was lost comes back."""
    session = await store.save(a_session())
    copies = {key for key in direct.scan_iter() if session.session_id.hex.encode() in key}
    direct.delete(*(set(direct.keys()) - copies))

    session = await store.save(session)

    assert [session] == await store.list_by_agent(AGENT)
    assert session == await store.get_by_channel(session.channel, session.channel_user_id)


async def test_what_is_no_index(store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId) -> None:
    """Another type, or entries that can't be any, under an index's key: an error that names it."""
    session = await store.save(a_session())
    index = keys.index(tenant_id.hex.encode(), keys.agent_term(AGENT, SessionStatus.PROCESSING))
    direct.set(index, "text")
    for call in (
        store.list_by_agent(AGENT),
        store.save(session.evolve(status=SessionStatus.PROCESSING)),
    ):
        with pytest.raises(CorruptDataError) as error:
            await call
        assert index.decode() == error.value.key
    assert session == await store.get(session.session_id)

    by_customer = keys.index(tenant_id.hex.encode(), keys.customer_term(session.customer_profile_id))
    for member, score in (("a name", -(10**16)), ("z" * 32, -(10**16)), (new_id().hex, float("-inf"))):
        direct.zadd(by_customer, {member: score})
        with pytest.raises(CorruptDataError) as error:
            await store.list_by_customer(session.customer_profile_id)
        assert by_customer.decode() == error.value.key
        direct.zrem(by_customer, member)
    assert [session] == await store.list_by_customer(session.customer_profile_id)


async def test_an_evicted_session(store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId) -> None:
    """Entries of a session that vanished are removed by the reader."""
    session = await store.save(a_session())
    direct.delete(cold_key(tenant_id, session.session_id))

    assert [] == await store.list_by_customer(session.customer_profile_id)
    index = keys.index(tenant_id.hex.encode(), keys.customer_term(session.customer_profile_id))
    assert not direct.exists(index)


def _sent(direct: redis.Redis) -> int:
    statistics = direct.info("commandstats")
    return sum(
        statistics.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha", "mget")
    )


async def test_round_trips(store: RedisSessionStore, direct: redis.Redis) -> None:
    """A save, a get: one round trip; by channel and a list of any length: two."""
    sessions = [await store.save(a_session()) for _ in range(150)]
    one = sessions[0]
    calls = {
        "save": (1, store.save(a_session())),
        "get": (1, store.get(one.session_id)),
        "delete": (1, store.delete(sessions[1].session_id)),
        "get_by_channel": (2, store.get_by_channel(one.channel, one.channel_user_id)),
        "list_by_agent": (2, store.list_by_agent(AGENT)),
        "list_by_customer": (2, store.list_by_customer(one.customer_profile_id)),
        "find_sessions_by_step_hash": (2, by_step(store)),
    }
    await RedisSessionStore(store._client, TenantId(new_id())).list_by_agent(AGENT)  # the scripts are known
    await store.delete(new_id())
    await store.get(one.session_id)

    for name, (expected, call) in calls.items():
        before = _sent(direct)
        await call
        assert expected == _sent(direct) - before, name


async def test_unknown_scripts(store: RedisSessionStore, client: RedisClient, direct: redis.Redis) -> None:
    """A server that forgot the scripts is taught again."""
    session = await store.save(a_session())
    direct.script_flush()

    assert session == await store.get(session.session_id)


async def test_round_trips_past_old_ones(
    store: RedisSessionStore, direct: redis.Redis, clock: MovedClock
) -> None:
    """Sessions that are too old and not yet swept cost a list no round trips."""
    for _ in range(60):
        await store.save(a_session())
    clock.advance(days=8)
    young = await store.save(a_session())
    await store.list_by_agent(AGENT)
    before = _sent(direct)

    assert [young] == await store.list_by_agent(AGENT, limit=5)

    assert 2 == _sent(direct) - before
