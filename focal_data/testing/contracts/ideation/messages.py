"""Messages: each behind all others of its session, whatever its time."""

from __future__ import annotations

import pytest

from focal_data.domain.ideation import IdeationSession, MessageRole
from focal_data.errors import DuplicateError, NotFoundError
from focal_data.stores.ideation import IdeationTenant
from focal_data.testing.contracts.ideation.base import (
    NOON,
    ODD_IDS,
    STORES_OWN,
    IdeationSuite,
    a_message,
    a_session,
)


class MessagesContract(IdeationSuite):
    """``IdeationMessageStore``."""

    @pytest.mark.parametrize("role", MessageRole)
    async def test_a_message_comes_back_as_it_was_stored(
        self, ideation: IdeationTenant, session: IdeationSession, role: MessageRole
    ) -> None:
        """With every field, the tenant and the position filled in; its time is its own."""
        metadata = {"a": [1, None, {"ü": 2.5}], "": "🦊"}
        given = a_message(session.id, role=role, maturity_delta=-99.9, metadata=metadata, position=7)
        stored = await ideation.messages.create(given)
        assert [stored] == await ideation.messages.get_by_session(session.id)
        assert given.model_dump(exclude=STORES_OWN) == stored.model_dump(exclude=STORES_OWN)
        assert (ideation.tenant_id, 0, NOON) == (stored.tenant_id, stored.position, stored.timestamp)

    async def test_a_message_needs_no_metadata(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """None is not the same as an empty one."""
        await ideation.messages.create(a_message(session.id, metadata=None))
        await ideation.messages.create(a_message(session.id, metadata={}))
        found = await ideation.messages.get_by_session(session.id)
        assert [None, {}] == [message.metadata for message in found]

    @pytest.mark.parametrize("odd", ODD_IDS, ids=ascii)
    async def test_a_messages_id_is_any_text(self, ideation: IdeationTenant, odd: str) -> None:
        """As its session's is."""
        await ideation.sessions.create(a_session(id=odd))
        stored = await ideation.messages.create(a_message(odd, id=odd))
        assert [stored] == await ideation.messages.get_by_session(odd)

    @pytest.mark.parametrize("text", ["", " \n\t", "é\u0301\u202e🦊", "å" * 500_000], ids=len)
    async def test_a_text_is_kept_as_it_is(
        self, ideation: IdeationTenant, session: IdeationSession, text: str
    ) -> None:
        """A megabyte too."""
        await ideation.messages.create(a_message(session.id, text))
        (found,) = await ideation.messages.get_by_session(session.id)
        assert text == found.content

    async def test_messages_of_one_time_are_in_the_order_they_came(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Whatever their ids, and the positions they were given."""
        ids = ["z", "a", "m", "B", "0"]
        stored = [
            await ideation.messages.create(a_message(session.id, id=id, position=0))
            for id in ids  # noqa: A001
        ]
        assert stored == await ideation.messages.get_by_session(session.id)
        assert [*range(5)] == [message.position for message in stored]

    async def test_an_earlier_time_goes_before_nothing(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """The order is that of positions."""
        late = await ideation.messages.create(a_message(session.id))
        early = await ideation.messages.create(a_message(session.id, timestamp=NOON.replace(year=1970)))
        assert [late, early] == await ideation.messages.get_by_session(session.id)

    async def test_a_thousand_messages_are_read_by_pages(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """A hundred when nobody says; each once and in order, and none behind the last."""
        async with ideation.transaction() as stores:
            for number in range(1000):
                await stores.messages.create(a_message(session.id, str(number)))
        messages = ideation.messages
        assert [*range(100)] == [m.position for m in await messages.get_by_session(session.id)]
        pages = [await messages.get_by_session(session.id, 300, offset) for offset in range(0, 1200, 300)]
        assert [300, 300, 300, 100] == [len(page) for page in pages]
        assert [(n, str(n)) for n in range(1000)] == [(m.position, m.content) for page in pages for m in page]
        assert await messages.get_by_session(session.id, 1000) == [m for page in pages for m in page]
        assert [] == await messages.get_by_session(session.id, 1000, 1000)
        assert [] == await messages.get_by_session(session.id, offset=2**31 - 1)

    async def test_an_id_is_taken_once_in_its_session(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """What was stored first stays, and no position is lost."""
        first = await ideation.messages.create(a_message(session.id))
        with pytest.raises(DuplicateError) as caught:
            await ideation.messages.create(a_message(session.id, "other", id=first.id))
        assert ("id",) == caught.value.fields
        second = await ideation.messages.create(a_message(session.id))
        assert [first, second] == await ideation.messages.get_by_session(session.id)
        assert 1 == second.position

    async def test_messages_are_removed_all_together(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """And counted; the next one is the first, and no other session's are touched."""
        other = await ideation.sessions.create(a_session())
        kept = await ideation.messages.create(a_message(other.id))
        stored = [await ideation.messages.create(a_message(session.id)) for _ in range(3)]
        assert [3, 0] == [await ideation.messages.delete_by_session(session.id) for _ in range(2)]
        assert [] == await ideation.messages.get_by_session(session.id)
        again = await ideation.messages.create(a_message(session.id, id=stored[0].id))
        assert 0 == again.position
        assert [kept] == await ideation.messages.get_by_session(other.id)
        assert session == await ideation.sessions.get_by_id(session.id)

    async def test_a_message_needs_its_session(self, ideation: IdeationTenant) -> None:
        """Which is told as missing, and not made."""
        with pytest.raises(NotFoundError) as caught:
            await ideation.messages.create(a_message("missing"))
        assert "IdeationSession" == caught.value.entity
        assert await ideation.sessions.get_by_id("missing") is None
        for absent in ("missing", "", "x" * 1_000_000):
            assert [] == await ideation.messages.get_by_session(absent)
            assert 0 == await ideation.messages.delete_by_session(absent)

    async def test_what_a_caller_changes_is_not_what_is_stored(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Neither in what was handed over, nor in what was got back."""
        given = a_message(session.id, metadata={"a": [1]})
        stored = await ideation.messages.create(given)
        (read,) = await ideation.messages.get_by_session(session.id)
        for changed in (given, stored, read):
            assert changed.metadata is not None
            changed.metadata.clear()
        (found,) = await ideation.messages.get_by_session(session.id)
        assert {"a": [1]} == found.metadata
