"""A transaction: what is written through its stores is committed together, or not at all."""

from __future__ import annotations

import asyncio

import pytest

from focal_data.domain.ideation import IdeationSession
from focal_data.errors import (
    DuplicateError,
    InvalidDataError,
    NotFoundError,
    StaleRevisionError,
    StoreError,
    UsageError,
)
from focal_data.stores.ideation import IdeationTenant
from focal_data.testing.contracts.ideation.base import (
    NOTHING,
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


class IdeationTransactionsContract(IdeationSuite):
    """``transaction``."""

    async def test_what_is_written_is_committed_together(self, ideation: IdeationTenant) -> None:
        """With the session itself; nobody else sees it before."""
        session = a_session()
        async with ideation.transaction() as stores:
            assert ideation.tenant_id == stores.tenant_id
            parts = await filled(stores, session)
            seen = await asyncio.create_task(ideation.sessions.get_by_id(session.id))
            listed = await asyncio.create_task(ideation.sessions.list_by_user(session.user_id))
            assert (None, []) == (seen, listed)
            assert NOTHING == await asyncio.create_task(all_parts(ideation, session.id))
        assert parts == await all_parts(ideation, session.id)
        stored = await ideation.sessions.get_by_id(session.id)
        assert [stored] == await ideation.sessions.list_by_user(session.user_id)

    async def test_what_is_rolled_back_never_happened(self, ideation: IdeationTenant) -> None:
        """A new session with all its parts; its ids are free."""
        session = a_session()
        with pytest.raises(KeyError):
            async with ideation.transaction() as stores:
                await filled(stores, session)
                raise KeyError
        assert await ideation.sessions.get_by_id(session.id) is None
        assert [] == await ideation.sessions.list_by_user(session.user_id)
        assert NOTHING == await all_parts(ideation, session.id)
        parts = await filled(ideation, session)
        assert parts == await all_parts(ideation, session.id)

    async def test_what_was_there_is_there_after_a_rollback(self, ideation: IdeationTenant) -> None:
        """Whatever was changed, replaced or removed."""
        session = a_session()
        parts = await filled(ideation, session)
        stored = await ideation.sessions.get_by_id(session.id)
        assert stored is not None
        with pytest.raises(KeyError):
            async with ideation.transaction() as stores:
                await stores.sessions.update(stored.evolve(user_id="eve"))
                await stores.messages.create(a_message(session.id))
                await stores.messages.delete_by_session(session.id)
                await stores.requirements.update(parts.requirements[0].evolve(description="B"))
                await stores.requirements.delete(session.id, parts.requirements[1].id)
                await stores.maturity.save(a_maturity(session.id, score=1.0))
                await stores.prd.save_draft(a_draft(session.id))
                await stores.prd.save_user_stories(session.id, [])
                raise KeyError
        with pytest.raises(asyncio.CancelledError):
            async with ideation.transaction() as stores:
                assert await stores.sessions.delete(session.id)
                raise asyncio.CancelledError
        assert stored == await ideation.sessions.get_by_id(session.id)
        assert [stored] == await ideation.sessions.list_by_user(session.user_id)
        assert [] == await ideation.sessions.list_by_user("eve")
        assert parts == await all_parts(ideation, session.id)

    async def test_a_transaction_sees_what_it_has_written(self, ideation: IdeationTenant) -> None:
        """Each kind of thing, at once."""
        session = a_session()
        async with ideation.transaction() as stores:
            parts = await filled(stores, session)
            assert parts == await all_parts(stores, session.id)
            assert [parts.messages[1]] == await stores.messages.get_by_session(session.id, 1, 1)
            created = await stores.sessions.get_by_id(session.id)
            assert created is not None
            changed = await stores.sessions.update(created.evolve(project_name="B"))
            assert changed == await stores.sessions.get_by_id(session.id)
            replaced = await stores.requirements.update(parts.requirements[0].evolve(description="B"))
            assert replaced in await stores.requirements.get_by_session(session.id)
            assert await stores.requirements.delete(session.id, parts.requirements[1].id)
            assert not await stores.requirements.delete(session.id, parts.requirements[1].id)
            assert [replaced] == await stores.requirements.get_by_session(session.id)
            maturity = await stores.maturity.save(a_maturity(session.id, score=1.0))
            assert maturity == await stores.maturity.get_by_session(session.id)
            draft = await stores.prd.save_draft(a_draft(session.id))
            assert draft == await stores.prd.get_draft(session.id)
            stories = await stores.prd.save_user_stories(session.id, [a_story(session.id, "C")])
            assert stories == await stores.prd.get_user_stories(session.id)
            assert 2 == await stores.messages.delete_by_session(session.id)
            again = await stores.messages.create(a_message(session.id))
            assert [again] == await stores.messages.get_by_session(session.id)
            assert 0 == again.position
        expected = ([again], [replaced], maturity, draft, stories)
        assert expected == await all_parts(ideation, session.id)
        assert changed == await ideation.sessions.get_by_id(session.id)

    async def test_what_is_removed_in_a_transaction_is_gone_in_it(self, ideation: IdeationTenant) -> None:
        """And may be made again there."""
        session = a_session()
        await filled(ideation, session)
        async with ideation.transaction() as stores:
            assert [True, False] == [await stores.sessions.delete(session.id) for _ in range(2)]
            assert await stores.sessions.get_by_id(session.id) is None
            assert NOTHING == await all_parts(stores, session.id)
            with pytest.raises(NotFoundError):
                await stores.messages.create(a_message(session.id))
            new = await stores.sessions.create(a_session(id=session.id, user_id="eve"))
            message = await stores.messages.create(a_message(session.id))
            assert (1, 0) == (new.version, message.position)
        assert NOTHING._replace(messages=[message]) == await all_parts(ideation, session.id)
        assert [] == await ideation.sessions.list_by_user(session.user_id)
        assert [new] == await ideation.sessions.list_by_user("eve")

    async def test_a_transaction_goes_on_where_nothing_was_tried(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """After what is stale, and after bad data."""
        await ideation.sessions.update(session)
        async with ideation.transaction() as stores:
            with pytest.raises(StaleRevisionError) as caught:
                await stores.sessions.update(session)
            assert 2 == caught.value.current_revision
            with pytest.raises(InvalidDataError):
                await stores.prd.save_user_stories(session.id, [a_story("other")])
            requirement = await stores.requirements.create(a_requirement(session.id))
        assert [requirement] == await ideation.requirements.get_by_session(session.id)

    async def test_a_duplicate_ends_a_transaction(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """It can only be left, and then it says that nothing was written."""
        with pytest.raises(StoreError, match="nothing was written"):
            async with ideation.transaction() as stores:
                requirement = await stores.requirements.create(a_requirement(session.id))
                with pytest.raises(DuplicateError):
                    await stores.requirements.create(requirement.evolve(description="other"))
                with pytest.raises(UsageError):
                    await stores.sessions.get_by_id(session.id)
        assert NOTHING == await all_parts(ideation, session.id)

    async def test_a_transaction_is_entered_once(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """And its stores are over when it is."""
        transaction = ideation.transaction()
        async with transaction as stores:
            await stores.messages.create(a_message(session.id))
        with pytest.raises(UsageError):
            async with transaction:
                pass
        for call in (
            stores.sessions.get_by_id(session.id),
            stores.messages.create(a_message(session.id)),
            stores.requirements.get_by_session(session.id),
            stores.maturity.save(a_maturity(session.id)),
            stores.prd.get_draft(session.id),
        ):
            with pytest.raises(UsageError):
                await call
        assert 1 == len(await ideation.messages.get_by_session(session.id))

    async def test_an_empty_transaction_does_nothing(self, ideation: IdeationTenant) -> None:
        """Nor does one that only reads, or that removes what is not there."""
        async with ideation.transaction():
            pass
        async with ideation.transaction() as stores:
            assert await stores.sessions.get_by_id("missing") is None
            assert not await stores.sessions.delete("missing")

    async def test_a_transaction_spans_one_session_or_several(self, ideation: IdeationTenant) -> None:
        """As its backend says; one that may not have a second writes nothing at all when it is tried."""
        first, second = a_session(), a_session()
        if self.one_session_per_transaction:
            with pytest.raises(UsageError):
                async with ideation.transaction() as stores:
                    await stores.sessions.create(first)
                    await stores.sessions.create(second)
        else:
            async with ideation.transaction() as stores:
                await filled(stores, first)
                await filled(stores, second)
                assert 2 == len(await stores.sessions.list_by_user("ada"))
        kept = 0 if self.one_session_per_transaction else 2
        assert kept == len(await ideation.sessions.list_by_user("ada"))
