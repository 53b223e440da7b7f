"""Reading live sessions: where one is kept, what its bytes say, and many of them by way of the indexes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, NamedTuple, cast
from uuid import UUID

from focal_data.domain.clock import Clock
from focal_data.domain.session import Session
from focal_data.errors import CorruptDataError, StoreError
from focal_data.ids import TenantId
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.cluster_writer import writer_of
from focal_data.redis.codec import decode, microseconds
from focal_data.redis.index import SessionIndex
from focal_data.redis.places import Place, Slot, slot_of

_MOST_AT_ONCE: Final = 1000
_MOST_ROUNDS: Final = 8
_MOST_READINGS: Final = 3
_FEWEST_AT_ONCE: Final = 8

Wanted = Callable[[Session], bool]


class Found(NamedTuple):
    """Sessions in order, and the place behind which there may be more."""

    sessions: list[Session]
    behind: Place | None


class SessionReader:
    """Reads the sessions of one tenant, and believes an index only after it has looked."""

    def __init__(self, client: RedisClient, tenant_id: TenantId, *, clock: Clock) -> None:
        self.tenant = tenant_id.hex.encode()
        self.writer = writer_of(client)
        self.index = SessionIndex(client, self.writer, self.tenant)
        self._client = client
        self._tenant_id = tenant_id
        self._max_age = client.settings.max_age
        self._clock = clock

    def now(self) -> datetime:
        """The store's clock."""
        return self._clock().astimezone(UTC)

    def cutoff(self, now: datetime | None = None) -> bytes:
        """What was last active before this is absent."""
        return b"%d" % microseconds((now or self.now()) - self._max_age)

    def slot(self, session_id: UUID) -> Slot:
        return slot_of(self.tenant, session_id)

    def decoded(self, value: bytes | None, slot: Slot, key: bytes) -> Session:
        """The session of ``slot`` in what ``key`` holds, ``None`` being no string. ``CorruptDataError`` otherwise."""
        if value is None:
            raise CorruptDataError(key.decode(), "is not of the type that is kept there")
        session = decode(value, key)
        if session.session_id != slot.session_id or session.tenant_id != self._tenant_id:
            raise CorruptDataError(key.decode(), "holds another session")
        return session

    async def newest(self, terms: Sequence[bytes], wanted: Wanted, limit: int) -> list[Session]:
        """The first ``limit`` of what is wanted among that which has any of ``terms``.

        Two round trips, and two more for each time that too few of so many entries were wanted; then it asks for
        twice as many.
        """
        found: dict[UUID, Session] = {}
        count, after = max(limit, _FEWEST_AT_ONCE), None
        while True:
            entries, sessions = await self._verified(terms, after, count)
            found |= {s.session_id: s for s in sessions if s is not None and wanted(s)}
            in_order = sorted(found.values(), key=order)
            if len(entries) < count:
                return in_order[:limit]
            after, count = entries[-1], min(2 * count, _MOST_AT_ONCE)
            # One whose entry is ahead of it, as while it is saved, may come behind what was not read yet.
            if len(in_order) >= limit and order(in_order[limit - 1]) <= after:
                return in_order[:limit]

    async def page(self, term: bytes, wanted: Wanted, limit: int, after: Place | None) -> Found:
        """The next ``limit`` of what is wanted behind ``after``; fewer when it would have to look for long."""
        found: list[Session] = []
        count = min(max(limit + 1, _FEWEST_AT_ONCE), _MOST_AT_ONCE)
        for _ in range(_MOST_ROUNDS):
            entries, sessions = await self._verified([term], after, count)
            for entry, session in zip(entries, sessions, strict=True):
                if session is not None and wanted(session):
                    if len(found) == limit:
                        return Found(found, after)
                    found.append(session)
                after = entry
            if len(entries) < count:
                return Found(found, None)
            count = min(2 * count, _MOST_AT_ONCE)
        return Found(found, after)

    async def _verified(
        self, terms: Sequence[bytes], after: Place | None, count: int
    ) -> tuple[list[Place], list[Session | None]]:
        """The next entries and their sessions, ``None`` where there is none.

        Entries that mislead are repaired, and read again.
        """
        for _ in range(_MOST_READINGS):
            entries, sessions = await self._read(terms, after, count)
            misled = [
                entry
                for entry, session in zip(entries, sessions, strict=True)
                if _misleads(entry, session, terms) and self._has_settled(entry)
            ]
            if not misled:
                break
            with suppress(StoreError):  # logged; what is wanted is checked all the same
                await self.index.repair(terms, misled)
        return entries, sessions

    def _has_settled(self, entry: Place) -> bool:
        return abs(microseconds(self.now()) + entry.score) >= self.writer.settling

    async def _read(
        self, terms: Sequence[bytes], after: Place | None, count: int
    ) -> tuple[list[Place], list[Session | None]]:
        oldest = microseconds(self.now() - self._max_age)
        entries = await self.index.newest(terms, after=after, oldest=oldest, count=count)
        slots = [self.slot(entry.session_id) for entry in entries]
        values = await self._client.values([slot.cold for slot in slots])
        found = [
            None if value is None else self.decoded(value, slot, slot.cold)
            for slot, value in zip(slots, values, strict=True)
        ]
        return entries, [s if s is not None and -order(s)[0] >= oldest else None for s in found]


def _misleads(entry: Place, session: Session | None, terms: Sequence[bytes]) -> bool:
    """Whether the entry is wrong about its session: gone, found by other terms, or less recently active than it says.

    One that was active since is no mistake: it was saved after the index was read.
    """
    return session is None or entry.score < order(session)[0] or set(terms).isdisjoint(keys.terms(session))


def order(session: Session) -> Place:
    """Its place among others: newest activity first, and then by id."""
    activity = cast("datetime", session.last_activity_at)  # a stored one has its times
    return Place(-microseconds(activity), session.session_id)
