"""What hangs on a session goes with it, and nothing is left for one that takes its id."""

from __future__ import annotations

import pytest

from focal_data.domain.ideation import IdeationSession
from focal_data.errors import NotFoundError
from focal_data.stores.ideation import IdeationTenant
from focal_data.testing.contracts.ideation.base import (
    NOTHING,
    ODD_IDS,
    IdeationSuite,
    a_draft,
    a_maturity,
    a_message,
    a_requirement,
    a_session,
    a_story,
    all_parts,
    filled,
)


class CascadeContract(IdeationSuite):
    """``delete`` of a session."""

    @pytest.mark.parametrize("odd", ["0198c3a2-7b1e-7c4d-9f21-5a6b7c8d9e0f", *ODD_IDS], ids=ascii)
    async def test_what_hangs_on_a_session_goes_with_it(self, ideation: IdeationTenant, odd: str) -> None:
        """All of it, and nothing of any other's."""
        near = f"{odd[:-1]}#"
        kept = await filled(ideation, a_session(id=near))
        await filled(ideation, a_session(id=odd))
        assert await ideation.sessions.delete(odd)
        assert NOTHING == await all_parts(ideation, odd)
        assert kept == await all_parts(ideation, near)

    async def test_a_session_that_takes_an_id_finds_nothing(self, ideation: IdeationTenant) -> None:
        """Of the one before: neither parts, nor its version, nor its count of messages."""
        old = a_session()
        before = await filled(ideation, old)
        await ideation.sessions.delete(old.id)
        new = await ideation.sessions.create(a_session(id=old.id, user_id="eve"))
        assert 1 == new.version
        assert NOTHING == await all_parts(ideation, old.id)
        assert [] == await ideation.sessions.list_by_user(old.user_id)
        assert [new] == await ideation.sessions.list_by_user("eve")
        again = await ideation.messages.create(a_message(old.id, id=before.messages[0].id))
        assert 0 == again.position
        assert [] == await ideation.prd.save_user_stories(old.id, [])

    async def test_nothing_is_added_to_a_session_that_is_gone(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Of no kind."""
        await filled(ideation, other := a_session())
        await ideation.sessions.delete(other.id)
        for call in (
            ideation.messages.create(a_message(other.id)),
            ideation.requirements.create(a_requirement(other.id)),
            ideation.maturity.save(a_maturity(other.id)),
            ideation.prd.save_draft(a_draft(other.id)),
            ideation.prd.save_user_stories(other.id, [a_story(other.id)]),
        ):
            with pytest.raises(NotFoundError) as caught:
                await call
            assert "IdeationSession" == caught.value.entity
        await ideation.sessions.create(a_session(id=other.id))
        assert NOTHING == await all_parts(ideation, other.id)

    async def test_a_session_that_was_changed_goes_whole(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """After each part was replaced, removed or moved."""
        parts = [await ideation.requirements.create(a_requirement(session.id)) for _ in range(2)]
        await ideation.requirements.delete(session.id, parts[0].id)
        await ideation.messages.create(a_message(session.id))
        await ideation.messages.delete_by_session(session.id)
        await ideation.messages.create(a_message(session.id))
        await ideation.prd.save_user_stories(session.id, [a_story(session.id) for _ in range(3)])
        await ideation.prd.save_user_stories(session.id, [a_story(session.id)])
        moved = await ideation.sessions.update(session.evolve(user_id="eve"))
        await ideation.sessions.delete(moved.id)
        await ideation.sessions.create(a_session(id=session.id))
        assert NOTHING == await all_parts(ideation, session.id)
