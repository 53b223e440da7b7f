"""Two tenants, who may use the same ids, and see nothing of each other."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from focal_data.domain.ideation import IdeationSession
from focal_data.errors import InvalidDataError, NotFoundError, UsageError
from focal_data.stores.ideation import IdeationStores, IdeationTenant
from focal_data.testing.contracts.ideation.base import (
    NOTHING,
    IdeationSuite,
    IdeationTenants,
    Parts,
    a_draft,
    a_maturity,
    a_message,
    a_requirement,
    a_session,
    a_story,
    all_parts,
    filled,
)


async def _refuses_all(stores: IdeationStores, session_id: str) -> None:
    for call in (
        stores.messages.create(a_message(session_id)),
        stores.requirements.create(a_requirement(session_id)),
        stores.maturity.save(a_maturity(session_id)),
        stores.prd.save_draft(a_draft(session_id)),
        stores.prd.save_user_stories(session_id, [a_story(session_id)]),
    ):
        with pytest.raises(NotFoundError):
            await call


class IdeationIsolationContract(IdeationSuite):
    """What belongs to another tenant is absent."""

    async def test_a_session_is_its_tenants_alone(
        self, ideation: IdeationTenant, other: IdeationTenant
    ) -> None:
        """Not read, listed, changed or removed by another, nor is anything hung on it."""
        session = a_session()
        parts = await filled(ideation, session)
        stored = await ideation.sessions.get_by_id(session.id)
        assert stored is not None
        assert await other.sessions.get_by_id(session.id) is None
        assert [] == await other.sessions.list_by_user(session.user_id)
        assert NOTHING == await all_parts(other, session.id)
        with pytest.raises(NotFoundError):
            await other.sessions.update(stored.evolve(tenant_id=other.tenant_id))
        assert not await other.sessions.delete(session.id)
        await _refuses_all(other, session.id)
        async with other.transaction() as stores:
            assert await stores.sessions.get_by_id(session.id) is None
            assert NOTHING == await all_parts(stores, session.id)
        assert stored == await ideation.sessions.get_by_id(session.id)
        assert parts == await all_parts(ideation, session.id)

    async def test_parts_are_removed_by_their_tenant_alone(
        self, ideation: IdeationTenant, other: IdeationTenant
    ) -> None:
        """Also where the other has a session of the same id."""
        session = a_session()
        parts = await filled(ideation, session)
        await other.sessions.create(session)
        assert 0 == await other.messages.delete_by_session(session.id)
        assert not await other.requirements.delete(session.id, parts.requirements[0].id)
        with pytest.raises(NotFoundError):
            await other.requirements.update(
                a_requirement(session.id, id=parts.requirements[0].id, description="theirs")
            )
        assert [] == await other.prd.save_user_stories(session.id, [])
        assert await other.sessions.delete(session.id)
        assert parts == await all_parts(ideation, session.id)

    async def test_two_tenants_may_use_the_same_ids(
        self, ideation: IdeationTenant, other: IdeationTenant
    ) -> None:
        """Of everything."""
        session = a_session()
        mine = await filled(ideation, session)
        theirs = await other.sessions.create(session.evolve(project_name="theirs"))
        message, requirement = mine.messages[0], mine.requirements[0]
        assert mine.draft is not None
        assert mine.maturity is not None
        changes = {"tenant_id": other.tenant_id}
        kept = Parts(
            [await other.messages.create(message.evolve(content="theirs", **changes))],
            [await other.requirements.create(requirement.evolve(description="theirs", **changes))],
            await other.maturity.save(mine.maturity.evolve(score=1.0, **changes)),
            await other.prd.save_draft(mine.draft.evolve(title="theirs", **changes)),
            await other.prd.save_user_stories(session.id, [s.evolve(**changes) for s in mine.stories]),
        )
        assert mine == await all_parts(ideation, session.id)
        assert kept == await all_parts(other, session.id)
        assert [theirs] == await other.sessions.list_by_user(session.user_id)

    async def test_what_is_another_tenants_is_refused(
        self, ideation: IdeationTenant, other: IdeationTenant, session: IdeationSession
    ) -> None:
        """By its tenant's name, whatever it is."""
        theirs: dict[str, Any] = {"tenant_id": other.tenant_id}
        for call in (
            ideation.sessions.create(a_session(**theirs)),
            ideation.sessions.update(session.evolve(**theirs)),
            ideation.messages.create(a_message(session.id, **theirs)),
            ideation.requirements.create(a_requirement(session.id, **theirs)),
            ideation.requirements.update(a_requirement(session.id, **theirs)),
            ideation.maturity.save(a_maturity(session.id, **theirs)),
            ideation.prd.save_draft(a_draft(session.id, **theirs)),
            ideation.prd.save_user_stories(session.id, [a_story(session.id, **theirs)]),
        ):
            with pytest.raises(InvalidDataError) as caught:
                await call
            assert caught.value.field.endswith("tenant_id")
        assert NOTHING == await all_parts(ideation, session.id)
        assert session == await ideation.sessions.get_by_id(session.id)

    async def test_a_tenant_is_a_uuid(self, tenants: IdeationTenants) -> None:
        """And not the nil one."""
        for bad in (UUID(int=0), "a", None):
            with pytest.raises(UsageError):
                tenants(bad)  # type: ignore[arg-type]
