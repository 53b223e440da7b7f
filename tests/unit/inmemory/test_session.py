"""What the contract can't see of sessions in memory: it has no clock for a hot copy of Redis."""

from __future__ import annotations

from datetime import timedelta

import pytest

from focal_data.data_layer import DataLayer
from focal_data.ids import TenantId, new_id
from focal_data.inmemory.session import InMemorySessionMaintenance, InMemorySessions, InMemorySessionStore
from focal_data.testing.contracts.session import MovedClock
from focal_data.testing.factories import SessionFactory


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


async def test_a_hot_one_gets_cold_by_itself(clock: MovedClock) -> None:
    """Half an hour after the last call that used it; each such call gives it its full time."""
    store = DataLayer.in_memory(clock=clock).tenant(new_id()).sessions
    session = await store.save(SessionFactory.build())
    for use in (store.get(session.session_id), store.promote_to_hot(session.session_id)):
        clock.advance(minutes=29)
        await use
    clock.advance(minutes=29)
    assert await store.demote_to_persistent(session.session_id)

    await store.get(session.session_id)
    clock.advance(minutes=30)
    assert not await store.demote_to_persistent(session.session_id)
    assert session == await store.get(session.session_id)


async def test_both_times_can_be_chosen(clock: MovedClock) -> None:
    """How long a session stays hot, and how long it lasts."""
    sessions = InMemorySessions(clock=clock, hot_ttl=timedelta(seconds=5), max_age=timedelta(seconds=60))
    store = InMemorySessionStore(sessions, TenantId(new_id()))
    session = await store.save(SessionFactory.build())

    clock.advance(seconds=5)
    assert not await store.demote_to_persistent(session.session_id)
    clock.advance(seconds=56)
    assert await store.get(session.session_id) is None
    assert 1 == await InMemorySessionMaintenance(sessions).cleanup()


async def test_sessions_stand_outside_of_transactions() -> None:
    """What is saved while a transaction is open stays, whatever becomes of that."""
    tenant = DataLayer.in_memory().tenant(new_id())
    with pytest.raises(ZeroDivisionError):
        async with tenant.transaction():
            session = await SessionFactory.create(tenant)
            raise ZeroDivisionError
    assert session == await tenant.sessions.get(session.session_id)
