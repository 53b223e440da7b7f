"""Reading the indexes: entries in order, and what makes stale ones right."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, cast
from uuid import UUID

from focal_data.errors import CorruptDataError, InvalidDataError
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.places import Place
from focal_data.redis.script import Effect, Script
from focal_data.redis.session_writer import SessionWriter

__all__ = ["Place", "SessionIndex", "cursor_of", "place_of"]

_NEWEST: Final = Script("newest", Effect.READ)

_ENTRY: Final = struct.Struct(">32sd")
_CURSOR: Final = struct.Struct(">16sq16s")


class SessionIndex:
    """The indexes of one tenant. What they say is never trusted: they tell where to look."""

    def __init__(self, client: RedisClient, writer: SessionWriter, tenant: bytes) -> None:
        self._client = client
        self._writer = writer
        self._tenant = tenant

    async def newest(
        self, terms: Sequence[bytes], *, oldest: int, count: int, after: Place | None = None
    ) -> list[Place]:
        """The next ``count`` entries, newest activity first and then by id, of what has any of ``terms``.

        ``oldest`` is the last activity, in microseconds, up to which it goes. ``CorruptDataError`` for what is no index.
        """
        score, member = (b"%d" % after.score, after.session_id.hex.encode()) if after else (b"-inf", b"")
        names = [keys.index(self._tenant, term) for term in terms]
        reply = await self._client.run(_NEWEST, names, (score, member, b"%d" % -oldest, b"%d" % count))
        if isinstance(reply, int):
            raise CorruptDataError(names[reply - 1].decode(), "is not of the type that is kept there")
        return _entries(cast("bytes", reply), names[0])

    async def repair(self, terms: Sequence[bytes], entries: Sequence[Place]) -> None:
        """Make these entries under ``terms`` tell what their sessions say now."""
        await self._writer.repair(self._tenant, terms, entries)


def _entries(reply: bytes, key: bytes) -> list[Place]:
    try:
        return [Place(int(score), UUID(id_.decode())) for id_, score in _ENTRY.iter_unpack(reply)]
    except (ValueError, OverflowError, struct.error):
        pass
    raise CorruptDataError(key.decode(), "has an entry that leads to no session")


def cursor_of(place: Place, question: bytes) -> str:
    """The opaque form of ``place``, bound to the question that led there."""
    data = _CURSOR.pack(_fingerprint(question), place.score, place.session_id.bytes)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def place_of(cursor: str, question: bytes) -> Place:
    """The place in ``cursor``. ``InvalidDataError("cursor")`` for one that this question didn't give."""
    try:
        data = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        asked, score, session_id = _CURSOR.unpack(data)
    except (ValueError, AttributeError, binascii.Error, struct.error):
        asked = b""
    if asked != _fingerprint(question):
        raise InvalidDataError("cursor", "is not one that this call gave")
    return Place(score, UUID(bytes=session_id))


def _fingerprint(question: bytes) -> bytes:
    return blake2b(question, digest_size=16).digest()
