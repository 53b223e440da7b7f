"""Turns: stored whole and once, read in their order."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from focal_data.domain.audit import TurnRecord
from focal_data.errors import DuplicateError
from focal_data.stores.audit import AuditStore
from focal_data.testing.contracts.audit.base import NOON, STORES_OWN, AuditSuite, a_full_turn, a_turn
from focal_data.testing.contracts.base import TenantUnderTest


class TurnsContract(AuditSuite):
    """``save_turn``, ``get_turn`` and ``list_turns_by_session``."""

    async def test_a_turn_comes_back_as_it_was_stored(
        self, tenant: TenantUnderTest, audit: AuditStore
    ) -> None:
        """With every field, the tenant filled in, and the store's time; erased_at is nobody's."""
        turn = a_full_turn()
        stored = await audit.save_turn(turn)
        assert stored == await audit.get_turn(turn.id)
        assert [stored] == await audit.list_turns_by_session(turn.session_id)
        assert [stored] == list(await audit.list_turns())
        assert turn.model_dump(exclude=STORES_OWN) == stored.model_dump(exclude=STORES_OWN)
        assert (tenant.tenant_id, None) == (stored.tenant_id, stored.erased_at)
        assert stored.created_at is not None
        assert NOON < stored.created_at

    async def test_a_turn_needs_no_more_than_its_place(self, audit: AuditStore) -> None:
        """Whatever is left out stays so; nobody need be known to have spoken, nor any agent to be stored."""
        turn = a_turn(uuid4(), 0, user_message="")
        stored = await audit.save_turn(turn)
        assert stored == await audit.get_turn(turn.id)
        assert turn.model_dump(exclude=STORES_OWN) == stored.model_dump(exclude=STORES_OWN)

    @pytest.mark.parametrize("text", ["", " \n\t", "é\u0301\u202e🦊", "å" * 5_000_000], ids=len)
    async def test_a_text_is_kept_as_it_is(self, audit: AuditStore, text: str) -> None:
        """Ten megabytes too."""
        turn = await audit.save_turn(a_turn(uuid4(), 1, user_message=text, agent_response=text))
        found = await audit.get_turn(turn.id)
        assert found is not None
        assert (text, text) == (found.user_message, found.agent_response)

    async def test_what_a_caller_changes_is_not_what_is_stored(self, audit: AuditStore) -> None:
        """Neither in what was handed over, nor in what was got back."""
        turn = a_full_turn()
        stored = await audit.save_turn(turn)
        read = await audit.get_turn(turn.id)
        listed = (await audit.list_turns_by_session(turn.session_id))[0]
        paged = (await audit.list_turns()).items[0]
        for changed in (turn, stored, read, listed, paged):
            assert changed is not None
            assert changed.context_extracted is not None
            changed.matched_rule_ids.clear()
            changed.tool_calls.clear()
            changed.context_extracted.clear()
        found = await audit.get_turn(turn.id)
        assert found is not None
        assert (2, 2, {"b": {"c": 1}}) == (
            len(found.matched_rule_ids),
            len(found.tool_calls),
            found.context_extracted,
        )

    async def test_a_turn_number_is_taken_once(self, audit: AuditStore) -> None:
        """Per session; what was stored first stays."""
        session_id = uuid4()
        stored = await audit.save_turn(a_turn(session_id, 1))
        await audit.save_turn(a_turn(uuid4(), 1))
        await audit.save_turn(a_turn(session_id, 0))
        with pytest.raises(DuplicateError) as caught:
            await audit.save_turn(a_turn(session_id, 1, user_message="other"))
        assert ("session_id", "turn_number") == caught.value.fields
        assert [0, 1] == [turn.turn_number for turn in await audit.list_turns_by_session(session_id)]
        assert stored == await audit.get_turn(stored.id)

    async def test_of_many_writers_of_one_turn_one_wins(self, audit: AuditStore) -> None:
        """The others find the number taken."""
        session_id = uuid4()
        writers = (audit.save_turn(a_turn(session_id, 1)) for _ in range(50))
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        (winner,) = [outcome for outcome in outcomes if isinstance(outcome, TurnRecord)]
        assert 49 == sum(isinstance(outcome, DuplicateError) for outcome in outcomes)
        assert [winner] == await audit.list_turns_by_session(session_id)

    async def test_many_turns_of_one_session_at_once_are_all_stored(self, audit: AuditStore) -> None:
        """In whatever order they come."""
        session_id = uuid4()
        await asyncio.gather(*(audit.save_turn(a_turn(session_id, number)) for number in range(50)))
        turns = await audit.list_turns_by_session(session_id)
        assert [*range(50)] == [turn.turn_number for turn in turns]

    async def test_a_sessions_turns_are_in_their_order(self, audit: AuditStore) -> None:
        """By number, whatever the order in which they were stored, from an offset up to a limit."""
        session_id = uuid4()
        for number in (30, 1, 2, 10):
            await audit.save_turn(a_turn(session_id, number))
        await audit.save_turn(a_turn(uuid4(), 5))
        for expected, limits in (
            ([1, 2, 10, 30], {}),
            ([1, 2, 10, 30], {"limit": 1000, "offset": 0}),
            ([2], {"limit": 1, "offset": 1}),
            ([10, 30], {"limit": 5, "offset": 2}),
            ([], {"offset": 4}),
            ([], {"offset": 2**31 - 1}),
        ):
            turns = await audit.list_turns_by_session(session_id, **limits)
            assert expected == [turn.turn_number for turn in turns]

    async def test_a_list_has_a_hundred_when_nobody_says(self, audit: AuditStore) -> None:
        """Of a session's turns, and of all."""
        session_id = uuid4()
        for number in range(101):
            await audit.save_turn(a_turn(session_id, number))
        assert 100 == len(await audit.list_turns_by_session(session_id))
        page = await audit.list_turns()
        assert (100, True) == (len(page), page.next_cursor is not None)

    async def test_a_turn_that_is_not_stored_is_absent(self, audit: AuditStore) -> None:
        """Not an error."""
        assert await audit.get_turn(uuid4()) is None
        assert [] == await audit.list_turns_by_session(uuid4())

    async def test_turns_are_their_tenants_alone(self, other: TenantUnderTest, audit: AuditStore) -> None:
        """Not found by id, nor listed; and the other tenant may have the same ids and numbers."""
        turn, theirs = await audit.save_turn(a_turn(uuid4(), 1)), other.audit
        assert await theirs.get_turn(turn.id) is None
        assert [] == await theirs.list_turns_by_session(turn.session_id)
        assert [] == list(await theirs.list_turns())
        twin = await theirs.save_turn(turn.evolve(tenant_id=other.tenant_id, user_message="other"))
        assert (turn, twin) == (await audit.get_turn(turn.id), await theirs.get_turn(turn.id))
        assert [[turn], [twin]] == [
            await store.list_turns_by_session(turn.session_id) for store in (audit, theirs)
        ]
