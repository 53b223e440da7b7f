"""Pages by keyset: an opaque cursor holds the place of the last row, so rows added or removed meanwhile shift nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, bindparam, tuple_

from focal_data.domain import cursors
from focal_data.domain.answers import Page
from focal_data.errors import InvalidDataError

E = TypeVar("E")


def after(key: Sequence[Column[Any]], *, descending: bool) -> ColumnElement[bool]:
    """The rows behind the place bound as ``after_0``, ``after_1``, … in the order of ``key``."""
    place = tuple_(*(bindparam(f"after_{i}", type_=column.type) for i, column in enumerate(key)))
    return tuple_(*key) < place if descending else tuple_(*key) > place


def place(cursor: str, key: Sequence[Column[Any]], *asked: object) -> dict[str, Any]:
    """What ``after`` binds for ``cursor``. Raises ``InvalidDataError("cursor", …)`` for one that this key didn't make.

    Nor is it one that was made by a call that ``asked`` for something else.
    """
    found = cursors.place(cursor, _mark(key, asked), [column.type.python_type for column in key])
    if None in found:
        raise InvalidDataError("cursor", "is not one that this call gave")
    return {f"after_{i}": value for i, value in enumerate(found)}


def page(entities: list[E], limit: int, key: Sequence[Column[Any]], *asked: object) -> Page[E]:
    """The first ``limit`` of ``entities``, which were asked for with one more; its presence makes the next cursor."""
    if len(entities) <= limit:
        return Page(entities)
    last = entities[limit - 1]
    place = [getattr(last, column.name) for column in key]
    return Page(entities[:limit], cursors.cursor(_mark(key, asked), place))


def _mark(key: Sequence[Column[Any]], asked: tuple[object, ...]) -> str:
    table = key[0].table.name
    return cursors.mark(table, *asked) if asked else table
