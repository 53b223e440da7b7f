"""Requirements documents, the last of which counts, and user stories, which are replaced all together."""

from __future__ import annotations

import pytest

from focal_data.domain.ideation import IdeationSession
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError
from focal_data.stores.ideation import IdeationTenant
from focal_data.testing.contracts.ideation.base import (
    NOON,
    ODD_IDS,
    STORES_OWN,
    IdeationSuite,
    a_draft,
    a_session,
    a_story,
)


class DraftsContract(IdeationSuite):
    """``save_draft`` and ``get_draft``."""

    async def test_a_draft_comes_back_as_it_was_stored(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """With every field, its sections in the order they were given, the tenant filled in, and the store's time."""
        given = a_draft(session.id, created_at=NOON)
        stored = await ideation.prd.save_draft(given)
        assert stored == await ideation.prd.get_draft(session.id)
        own = {"tenant_id", "created_at"}
        assert given.model_dump(exclude=own) == stored.model_dump(exclude=own)
        assert ideation.tenant_id == stored.tenant_id
        assert stored.created_at is not None
        assert NOON < stored.created_at

    @pytest.mark.parametrize("odd", ODD_IDS, ids=ascii)
    async def test_a_drafts_id_is_any_text(self, ideation: IdeationTenant, odd: str) -> None:
        """As its session's is; a story's too."""
        await ideation.sessions.create(a_session(id=odd))
        draft = await ideation.prd.save_draft(a_draft(odd, id=odd))
        stories = await ideation.prd.save_user_stories(odd, [a_story(odd, id=odd)])
        assert draft == await ideation.prd.get_draft(odd)
        assert stories == await ideation.prd.get_user_stories(odd)

    async def test_the_draft_that_was_created_last_counts(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Whatever its id, and its version."""
        for id, version in (("m", "0.1.0"), ("z", "9.9.9"), ("a", "0.0.1")):  # noqa: A001
            last = await ideation.prd.save_draft(a_draft(session.id, id=id, version=version))
            assert last == await ideation.prd.get_draft(session.id)

    async def test_a_draft_that_is_saved_again_keeps_its_time(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """So that a later one still counts."""
        first = await ideation.prd.save_draft(a_draft(session.id))
        again = await ideation.prd.save_draft(
            first.evolve(title="B", sections=[], version="2", status="final", created_at=NOON)
        )
        assert first.evolve(title="B", sections=[], version="2", status="final") == again
        assert again == await ideation.prd.get_draft(session.id)
        second = await ideation.prd.save_draft(a_draft(session.id))
        await ideation.prd.save_draft(again.evolve(title="C"))
        assert second == await ideation.prd.get_draft(session.id)

    async def test_a_section_may_be_a_megabyte(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Nothing is cut off."""
        section = {"heading": "h", "content": "å" * 500_000, "order": 0}
        await ideation.prd.save_draft(a_draft(session.id, sections=[section]))
        found = await ideation.prd.get_draft(session.id)
        assert found is not None
        assert "å" * 500_000 == found.sections[0].content

    async def test_drafts_and_stories_that_were_not_saved_are_absent(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Whether their session is there or not."""
        for absent in (session.id, "missing", "", "x" * 1_000_000):
            assert await ideation.prd.get_draft(absent) is None
            assert [] == await ideation.prd.get_user_stories(absent)

    async def test_a_draft_needs_its_session(self, ideation: IdeationTenant) -> None:
        """Which is told as missing."""
        with pytest.raises(NotFoundError) as caught:
            await ideation.prd.save_draft(a_draft("missing"))
        assert "IdeationSession" == caught.value.entity
        assert await ideation.prd.get_draft("missing") is None

    async def test_a_draft_that_a_caller_changes_is_not_the_stored_one(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Neither in what was handed over, nor in what was got back."""
        given = a_draft(session.id)
        stored = await ideation.prd.save_draft(given)
        read = await ideation.prd.get_draft(session.id)
        for changed in (given, stored, read):
            assert changed is not None
            changed.sections.clear()
        found = await ideation.prd.get_draft(session.id)
        assert found is not None
        assert 2 == len(found.sections)


class StoriesContract(IdeationSuite):
    """``save_user_stories`` and ``get_user_stories``."""

    async def test_a_story_comes_back_as_it_was_stored(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """With every field, the tenant filled in, and the store's time."""
        given = a_story(session.id, created_at=NOON)
        (stored,) = await ideation.prd.save_user_stories(session.id, [given])
        assert [stored] == await ideation.prd.get_user_stories(session.id)
        assert given.model_dump(exclude=STORES_OWN) == stored.model_dump(exclude=STORES_OWN)
        assert ideation.tenant_id == stored.tenant_id
        assert stored.created_at is not None
        assert NOON < stored.created_at

    async def test_stories_are_in_the_order_they_were_saved(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Whatever their ids; any sequence of them is taken."""
        stories = tuple(a_story(session.id, str(n), id=f"{(n * 7) % 150:03}") for n in range(150))
        stored = await ideation.prd.save_user_stories(session.id, stories)
        assert stored == await ideation.prd.get_user_stories(session.id)
        assert [story.id for story in stories] == [story.id for story in stored]

    async def test_stories_replace_all_that_were_there(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """By more, by fewer, some of them again in another order, by none; no other session's are touched."""
        other = await ideation.sessions.create(a_session())
        kept = await ideation.prd.save_user_stories(other.id, [a_story(other.id)])
        a, b, c = (a_story(session.id, title) for title in "abc")
        for stories in ([a, b], [c, b, a], [b, c], [c], [], [], [a]):
            stored = await ideation.prd.save_user_stories(session.id, stories)
            assert [story.title for story in stories] == [story.title for story in stored]
            assert stored == await ideation.prd.get_user_stories(session.id)
        assert kept == await ideation.prd.get_user_stories(other.id)

    async def test_one_story_that_is_refused_keeps_all_that_were_there(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """For its id, which another has, or for its session."""
        stored = await ideation.prd.save_user_stories(session.id, [a_story(session.id)])
        new = a_story(session.id, "new")
        with pytest.raises(DuplicateError) as taken:
            await ideation.prd.save_user_stories(session.id, [new, new.evolve(title="twin")])
        assert ("id",) == taken.value.fields
        with pytest.raises(InvalidDataError) as caught:
            await ideation.prd.save_user_stories(session.id, [new, a_story("other")])
        assert "session_id" == caught.value.field
        assert stored == await ideation.prd.get_user_stories(session.id)

    async def test_stories_need_their_session(self, ideation: IdeationTenant) -> None:
        """Which is told as missing."""
        for stories in ([a_story("missing")], []):
            with pytest.raises(NotFoundError) as caught:
                await ideation.prd.save_user_stories("missing", stories)
            assert "IdeationSession" == caught.value.entity
        assert [] == await ideation.prd.get_user_stories("missing")

    async def test_a_story_that_a_caller_changes_is_not_the_stored_one(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Neither in what was handed over, nor in what was got back."""
        given = a_story(session.id)
        (stored,) = await ideation.prd.save_user_stories(session.id, [given])
        (read,) = await ideation.prd.get_user_stories(session.id)
        for changed in (given, stored, read):
            changed.acceptance_criteria.clear()
            changed.linked_requirements.clear()
        (found,) = await ideation.prd.get_user_stories(session.id)
        assert (2, 2) == (len(found.acceptance_criteria), len(found.linked_requirements))
