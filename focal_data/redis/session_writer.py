"""Writing sessions and what leads to them.

On one server every write is one script, so it happens wholly or not at all, and takes one round trip.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Final, cast

from focal_data.domain.session import Session
from focal_data.redis.client import RedisClient, Reply
from focal_data.redis.codec import encode
from focal_data.redis.places import Place, Slot
from focal_data.redis.script import Effect, Script

SAVE: Final = Script("save", Effect.REPEATABLE, lasting=True)
DELETE: Final = Script("delete", Effect.ONCE, lasting=True)
REMOVE: Final = Script("delete", Effect.REPEATABLE, lasting=True)  # what it answers is of no interest
_REPAIR: Final = Script("repair", Effect.REPEATABLE)
_SWEEP: Final = Script("sweep", Effect.ONCE)


class SessionWriter(ABC):
    """The writes of sessions of any tenant; tenants are in hex, cutoffs and limits as scripts take them."""

    settling: int
    """For so many microseconds an entry may be ahead of its session, since somebody is saving it."""

    @abstractmethod
    async def save(self, slot: Slot, new: Session, before: datetime | None, write: Sequence[bytes]) -> Reply:
        """Store ``new``, last active ``before``: 0, less how many aged ones went with it, or why not, as ``save.lua`` tells it.

        ``write`` is how many milliseconds hot lasts, the cutoff, and the id of the write.
        """

    @abstractmethod
    async def delete(self, slot: Slot, cutoff: bytes) -> bool:
        """Remove both copies and all that leads there; tells whether there was such a session."""

    @abstractmethod
    async def remove(self, slot: Slot) -> None:
        """The same, of whatever age, for which a second time is as good as one."""

    @abstractmethod
    async def repair(self, tenant: bytes, terms: Sequence[bytes], entries: Sequence[Place]) -> None:
        """Make these entries under ``terms`` tell what their sessions say now."""

    @abstractmethod
    async def sweep(self, shard: bytes, cutoff: bytes, limit: int) -> tuple[int, int]:
        """Remove up to ``limit`` sessions last active before ``cutoff``: how many entries were due, how many removed."""


class ScriptWriter(SessionWriter):
    """On one server."""

    settling = 0

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def save(self, slot: Slot, new: Session, before: datetime | None, write: Sequence[bytes]) -> Reply:
        return await self._client.run(SAVE, (slot.cold, slot.hot), (*write, *encode(new)))

    async def delete(self, slot: Slot, cutoff: bytes) -> bool:
        return await self._client.run(DELETE, (slot.cold, slot.hot), (cutoff,)) == 1

    async def remove(self, slot: Slot) -> None:
        await self._client.run(REMOVE, (slot.cold, slot.hot), (b"0",))

    async def repair(self, tenant: bytes, terms: Sequence[bytes], entries: Sequence[Place]) -> None:
        members = (entry.session_id.hex.encode() for entry in entries)
        await self._client.run(_REPAIR, (), (tenant, b"".join(terms), *members))

    async def sweep(self, shard: bytes, cutoff: bytes, limit: int) -> tuple[int, int]:
        reply = await self._client.run(_SWEEP, (shard,), (cutoff, b"%d" % limit))
        return cast("tuple[int, int]", tuple(cast("list[Reply]", reply)))
