"""Finding sessions by what they have: channel, agent, customer, step; in order, in pages, hot and cold."""

from __future__ import annotations

import pytest

from focal_data.domain.config import ScopeFilter
from focal_data.domain.profile import Channel
from focal_data.domain.session import Session, SessionStatus
from focal_data.errors import InvalidDataError
from focal_data.ids import new_id
from focal_data.stores.session import SessionStore
from focal_data.testing.contracts.session.base import (
    AGENT,
    SCENARIO,
    MovedClock,
    SessionSuite,
    a_session,
    a_visit,
    at_step,
    in_order,
)


class FindingContract(SessionSuite):
    """By channel, by agent, by customer."""

    async def test_what_is_not_there(self, store: SessionStore) -> None:
        """One thing is ``None``, a list is empty, and to delete or to promote says no."""
        nobody = new_id()
        assert await store.get(nobody) is None
        assert await store.get_by_channel(Channel.API, "nobody") is None
        assert [] == await store.list_by_agent(nobody)
        assert [] == await store.list_by_customer(nobody)
        assert [] == await at_step(store)
        assert not await store.delete(nobody)

    async def test_a_session_that_moved_is_found_by_what_it_has_now(self, store: SessionStore) -> None:
        """And by nothing that it had."""
        old = await store.save(a_session())
        new = await store.save(
            old.evolve(
                agent_id=new_id(),
                channel=Channel.EMAIL,
                channel_user_id="user-2",
                customer_profile_id=new_id(),
                status=SessionStatus.PROCESSING,
                step_history=[*old.step_history, a_visit("content-2")],
            )
        )
        assert old.customer_profile_id is not None
        assert new.customer_profile_id is not None

        assert [] == await store.list_by_agent(AGENT)
        assert [] == await store.list_by_agent(new.agent_id, SessionStatus.ACTIVE)
        assert [new] == await store.list_by_agent(new.agent_id, SessionStatus.PROCESSING)
        assert [new] == await store.list_by_agent(new.agent_id)
        assert await store.get_by_channel(old.channel, old.channel_user_id) is None
        assert new == await store.get_by_channel(new.channel, new.channel_user_id)
        assert [] == await store.list_by_customer(old.customer_profile_id)
        assert [new] == await store.list_by_customer(new.customer_profile_id)
        assert [] == await at_step(store)
        assert [new] == await at_step(store, "content-2")

    async def test_a_closed_one_is_listed_and_no_longer_found(self, store: SessionStore) -> None:
        """Neither by its channel nor by its step; opened, it is again."""
        closed = await store.save((await store.save(a_session())).evolve(status=SessionStatus.CLOSED))
        assert closed.customer_profile_id is not None

        assert await store.get_by_channel(closed.channel, closed.channel_user_id) is None
        assert [] == await at_step(store)
        assert closed == await store.get(closed.session_id)
        assert [closed] == await store.list_by_agent(AGENT)
        assert [closed] == await store.list_by_agent(AGENT, SessionStatus.CLOSED)
        assert [closed] == await store.list_by_customer(closed.customer_profile_id)

        opened = await store.save(closed.evolve(status=SessionStatus.ACTIVE))
        assert opened == await store.get_by_channel(closed.channel, closed.channel_user_id)
        assert [opened] == await at_step(store)

    @pytest.mark.parametrize("status", [s for s in SessionStatus if s is not SessionStatus.CLOSED])
    async def test_whatever_is_not_closed_is_found(self, store: SessionStore, status: SessionStatus) -> None:
        """In each of the other statuses."""
        session = await store.save(a_session(status=status))
        assert session == await store.get_by_channel(session.channel, session.channel_user_id)
        assert [session] == await store.list_by_agent(AGENT, status) == await at_step(store)

    async def test_lists_are_newest_activity_first(self, store: SessionStore, clock: MovedClock) -> None:
        """And then by id, over all statuses; a limit cuts the end off."""
        customer, statuses = new_id(), list(SessionStatus)
        saved = []
        for number in range(30):
            if number % 3 == 0:
                clock.advance(seconds=1)
            saved.append(
                await store.save(a_session(customer_profile_id=customer, status=statuses[number % 5]))
            )
        clock.advance(seconds=1)
        saved[4] = await store.save(saved[4])

        expected = in_order(saved)
        assert expected == await store.list_by_agent(AGENT) == await store.list_by_customer(customer)
        assert expected[:7] == await store.list_by_agent(AGENT, limit=7)
        assert expected[:7] == await store.list_by_customer(customer, limit=7)
        closed = [session for session in expected if session.status is SessionStatus.CLOSED]
        assert closed == await store.list_by_agent(AGENT, SessionStatus.CLOSED)

    async def test_lists_give_a_hundred_unless_told(self, store: SessionStore) -> None:
        """Which is what the limit is when it is left out."""
        customer = new_id()
        for _ in range(103):
            await store.save(a_session(customer_profile_id=customer))
        assert 100 == len(await store.list_by_agent(AGENT)) == len(await store.list_by_customer(customer))
        page = await store.find_sessions_by_step_hash(SCENARIO, 2, "content-1")
        assert 100 == len(page)
        assert 103 == len(await at_step(store))

    async def test_by_channel_comes_the_newest_that_is_open(
        self, store: SessionStore, clock: MovedClock
    ) -> None:
        """Of one agent or of any, however many others there are."""
        first = await store.save(a_session(agent_id=new_id()))
        newest = first
        for _ in range(12):
            clock.advance(seconds=1)
            newest = await store.save(a_session())
        clock.advance(seconds=1)
        await store.save(a_session(status=SessionStatus.CLOSED))

        assert newest == await store.get_by_channel(Channel.WEBCHAT, "user-1")
        assert newest == await store.get_by_channel(Channel.WEBCHAT, "user-1", agent_id=AGENT)
        assert first == await store.get_by_channel(Channel.WEBCHAT, "user-1", agent_id=first.agent_id)
        assert await store.get_by_channel(Channel.WEBCHAT, "user-1", agent_id=new_id()) is None
        assert await store.get_by_channel(Channel.EMAIL, "user-1") is None
        assert await store.get_by_channel(Channel.WEBCHAT, "USER-1") is None

    async def test_a_customer_has_sessions_with_any_agent_on_any_channel(self, store: SessionStore) -> None:
        """Those without a customer are nobody's."""
        customer = new_id()
        one = await store.save(a_session(customer_profile_id=customer))
        two = await store.save(
            a_session(customer_profile_id=customer, agent_id=new_id(), channel=Channel.VOICE)
        )
        await store.save(a_session(customer_profile_id=None))
        assert in_order([one, two]) == await store.list_by_customer(customer)


class StepsContract(SessionSuite):
    """By the step where sessions stand, and by scope, page after page."""

    async def test_where_a_session_stands(self, store: SessionStore) -> None:
        """It is its scenario, its version, and the content of its last step: all three, or nowhere."""
        here = await store.save(a_session())
        await store.save(a_session(active_scenario_id=new_id()))
        await store.save(a_session(active_scenario_id=None))
        await store.save(a_session(active_scenario_version=3))
        await store.save(a_session(active_scenario_version=None))
        await store.save(a_session(step_history=[a_visit("content-1"), a_visit("content-2")]))
        await store.save(a_session(step_history=[a_visit("content-1"), a_visit(None)]))
        await store.save(a_session(step_history=[]))
        back = await store.save(a_session(step_history=[a_visit("content-2"), a_visit("content-1")]))

        assert in_order([here, back]) == await at_step(store)

    async def test_a_scope_narrows(self, store: SessionStore, clock: MovedClock) -> None:
        """By channel, current node and age since creation; what is left out is open, custom conditions are for others."""
        old = await store.save(a_session(channel=Channel.EMAIL))
        clock.advance(days=3)
        old = await store.save(old)
        new = await store.save(a_session(active_step_id=None))
        assert old.active_step_id is not None
        nodes = [old.active_step_id]

        async def within(scope: ScopeFilter) -> list[Session]:
            return await at_step(store, scope_filter=scope)

        both = in_order([old, new])
        assert both == await within(ScopeFilter()) == await within(ScopeFilter(custom_conditions=["x"]))
        assert [old] == await within(ScopeFilter(include_channels=[Channel.EMAIL, Channel.API]))
        assert [old] == await within(ScopeFilter(exclude_channels=[Channel.WEBCHAT]))
        assert [old] == await within(ScopeFilter(include_current_nodes=nodes))
        assert [new] == await within(ScopeFilter(exclude_current_nodes=nodes))
        assert [old] == await within(ScopeFilter(min_session_age_days=3))
        assert [] == await within(ScopeFilter(min_session_age_days=4))
        assert [new] == await within(ScopeFilter(max_session_age_days=2))
        assert both == await within(ScopeFilter(max_session_age_days=3, min_session_age_days=0))
        assert [] == await within(ScopeFilter(include_channels=[Channel.EMAIL], exclude_current_nodes=nodes))

    async def test_a_narrow_scope_among_many(self, store: SessionStore) -> None:
        """One among many others is found, if need be on a later page."""
        for _ in range(60):
            await store.save(a_session())
        rare = await store.save(a_session(channel=Channel.VOICE))
        assert [rare] == await at_step(
            store, scope_filter=ScopeFilter(include_channels=[Channel.VOICE]), limit=1
        )

    async def test_pages_follow_each_other(self, store: SessionStore, clock: MovedClock) -> None:
        """Without a gap and without repeating, also among many of one time; the last one has no cursor."""
        saved = [await store.save(a_session()) for _ in range(12)]
        clock.advance(seconds=1)
        saved += [await store.save(a_session()) for _ in range(4)]

        pages: list[list[Session]] = []
        cursor: str | None = None
        while not pages or cursor:
            page = await store.find_sessions_by_step_hash(SCENARIO, 2, "content-1", limit=4, cursor=cursor)
            cursor = page.next_cursor
            pages.append(page.items)

        assert in_order(saved) == [session for page_items in pages for session in page_items]
        assert [4, 4, 4, 4] == [len(page_items) for page_items in pages]

    async def test_a_deletion_between_two_pages_shifts_nothing(self, store: SessionStore) -> None:
        """Not even that of the session with which the page ended."""
        saved = sorted([(await store.save(a_session())).session_id for _ in range(6)])
        first = await store.find_sessions_by_step_hash(SCENARIO, 2, "content-1", limit=2)
        await store.delete(first.items[-1].session_id)

        second = await store.find_sessions_by_step_hash(
            SCENARIO, 2, "content-1", limit=10, cursor=first.next_cursor
        )

        assert saved[2:] == [session.session_id for session in second]
        assert second.next_cursor is None

    async def test_an_addition_between_two_pages_shifts_nothing(
        self, store: SessionStore, clock: MovedClock
    ) -> None:
        """What was active since is before the cursor, and not on the next page."""
        saved = in_order([await store.save(a_session()) for _ in range(4)])
        first = await store.find_sessions_by_step_hash(SCENARIO, 2, "content-1", limit=2)
        clock.advance(seconds=1)
        await store.save(a_session())

        second = await store.find_sessions_by_step_hash(
            SCENARIO, 2, "content-1", limit=10, cursor=first.next_cursor
        )

        assert saved == [*first, *second]

    @pytest.mark.parametrize("cursor", ["", "nonsense", "ünsinn", "AAAA", "\ud800", "A" * 100_000, 7])
    async def test_a_bad_cursor(self, store: SessionStore, cursor: str) -> None:
        """One that can't be read is refused, and not taken for the beginning."""
        with pytest.raises(InvalidDataError) as caught:
            await store.find_sessions_by_step_hash(SCENARIO, 2, "content-1", cursor=cursor)
        assert "cursor" == caught.value.field

    async def test_a_cursor_of_another_question(self, store: SessionStore) -> None:
        """A cursor belongs to the step and the filter that gave it."""
        for _ in range(3):
            await store.save(a_session())
        cursor = (await store.find_sessions_by_step_hash(SCENARIO, 2, "content-1", limit=1)).next_cursor
        scope = ScopeFilter(include_channels=[Channel.WEBCHAT])

        for scenario, version, content, narrowed in (
            (new_id(), 2, "content-1", None),
            (SCENARIO, 3, "content-1", None),
            (SCENARIO, 2, "content-2", None),
            (SCENARIO, 2, "content-1", scope),
        ):
            with pytest.raises(InvalidDataError) as caught:
                await store.find_sessions_by_step_hash(
                    scenario, version, content, scope_filter=narrowed, cursor=cursor
                )
            assert "cursor" == caught.value.field


class TiersContract(SessionSuite):
    """Hot and cold, as far as a caller sees it."""

    async def test_a_cold_one_is_found_by_everything(self, store: SessionStore) -> None:
        """To demote drops a copy and no session."""
        session = await store.save(a_session())
        assert session.customer_profile_id is not None
        assert await store.demote_to_persistent(session.session_id)

        assert [session] == await store.list_by_agent(AGENT)
        assert [session] == await store.list_by_customer(session.customer_profile_id)
        assert [session] == await at_step(store)
        assert session == await store.get_by_channel(session.channel, session.channel_user_id)

    async def test_lists_leave_a_cold_one_cold(self, store: SessionStore) -> None:
        """They look at many, and nobody goes on with all of them."""
        session = await store.save(a_session())
        assert session.customer_profile_id is not None
        assert await store.demote_to_persistent(session.session_id)

        await store.list_by_agent(AGENT)
        await store.list_by_customer(session.customer_profile_id)
        await at_step(store)

        assert not await store.demote_to_persistent(session.session_id)

    async def test_a_get_makes_a_cold_one_hot(self, store: SessionStore) -> None:
        """By its id or by its channel; so does a save."""
        session = await store.save(a_session())
        assert await store.demote_to_persistent(session.session_id)
        assert session == await store.get(session.session_id)
        assert await store.demote_to_persistent(session.session_id)
        assert session == await store.get_by_channel(session.channel, session.channel_user_id)
        assert await store.demote_to_persistent(session.session_id)
        session = await store.save(session)
        assert await store.demote_to_persistent(session.session_id)

    async def test_to_promote_tells_whether_there_is_one(self, store: SessionStore) -> None:
        """To demote, whether there was a hot copy. Neither changes the session."""
        session = await store.save(a_session())

        assert await store.promote_to_hot(session.session_id)
        assert await store.demote_to_persistent(session.session_id)
        assert not await store.demote_to_persistent(session.session_id)
        assert await store.promote_to_hot(session.session_id)
        assert await store.demote_to_persistent(session.session_id)
        assert session == await store.get(session.session_id)
        assert not await store.promote_to_hot(new_id())
        assert not await store.demote_to_persistent(new_id())

    async def test_a_cold_one_is_locked_by_its_revision_too(self, store: SessionStore) -> None:
        """What it was when it got cold is what a save goes by."""
        first = await store.save(a_session())
        second = await store.save(first)
        await store.demote_to_persistent(first.session_id)
        assert 3 == (await store.save(second)).revision
