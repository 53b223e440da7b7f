from __future__ import annotations

import asyncio

import pytest
import redis

from focal_data.domain.session import Session
from focal_data.errors import InvalidDataError, NotFoundError, StaleRevisionError, StoreConnectionError
from focal_data.ids import TenantId, new_id
from focal_data.redis.client import RedisClient
from focal_data.redis.session import RedisSessionStore
from focal_data.settings import Settings
from focal_data.testing.contracts.session import MovedClock
from tests.integration.redis.examples import a_session
from tests.integration.redis.server import Proxy


def everything(direct: redis.Redis) -> dict[bytes, bytes]:
    return {key: direct.dump(key) for key in direct.scan_iter()}


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


@pytest.fixture
async def behind_proxy(
    settings: Settings, proxy: Proxy, tenant_id: TenantId, clock: MovedClock
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


@pytest.mark.slow
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


async def test_a_lost_demotion_is_not_repeated(behind_proxy: RedisSessionStore, proxy: Proxy) -> None:
    """Nor is a demotion; a promotion is, since it says the same the second time."""
    session = await behind_proxy.save(a_session())
    for call in (behind_proxy.demote_to_persistent, behind_proxy.promote_to_hot):
        await call(new_id())  # the scripts are known

    proxy.lose = 1
    with pytest.raises(StoreConnectionError) as error:
        await behind_proxy.demote_to_persistent(session.session_id)
    assert "unknown" == error.value.outcome
    assert not await behind_proxy.demote_to_persistent(session.session_id)

    proxy.lose = 1
    assert await behind_proxy.promote_to_hot(session.session_id)
    assert 0 == proxy.lose


async def test_other_tenant(store: RedisSessionStore, direct: redis.Redis) -> None:
    """Another tenant's session is refused, and nothing is written."""
    with pytest.raises(InvalidDataError) as error:
        await store.save(a_session(tenant_id=new_id()))

    assert "tenant_id" == error.value.field
    assert [] == direct.keys()


async def test_validated_again(store: RedisSessionStore, direct: redis.Redis) -> None:
    """What was changed past the model is refused with the field's name and without the value."""
    session = a_session()
    session.variables["broken"] = float("nan")

    with pytest.raises(InvalidDataError) as error:
        await store.save(session)

    assert error.value.field.startswith("variables")
    assert "nan" not in str(error.value)
    assert [] == direct.keys()
