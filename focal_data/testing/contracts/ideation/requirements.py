"""Requirements: of one session each, in the order they were found."""

from __future__ import annotations

import pytest

from focal_data.domain.ideation import IdeationSession, RequirementPriority, RequirementType
from focal_data.errors import DuplicateError, NotFoundError
from focal_data.stores.ideation import IdeationTenant
from focal_data.testing.contracts.ideation.base import (
    NOON,
    ODD_IDS,
    STORES_OWN,
    IdeationSuite,
    a_requirement,
    a_session,
)


class RequirementsContract(IdeationSuite):
    """``IdeationRequirementStore``."""

    @pytest.mark.parametrize("category", ["{scope}", None])
    async def test_a_requirement_comes_back_as_it_was_stored(
        self, ideation: IdeationTenant, session: IdeationSession, category: str | None
    ) -> None:
        """With every field, the tenant filled in, and the store's time."""
        given = a_requirement(session.id, category_id=category, created_at=NOON)
        stored = await ideation.requirements.create(given)
        assert [stored] == await ideation.requirements.get_by_session(session.id)
        assert given.model_dump(exclude=STORES_OWN) == stored.model_dump(exclude=STORES_OWN)
        assert ideation.tenant_id == stored.tenant_id
        assert stored.created_at is not None
        assert NOON < stored.created_at

    @pytest.mark.parametrize("odd", ODD_IDS, ids=ascii)
    async def test_a_requirements_id_is_any_text(self, ideation: IdeationTenant, odd: str) -> None:
        """As its session's and its category's are."""
        await ideation.sessions.create(a_session(id=odd))
        stored = await ideation.requirements.create(a_requirement(odd, id=odd, category_id=odd))
        assert [stored] == await ideation.requirements.get_by_session(odd)
        changed = await ideation.requirements.update(stored.evolve(description=""))
        assert [changed] == await ideation.requirements.get_by_session(odd)
        assert await ideation.requirements.delete(odd, odd)

    async def test_requirements_are_in_the_order_of_creation(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """All of them, more than a page; not those of other sessions."""
        other = await ideation.sessions.create(a_session())
        await ideation.requirements.create(a_requirement(other.id))
        async with ideation.transaction() as stores:
            stored = [await stores.requirements.create(a_requirement(session.id)) for _ in range(150)]
        oldest = sorted(stored, key=lambda requirement: (requirement.created_at, requirement.id))
        assert oldest == await ideation.requirements.get_by_session(session.id)

    async def test_an_id_is_taken_once_in_its_session(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """What was stored first stays."""
        stored = await ideation.requirements.create(a_requirement(session.id))
        with pytest.raises(DuplicateError) as caught:
            await ideation.requirements.create(stored.evolve(description="other"))
        assert ("id",) == caught.value.fields
        assert [stored] == await ideation.requirements.get_by_session(session.id)

    async def test_a_requirement_is_replaced(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """But for the time of its creation; it keeps its place, and the others are left alone."""
        first, second = [await ideation.requirements.create(a_requirement(session.id)) for _ in range(2)]
        changes = {
            "description": "B",
            "type": RequirementType.FUNCTIONAL,
            "priority": RequirementPriority.MUST_HAVE,
            "category_id": None,
        }
        changed = await ideation.requirements.update(first.evolve(**changes, created_at=NOON))
        assert first.evolve(**changes) == changed
        assert [changed, second] == await ideation.requirements.get_by_session(session.id)

    async def test_what_is_not_there_can_not_be_replaced(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Nor what hangs on another session."""
        other = await ideation.sessions.create(a_session())
        stored = await ideation.requirements.create(a_requirement(session.id))
        for missing in (a_requirement(session.id), a_requirement(other.id, id=stored.id)):
            with pytest.raises(NotFoundError) as caught:
                await ideation.requirements.update(missing)
            assert "ExtractedRequirement" == caught.value.entity
        with pytest.raises(NotFoundError):
            await ideation.requirements.update(a_requirement("missing", id=stored.id))
        assert [stored] == await ideation.requirements.get_by_session(session.id)
        assert [] == await ideation.requirements.get_by_session(other.id)

    async def test_a_requirement_is_removed_from_its_session_alone(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """And it is told whether it was there."""
        other = await ideation.sessions.create(a_session())
        stored = await ideation.requirements.create(a_requirement(session.id))
        for session_id in (other.id, "missing", "", "x" * 1_000_000):
            assert not await ideation.requirements.delete(session_id, stored.id)
        for absent in ("missing", "", "x" * 1_000_000):
            assert not await ideation.requirements.delete(session.id, absent)
        assert [stored] == await ideation.requirements.get_by_session(session.id)
        assert [True, False] == [await ideation.requirements.delete(session.id, stored.id) for _ in range(2)]
        assert [] == await ideation.requirements.get_by_session(session.id)
        again = await ideation.requirements.create(stored.evolve(description="again"))
        assert [again] == await ideation.requirements.get_by_session(session.id)

    async def test_a_requirement_needs_its_session(self, ideation: IdeationTenant) -> None:
        """Which is told as missing."""
        with pytest.raises(NotFoundError) as caught:
            await ideation.requirements.create(a_requirement("missing"))
        assert "IdeationSession" == caught.value.entity
        for absent in ("missing", "", "x" * 1_000_000):
            assert [] == await ideation.requirements.get_by_session(absent)
