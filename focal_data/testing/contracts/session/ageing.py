"""Sessions past their maximum age: absent, swept or not, and swept for all tenants at once."""

from __future__ import annotations

import asyncio

import pytest

from focal_data.domain.session import SessionStatus
from focal_data.errors import NotFoundError
from focal_data.ids import new_id
from focal_data.stores.session import SessionMaintenance, SessionStore
from focal_data.testing.contracts.session.base import (
    AGENT,
    MovedClock,
    SessionSuite,
    a_session,
    at_step,
)


class AgeingContract(SessionSuite):
    """The maximum age is seven days without activity unless it is set otherwise; here it is not."""

    async def test_too_old_is_absent(self, store: SessionStore, clock: MovedClock) -> None:
        """For every call, swept or not; up to the very end it is there."""
        session = await store.save(a_session())
        assert session.customer_profile_id is not None

        clock.advance(days=7)
        assert session == await store.get(session.session_id)
        assert [session] == await store.list_by_agent(AGENT)

        clock.advance(microseconds=1)
        assert await store.get(session.session_id) is None
        assert await store.get_by_channel(session.channel, session.channel_user_id) is None
        assert [] == await store.list_by_agent(AGENT)
        assert [] == await store.list_by_customer(session.customer_profile_id)
        assert [] == await at_step(store)
        assert not await store.promote_to_hot(session.session_id)
        assert not await store.demote_to_persistent(session.session_id)
        with pytest.raises(NotFoundError):
            await store.save(session)
        assert not await store.delete(session.session_id)

    async def test_a_new_one_may_take_its_place(self, store: SessionStore, clock: MovedClock) -> None:
        """It inherits nothing of the old one but the id."""
        old = await store.save(a_session(channel_user_id="old"))
        now = clock.advance(days=8)

        new = await store.save(a_session(session_id=old.session_id, agent_id=new_id()))

        assert (1, now) == (new.revision, new.created_at)
        assert new == await store.get(old.session_id)
        assert [] == await store.list_by_agent(old.agent_id)
        assert await store.get_by_channel(old.channel, "old") is None

    async def test_activity_counts_and_reading_does_not(self, store: SessionStore, clock: MovedClock) -> None:
        """The age is counted from the last save."""
        session = await store.save(a_session())
        for _ in range(3):
            clock.advance(days=5)
            session = await store.save(session)
        clock.advance(days=5)
        assert session == await store.get(session.session_id)
        assert await store.promote_to_hot(session.session_id)
        clock.advance(days=3)
        assert await store.get(session.session_id) is None

    async def test_an_old_one_does_not_hide_a_young_one(self, store: SessionStore, clock: MovedClock) -> None:
        """By its channel, the one that is left is found."""
        for _ in range(20):
            await store.save(a_session())
        clock.advance(days=5)
        young = await store.save(a_session())
        clock.advance(days=4)
        assert young == await store.get_by_channel(young.channel, young.channel_user_id)
        assert [young] == await store.list_by_agent(AGENT, limit=5)


class MaintenanceContract(SessionSuite):
    """What the operator runs."""

    async def test_cleanup_removes_what_is_too_old(
        self, store: SessionStore, maintenance: SessionMaintenance, clock: MovedClock
    ) -> None:
        """And leaves the rest; it tells how many sessions that were, closed ones too."""
        for number in range(250):
            await store.save(
                a_session(channel_user_id=f"old-{number}", status=list(SessionStatus)[number % 5])
            )
        clock.advance(days=5)
        young = await store.save(a_session())
        assert 0 == await maintenance.cleanup()
        clock.advance(days=3)

        assert 250 == await maintenance.cleanup()
        assert 0 == await maintenance.cleanup()

        assert [young] == await store.list_by_agent(AGENT)
        assert young == await store.get_by_channel(young.channel, young.channel_user_id)
        clock.advance(days=5)
        assert 1 == await maintenance.cleanup()

    async def test_cleanup_is_for_all_tenants(
        self, store: SessionStore, others: SessionStore, maintenance: SessionMaintenance, clock: MovedClock
    ) -> None:
        """One call for all of them."""
        for tenants_own in (store, others):
            await tenants_own.save(a_session())
        clock.advance(days=8)
        assert 2 == await maintenance.cleanup()

    async def test_what_was_used_stays(
        self, store: SessionStore, maintenance: SessionMaintenance, clock: MovedClock
    ) -> None:
        """The last save counts, not the first one."""
        session = await store.save(a_session())
        clock.advance(days=6)
        session = await store.save(session)
        clock.advance(days=2)
        assert 0 == await maintenance.cleanup()
        assert session == await store.get(session.session_id)

    async def test_what_was_deleted_is_not_counted(
        self, store: SessionStore, maintenance: SessionMaintenance, clock: MovedClock
    ) -> None:
        """It is gone already."""
        session = await store.save(a_session())
        await store.delete(session.session_id)
        clock.advance(days=8)
        assert 0 == await maintenance.cleanup()

    async def test_any_number_may_clean_up_at_once(
        self, store: SessionStore, maintenance: SessionMaintenance, clock: MovedClock
    ) -> None:
        """While others save; no session is counted twice, and none that is used is removed."""
        for number in range(100):
            await store.save(a_session(channel_user_id=f"old-{number}"))
        busy = [await store.save(a_session(channel_user_id=f"busy-{number}")) for number in range(20)]
        clock.advance(days=6)
        busy = [await store.save(session) for session in busy]
        clock.advance(days=2)

        async with asyncio.TaskGroup() as tasks:
            counts = [tasks.create_task(maintenance.cleanup()) for _ in range(5)]
            saved = [tasks.create_task(store.save(session)) for session in busy]

        assert sum(count.result() for count in counts) <= 100  # what a save swept is counted by nobody
        assert {task.result().session_id for task in saved} == {
            session.session_id for session in await store.list_by_agent(AGENT)
        }
        assert 0 == await maintenance.cleanup()

    async def test_what_answers_is_healthy(self, maintenance: SessionMaintenance) -> None:
        """To ask tells, and never raises."""
        assert await maintenance.health_check()
