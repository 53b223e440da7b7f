"""Sessions found and removed for the operator: by their keys, whatever the indexes say."""

from __future__ import annotations

import pytest
import redis

from focal_data.domain.session import Session, SessionStatus
from focal_data.errors import CorruptDataError
from focal_data.ids import TenantId, new_id
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.erasure import SessionErasure
from focal_data.redis.session import RedisSessionStore
from focal_data.testing.contracts.session import MovedClock
from tests.integration.redis.examples import a_session, cold_key, hot_key


@pytest.fixture
def erasure(client: RedisClient, tenant_id: TenantId) -> SessionErasure:
    return SessionErasure(client, tenant_id)


def anything(_: Session) -> bool:
    return True


async def test_every_session_is_found(
    store: RedisSessionStore, erasure: SessionErasure, client: RedisClient, clock: MovedClock
) -> None:
    """Closed ones too, by id; no other tenant's."""
    saved = [await store.save(a_session(status=status)) for status in SessionStatus]
    await RedisSessionStore(client, TenantId(new_id()), clock=clock).save(a_session())
    assert sorted(saved, key=lambda s: s.session_id) == await erasure.find(anything)
    assert saved[1:2] == await erasure.find(lambda session: session.status is SessionStatus.IDLE)


async def test_one_past_its_age_is_found(
    store: RedisSessionStore, erasure: SessionErasure, clock: MovedClock, direct: redis.Redis
) -> None:
    """It reads as absent, and its bytes are there until it is swept."""
    saved = await store.save(a_session())
    clock.advance(days=30)
    assert await store.get(saved.session_id) is None
    assert [saved] == await erasure.find(anything)
    await erasure.remove([saved.session_id])
    assert [] == direct.keys()


async def test_a_copy_that_is_alone_is_found(
    store: RedisSessionStore, erasure: SessionErasure, direct: redis.Redis, tenant_id: TenantId
) -> None:
    """The hot one without the cold, and the other way round."""
    saved = [await store.save(a_session()) for _ in range(2)]
    direct.delete(cold_key(tenant_id, saved[0].session_id), hot_key(tenant_id, saved[1].session_id))
    assert 2 == await erasure.count()
    assert sorted(saved, key=lambda s: s.session_id) == await erasure.find(anything)


@pytest.mark.slow
async def test_more_sessions_than_one_scan_gives(store: RedisSessionStore, erasure: SessionErasure) -> None:
    """Each once."""
    ids = {(await store.save(a_session())).session_id for _ in range(1200)}
    found = await erasure.find(anything)
    assert (1200, ids) == (len(found), {session.session_id for session in found})


async def test_one_that_cannot_be_read_is_named(
    store: RedisSessionStore, erasure: SessionErasure, direct: redis.Redis, tenant_id: TenantId
) -> None:
    """By its key: it may be anybody's. It can be removed."""
    saved = await store.save(a_session())
    direct.set(cold_key(tenant_id, saved.session_id), b"\x02nothing")
    with pytest.raises(CorruptDataError) as caught:
        await erasure.find(anything)
    assert cold_key(tenant_id, saved.session_id).decode() == caught.value.key
    await erasure.remove([saved.session_id])
    assert [] == await erasure.find(anything)


async def test_removing_takes_all_that_leads_there(
    store: RedisSessionStore, erasure: SessionErasure, direct: redis.Redis
) -> None:
    """And nothing that leads elsewhere; twice is as good as once."""
    kept = await store.save(a_session())
    before = {key: direct.dump(key) for key in direct.scan_iter()}
    gone = await store.save(a_session())
    await erasure.remove([gone.session_id, new_id()])
    await erasure.remove([gone.session_id])
    assert kept == await store.get(kept.session_id)
    assert before.keys() == set(direct.keys())


async def test_entries_that_lead_nowhere_are_taken_out(
    store: RedisSessionStore, erasure: SessionErasure, direct: redis.Redis, tenant_id: TenantId
) -> None:
    """Those that lead to a session stay."""
    saved = await store.save(a_session())
    term = keys.customer_term(saved.customer_profile_id)
    name = keys.index(tenant_id.hex.encode(), term)
    direct.zadd(name, {new_id().hex: -5, new_id().hex: 5e15, **{new_id().hex: -7 for _ in range(1500)}})
    await erasure.repair([term])
    assert [saved.session_id.hex.encode()] == direct.zrange(name, 0, -1)


async def test_of_a_tenant_nothing_is_left(
    store: RedisSessionStore, erasure: SessionErasure, client: RedisClient, direct: redis.Redis
) -> None:
    """Neither keys nor ages; what is another tenant's stays byte for byte."""
    other = RedisSessionStore(client, TenantId(new_id()))
    kept = [await other.save(a_session()) for _ in range(20)]
    before = {key: direct.zrange(key, 0, -1) for key in direct.keys("focal:ages:*")}
    for _ in range(600):
        await store.save(a_session())
    assert 600 == await erasure.remove_all()
    assert before == {key: direct.zrange(key, 0, -1) for key in direct.keys("focal:ages:*")}
    assert kept == [await other.get(session.session_id) for session in kept]
    tenant = kept[0].tenant_id.hex.encode()
    assert all(tenant in key or key in before for key in direct.scan_iter())
    assert 0 == await erasure.remove_all()
