"""Maturity: one for each session."""

from __future__ import annotations

import pytest

from focal_data.domain.ideation import IdeationSession
from focal_data.errors import NotFoundError
from focal_data.stores.ideation import IdeationTenant
from focal_data.testing.contracts.ideation.base import (
    NOON,
    ODD_IDS,
    STORES_OWN,
    IdeationSuite,
    a_maturity,
    a_session,
)


class MaturityContract(IdeationSuite):
    """``IdeationMaturityStore``."""

    async def test_a_maturity_comes_back_as_it_was_stored(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """With every field, categories and gaps in their order, the tenant filled in, and the store's time."""
        given = a_maturity(session.id, updated_at=NOON)
        stored = await ideation.maturity.save(given)
        assert stored == await ideation.maturity.get_by_session(session.id)
        assert given.model_dump(exclude=STORES_OWN) == stored.model_dump(exclude=STORES_OWN)
        assert ideation.tenant_id == stored.tenant_id
        assert stored.updated_at is not None
        assert NOON < stored.updated_at

    @pytest.mark.parametrize("odd", ODD_IDS, ids=ascii)
    async def test_a_maturity_is_kept_under_any_id(self, ideation: IdeationTenant, odd: str) -> None:
        """Its session's."""
        await ideation.sessions.create(a_session(id=odd))
        stored = await ideation.maturity.save(a_maturity(odd))
        assert stored == await ideation.maturity.get_by_session(odd)

    async def test_a_maturity_takes_the_place_of_the_one_before(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Whole; no other session's is touched."""
        other = await ideation.sessions.create(a_session())
        kept = await ideation.maturity.save(a_maturity(other.id))
        first = await ideation.maturity.save(a_maturity(session.id))
        changes = {"score": 100.0, "level": "x", "categories": [], "can_submit": False, "gaps": []}
        second = await ideation.maturity.save(first.evolve(**changes))
        assert second == await ideation.maturity.get_by_session(session.id)
        assert (100.0, "x", [], False, []) == (
            second.score,
            second.level,
            second.categories,
            second.can_submit,
            second.gaps,
        )
        assert kept == await ideation.maturity.get_by_session(other.id)

    @pytest.mark.parametrize("score", [0.0, 5e-324, 0.1 + 0.2, 100.0], ids=str)
    async def test_a_score_is_kept_to_the_last_bit(
        self, ideation: IdeationTenant, session: IdeationSession, score: float
    ) -> None:
        """A category's too."""
        await ideation.maturity.save(
            a_maturity(session.id, score=score, categories=[{"id": "a", "name": "A", "score": score}])
        )
        found = await ideation.maturity.get_by_session(session.id)
        assert found is not None
        assert (score, score) == (found.score, found.categories[0].score)

    async def test_a_maturity_that_was_not_saved_is_absent(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Whether its session is there or not."""
        for absent in (session.id, "missing", "", "x" * 1_000_000):
            assert await ideation.maturity.get_by_session(absent) is None

    async def test_a_maturity_needs_its_session(self, ideation: IdeationTenant) -> None:
        """Which is told as missing."""
        with pytest.raises(NotFoundError) as caught:
            await ideation.maturity.save(a_maturity("missing"))
        assert "IdeationSession" == caught.value.entity
        assert await ideation.maturity.get_by_session("missing") is None

    async def test_a_maturity_that_a_caller_changes_is_not_the_stored_one(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Neither in what was handed over, nor in what was got back."""
        given = a_maturity(session.id)
        stored = await ideation.maturity.save(given)
        read = await ideation.maturity.get_by_session(session.id)
        for changed in (given, stored, read):
            assert changed is not None
            changed.categories.clear()
            changed.gaps.clear()
        found = await ideation.maturity.get_by_session(session.id)
        assert found is not None
        assert (2, 2) == (len(found.categories), len(found.gaps))
