"""Turns of a time, page by page, newest first."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest

from focal_data.domain.answers import Page
from focal_data.domain.audit import TurnRecord
from focal_data.errors import InvalidDataError
from focal_data.stores.audit import AuditStore
from focal_data.testing.contracts.audit.base import NOON, AuditSuite, a_turn, all_pages
from focal_data.testing.contracts.base import TenantUnderTest


async def stored_turns(audit: AuditStore, count: int) -> list[TurnRecord]:
    """So many turns, the newest first."""
    session_id = uuid4()
    return [await audit.save_turn(a_turn(session_id, number)) for number in range(count)][::-1]


class TurnPagesContract(AuditSuite):
    """``list_turns``."""

    async def test_no_turns_are_an_empty_page(self, audit: AuditStore) -> None:
        """Which is the last."""
        assert Page([]) == await audit.list_turns()

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 1000])
    async def test_pages_have_every_turn_once(self, audit: AuditStore, limit: int) -> None:
        """Newest first; a full last page is the last."""
        turns = await stored_turns(audit, 7)
        pages = await all_pages(audit, limit)
        assert turns == [turn for page in pages for turn in page]
        assert -(-7 // limit) == len(pages)
        assert {limit} >= {len(page) for page in pages[:-1]}

    async def test_turns_that_come_between_two_pages_shift_nothing(self, audit: AuditStore) -> None:
        """They are newer, and before the first page."""
        turns = await stored_turns(audit, 5)
        found, cursor = [], None
        for _ in range(3):
            page = await audit.list_turns(limit=2, cursor=cursor)
            found += page.items
            cursor = page.next_cursor
            await stored_turns(audit, 2)
        assert (turns, None) == (found, cursor)
        assert 11 == len(await audit.list_turns())

    async def test_turns_that_are_stored_at_once_are_in_the_order_of_ids(self, audit: AuditStore) -> None:
        """Where their times are equal; no page repeats or misses one."""
        turns = await asyncio.gather(*(audit.save_turn(a_turn(uuid4(), 1)) for _ in range(50)))
        newest = sorted(turns, key=lambda turn: (turn.created_at, turn.id), reverse=True)
        assert newest == [turn for page in await all_pages(audit, 7) for turn in page]

    async def test_a_cursor_can_be_used_again(self, audit: AuditStore) -> None:
        """And gives the same page."""
        turns = await stored_turns(audit, 4)
        cursor = (await audit.list_turns(limit=2)).next_cursor
        assert cursor is not None
        for _ in range(2):
            assert turns[2:] == list(await audit.list_turns(limit=2, cursor=cursor))
        assert turns[2:3] == list(await audit.list_turns(limit=1, cursor=cursor))

    async def test_a_cursor_belongs_to_its_range(self, audit: AuditStore) -> None:
        """One of another start or end is refused; the same times told in another zone are the same."""
        await stored_turns(audit, 4)
        start = datetime(2020, 1, 1, tzinfo=UTC)
        cursor = (await audit.list_turns(start, limit=2)).next_cursor
        with pytest.raises(InvalidDataError) as caught:
            await audit.list_turns(limit=2, cursor=cursor)
        assert "cursor" == caught.value.field
        elsewhere = start.astimezone(timezone(timedelta(hours=5)))
        assert 2 == len(await audit.list_turns(elsewhere, limit=2, cursor=cursor))

    async def test_turns_of_a_time_hold_its_start_and_not_its_end(self, audit: AuditStore) -> None:
        """From start_time until before end_time, in whatever zone these are told, over all pages."""
        turns = [turn for turn in await stored_turns(audit, 5) if turn.created_at is not None]
        times = sorted({turn.created_at for turn in turns if turn.created_at is not None})
        start, end = times[0], times[-1]
        inside = [turn for turn in turns if turn.created_at is not None and start <= turn.created_at < end]
        zone = timezone(timedelta(hours=5, minutes=30))
        for first, last in ((start, end), (start.astimezone(zone), end.astimezone(zone))):
            pages = await all_pages(audit, 2, first, last)
            assert inside == [turn for page in pages for turn in page]
        newest = [turn for turn in turns if turn.created_at == end]
        assert newest == list(await audit.list_turns(start_time=end))
        assert inside == list(await audit.list_turns(end_time=end))
        assert [] == list(await audit.list_turns(start_time=end, end_time=end))

    async def test_a_time_may_be_as_far_as_times_go(self, audit: AuditStore) -> None:
        """It is open where none is told."""
        turns = await stored_turns(audit, 2)
        early, late = (
            datetime.min.replace(tzinfo=UTC) + timedelta(days=1),
            datetime.max.replace(tzinfo=UTC) - timedelta(days=1),
        )
        assert turns == list(await audit.list_turns(start_time=early, end_time=late))
        assert [] == list(await audit.list_turns(start_time=late))
        assert [] == list(await audit.list_turns(end_time=early))

    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ({"start_time": datetime(2026, 1, 1)}, "start_time"),  # noqa: DTZ001
            ({"end_time": datetime(2026, 1, 1)}, "end_time"),  # noqa: DTZ001
            ({"start_time": "2026-01-01T00:00:00Z"}, "start_time"),
            ({"end_time": NOON.date()}, "end_time"),
            ({"end_time": 5}, "end_time"),
            ({"start_time": datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))}, "start_time"),
            ({"end_time": datetime.max.replace(tzinfo=timezone(-timedelta(hours=14)))}, "end_time"),
            ({"start_time": NOON + timedelta(microseconds=1), "end_time": NOON}, "start_time"),
            ({"cursor": "not a cursor"}, "cursor"),
            ({"cursor": ""}, "cursor"),
            ({"cursor": "é"}, "cursor"),
            ({"cursor": "\x00"}, "cursor"),
            ({"cursor": "\ud800"}, "cursor"),
            ({"cursor": "bnVsbA"}, "cursor"),
            ({"cursor": "W10"}, "cursor"),
            ({"cursor": 5}, "cursor"),
            ({"cursor": b"W10"}, "cursor"),
            ({"cursor": "x" * 10_000_000}, "cursor"),
            ({"limit": 0}, "limit"),
            ({"limit": -1}, "limit"),
            ({"limit": 1001}, "limit"),
            ({"limit": 2**70}, "limit"),
            ({"limit": True}, "limit"),
            ({"limit": 1.0}, "limit"),
            ({"limit": "1"}, "limit"),
            ({"limit": None}, "limit"),
        ],
        ids=lambda value: str(value)[:40].encode("ascii", "replace").decode().replace("\0", "0"),
    )
    async def test_a_bad_argument_is_named(
        self, audit: AuditStore, arguments: dict[str, object], field: str
    ) -> None:
        """Before anything is read."""
        with pytest.raises(InvalidDataError) as caught:
            await audit.list_turns(**arguments)  # type: ignore[arg-type]
        assert field == caught.value.field

    async def test_another_tenants_cursor_shows_nothing_of_it(
        self, other: TenantUnderTest, audit: AuditStore
    ) -> None:
        """A place is no key."""
        turns = await stored_turns(audit, 2)
        cursor = (await audit.list_turns(limit=1)).next_cursor
        assert [] == list(await other.audit.list_turns(cursor=cursor))
        assert turns[1:] == list(await audit.list_turns(cursor=cursor))
