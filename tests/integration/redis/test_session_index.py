from __future__ import annotations

import pytest
import redis

from focal_data.domain.config import ScopeFilter
from focal_data.domain.profile import Channel
from focal_data.domain.session import Session, SessionStatus
from focal_data.errors import InvalidDataError
from focal_data.ids import TenantId, new_id
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.session import RedisSessionStore
from tests.integration.redis.conftest import FakeClock
from tests.integration.redis.examples import AGENT, SCENARIO, a_session, a_visit, cold_key


async def by_step(store: RedisSessionStore, content: str = "content-1", **options: object) -> list[Session]:
    return (await store.find_sessions_by_step_hash(SCENARIO, 2, content, **options)).items


async def test_a_move_of_everything(store: RedisSessionStore) -> None:
    """A session that moved is found by what it has now, and by nothing that it had."""
    old = await store.save(a_session())
    new = await store.save(
        old.evolve(
            agent_id=new_id(),
            channel=Channel.EMAIL,
            channel_user_id="user-2",
            customer_profile_id=new_id(),
            status=SessionStatus.PROCESSING,
            step_history=[*old.step_history, a_visit("content-2")],
        )
    )

    assert [] == await store.list_by_agent(AGENT)
    assert [] == await store.list_by_agent(new.agent_id, SessionStatus.ACTIVE)
    assert (
        [new]
        == await store.list_by_agent(new.agent_id, SessionStatus.PROCESSING)
        == await store.list_by_agent(new.agent_id)
    )
    assert await store.get_by_channel(old.channel, old.channel_user_id) is None
    assert new == await store.get_by_channel(new.channel, new.channel_user_id)
    assert [] == await store.list_by_customer(old.customer_profile_id)
    assert [new] == await store.list_by_customer(new.customer_profile_id)
    assert [] == await by_step(store)
    assert [new] == await by_step(store, "content-2")


async def test_a_move_leaves_no_entry(store: RedisSessionStore, direct: redis.Redis) -> None:
    """The entries under what it had go with the save itself."""
    old = await store.save(a_session())
    await store.save(old.evolve(agent_id=new_id(), status=SessionStatus.CLOSED, customer_profile_id=None))

    assert 4 == direct.dbsize()  # two copies, the agent's index, the age


async def test_closed(store: RedisSessionStore) -> None:
    """A closed session is not found by its channel or step; it is listed, and found again when it is open."""
    session = await store.save(a_session())
    closed = await store.save(session.evolve(status=SessionStatus.CLOSED))

    assert await store.get_by_channel(closed.channel, closed.channel_user_id) is None
    assert [] == await by_step(store)
    assert (
        [closed]
        == await store.list_by_agent(AGENT)
        == await store.list_by_customer(closed.customer_profile_id)
    )

    opened = await store.save(closed.evolve(status=SessionStatus.ACTIVE))
    assert opened == await store.get_by_channel(closed.channel, closed.channel_user_id)


async def test_order(store: RedisSessionStore, clock: FakeClock) -> None:
    """Lists are newest activity first and then by id, over all statuses; a limit cuts the end off."""
    customer = new_id()
    statuses = list(SessionStatus)
    saved = []
    for number in range(30):
        if number % 3 == 0:
            clock.advance(seconds=1)
        saved.append(await store.save(a_session(customer_profile_id=customer, status=statuses[number % 5])))
    clock.advance(seconds=1)
    saved[4] = await store.save(saved[4])

    expected = sorted(saved, key=lambda s: (-s.last_activity_at.timestamp(), s.session_id))
    assert expected == await store.list_by_agent(AGENT)
    assert expected == await store.list_by_customer(customer)
    assert expected[:7] == await store.list_by_agent(AGENT, limit=7)
    closed = [session for session in expected if session.status is SessionStatus.CLOSED]
    assert closed == await store.list_by_agent(AGENT, SessionStatus.CLOSED)


async def test_newest_of_a_channel(store: RedisSessionStore, clock: FakeClock) -> None:
    """By channel comes the newest that is not closed, of one agent or of any, however many others there are."""
    first = await store.save(a_session(agent_id=new_id()))
    for _ in range(12):
        clock.advance(seconds=1)
        newest = await store.save(a_session())
    clock.advance(seconds=1)
    await store.save(a_session(status=SessionStatus.CLOSED))

    assert newest == await store.get_by_channel(Channel.WEBCHAT, "user-1")
    assert newest == await store.get_by_channel(Channel.WEBCHAT, "user-1", agent_id=AGENT)
    assert first == await store.get_by_channel(Channel.WEBCHAT, "user-1", agent_id=first.agent_id)
    assert await store.get_by_channel(Channel.WEBCHAT, "user-1", agent_id=new_id()) is None
    assert await store.get_by_channel(Channel.EMAIL, "user-1") is None


async def test_pages(store: RedisSessionStore, clock: FakeClock) -> None:
    """Pages follow each other without a gap and without repeating, also among many of one time."""
    saved = [await store.save(a_session()) for _ in range(12)]
    clock.advance(seconds=1)
    saved += [await store.save(a_session()) for _ in range(5)]

    pages, cursor = [], None
    while not pages or cursor:
        page = await store.find_sessions_by_step_hash(SCENARIO, 2, "content-1", limit=4, cursor=cursor)
        cursor = page.next_cursor
        pages.append(page.items)

    expected = sorted(saved, key=lambda s: (-s.last_activity_at.timestamp(), s.session_id))
    assert expected == [session for page in pages for session in page]
    assert [4, 4, 4, 4, 1] == [len(page) for page in pages]


async def test_pages_while_things_change(store: RedisSessionStore) -> None:
    """A session deleted between two pages, even the one a page ended with, shifts nothing."""
    saved = sorted([(await store.save(a_session())).session_id for _ in range(6)])
    first = await store.find_sessions_by_step_hash(SCENARIO, 2, "content-1", limit=2)
    await store.delete(first.items[-1].session_id)

    second = await store.find_sessions_by_step_hash(
        SCENARIO, 2, "content-1", limit=10, cursor=first.next_cursor
    )

    assert saved[2:] == [session.session_id for session in second]
    assert second.next_cursor is None


async def test_a_last_full_page(store: RedisSessionStore) -> None:
    """A page that takes the last one has no cursor."""
    for _ in range(4):
        await store.save(a_session())

    assert (await store.find_sessions_by_step_hash(SCENARIO, 2, "content-1", limit=4)).next_cursor is None


@pytest.mark.parametrize("cursor", ["", "nonsense", "ünsinn", "AAAA"])
async def test_bad_cursor(store: RedisSessionStore, cursor: str) -> None:
    """A cursor that can't be read is refused."""
    with pytest.raises(InvalidDataError, match="cursor"):
        await by_step(store, cursor=cursor)


async def test_a_cursor_of_another_question(store: RedisSessionStore) -> None:
    """A cursor belongs to the step and the filter that gave it."""
    for _ in range(3):
        await store.save(a_session())
    cursor = (await store.find_sessions_by_step_hash(SCENARIO, 2, "content-1", limit=1)).next_cursor

    with pytest.raises(InvalidDataError, match="cursor"):
        await by_step(store, "content-2", cursor=cursor)
    with pytest.raises(InvalidDataError, match="cursor"):
        await by_step(store, cursor=cursor, scope_filter=ScopeFilter(include_channels=[Channel.WEBCHAT]))


@pytest.mark.parametrize("limit", [0, 1001, True])
async def test_bad_limit(store: RedisSessionStore, limit: int) -> None:
    """A limit is 1 to 1000."""
    with pytest.raises(InvalidDataError, match="limit"):
        await store.list_by_agent(AGENT, limit=limit)
    with pytest.raises(InvalidDataError, match="limit"):
        await by_step(store, limit=limit)


async def test_step(store: RedisSessionStore) -> None:
    """Where a session stands is its scenario, its version, and the content of its last step."""
    here = await store.save(a_session())
    await store.save(a_session(active_scenario_id=new_id()))
    await store.save(a_session(active_scenario_version=3))
    await store.save(a_session(active_scenario_version=None))
    await store.save(a_session(step_history=[a_visit("content-1"), a_visit("content-2")]))
    await store.save(a_session(step_history=[a_visit("content-1"), a_visit(None)]))
    await store.save(a_session(step_history=[]))

    assert [here] == await by_step(store)


async def test_scope(store: RedisSessionStore, clock: FakeClock) -> None:
    """A scope narrows by channel, current node and age since creation; what is left out is open."""
    old = await store.save(a_session(channel=Channel.EMAIL))
    clock.advance(days=3)
    old = await store.save(old)
    new = await store.save(a_session(active_step_id=None))
    nodes = [old.active_step_id]

    async def ids(**scope: object) -> list[Session]:
        return await by_step(store, scope_filter=ScopeFilter(**scope))

    both = sorted([old, new], key=lambda s: s.session_id)
    assert both == await ids() == await ids(custom_conditions=["for others"])
    assert (
        [old] == await ids(include_channels=[Channel.EMAIL]) == await ids(exclude_channels=[Channel.WEBCHAT])
    )
    assert [old] == await ids(include_current_nodes=nodes)
    assert [new] == await ids(exclude_current_nodes=nodes)
    assert [old] == await ids(min_session_age_days=3)
    assert [] == await ids(min_session_age_days=4)
    assert [new] == await ids(max_session_age_days=2)
    assert both == await ids(max_session_age_days=3, min_session_age_days=0)


async def test_a_narrow_scope_among_many(store: RedisSessionStore) -> None:
    """A page that finds few among many goes on looking, and gives a cursor rather than look for ever."""
    for _ in range(60):
        await store.save(a_session())
    rare = await store.save(a_session(channel=Channel.VOICE))
    scope = ScopeFilter(include_channels=[Channel.VOICE])

    assert [rare] == await by_step(store, scope_filter=scope, limit=1)


async def test_stale_entries(
    store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId, clock: FakeClock
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


async def test_a_lost_index(store: RedisSessionStore, direct: redis.Redis) -> None:
    """Each save writes all entries, so an index that was lost comes back."""
    session = await store.save(a_session())
    copies = {key for key in direct.scan_iter() if session.session_id.hex.encode() in key}
    direct.delete(*(set(direct.keys()) - copies))

    session = await store.save(session)

    assert [session] == await store.list_by_agent(AGENT)
    assert session == await store.get_by_channel(session.channel, session.channel_user_id)


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
    store: RedisSessionStore, direct: redis.Redis, clock: FakeClock
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
