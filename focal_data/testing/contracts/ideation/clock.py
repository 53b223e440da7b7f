"""The stores by a clock that is set by hand: what happens at the same time is in the order of ids."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from focal_data.domain.clock import Clock
from focal_data.domain.ideation import IdeationSession
from focal_data.stores.ideation import IdeationTenant
from focal_data.testing.contracts.ideation.base import (
    IdeationTenants,
    a_draft,
    a_maturity,
    a_requirement,
    a_session,
    a_story,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
IDS = ["m", "Z", "a", "é", "0", "🦊", "｡"]
"""In no order; those with capitals, accents and beyond 16 bits go by their code points."""

TenantsByClock = Callable[[Clock], IdeationTenants]


class SetClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


class IdeationClockContract:
    """Times, and what is at the same time. A subclass overrides ``by_clock``."""

    @pytest.fixture
    def by_clock(self) -> TenantsByClock:
        """A clock to a tenant's id to its stores."""
        raise NotImplementedError(f"{type(self).__name__} needs a fixture `by_clock`")

    @pytest.fixture
    def clock(self) -> SetClock:
        """It is noon."""
        return SetClock()

    @pytest.fixture
    def timed(self, by_clock: TenantsByClock, clock: SetClock) -> IdeationTenant:
        """The stores of a tenant of this test alone, by ``clock``."""
        return by_clock(clock)(uuid4())

    @pytest.fixture
    async def session(self, timed: IdeationTenant) -> IdeationSession:
        """One that is stored."""
        return await timed.sessions.create(a_session())

    async def test_times_are_the_stores(self, timed: IdeationTenant, clock: SetClock) -> None:
        """To the microsecond, of the call that set them."""
        session = await timed.sessions.create(a_session())
        requirement = await timed.requirements.create(a_requirement(session.id))
        clock.time = later = NOON + timedelta(hours=1, microseconds=1)
        session = await timed.sessions.update(session)
        requirement = await timed.requirements.update(requirement)
        draft = await timed.prd.save_draft(a_draft(session.id))
        maturity = await timed.maturity.save(a_maturity(session.id))
        (story,) = await timed.prd.save_user_stories(session.id, [a_story(session.id)])
        assert (NOON, later, NOON) == (session.created_at, session.updated_at, requirement.created_at)
        assert (later, later, later) == (draft.created_at, maturity.updated_at, story.created_at)
        assert session == await timed.sessions.get_by_id(session.id)

    async def test_sessions_of_one_time_are_in_the_order_of_ids(
        self, timed: IdeationTenant, clock: SetClock
    ) -> None:
        """Upwards, behind those that were updated later; also when the clock went back."""
        for id in IDS:  # noqa: A001
            await timed.sessions.create(a_session(id=id))
        clock.time = NOON - timedelta(seconds=1)
        await timed.sessions.create(a_session(id="early"))
        clock.time = NOON + timedelta(seconds=1)
        await timed.sessions.create(a_session(id="late"))
        found = [session.id for session in await timed.sessions.list_by_user("ada")]
        assert ["late", *sorted(IDS), "early"] == found
        paged = [await timed.sessions.list_by_user("ada", 2, offset) for offset in range(0, 10, 2)]
        assert found == [session.id for page in paged for session in page]

    async def test_requirements_of_one_time_are_in_the_order_of_ids(
        self, timed: IdeationTenant, session: IdeationSession
    ) -> None:
        """Upwards."""
        for id in IDS:  # noqa: A001
            await timed.requirements.create(a_requirement(session.id, id=id))
        found = await timed.requirements.get_by_session(session.id)
        assert sorted(IDS) == [requirement.id for requirement in found]

    async def test_of_drafts_of_one_time_the_one_with_the_greater_id_counts(
        self, timed: IdeationTenant, session: IdeationSession, clock: SetClock
    ) -> None:
        """And one that was created earlier does not, whenever it is saved."""
        greatest = ""
        for id in IDS:  # noqa: A001
            await timed.prd.save_draft(a_draft(session.id, id=id))
            greatest = max(greatest, id)
            found = await timed.prd.get_draft(session.id)
            assert found is not None
            assert greatest == found.id
        clock.time = NOON - timedelta(seconds=1)
        await timed.prd.save_draft(a_draft(session.id, id="\U0010fff0"))
        clock.time = NOON + timedelta(seconds=1)
        await timed.prd.save_draft(a_draft(session.id, id="0"))
        found = await timed.prd.get_draft(session.id)
        assert found is not None
        assert greatest == found.id
