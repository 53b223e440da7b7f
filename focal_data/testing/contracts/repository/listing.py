"""Lists, pages, counts and streams: their order, and what they see of others' changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from focal_data.domain.answers import CountMode
from focal_data.domain.conditions import field
from focal_data.errors import InvalidDataError
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.notes import Mood, Note
from focal_data.testing.contracts.repository.kit import Call, KitContract, MakeRepository, Notes, titles

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDERS = ["id", "title", "body", "mood", "stars", "weight", "pinned", "due_at", "created_at", "about_id"]


def some_notes() -> list[Note]:
    """Notes with many equal values, and many that have none."""
    return [
        Note(
            title="bBaÄ"[n % 4],
            body=[None, "", "x"][n % 3],
            mood=list(Mood)[n % 2],
            stars=n % 3 - 1,
            weight=[None, 0.5, -1e300, 2.0][n % 4],
            pinned=n % 5 == 0,
            due_at=None if n % 3 else NOON + timedelta(microseconds=n % 2),
        )
        for n in range(23)
    ]


def in_order(notes: list[Note], name: str, *, descending: bool) -> list[Note]:
    """By the field and then by id, those without a value last."""
    valued = [note for note in notes if getattr(note, name) is not None]
    others = [note for note in notes if getattr(note, name) is None]

    def key(note: Note) -> Any:
        return getattr(note, name), note.id

    return sorted(valued, key=key, reverse=descending) + sorted(
        others, key=lambda note: note.id, reverse=descending
    )


BAD: dict[str, tuple[str, Call]] = {
    "an unknown order": ("order_by", lambda notes: notes.list(order_by="colour")),
    "an order of lists": ("order_by", lambda notes: notes.list(order_by="tags")),
    "an order of JSON": ("order_by", lambda notes: notes.list(order_by="-attributes")),
    "two signs": ("order_by", lambda notes: notes.list(order_by="--id")),
    "no order": ("order_by", lambda notes: notes.list(order_by=None)),  # type: ignore[arg-type]
    "no limit": ("limit", lambda notes: notes.list(limit=0)),
    "too many": ("limit", lambda notes: notes.list(limit=1001)),
    "no way to count": ("count", lambda notes: notes.list(count="twice")),  # type: ignore[arg-type]
    "a count that doesn't": ("mode", lambda notes: notes.count(mode=CountMode.NONE)),
    "no cursor": ("cursor", lambda notes: notes.list(cursor="s3cr3t")),
    "a cursor of nothing": ("cursor", lambda notes: notes.list(cursor="")),
    "a cursor of another type": ("cursor", lambda notes: notes.list(cursor=5)),  # type: ignore[arg-type]
}


class ListingContract(KitContract):
    """``list``, ``count``, ``stream``."""

    @pytest.mark.parametrize("sign", ["", "-"])
    @pytest.mark.parametrize("name", ORDERS)
    async def test_pages_and_streams_have_one_order(self, notes: Notes, name: str, sign: str) -> None:
        """By any field that has one, up and down, equal ones by id, those without a value last."""
        stored = await notes.add_many(some_notes())
        expected = in_order(stored, name, descending=bool(sign))
        assert expected == await _walked(notes, sign + name, limit=4)
        assert expected == [note async for note in notes.stream(order_by=sign + name, batch_size=5)]

    async def test_nothing_is_skipped_or_repeated(self, notes: Notes) -> None:
        """When notes come and go between two pages, before and behind the place that was reached."""
        stored = await notes.add_many(Note(title="t", stars=n) for n in range(0, 20, 2))
        first = await notes.list(order_by="stars", limit=5)
        await notes.add_many([Note(title="t", stars=1), Note(title="t", stars=9)])
        await notes.delete(stored[1].id)
        await notes.purge(stored[4].id)
        await notes.delete(stored[7].id)
        second = await notes.list(order_by="stars", limit=50, cursor=first.next_cursor)
        assert [0, 2, 4, 6, 8] == [note.stars for note in first]
        assert [9, 10, 12, 16, 18] == [note.stars for note in second]
        assert second.next_cursor is None

    async def test_a_cursor_belongs_to_its_call(self, notes: Notes, foreign: Notes) -> None:
        """With another order, another condition, or the deleted ones too, it is refused; for another tenant it is a place."""
        await notes.add_many(some_notes())
        where = field("stars").equals(0)
        cursor = (await notes.list(where=where, order_by="title", limit=2)).next_cursor
        assert cursor is not None
        others: list[dict[str, Any]] = [
            {"where": where},
            {"where": where, "order_by": "-title"},
            {"where": field("stars").equals(1), "order_by": "title"},
            {"order_by": "title"},
            {"where": where, "order_by": "title", "include_deleted": True},
        ]
        for arguments in others:
            with pytest.raises(InvalidDataError) as caught:
                await notes.list(**arguments, cursor=cursor)
            assert "cursor" == caught.value.field
        assert [] == (await foreign.list(where=where, order_by="title", cursor=cursor)).items

    @pytest.mark.parametrize("case", BAD)
    async def test_what_can_not_be_listed_is_refused(self, notes: Notes, case: str) -> None:
        """By the name of the argument, without its value."""
        name, call = BAD[case]
        with pytest.raises(InvalidDataError) as caught:
            await call(notes)
        assert name == caught.value.field
        assert "s3cr3t" not in str(caught.value)

    @pytest.mark.parametrize("size", [0, 10_001, True, 1.5])
    async def test_a_batch_has_a_size(self, notes: Notes, size: Any) -> None:
        """Refused when the stream is made, before anything is read."""
        with pytest.raises(InvalidDataError, match="batch_size"):
            notes.stream(batch_size=size)

    async def test_pages_know_how_many_there_are_when_asked(self, notes: Notes, foreign: Notes) -> None:
        """On all of them, under the condition; an estimate is a number, and nobody counts unasked."""
        await foreign.add_many(some_notes())
        stored = await notes.add_many(some_notes())
        await notes.delete(stored[0].id)
        where = field("stars").equals(-1)
        page = await notes.list(where=where, limit=3, count=CountMode.EXACT)
        later = await notes.list(where=where, limit=3, cursor=page.next_cursor, count=CountMode.EXACT)
        assert (7, 7, 7) == (page.total, later.total, await notes.count(where))
        assert (22, 23) == (await notes.count(), await notes.count(include_deleted=True))
        estimated = await notes.list(limit=3, count=CountMode.ESTIMATED)
        assert isinstance(estimated.total, int)
        assert await notes.count(where, mode=CountMode.ESTIMATED) >= 0
        assert (await notes.list(limit=3)).total is None

    async def test_nothing_is_an_empty_page(self, notes: Notes, foreign: Notes) -> None:
        """Where there is nothing, and where there is only another tenant's."""
        await foreign.add_many(some_notes())
        page = await notes.list(count=CountMode.EXACT)
        assert ([], None, 0) == (page.items, page.next_cursor, page.total)
        assert [] == [note async for note in notes.stream()]

    async def test_a_stream_goes_on_while_notes_change(self, notes: Notes) -> None:
        """What is there all the while comes once; what is added behind comes too; what is deleted before its turn doesn't."""
        stored = await notes.add_many(Note(title=str(n)) for n in range(10))
        seen = []
        async for note in notes.stream(batch_size=4):
            seen.append(note.title)
            if note.title == "3":
                await notes.purge(stored[1].id)
                await notes.delete(stored[8].id)
                await notes.update_fields(stored[9].id, title="nine")
                await notes.add(Note(title="ten"))
        assert ["0", "1", "2", "3", "4", "5", "6", "7", "nine", "ten"] == seen

    async def test_a_stream_in_a_transaction_sees_its_work(
        self, tenant: TenantUnderTest, notes: Notes, repository: MakeRepository
    ) -> None:
        """And others don't, until it ends."""
        async with tenant.transaction() as tx:
            here = repository(tx)
            await here.add_many(Note(title=str(n)) for n in range(5))
            assert list("01234") == await _streamed(here.stream(batch_size=2))
        assert list("01234") == titles(await notes.list())


async def _walked(notes: Notes, order_by: str, *, limit: int) -> list[Note]:
    """Everything, page by page."""
    page = await notes.list(order_by=order_by, limit=limit)
    found = list(page)
    while page.next_cursor is not None:
        page = await notes.list(order_by=order_by, limit=limit, cursor=page.next_cursor)
        found += page
    return found


async def _streamed(stream: AsyncIterator[Note]) -> list[str]:
    return [note.title async for note in stream]
