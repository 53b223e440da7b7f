"""Saving, reading again and deleting: times, revisions, copies, tenants, bad data."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from focal_data.domain.profile import Channel
from focal_data.domain.session import PendingMigration, Session, SessionStatus
from focal_data.errors import InvalidDataError, NotFoundError, StaleRevisionError
from focal_data.ids import NO_TENANT, TenantId, new_id
from focal_data.stores.session import SessionStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.session.base import (
    AGENT,
    SCENARIO,
    WORDS,
    MovedClock,
    SessionSuite,
    a_session,
    at_step,
)

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class SavingContract(SessionSuite):
    """What is saved, and by whose revision."""

    async def test_a_new_one_gets_its_tenant_revision_and_times(
        self, store: SessionStore, tenant: TenantUnderTest, clock: MovedClock
    ) -> None:
        """They are the store's, whatever the caller put there; the caller's own object stays as it was."""
        new = a_session(created_at=LONG_AGO, last_activity_at=LONG_AGO)

        saved = await store.save(new)

        stamps = {"revision": 1, "created_at": clock.now, "last_activity_at": clock.now}
        assert new.evolve(tenant_id=tenant.tenant_id, **stamps) == saved
        assert (0, NO_TENANT) == (new.revision, new.tenant_id)

    async def test_an_update_gets_the_next_revision_and_activity(
        self, store: SessionStore, clock: MovedClock
    ) -> None:
        """When it was created stays, whatever the caller says."""
        first = await store.save(a_session())
        now = clock.advance(minutes=1)

        second = await store.save(first.evolve(turn_count=1, created_at=now, last_activity_at=None))
        third = await store.save(second.evolve(created_at=None))

        assert first.evolve(turn_count=1, revision=2, last_activity_at=now) == second
        assert second.evolve(revision=3) == third
        assert third == await store.get(first.session_id)

    async def test_every_field_is_read_as_it_was_saved(self, store: SessionStore) -> None:
        """Nothing is lost, rounded or turned into something like it, hot or cold."""
        migration = PendingMigration(
            target_version=3, anchor_content_hash="h", migration_plan_id=new_id(), marked_at=LONG_AGO
        )
        variables: dict[str, Any] = {"n": 2**63 - 1, "f": 0.1, "big": 1e300, "": [], "ü": "𝄞 \n\u2028"}
        given = a_session(
            rule_fires={new_id(): 3},
            rule_last_fire_turn={new_id(): 2},
            variables=variables,
            variable_updated_at={"n": datetime(2026, 1, 1, 1, 1, 1, 123456, tzinfo=UTC)},
            pending_migration=migration,
            status=SessionStatus.INTERRUPTED,
            scenario_checksum="sum",
            relocalization_count=4,
        )

        saved = await store.save(given)

        assert saved == await store.get(saved.session_id)
        assert await store.demote_to_persistent(saved.session_id)
        assert saved == await store.get(saved.session_id)
        bare = await store.save(Session(agent_id=AGENT, channel=Channel.API, channel_user_id="u"))
        assert bare == await store.get(bare.session_id)

    async def test_a_stale_writer_is_told_the_current_revision(self, store: SessionStore) -> None:
        """And changes nothing, neither what is stored nor by what it is found; so is one who inserts it again."""
        first = await store.save(a_session())
        second = await store.save(first.evolve(turn_count=1))

        for stale in (
            first.evolve(turn_count=2, agent_id=new_id()),
            first.evolve(revision=0),
            second.evolve(revision=9),
        ):
            with pytest.raises(StaleRevisionError) as caught:
                await store.save(stale)
            assert (2, "Session") == (caught.value.current_revision, caught.value.entity)
            assert second == await store.get(first.session_id)
            assert [] == await store.list_by_agent(stale.agent_id) or stale.agent_id == AGENT

    async def test_what_is_not_stored_can_not_be_changed(self, store: SessionStore) -> None:
        """Only revision 0 inserts."""
        absent = a_session(revision=3)
        with pytest.raises(NotFoundError) as caught:
            await store.save(absent)
        assert "Session" == caught.value.entity
        assert await store.get(absent.session_id) is None

    async def test_one_of_fifty_writers_wins(self, store: SessionStore) -> None:
        """All saw one revision; the others are told the winner's."""
        seen = await store.save(a_session())

        outcomes = await asyncio.gather(
            *(store.save(seen.evolve(turn_count=turn)) for turn in range(50)), return_exceptions=True
        )

        lost = [outcome for outcome in outcomes if isinstance(outcome, StaleRevisionError)]
        won = [outcome for outcome in outcomes if isinstance(outcome, Session)]
        assert [2] * 49 == [error.current_revision for error in lost]
        assert won == [await store.get(seen.session_id)]

    async def test_one_of_fifty_inserts_wins(self, store: SessionStore) -> None:
        """Of fifty that insert one id, one does."""
        new = a_session()
        outcomes = await asyncio.gather(*(store.save(new) for _ in range(50)), return_exceptions=True)
        assert 49 == sum(isinstance(outcome, StaleRevisionError) for outcome in outcomes)
        assert [await store.get(new.session_id)] == [o for o in outcomes if isinstance(o, Session)]

    async def test_writers_that_read_again_lose_nothing(self, store: SessionStore) -> None:
        """Ten tasks count to five each, and it is fifty."""
        session_id = (await store.save(a_session())).session_id

        async def counted() -> None:
            seen = await store.get(session_id)
            assert seen is not None
            try:
                await store.save(seen.evolve(turn_count=seen.turn_count + 1))
            except StaleRevisionError:
                await counted()

        async def count() -> None:
            for _ in range(5):
                await counted()

        await asyncio.gather(*(count() for _ in range(10)))

        last = await store.get(session_id)
        assert last is not None
        assert (50, 51) == (last.turn_count, last.revision)

    async def test_a_thousand_at_once(self, store: SessionStore) -> None:
        """A thousand tasks save and get without an error."""

        async def used(number: int) -> bool:
            saved = await store.save(a_session(channel_user_id=f"user-{number}"))
            return saved == await store.get(saved.session_id)

        assert all(await asyncio.gather(*(used(number) for number in range(1000))))
        assert 1000 == len(await store.list_by_agent(AGENT, limit=1000))

    async def test_copies(self, store: SessionStore) -> None:
        """What a caller does to what it gave, or to what it got from any call, changes nothing that is stored."""
        given = a_session()
        saved = await store.save(given)
        got = [
            given,
            saved,
            await store.get(saved.session_id),
            await store.get_by_channel(saved.channel, saved.channel_user_id),
            *await store.list_by_agent(AGENT),
            *await at_step(store),
        ]
        for session in got:
            assert session is not None
            session.variables["said"] = "later"
            session.step_history.clear()
        stored = await store.get(saved.session_id)
        assert stored is not None
        assert (WORDS, 1) == (stored.variables["said"], len(stored.step_history))

    async def test_a_deleted_one_is_gone(self, store: SessionStore) -> None:
        """For good, from every call, and once; its id is free again."""
        session = await store.save(a_session())
        assert session.customer_profile_id is not None

        assert await store.delete(session.session_id)
        assert not await store.delete(session.session_id)

        assert await store.get(session.session_id) is None
        assert await store.get_by_channel(session.channel, session.channel_user_id) is None
        assert [] == await store.list_by_agent(AGENT)
        assert [] == await store.list_by_customer(session.customer_profile_id)
        assert [] == await at_step(store)
        assert not await store.promote_to_hot(session.session_id)
        with pytest.raises(NotFoundError):
            await store.save(session)
        assert 1 == (await store.save(session.evolve(revision=0))).revision

    async def test_a_cold_one_is_deleted_too(self, store: SessionStore) -> None:
        """In whichever tier it is."""
        session = await store.save(a_session())
        await store.demote_to_persistent(session.session_id)
        assert await store.delete(session.session_id)
        assert await store.get(session.session_id) is None


class SessionRefusalsContract(SessionSuite):
    """What is not taken, and what is nobody else's."""

    async def test_another_tenants_session_is_refused(self, store: SessionStore) -> None:
        """And nothing is written."""
        with pytest.raises(InvalidDataError) as caught:
            await store.save(a_session(tenant_id=TenantId(new_id())))
        assert "tenant_id" == caught.value.field
        assert [] == await store.list_by_agent(AGENT)

    async def test_ones_own_tenant_may_be_named(self, store: SessionStore, tenant: TenantUnderTest) -> None:
        """As well as left out."""
        saved = await store.save(a_session(tenant_id=tenant.tenant_id))
        assert tenant.tenant_id == saved.tenant_id

    async def test_tenants_are_apart(self, store: SessionStore, others: SessionStore) -> None:
        """What one stores is absent for another, by whatever it is asked for; both may use one id."""
        session = await store.save(a_session())
        assert session.customer_profile_id is not None

        assert await others.get(session.session_id) is None
        assert await others.get_by_channel(session.channel, session.channel_user_id) is None
        assert [] == await others.list_by_agent(session.agent_id)
        assert [] == await others.list_by_customer(session.customer_profile_id)
        assert [] == await at_step(others)
        assert not await others.delete(session.session_id)
        assert not await others.promote_to_hot(session.session_id)
        assert not await others.demote_to_persistent(session.session_id)
        with pytest.raises(NotFoundError):
            await others.save(session.evolve(tenant_id=NO_TENANT))

        theirs = await others.save(a_session(session_id=session.session_id, channel_user_id="theirs"))
        assert session == await store.get(session.session_id)
        assert theirs == await others.get(session.session_id)
        assert await others.delete(theirs.session_id)
        assert [session] == await store.list_by_agent(AGENT)

    async def test_a_cursor_is_of_no_use_to_another_tenant(
        self, store: SessionStore, others: SessionStore
    ) -> None:
        """It shows nothing of the first one's."""
        for _ in range(2):
            await store.save(a_session())
        page = await store.find_sessions_by_step_hash(SCENARIO, 2, "content-1", limit=1)
        assert page.next_cursor is not None
        assert (
            []
            == (
                await others.find_sessions_by_step_hash(SCENARIO, 2, "content-1", cursor=page.next_cursor)
            ).items
        )

    async def test_what_was_changed_past_the_model_is_refused(self, store: SessionStore) -> None:
        """With the field's name, and without the value; nothing is written."""
        session = a_session()
        session.variables["broken"] = float("nan")
        with pytest.raises(InvalidDataError) as caught:
            await store.save(session)
        assert caught.value.field.startswith("variables")
        assert "nan" not in str(caught.value)
        assert await store.get(session.session_id) is None

    async def test_errors_hold_no_content(self, store: SessionStore) -> None:
        """What a session says is in no error, nor in what it is chained to."""
        stored = await store.save(a_session())
        broken = stored.evolve()
        broken.variables["broken"] = {"what they said": WORDS, "and": object()}  # type: ignore[dict-item]
        for refused in (stored.evolve(revision=7), stored.evolve(session_id=new_id()), broken):
            with pytest.raises((InvalidDataError, NotFoundError, StaleRevisionError)) as caught:
                await store.save(refused)
            links: list[BaseException | None] = [caught.value]
            while links:
                if (error := links.pop()) is not None:
                    assert WORDS not in f"{error!r} {error} {error.args!r} {vars(error)}"
                    links += [error.__cause__, error.__context__]

    @pytest.mark.parametrize(
        ("field", "call"),
        [
            ("entity", lambda s: s.save("a session")),
            ("session_id", lambda s: s.get("x")),
            ("session_id", lambda s: s.delete("x")),
            ("session_id", lambda s: s.promote_to_hot(None)),
            ("session_id", lambda s: s.demote_to_persistent(1)),
            ("channel", lambda s: s.get_by_channel("carrier pigeon", "u")),
            ("channel_user_id", lambda s: s.get_by_channel(Channel.API, "a\0b")),
            ("channel_user_id", lambda s: s.get_by_channel(Channel.API, "\ud800")),
            ("channel_user_id", lambda s: s.get_by_channel(Channel.API, None)),
            ("agent_id", lambda s: s.get_by_channel(Channel.API, "u", agent_id="x")),
            ("agent_id", lambda s: s.list_by_agent("x")),
            ("status", lambda s: s.list_by_agent(AGENT, "asleep")),
            ("limit", lambda s: s.list_by_agent(AGENT, limit=0)),
            ("limit", lambda s: s.list_by_agent(AGENT, limit=1001)),
            ("limit", lambda s: s.list_by_agent(AGENT, limit=True)),
            ("customer_profile_id", lambda s: s.list_by_customer("x")),
            ("limit", lambda s: s.list_by_customer(AGENT, limit=-1)),
            ("scenario_id", lambda s: s.find_sessions_by_step_hash("x", 2, "h")),
            ("scenario_version", lambda s: s.find_sessions_by_step_hash(SCENARIO, "2", "h")),
            ("step_content_hash", lambda s: s.find_sessions_by_step_hash(SCENARIO, 2, "\0")),
            ("scope_filter", lambda s: s.find_sessions_by_step_hash(SCENARIO, 2, "h", scope_filter={})),
            ("limit", lambda s: s.find_sessions_by_step_hash(SCENARIO, 2, "h", limit=0)),
        ],
    )
    async def test_bad_arguments(
        self, store: SessionStore, field: str, call: Callable[[Any], Awaitable[object]]
    ) -> None:
        """An argument of another kind is an error that names it, and never one of a driver's."""
        with pytest.raises(InvalidDataError) as caught:
            await call(store)
        assert field == caught.value.field

    async def test_one_of_a_class_of_ones_own(self, store: SessionStore) -> None:
        """Is kept as the session that it is; what no session has is refused, or nobody could read it again."""

        class Alike(Session):
            """The same."""

        class WithMore(Session):
            """More than can be kept."""

            mood: str = "content"

        saved = await store.save(Alike(**vars(a_session())))
        assert Session is type(saved)
        assert saved == await store.get(saved.session_id)
        more = WithMore(**vars(a_session()))
        with pytest.raises(InvalidDataError) as caught:
            await store.save(more)
        assert "mood" == caught.value.field
        assert await store.get(more.session_id) is None
        assert [saved] == await store.list_by_agent(AGENT)

    async def test_ids_of_every_kind_of_uuid(self, store: SessionStore) -> None:
        """A UUID from elsewhere, of a class of its own, is as good as any."""

        class Driver(UUID):
            """As database drivers have them."""

        session = await store.save(a_session())
        assert session == await store.get(Driver(int=session.session_id.int))
        assert [session] == await store.list_by_agent(Driver(int=AGENT.int))
