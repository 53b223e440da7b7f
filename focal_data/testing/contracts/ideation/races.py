"""Several at once: what each wrote is there, whole and in an order, or it was told that it is not."""

from __future__ import annotations

import asyncio

from focal_data.domain.ideation import IdeationSession
from focal_data.errors import DuplicateError, NotFoundError, RetryableError, StaleRevisionError
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

WRITERS = 20


class IdeationRacesContract(IdeationSuite):
    """Many writers of one session."""

    async def test_messages_that_come_at_once_get_places_of_their_own(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """One behind the other, without a gap."""
        writers = (ideation.messages.create(a_message(session.id)) for _ in range(WRITERS))
        stored = sorted(await asyncio.gather(*writers), key=lambda message: message.position or 0)
        assert [*range(WRITERS)] == [message.position for message in stored]
        assert stored == await ideation.messages.get_by_session(session.id)

    async def test_of_many_that_take_an_id_one_wins(self, ideation: IdeationTenant) -> None:
        """The others find it taken; only the winner's user has it in the list."""
        writers = (ideation.sessions.create(a_session(id="x", user_id=f"u{n}")) for n in range(WRITERS))
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        (winner,) = [outcome for outcome in outcomes if isinstance(outcome, IdeationSession)]
        assert WRITERS - 1 == sum(isinstance(outcome, DuplicateError) for outcome in outcomes)
        assert winner == await ideation.sessions.get_by_id("x")
        lists = [await ideation.sessions.list_by_user(f"u{n}") for n in range(WRITERS)]
        assert [winner] == [session for found in lists for session in found]

    async def test_of_many_updates_at_once_one_wins(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """The others came too late, and are told the version."""
        writers = (ideation.sessions.update(session.evolve(user_id=f"u{n}")) for n in range(WRITERS))
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        (winner,) = [outcome for outcome in outcomes if isinstance(outcome, IdeationSession)]
        stale = [o.current_revision for o in outcomes if isinstance(o, StaleRevisionError)]
        assert [2] * (WRITERS - 1) == stale
        assert winner == await ideation.sessions.get_by_id(session.id)
        assert [winner] == await ideation.sessions.list_by_user(winner.user_id)
        assert [] == await ideation.sessions.list_by_user(session.user_id)

    async def test_requirements_that_are_found_at_once_are_all_kept(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """By creation, and then by id."""
        writers = (ideation.requirements.create(a_requirement(session.id)) for _ in range(WRITERS))
        stored = await asyncio.gather(*writers)
        oldest = sorted(stored, key=lambda requirement: (requirement.created_at, requirement.id))
        assert oldest == await ideation.requirements.get_by_session(session.id)

    async def test_of_stories_that_are_saved_at_once_one_list_stays(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Whole, and none of any other; a reader sees none but whole lists."""
        lists = [[a_story(session.id, str(n)) for _ in range(n + 1)] for n in range(8)]

        async def read() -> list[str]:
            return [story.title for story in await ideation.prd.get_user_stories(session.id)]

        writers = [ideation.prd.save_user_stories(session.id, stories) for stories in lists]
        outcomes = await asyncio.gather(*writers, *(read() for _ in range(8)))
        whole = [[story.title for story in stories] for stories in [[], *lists]]
        assert all(titles in whole for titles in outcomes[8:])
        assert await ideation.prd.get_user_stories(session.id) in outcomes[:8]

    async def test_drafts_and_maturities_that_are_saved_at_once_do_not_mix(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """One of them stays, whole."""
        drafts = await asyncio.gather(
            *(ideation.prd.save_draft(a_draft(session.id, title=str(n))) for n in range(WRITERS))
        )
        last = max(drafts, key=lambda draft: (draft.created_at, draft.id))
        assert last == await ideation.prd.get_draft(session.id)
        maturities = await asyncio.gather(
            *(ideation.maturity.save(a_maturity(session.id, score=float(n))) for n in range(WRITERS))
        )
        assert await ideation.maturity.get_by_session(session.id) in maturities

    async def test_a_session_that_is_deleted_meanwhile_keeps_nothing(self, ideation: IdeationTenant) -> None:
        """Of what comes at the same time: it goes too, or finds the session missing."""
        for _ in range(5):
            session = a_session()
            await filled(ideation, session)
            outcomes = await asyncio.gather(
                ideation.messages.create(a_message(session.id)),
                ideation.requirements.create(a_requirement(session.id)),
                ideation.sessions.delete(session.id),
                ideation.maturity.save(a_maturity(session.id)),
                ideation.prd.save_draft(a_draft(session.id)),
                ideation.prd.save_user_stories(session.id, [a_story(session.id)]),
                return_exceptions=True,
            )
            failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
            assert all(isinstance(failure, NotFoundError) for failure in failures), failures
            assert outcomes[2] is True
            await ideation.sessions.create(session)
            assert NOTHING == await all_parts(ideation, session.id)

    async def test_transactions_on_one_session_do_not_interleave(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Each is there whole, in one piece, or was told to come again; the version counts them."""

        async def turn(number: int) -> None:
            async with ideation.transaction() as stores:
                current = await stores.sessions.get_by_id(session.id)
                assert current is not None
                await stores.messages.create(a_message(session.id, f"question {number}"))
                await stores.messages.create(a_message(session.id, f"answer {number}"))
                await stores.sessions.update(current)

        outcomes = await asyncio.gather(*(turn(n) for n in range(8)), return_exceptions=True)
        failures = [outcome for outcome in outcomes if outcome is not None]
        assert all(isinstance(f, StaleRevisionError | RetryableError) for f in failures), failures
        stored = await ideation.sessions.get_by_id(session.id)
        assert stored is not None
        done = len(outcomes) - len(failures)
        assert 1 <= done == stored.version - 1
        messages = await ideation.messages.get_by_session(session.id)
        assert [*range(2 * done)] == [message.position for message in messages]
        texts = [message.content for message in messages]
        assert [text.replace("question", "answer") for text in texts[::2]] == texts[1::2]
