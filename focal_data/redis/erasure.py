"""The live sessions of a person, or of a whole tenant: found without an index, and removed with all that leads to them.

An index leads to no closed session by its channel, and a session past its age reads as absent while its bytes are there.
So the keys themselves are looked through: it takes time in proportion to all keys of the server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final, cast
from uuid import UUID

from focal_data.domain.clock import Clock, utc_now
from focal_data.domain.session import Session
from focal_data.ids import TenantId
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.places import Slot
from focal_data.redis.script import Effect, Script
from focal_data.redis.session_reader import SessionReader

_FORGET: Final = Script("forget", Effect.REPEATABLE)
_REPAIRED_AT_ONCE: Final = 1000
_EVER: Final = -(2**53)


class SessionErasure:
    """All live sessions of one tenant, for the operator."""

    def __init__(self, client: RedisClient, tenant_id: TenantId, *, clock: Clock = utc_now) -> None:
        self._client = client
        self._reader = SessionReader(client, tenant_id, clock=clock)

    async def find(self, wanted: Callable[[Session], bool]) -> list[Session]:
        """Those that are wanted, of whatever age and status, by id.

        Raises ``CorruptDataError`` with the key of one that can't be read: it may be anybody's.
        """
        found: dict[UUID, Session] = {}
        async for slots in self._slots():
            for session in await self._read(slots):
                if wanted(session):
                    found[session.session_id] = session
        return [found[session_id] for session_id in sorted(found)]

    async def remove(self, session_ids: Iterable[UUID]) -> None:
        """Remove these, both copies and their entries; what is not there is none too many."""
        for slot in map(self._reader.slot, session_ids):
            await self._reader.writer.remove(slot)

    async def repair(self, terms: Sequence[bytes]) -> None:
        """Take out of these indexes what leads to no session any more."""
        for term in terms:
            after = None
            while entries := await self._reader.index.newest(
                [term], oldest=_EVER, count=_REPAIRED_AT_ONCE, after=after
            ):
                await self._reader.index.repair([term], entries)
                after = entries[-1]

    async def count(self) -> int:
        """How many sessions the tenant has, of whatever age, readable or not."""
        return len({slot.session_id async for slots in self._slots() for slot in slots})

    async def count_ideation(self) -> int:
        """How many ideation sessions the tenant has, readable or not."""
        names: set[bytes] = set()
        async for some in self._client.scan(keys.of_ideation(self._reader.tenant)):
            names.update(some)
        return len(names)

    async def remove_all(self) -> int:
        """Remove every key of the tenant, ideation too, and its sessions from the ages; tells how many sessions there were."""
        sessions = await self.count()
        async for names in self._client.scan(keys.of_tenant(self._reader.tenant)):
            await self._client.unlink(names)
        for shard in keys.AGE_SHARDS:
            cursor = b"0"
            while (cursor := await self._forget(shard, cursor)) != b"0":
                pass
        return sessions

    async def _forget(self, shard: bytes, cursor: bytes) -> bytes:
        return cast("bytes", await self._client.run(_FORGET, (shard,), (self._reader.tenant, cursor)))

    async def _slots(self) -> AsyncIterator[list[Slot]]:
        async for names in self._client.scan(keys.of_sessions(self._reader.tenant)):
            yield [self._reader.slot(session_id) for session_id in {keys.session_in(name) for name in names}]

    async def _read(self, slots: Sequence[Slot]) -> list[Session]:
        """The cold copies, and the hot ones where there is no cold; none of those that went meanwhile."""
        cold = await self._client.values([slot.cold for slot in slots])
        found = [
            self._reader.decoded(value, slot, slot.cold)
            for slot, value in zip(slots, cold, strict=True)
            if value is not None
        ]
        rest = [slot for slot, value in zip(slots, cold, strict=True) if value is None]
        hot = await self._client.values([slot.hot for slot in rest])
        return found + [
            self._reader.decoded(value, slot, slot.hot)
            for slot, value in zip(rest, hot, strict=True)
            if value is not None
        ]
