"""Pages in memory: a cursor holds the place of the last item, so what comes and goes meanwhile shifts nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from focal_data.domain import cursors
from focal_data.domain.answers import Page
from focal_data.domain.base import ValueObject
from focal_data.domain.checking import copied
from focal_data.errors import InvalidDataError
from focal_data.stores.base import checked_limit

E = TypeVar("E", bound=ValueObject)
Place = tuple[Any, ...]


def page(
    found: Iterable[E],
    limit: int,
    cursor: str | None,
    *,
    key: Mapping[str, type],
    of: Sequence[object],
    descending: bool = False,
) -> Page[E]:
    """Copies of the first ``limit`` behind the place of ``cursor``, in the order of the fields ``key``.

    ``of`` says what the cursor belongs to: the call and its filters. Raises ``InvalidDataError`` for ``limit`` and ``cursor``.
    """
    most, belongs_to, place = checked_limit(limit), cursors.mark(*of), _place(key)
    items = sorted(found, key=place, reverse=descending)
    if cursor is not None:
        start = _read(cursor, belongs_to, key)
        items = [item for item in items if (place(item) < start if descending else place(item) > start)]
    further = cursors.cursor(belongs_to, place(items[most - 1])) if len(items) > most else None
    return Page([copied(item) for item in items[:most]], further)


def _place(key: Iterable[str]) -> Callable[[Any], Place]:
    fields = tuple(key)
    return lambda item: tuple(getattr(item, field) for field in fields)


def _read(cursor: str, belongs_to: str, key: Mapping[str, type]) -> Place:
    start = tuple(cursors.place(cursor, belongs_to, list(key.values())))
    if None in start:
        raise InvalidDataError("cursor", "is not one that this call gave")
    return start
