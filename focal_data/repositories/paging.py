"""Pages by keyset: an opaque cursor holds the place of the last row, so rows added or removed meanwhile shift nothing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import Column, ColumnElement, bindparam, tuple_

from focal_data.domain.answers import Page
from focal_data.errors import InvalidDataError

E = TypeVar("E")


def after(key: Sequence[Column[Any]], *, descending: bool) -> ColumnElement[bool]:
    """The rows behind the place bound as ``after_0``, ``after_1``, … in the order of ``key``."""
    place = tuple_(*(bindparam(f"after_{i}", type_=column.type) for i, column in enumerate(key)))
    return tuple_(*key) < place if descending else tuple_(*key) > place


def place(cursor: str, key: Sequence[Column[Any]]) -> dict[str, Any]:
    """What ``after`` binds for ``cursor``. Raises ``InvalidDataError("cursor", …)`` for one that this key didn't make."""
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
        table, *values = parts
        if table != key[0].table.name or len(values) != len(key):
            raise ValueError(table)
        return {
            f"after_{i}": _parsed(column, v) for i, (column, v) in enumerate(zip(key, values, strict=True))
        }
    except (ValueError, TypeError, OverflowError, binascii.Error, AttributeError):
        raise InvalidDataError("cursor", "is not one that this call gave") from None


def page(entities: list[E], limit: int, key: Sequence[Column[Any]]) -> Page[E]:
    """The first ``limit`` of ``entities``, which were asked for with one more; its presence makes the next cursor."""
    if len(entities) <= limit:
        return Page(entities)
    last = entities[limit - 1]
    parts = [key[0].table.name, *(getattr(last, column.name) for column in key)]
    cursor = base64.urlsafe_b64encode(orjson.dumps(parts, default=str)).rstrip(b"=").decode()
    return Page(entities[:limit], cursor)


def _parsed(column: Column[Any], value: object) -> object:
    kind = column.type.python_type
    if kind is UUID:
        return UUID(str(value))
    if kind is datetime:
        return _time(str(value))
    if type(value) is not kind:
        raise TypeError(column.name)
    return value


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.utcoffset() is None:
        raise ValueError("naive")
    return time.astimezone(UTC)
