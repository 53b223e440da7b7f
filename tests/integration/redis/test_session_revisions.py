from __future__ import annotations

import asyncio

import pytest
import redis

from focal_data.domain.session import Session
from focal_data.errors import InvalidDataError, NotFoundError, StaleRevisionError, StoreConnectionError
from focal_data.ids import NO_TENANT, TenantId, new_id
from focal_data.redis.client import RedisClient
from focal_data.redis.session import RedisSessionStore
from focal_data.settings import Settings
from tests.integration.redis.conftest import FakeClock
from tests.integration.redis.examples import a_session
from tests.integration.redis.server import Proxy


def everything(direct: redis.Redis) -> dict[bytes, bytes]:
    return {key: direct.dump(key) for key in direct.scan_iter()}


async def test_insert(store: RedisSessionStore, tenant_id: TenantId, clock: FakeClock) -> None:
    """A new session gets revision 1, its tenant, and both times from the store's clock."""
    new = a_session(created_at=clock.now.replace(year=2000), last_activity_at=clock.now.replace(year=2001))

    saved = await store.save(new)

    assert (1, tenant_id, clock.now, clock.now) == (
        saved.revision,
        saved.tenant_id,
        saved.created_at,
        saved.last_activity_at,
    )
    assert (0, NO_TENANT) == (new.revision, new.tenant_id)


async def test_update(store: RedisSessionStore, clock: FakeClock) -> None:
    """An update gets the next revision and the time of activity; when it was created stays, whatever the caller says."""
    first = await store.save(a_session())
    now = clock.advance(minutes=1)

    second = await store.save(first.evolve(turn_count=1, created_at=now, last_activity_at=None))
    third = await store.save(second.evolve(created_at=None))

    assert (2, 1, first.created_at, now) == (
        second.revision,
        second.turn_count,
        second.created_at,
        second.last_activity_at,
    )
    assert (3, first.created_at) == (third.revision, third.created_at)
    assert third == await store.get(first.session_id)


async def test_stale(store: RedisSessionStore, direct: redis.Redis) -> None:
    """A stale writer is told the current revision, and changes nothing."""
    first = await store.save(a_session())
    await store.save(first.evolve(turn_count=1))
    before = everything(direct)

    with pytest.raises(StaleRevisionError) as stale:
        await store.save(first.evolve(turn_count=2, agent_id=new_id()))
    with pytest.raises(StaleRevisionError) as twice:
        await store.save(first.evolve(revision=0))

    assert (2, 2) == (stale.value.current_revision, twice.value.current_revision)
    assert before == everything(direct)


async def test_absent(store: RedisSessionStore, direct: redis.Redis) -> None:
    """A session that claims to be stored and is not is not found."""
    with pytest.raises(NotFoundError):
        await store.save(a_session(revision=3))
    assert [] == direct.keys()


async def test_one_of_fifty_wins(store: RedisSessionStore) -> None:
    """Of fifty writers that saw one revision, one wins."""
    seen = await store.save(a_session())

    outcomes = await asyncio.gather(
        *(store.save(seen.evolve(turn_count=turn)) for turn in range(50)), return_exceptions=True
    )

    won = [outcome for outcome in outcomes if isinstance(outcome, Session)]
    assert 49 == sum(isinstance(outcome, StaleRevisionError) for outcome in outcomes)
    assert won == [await store.get(seen.session_id)]


async def test_counting_together(store: RedisSessionStore) -> None:
    """Writers that read again when they were stale lose no change."""
    session_id = (await store.save(a_session())).session_id

    async def count() -> None:
        for _ in range(5):
            while True:
                seen = await store.get(session_id)
                try:
                    await store.save(seen.evolve(turn_count=seen.turn_count + 1))
                    break
                except StaleRevisionError:
                    continue

    await asyncio.gather(*(count() for _ in range(10)))

    assert 50 == (await store.get(session_id)).turn_count


@pytest.fixture
async def behind_proxy(
    settings: Settings, proxy: Proxy, tenant_id: TenantId, clock: FakeClock
) -> RedisSessionStore:
    async with RedisClient(Settings.of(redis_url=proxy.url)) as client:
        yield RedisSessionStore(client, tenant_id, clock=clock)


async def test_own_write(behind_proxy: RedisSessionStore, proxy: Proxy) -> None:
    """A save whose answer was lost finds its own write when it is sent again: a success, for inserts and updates."""
    await behind_proxy.get(new_id())  # connected, and the script of get known

    proxy.lose = 1
    first = await behind_proxy.save(a_session())
    proxy.lose = 1
    second = await behind_proxy.save(first)

    assert (1, 2, 0) == (first.revision, second.revision, proxy.lose)
    assert second == await behind_proxy.get(first.session_id)


async def test_own_write_below_others(
    behind_proxy: RedisSessionStore, proxy: Proxy, store: RedisSessionStore
) -> None:
    """That holds when others have seen the write and saved theirs before it is sent again."""
    first = await behind_proxy.save(a_session())
    proxy.lost.clear()

    async def interlope() -> Session:
        await proxy.lost.wait()
        for _ in range(3):
            seen = await store.get(first.session_id)
            latest = await store.save(seen.evolve(turn_count=seen.turn_count + 1))
        return latest

    proxy.lose = 1
    latest, mine = await asyncio.gather(interlope(), behind_proxy.save(first.evolve(turn_count=10)))

    assert (2, 10) == (mine.revision, mine.turn_count)
    assert (5, 13) == (latest.revision, latest.turn_count)
    assert latest == await store.get(first.session_id)


async def test_lost_for_good(behind_proxy: RedisSessionStore, proxy: Proxy) -> None:
    """When every answer is lost, a save says that its outcome is unknown, and a read that nothing was written."""
    first = await behind_proxy.save(a_session())

    proxy.lose = 10
    with pytest.raises(StoreConnectionError) as save:
        await behind_proxy.save(first)
    proxy.lose = 10
    with pytest.raises(StoreConnectionError) as get:
        await behind_proxy.get(first.session_id)
    proxy.lose = 0

    assert ("unknown", "not_applied") == (save.value.outcome, get.value.outcome)
    assert 2 == (await behind_proxy.get(first.session_id)).revision


async def test_a_lost_delete_is_not_repeated(behind_proxy: RedisSessionStore, proxy: Proxy) -> None:
    """A delete whose answer was lost is unknown: a second one could not tell whether there was something."""
    session = await behind_proxy.save(a_session())
    await behind_proxy.delete(new_id())  # the script is known

    proxy.lose = 1
    with pytest.raises(StoreConnectionError) as error:
        await behind_proxy.delete(session.session_id)

    assert "unknown" == error.value.outcome
    assert not await behind_proxy.delete(session.session_id)


async def test_other_tenant(store: RedisSessionStore, direct: redis.Redis) -> None:
    """Another tenant's session is refused, and nothing is written."""
    with pytest.raises(InvalidDataError) as error:
        await store.save(a_session(tenant_id=new_id()))

    assert "tenant_id" == error.value.field
    assert [] == direct.keys()


async def test_tenants_are_apart(store: RedisSessionStore, client: RedisClient, clock: FakeClock) -> None:
    """What one tenant stores is absent for another, by whatever it is asked for; an id may be used by both."""
    session = await store.save(a_session())
    other = RedisSessionStore(client, TenantId(new_id()), clock=clock)

    assert await other.get(session.session_id) is None
    assert await other.get_by_channel(session.channel, session.channel_user_id) is None
    assert [] == await other.list_by_agent(session.agent_id)
    assert [] == await other.list_by_customer(session.customer_profile_id)
    assert [] == (await other.find_sessions_by_step_hash(session.active_scenario_id, 2, "content-1")).items
    assert not await other.delete(session.session_id)
    assert not await other.promote_to_hot(session.session_id)
    assert not await other.demote_to_persistent(session.session_id)

    theirs = await other.save(a_session(session_id=session.session_id, channel_user_id="theirs"))
    assert session == await store.get(session.session_id)
    assert theirs == await other.get(session.session_id)


async def test_validated_again(store: RedisSessionStore, direct: redis.Redis) -> None:
    """What was changed past the model is refused with the field's name and without the value."""
    session = a_session()
    session.variables["broken"] = float("nan")

    with pytest.raises(InvalidDataError) as error:
        await store.save(session)

    assert error.value.field.startswith("variables")
    assert "nan" not in str(error.value)
    assert [] == direct.keys()


async def test_copies(store: RedisSessionStore) -> None:
    """What a caller does to what it gave, or to what it got, changes nothing that is stored."""
    given = a_session()
    saved = await store.save(given)
    given.variables["said"] = "later"
    saved.variables["said"] = "later"
    (await store.get(saved.session_id)).variables["said"] = "later"

    assert "the customer's own words" == (await store.get(saved.session_id)).variables["said"]
