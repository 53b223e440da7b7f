"""The ideation sessions of each user: an index in a slot of its own, which tells where to look and is never believed.

An entry is written before its session, and taken out after it. Whoever dies in between leaves one that misleads: readers look
at the session, and put the entry right when nobody can be writing any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import chain
from typing import Final, NamedTuple, cast

from focal_data.domain.ideation import IdeationSession
from focal_data.errors import StoreError
from focal_data.ids import TenantId
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.codec import microseconds
from focal_data.redis.ideation_codec import WRITES_BYTES, decode
from focal_data.redis.script import Effect, Script

_ENTER: Final = Script("ideation_enter", Effect.REPEATABLE, lasting=True)
_ENTRIES: Final = Script("ideation_entries", Effect.READ)
_AMEND: Final = Script("amend", Effect.REPEATABLE)

_SETTLING: Final = 600  # seconds: longer than a write takes, and clocks are apart
_EVER: Final = b"+inf"
_MOST_AT_ONCE: Final = 1000
_FEWEST_AT_ONCE: Final = 8


class Entry(NamedTuple):
    """A place in the order of an index: minus the last update in microseconds, and the session's id in UTF-8."""

    score: float
    member: bytes


class IdeationIndex:
    """The indexes of one tenant."""

    def __init__(self, client: RedisClient, tenant_id: TenantId, now: Callable[[], datetime]) -> None:
        self._client = client
        self._tenant_id = tenant_id
        self._tenant = tenant_id.hex.encode()
        self._now = now
        self._settling = int(max(_SETTLING, 2 * client.settings.redis_timeout) * 1_000_000)

    async def enter(self, session: IdeationSession) -> None:
        """Make an entry for what is about to be stored."""
        score = b"%d" % -_micros(session)
        await self._client.run(_ENTER, (self._key(session.user_id),), (score, session.id.encode()))

    async def leave(self, session: IdeationSession) -> None:
        """Take the entry out of a session that is not there any more, unless another wrote a later one."""
        with suppress(StoreError):  # logged; readers see that it leads nowhere
            change = _Change(session.id.encode(), b"%d" % -_micros(session), _EVER)
            await self._amend(session.user_id, [change])

    async def undo(self, session: IdeationSession) -> None:
        """Make the entry of what was not stored after all tell what is stored, unless another wrote one since."""
        with suppress(StoreError):
            (stored,) = await self._sessions([session.id.encode()])
            await self._amend(session.user_id, [_correction(_entry(session), stored, session.user_id)])

    async def first(self, user_id: str, count: int) -> list[IdeationSession]:
        """The user's first ``count`` sessions, the last updated first, then by id.

        Two round trips for every thousand of them; twice as many of both when entries misled.
        """
        asked = max(count, _FEWEST_AT_ONCE)
        while True:
            entries = await self._entries(user_id, asked)
            found = await self._verified(user_id, entries)
            # One whose entry is ahead of it may come behind what was not read yet.
            if len(entries) < asked or (len(found) >= count and _entry(found[count - 1]) <= entries[-1]):
                return found[:count]
            asked *= 2

    async def _entries(self, user_id: str, count: int) -> list[Entry]:
        reply = await self._client.run(_ENTRIES, (self._key(user_id),), (b"%d" % count,))
        flat = cast("list[bytes]", reply)
        return [Entry(float(score), member) for member, score in zip(flat[::2], flat[1::2], strict=True)]

    async def _verified(self, user_id: str, entries: Sequence[Entry]) -> list[IdeationSession]:
        """The sessions that the entries lead to, in order. Entries that mislead are put right."""
        stored = await self._sessions([entry.member for entry in entries])
        found = [session for session in stored if session is not None and session.user_id == user_id]
        misled = [
            _correction(entry, session, user_id)
            for entry, session in zip(entries, stored, strict=True)
            if _misleads(entry, session, user_id) and self._has_settled(entry)
        ]
        if misled:
            with suppress(StoreError):  # logged; what was found is true all the same
                await self._amend(user_id, misled)
        return sorted(found, key=place_of)

    async def _sessions(self, members: Sequence[bytes]) -> list[IdeationSession | None]:
        found: list[IdeationSession | None] = []
        for at in range(0, len(members), _MOST_AT_ONCE):
            ids = [member.decode(errors="replace") for member in members[at : at + _MOST_AT_ONCE]]
            names = [keys.ideation(self._tenant, session_id)[0] for session_id in ids]
            values = await self._client.values(names)
            found += [self._decoded(*each) for each in zip(ids, names, values, strict=True)]
        return found

    def _decoded(self, session_id: str, key: bytes, value: bytes | None) -> IdeationSession | None:
        if value is None:
            return None
        expected = {"tenant_id": self._tenant_id, "id": session_id}
        return decode(IdeationSession, value[WRITES_BYTES:], key, **expected)

    async def _amend(self, user_id: str, changes: Sequence[_Change]) -> None:
        await self._client.run(_AMEND, (self._key(user_id),), tuple(chain.from_iterable(changes)))

    def _has_settled(self, entry: Entry) -> bool:
        return microseconds(self._now()) + entry.score >= self._settling

    def _key(self, user_id: str) -> bytes:
        return keys.ideation_user(self._tenant, user_id)


def place_of(session: IdeationSession) -> tuple[int, str]:
    """Its place among a user's sessions: the last updated first, then by id."""
    return -_micros(session), session.id


class _Change(NamedTuple):
    """What an entry may say to be changed, and its new score, or ``b""`` to go."""

    member: bytes
    lowest: bytes
    highest: bytes
    score: bytes = b""


def _correction(entry: Entry, stored: IdeationSession | None, user_id: str) -> _Change:
    """What makes the entry tell what is stored, if it still is what it was."""
    seen = b"%d" % entry.score
    here = stored is not None and stored.user_id == user_id
    return _Change(
        entry.member, seen, seen, b"%d" % -_micros(cast("IdeationSession", stored)) if here else b""
    )


def _misleads(entry: Entry, stored: IdeationSession | None, user_id: str) -> bool:
    return stored is None or stored.user_id != user_id or entry != _entry(stored)


def _entry(session: IdeationSession) -> Entry:
    return Entry(float(-_micros(session)), session.id.encode())


def _micros(session: IdeationSession) -> int:
    return microseconds(cast("datetime", session.updated_at))  # a stored one has its times
