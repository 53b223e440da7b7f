"""What hangs on an ideation session as bytes.

====== =====  =====================================================
at     bytes
====== =====  =====================================================
0      1      format: 1 is JSON; what comes later takes new numbers
1      4      CRC-32 of the JSON, big-endian
5             the entity as JSON, or several as an array
====== =====  =====================================================

A session has the ids of its last four writes before that, newest first, which the server puts there.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from focal_data.domain.base import ValueObject
from focal_data.errors import CorruptDataError, InvalidDataError

E = TypeVar("E", bound=ValueObject)

WRITE_BYTES: Final = 8
WRITES_BYTES: Final = 4 * WRITE_BYTES
MOST_BYTES: Final = 16 * 2**20
"""Of one value. A server is blocked while it takes one in or gives one out."""

_JSON: Final = b"\x01"
_TEXT: Final = b" "  # from here on it is something else than a format
_BODY_AT: Final = 5


def encode(entity: ValueObject) -> bytes:
    """The bytes of one entity. ``InvalidDataError`` for one of more than ``MOST_BYTES``."""
    return _sealed(_one(type(entity)).dump_json(entity), type(entity).__name__)


def encode_all(kind: type[E], entities: Sequence[E]) -> bytes:
    """The bytes of several, in their order."""
    return _sealed(_several(kind).dump_json(list(entities)), kind.__name__)


def decode(kind: type[E], value: bytes, key: bytes, **expected: object) -> E:
    """The entity in ``value``, whose fields are as ``expected``. ``CorruptDataError`` names ``key`` otherwise."""
    entity: E = _validated(_one(kind), value, key)
    return _required(entity, key, expected)


def decode_all(kind: type[E], value: bytes, key: bytes, **expected: object) -> list[E]:
    """The entities in ``value``; see ``decode``."""
    entities: list[E] = _validated(_several(kind), value, key)
    return [_required(entity, key, expected) for entity in entities]


@cache
def _one(kind: type[ValueObject]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def _several(kind: type[ValueObject]) -> TypeAdapter[Any]:
    return TypeAdapter(list[kind])  # type: ignore[valid-type]


def _sealed(body: bytes, kind: str) -> bytes:
    if len(body) > MOST_BYTES:
        raise InvalidDataError(
            kind, f"takes more than {MOST_BYTES // 2**20} MiB, the most that is kept on Redis"
        )
    return b"%b%b%b" % (_JSON, zlib.crc32(body).to_bytes(_BODY_AT - 1), body)


def _validated(adapter: TypeAdapter[Any], value: bytes, key: bytes) -> Any:
    if value[:1] != _JSON:
        newer = _JSON < value[:1] < _TEXT
        raise CorruptDataError(
            key.decode(), "was written by a newer version" if newer else "is in no format known"
        )
    body = value[_BODY_AT:]
    if zlib.crc32(body).to_bytes(_BODY_AT - 1) == value[1:_BODY_AT]:
        try:
            return adapter.validate_json(body)
        except ValidationError:
            pass
    raise CorruptDataError(key.decode(), "holds nothing that can be read")


def _required(entity: E, key: bytes, expected: dict[str, object]) -> E:
    if any(getattr(entity, name) != value for name, value in expected.items()):
        raise CorruptDataError(key.decode(), "holds what belongs elsewhere")
    return entity
