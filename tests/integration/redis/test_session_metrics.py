from __future__ import annotations

from collections import Counter

import pytest
import redis

from focal_data.errors import StaleRevisionError
from focal_data.ids import TenantId, new_id
from focal_data.redis.session import RedisSessionMaintenance, RedisSessionStore
from focal_data.testing.contracts.session import MovedClock
from tests.integration.redis.examples import a_session, hot_key


class Counted:
    """In place of the instruments."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __getattr__(self, name: str) -> object:
        return lambda number, *_: self.counts.update({name: 1 if name == "took" else number})


@pytest.fixture
def counted(store: RedisSessionStore, maintenance: RedisSessionMaintenance) -> Counter[str]:
    store.metrics = maintenance.metrics = metrics = Counted()
    return metrics.counts


async def test_what_is_counted(
    store: RedisSessionStore,
    maintenance: RedisSessionMaintenance,
    counted: Counter[str],
    direct: redis.Redis,
    tenant_id: TenantId,
    clock: MovedClock,
) -> None:
    """Hot hits, promotions, misses, conflicts, what was swept, and every call."""
    session = await store.save(a_session())
    await store.get(session.session_id)
    direct.delete(hot_key(tenant_id, session.session_id))
    await store.get_by_channel(session.channel, session.channel_user_id)
    await store.get(new_id())
    await store.get_by_channel(session.channel, "nobody")
    with pytest.raises(StaleRevisionError):
        await store.save(session.evolve(revision=0))
    clock.advance(days=8)
    await maintenance.cleanup()

    assert {"hot_hit": 1, "promotion": 1, "miss": 2, "conflict": 1, "swept": 1, "took": 7} == counted


async def test_what_a_save_sweeps_in_passing_is_counted(
    store: RedisSessionStore, counted: Counter[str], clock: MovedClock, direct: redis.Redis
) -> None:
    """Each aged session once, and none that stays."""
    for number in range(200):
        await store.save(a_session(channel_user_id=f"old-{number}"))
    clock.advance(days=8)
    for number in range(100):
        await store.save(a_session(channel_user_id=f"young-{number}"))
    left = sum(direct.zcard(key) for key in direct.keys("focal:ages:*"))
    assert 300 - left == counted["swept"] > 0
