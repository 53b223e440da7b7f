"""What happened stays: no call changes or removes it, and a transaction that fails leaves nothing of it."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from focal_data.errors import DuplicateError, InvalidDataError, StoreError, UsageError
from focal_data.stores.audit import AuditStore
from focal_data.testing.contracts.audit.base import AuditSuite, a_full_turn, a_turn, an_event
from focal_data.testing.contracts.base import TenantUnderTest


class ImmutabilityContract(AuditSuite):
    """That the store only grows."""

    async def test_it_has_no_call_that_changes_or_removes(self, audit: AuditStore) -> None:
        """Not even one that is not promised."""
        calls = {name for name in dir(audit) if not name.startswith("_")}
        assert {
            "save_turn",
            "get_turn",
            "list_turns_by_session",
            "list_turns",
            "save_event",
            "get_event",
            "list_events_by_session",
        } == calls

    async def test_what_is_saved_again_is_a_duplicate(self, audit: AuditStore) -> None:
        """Changed or not, by its id; what was stored first stays, as it was."""
        turn, event = a_full_turn(), an_event(uuid4(), event_data={"a": 1})
        stored = await audit.save_turn(turn), await audit.save_event(event)
        for again in (
            audit.save_turn(stored[0]),
            audit.save_turn(turn.evolve(turn_number=2, user_message="other")),
            audit.save_turn(turn.evolve(session_id=uuid4())),
            audit.save_event(stored[1]),
            audit.save_event(event.evolve(event_type="other", session_id=None)),
        ):
            with pytest.raises(DuplicateError) as caught:
                await again
            assert ("id",) == caught.value.fields
        assert stored == (await audit.get_turn(turn.id), await audit.get_event(event.id))
        assert [stored[0]] == list(await audit.list_turns())

    async def test_what_is_committed_lasts(self, tenant: TenantUnderTest) -> None:
        """And was seen by nobody else before."""
        async with tenant.transaction() as tx:
            turn = await tx.audit.save_turn(a_turn(uuid4(), 1))
            event = await tx.audit.save_event(an_event(turn.session_id, turn_id=turn.id))
            assert turn == await tx.audit.get_turn(turn.id)
            assert [event] == await tx.audit.list_events_by_session(turn.session_id)
            assert await asyncio.create_task(tenant.audit.get_turn(turn.id)) is None
        assert [turn] == list(await tenant.audit.list_turns())
        assert event == await tenant.audit.get_event(event.id)

    async def test_what_is_rolled_back_never_happened(self, tenant: TenantUnderTest) -> None:
        """Its number is free, and so is its id."""
        turn = a_turn(uuid4(), 1)
        with pytest.raises(KeyError):
            async with tenant.transaction() as tx:
                await tx.audit.save_turn(turn)
                await tx.audit.save_event(an_event(turn.session_id))
                raise KeyError
        assert [] == list(await tenant.audit.list_turns())
        assert [] == await tenant.audit.list_events_by_session(turn.session_id)
        stored = await tenant.audit.save_turn(turn)
        assert stored == await tenant.audit.get_turn(turn.id)

    async def test_a_duplicate_ends_a_transaction(self, tenant: TenantUnderTest) -> None:
        """It can only be left, and then it says that nothing was written."""
        turn = await tenant.audit.save_turn(a_turn(uuid4(), 1))
        with pytest.raises(StoreError, match="nothing was written"):
            async with tenant.transaction() as tx:
                await tx.audit.save_event(an_event(turn.session_id))
                with pytest.raises(DuplicateError):
                    await tx.audit.save_turn(a_turn(turn.session_id, 1))
                with pytest.raises(UsageError):
                    await tx.audit.get_turn(turn.id)
        assert [] == await tenant.audit.list_events_by_session(turn.session_id)

    async def test_a_refusal_does_not_end_a_transaction(self, tenant: TenantUnderTest) -> None:
        """Where nothing was tried: the next call works."""
        async with tenant.transaction() as tx:
            with pytest.raises(InvalidDataError):
                await tx.audit.save_turn(a_turn(uuid4(), 1, tenant_id=uuid4()))
            turn = await tx.audit.save_turn(a_turn(uuid4(), 1))
        assert turn == await tenant.audit.get_turn(turn.id)

    async def test_a_number_that_is_being_taken_is_waited_for(self, tenant: TenantUnderTest) -> None:
        """It is taken when that commits, and free when it does not."""
        session_id, audit = uuid4(), tenant.audit
        async with tenant.transaction() as tx:
            turn = await tx.audit.save_turn(a_turn(session_id, 1))
            second = asyncio.create_task(audit.save_turn(a_turn(session_id, 1)))
            await asyncio.wait({second}, timeout=0.1)
        with pytest.raises(DuplicateError):
            await second
        with pytest.raises(KeyError):
            async with tenant.transaction() as tx:
                await tx.audit.save_turn(a_turn(session_id, 2))
                third = asyncio.create_task(audit.save_turn(a_turn(session_id, 2)))
                await asyncio.wait({third}, timeout=0.1)
                raise KeyError
        assert [turn, await third] == await audit.list_turns_by_session(session_id)
