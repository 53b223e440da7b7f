"""Cursors: opaque text that holds a place in an order, and a mark of the call and the filters that it belongs to.

Nothing in one is secret, and nothing is trusted: it is read like any other input.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import orjson

from focal_data.errors import InvalidDataError

_MAX_LENGTH: Final = 16_384


def mark(*parts: object) -> str:
    """A short mark of what a cursor belongs to: equal for equal ``parts`` only, as good as never otherwise."""
    return blake2b(repr(parts).encode("utf-8", "backslashreplace"), digest_size=9).hexdigest()


def cursor(belongs_to: str, place: Sequence[object]) -> str:
    """The cursor of ``place``, whose values are text, numbers, times, dates, UUIDs (the driver's too) or ``None``."""
    return base64.urlsafe_b64encode(orjson.dumps([belongs_to, *place], default=str)).rstrip(b"=").decode()


def place(text: str, belongs_to: str, kinds: Sequence[type]) -> list[Any]:
    """The place that ``text`` holds: a value or ``None`` for each of ``kinds``.

    Raises ``InvalidDataError("cursor")`` for what is no cursor, or belongs to another call or other filters.
    """
    try:
        if len(text) > _MAX_LENGTH:
            raise ValueError("too long")
        mine, *values = orjson.loads(
            base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        )
        if mine != belongs_to:
            raise ValueError("another's")
        return [_read(kind, value) for kind, value in zip(kinds, values, strict=True)]
    except (ValueError, TypeError, OverflowError, binascii.Error, AttributeError):
        pass
    raise InvalidDataError("cursor", "is not one that this call gave")


def _read(kind: type, value: object) -> Any:
    if value is None:
        return None
    read = _READERS.get(kind)
    if read is not None:
        return read(str(value))
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind or (kind is str and "\0" in str(value)):
        raise TypeError(kind)
    return value


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.utcoffset() is None:
        raise ValueError("naive")
    return time.astimezone(UTC)


_READERS: Final[dict[type, Callable[[str], Any]]] = {
    UUID: UUID,
    datetime: _time,
    date: date.fromisoformat,
}
