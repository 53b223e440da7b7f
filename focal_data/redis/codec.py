"""Sessions as bytes.

A stored value, numbers big-endian:

====== =====  ====================================================================================================
at     bytes
====== =====  ====================================================================================================
0      1      format: 1 is JSON (the hot copy), 2 is JSON deflated (the cold one); what comes later takes new numbers
1      32     ids of its last four writes, newest first; put there by the server
33     4      revision
37     8      ``created_at``, microseconds of Unix time
45     8      ``last_activity_at``, the same
53     4      CRC-32 of the JSON
57     1      number of terms
58     19·n   terms, which tell the indexes that it is in
       rest   the session as JSON
====== =====  ====================================================================================================

A cold copy promoted is stored hot as it is. The scripts read everything before the JSON; ``prelude.lua`` knows it too.
"""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import orjson
from pydantic import TypeAdapter, ValidationError

from focal_data.domain.session import Session
from focal_data.errors import CorruptDataError
from focal_data.redis import keys
from focal_data.redis.dictionary import DICTIONARY

JSON: Final = b"\x01"
DEFLATED_JSON: Final = b"\x02"
_NEWEST: Final = DEFLATED_JSON[0]
_RAW: Final = -15  # no header and no checksum of zlib's: ours is over the JSON
_LEVEL: Final = 2  # with the dictionary it takes as long as 1 does without, for a fifth less

_HEAD: Final = struct.Struct(">IqqIB")
_IDS_BYTES: Final = 32
_HEAD_AT: Final = 1 + _IDS_BYTES
_TERMS_AT: Final = _HEAD_AT + _HEAD.size

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SESSION: Final = TypeAdapter(Session)
_AS_PYDANTIC_READS: Final = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z  # twice as fast as its own writing


class Encoded(NamedTuple):
    """What the client sends of a session: the part of the head that it knows, and the body of each copy."""

    head: bytes
    hot_body: bytes
    cold_body: bytes

    @property
    def hot(self) -> bytes:
        """The hot copy as the server stores it, but for the ids of its writes."""
        return JSON + bytes(_IDS_BYTES) + self.head + self.hot_body

    @property
    def cold(self) -> bytes:
        """The cold copy, likewise."""
        return DEFLATED_JSON + bytes(_IDS_BYTES) + self.head + self.cold_body


def encode(session: Session) -> Encoded:
    """The bytes of a session whose times are set."""
    body = _json(session)
    terms = keys.terms(session)
    head = _HEAD.pack(*_facts(session), zlib.crc32(body), len(terms)) + b"".join(terms)
    return Encoded(head, body, _deflated(body))


def _json(session: Session) -> bytes:
    try:
        return orjson.dumps(vars(session), _plain, _AS_PYDANTIC_READS)
    except TypeError:  # a key of a dict may be such an id too
        return _SESSION.dump_json(session)


def _plain(value: object) -> object:
    """What orjson does not know: our value objects, and ids of the kind that PostgreSQL's driver makes."""
    return UUID(int=value.int) if isinstance(value, UUID) else vars(value)


def decode(value: bytes, key: bytes) -> Session:
    """The session in ``value``. ``CorruptDataError`` names ``key`` for what is damaged, or written by a newer version."""
    try:
        revision, created, activity, checksum, count = _HEAD.unpack_from(value, _HEAD_AT)
        body = _body(value, _TERMS_AT + count * keys.TERM_BYTES, key)
        session = _SESSION.validate_json(body) if zlib.crc32(body) == checksum else None
    except (struct.error, zlib.error, ValidationError):
        session = None
    if (
        session is None
        or None in (session.created_at, session.last_activity_at)
        or _facts(session) != (revision, created, activity)
    ):
        raise CorruptDataError(key.decode(), "holds no session that can be read")
    return session


def _body(value: bytes, start: int, key: bytes) -> bytes:
    kind = value[:1]
    if kind == JSON:
        return value[start:]
    if kind == DEFLATED_JSON:
        inflate = zlib.decompressobj(_RAW, DICTIONARY)
        body = inflate.decompress(value[start:])
        if not inflate.eof:  # what is cut off may end in a bit that the JSON can do without
            raise zlib.error
        return body
    newer = value[0] > _NEWEST
    raise CorruptDataError(
        key.decode(), "was written by a newer version" if newer else "is in no format known"
    )


def _deflated(body: bytes) -> bytes:
    # No more memory than it can use: to clear all 256 KB takes longer than to deflate a short session.
    window = min(zlib.MAX_WBITS, (len(DICTIONARY) + len(body)).bit_length())
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -window, window - 8, zdict=DICTIONARY)
    return deflate.compress(body) + deflate.flush()


def _facts(session: Session) -> tuple[int, int, int]:
    created, activity = session.created_at, session.last_activity_at
    if created is None or activity is None:
        raise CorruptDataError("session", "has no times")
    return session.revision, microseconds(created), microseconds(activity)


def microseconds(time: datetime) -> int:
    """Unix time, exact."""
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def time_of(microseconds: int) -> datetime:
    """The UTC time of ``microseconds``."""
    return _EPOCH + timedelta(microseconds=microseconds)
