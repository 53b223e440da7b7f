"""Events that are not turns."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from focal_data.errors import DuplicateError
from focal_data.stores.audit import AuditStore
from focal_data.testing.contracts.audit.base import NOON, STORES_OWN, AuditSuite, an_event
from focal_data.testing.contracts.base import TenantUnderTest


class EventsContract(AuditSuite):
    """``save_event``, ``get_event`` and ``list_events_by_session``."""

    async def test_an_event_comes_back_as_it_was_stored(
        self, tenant: TenantUnderTest, audit: AuditStore
    ) -> None:
        """With every field, the tenant filled in, and the store's time; erased_at is nobody's."""
        event = an_event(
            uuid4(),
            event_type="å" * 50,
            event_data={"a": [1, None, {"ü": 2.5}], "": "🦊"},
            customer_profile_id=uuid4(),
            turn_id=uuid4(),
            created_at=NOON,
            erased_at=NOON,
        )
        stored = await audit.save_event(event)
        assert stored == await audit.get_event(event.id)
        assert event.model_dump(exclude=STORES_OWN) == stored.model_dump(exclude=STORES_OWN)
        assert (tenant.tenant_id, None) == (stored.tenant_id, stored.erased_at)
        assert stored.created_at is not None
        assert NOON < stored.created_at

    async def test_an_event_needs_no_session(self, audit: AuditStore) -> None:
        """It is found by its id, and in no session's list."""
        stored = await audit.save_event(an_event())
        assert stored == await audit.get_event(stored.id)
        assert [] == await audit.list_events_by_session(uuid4())

    async def test_an_event_that_a_caller_changes_is_not_the_stored_one(self, audit: AuditStore) -> None:
        """Inside of its data."""
        given = an_event(uuid4(), event_data={"a": [1]})
        stored = await audit.save_event(given)
        read = await audit.get_event(given.id)
        (listed,) = await audit.list_events_by_session(given.session_id)  # type: ignore[arg-type]
        for changed in (given, stored, read, listed):
            assert changed is not None
            changed.event_data.clear()
        found = await audit.get_event(given.id)
        assert found is not None
        assert {"a": [1]} == found.event_data

    async def test_events_are_listed_oldest_first(self, audit: AuditStore) -> None:
        """Of one type, or of all, up to a limit."""
        session_id = uuid4()
        events = [
            await audit.save_event(an_event(session_id, event_type=kind))
            for kind in ("greeted", "asked", "greeted", "Greeted")
        ]
        await audit.save_event(an_event(uuid4(), event_type="greeted"))
        assert events == await audit.list_events_by_session(session_id)
        assert events[:3] == await audit.list_events_by_session(session_id, limit=3)
        assert [events[0], events[2]] == await audit.list_events_by_session(session_id, "greeted")
        assert events[:1] == await audit.list_events_by_session(session_id, "greeted", limit=1)
        for unknown in ("", "unknown", "x" * 10_000_000):
            assert [] == await audit.list_events_by_session(session_id, unknown)

    async def test_events_that_are_stored_at_once_are_in_the_order_of_ids(self, audit: AuditStore) -> None:
        """Where their times are equal."""
        session_id = uuid4()
        events = await asyncio.gather(*(audit.save_event(an_event(session_id)) for _ in range(50)))
        oldest = sorted(events, key=lambda event: (event.created_at, event.id))
        assert oldest == await audit.list_events_by_session(session_id)

    async def test_a_list_of_events_has_a_hundred_when_nobody_says(self, audit: AuditStore) -> None:
        """The oldest."""
        session_id = uuid4()
        events = [await audit.save_event(an_event(session_id)) for _ in range(101)]
        assert events[:100] == await audit.list_events_by_session(session_id)
        assert events == await audit.list_events_by_session(session_id, limit=1000)

    async def test_an_events_id_is_taken_once(self, audit: AuditStore) -> None:
        """By one of many writers."""
        event = an_event()
        writers = (audit.save_event(event.evolve(event_data={"n": n})) for n in range(20))
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        duplicates = [outcome for outcome in outcomes if isinstance(outcome, DuplicateError)]
        assert [("id",)] * 19 == [error.fields for error in duplicates]
        assert await audit.get_event(event.id) in outcomes

    async def test_an_event_that_is_not_stored_is_absent(self, audit: AuditStore) -> None:
        """Not an error."""
        assert await audit.get_event(uuid4()) is None
        assert [] == await audit.list_events_by_session(uuid4())

    async def test_events_are_their_tenants_alone(self, other: TenantUnderTest, audit: AuditStore) -> None:
        """Not found by id, nor listed; and the other tenant may have the same ids."""
        session_id, theirs = uuid4(), other.audit
        event = await audit.save_event(an_event(session_id))
        assert await theirs.get_event(event.id) is None
        assert [] == await theirs.list_events_by_session(session_id)
        twin = await theirs.save_event(event.evolve(tenant_id=other.tenant_id, event_data={"a": 1}))
        assert (event, twin) == (await audit.get_event(event.id), await theirs.get_event(event.id))

    async def test_an_event_may_hold_ten_megabytes(self, audit: AuditStore) -> None:
        """Nothing is cut off."""
        text = "x" * 10_000_000
        event = await audit.save_event(an_event(event_data={"text": text}))
        found = await audit.get_event(event.id)
        assert found is not None
        assert text == found.event_data["text"]
