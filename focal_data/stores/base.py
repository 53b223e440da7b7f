"""What the stores have in common.

- **Tenant.** A store is bound to one tenant when it is made. ``tenant_id`` of what it is given may be the nil UUID,
  and is then filled in; another tenant's is ``InvalidDataError("tenant_id")``. What belongs to another tenant is
  absent: it is not found, not listed, and not a parent.
- **Copies.** What a caller does to an object after handing it over, or after getting it back, changes nothing that
  is stored.
- **Times.** ``created_at``, ``updated_at``, ``recorded_at``, ``archived_at``, ``last_activity_at``, ``deleted_at``
  and ``erased_at`` are the store's: what a caller puts there is ignored.
- **Locks.** ``save_*`` inserts what has revision 0, and changes anything else only if its revision is still the
  stored one. It returns what is stored, with the new revision and times. ``add_*`` takes revision 0 only, and
  ``update_*`` any other: ``InvalidDataError("revision")`` otherwise.
- **Errors of every write.** ``StaleRevisionError`` when it was changed meanwhile, ``NotFoundError`` when it does not
  exist or a parent that it names does not, ``DuplicateError`` when it must be unique and is not,
  ``InvalidDataError`` for data that can't be kept. Whatever is raised, nothing was written; only a
  ``StoreConnectionError`` or a ``StoreTimeoutError`` may say that its outcome is unknown.
- **Transactions.** After a ``DuplicateError`` or another violated constraint, a transaction can only be left: its next
  call is a ``UsageError``, and to end its block as if nothing had happened is a ``StoreError``. After what is refused
  before anything is touched (stale, absent, bad data) it goes on.
- **Absence.** To get one thing gives it or ``None``; a list or a search that finds nothing is empty; to delete tells
  whether there was something to delete.
- **Limits** are 1 to 1000 and offsets 0 or more, otherwise it is an ``InvalidDataError``.
- **Cursors** are opaque, and belong to the call and the filters that gave them. Nothing is skipped or repeated when
  things are added or deleted between two pages. A cursor that can't be read is ``InvalidDataError("cursor")``.
- **Soft deletion.** What is deleted so is hidden from every read and search unless ``include_deleted`` asks for it,
  and counts as absent when it is written; its names are free again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from focal_data.domain.base import ExternalId, ValueObject
from focal_data.domain.checking import checked_uuid
from focal_data.domain.embedding import Embedding
from focal_data.errors import InvalidDataError, NotFoundError, StaleRevisionError

E = TypeVar("E")

MAX_LIMIT: Final = 1000
MAX_OFFSET: Final = 2**31 - 1
MAX_DEPTH: Final = 10
_GROUP_ID: Final[TypeAdapter[str]] = TypeAdapter(ExternalId)


def checked_limit(limit: int) -> int:
    """``limit`` if it is 1 to 1000; otherwise ``InvalidDataError("limit")``."""
    return _checked("limit", limit, 1, MAX_LIMIT)


def checked_offset(offset: int) -> int:
    """``offset`` if it is 0 to 2³¹ − 1; otherwise ``InvalidDataError("offset")``."""
    return _checked("offset", offset, 0, MAX_OFFSET)


def checked_depth(max_depth: int) -> int:
    """``max_depth`` if it is 1 to 10; otherwise ``InvalidDataError("max_depth")``."""
    return _checked("max_depth", max_depth, 1, MAX_DEPTH)


def checked_integer(field: str, value: int) -> int:
    """``value`` if it is an integer of 32 bits; otherwise ``InvalidDataError(field)``."""
    return _checked(field, value, -(2**31), 2**31 - 1)


def checked_min_score(min_score: float | None) -> float | None:
    """``min_score`` if it is −1 to 1, a cosine, or ``None``; otherwise ``InvalidDataError("min_score")``."""
    if min_score is None:
        return None
    if (
        not isinstance(min_score, int | float) or isinstance(min_score, bool) or not -1 <= min_score <= 1
    ):  # NaN too
        raise InvalidDataError("min_score", "must be a number from -1 to 1")
    return min_score


def checked_query(query: Embedding) -> Embedding:
    """``query`` at the precision of what is stored; otherwise ``InvalidDataError("query")``."""
    if not isinstance(query, Embedding):
        raise InvalidDataError("query", "must be an Embedding")
    try:
        return query.rounded()
    except ValueError as error:
        raise InvalidDataError("query", str(error)) from None


def checked_string(field: str, value: str) -> str:
    """``value`` if it is a string, of whatever characters; otherwise ``InvalidDataError(field)``."""
    if not isinstance(value, str):
        raise InvalidDataError(field, "must be text")
    return value


def checked_time(field: str, value: datetime | None) -> datetime | None:
    """``value`` in UTC if it is a time with a zone, or ``None``; otherwise ``InvalidDataError(field)``."""
    if value is None:
        return None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidDataError(field, "must be a timezone-aware time")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        pass
    raise InvalidDataError(field, "is out of range in UTC")  # out here, so that nothing is its context


def checked_flag(field: str, value: bool) -> bool:
    """``value`` if it is true or false; otherwise ``InvalidDataError(field)``."""
    if not isinstance(value, bool):
        raise InvalidDataError(field, "must be true or false")
    return value


def checked_ids(field: str, values: Iterable[UUID]) -> list[UUID]:
    """``values`` if each is a UUID; otherwise ``InvalidDataError(field)``."""
    return [checked_uuid(field, value) for value in checked_many(field, values)]


def checked_many(field: str, values: Iterable[Any]) -> list[Any]:
    """``values`` if they are several, and no text; otherwise ``InvalidDataError(field)``."""
    if isinstance(values, str | bytes | ValueObject) or not isinstance(values, Iterable):
        raise InvalidDataError(field, "must be a sequence")
    return list(values)


def checked_group(group_id: str) -> str:
    """``group_id`` if it names a group; otherwise ``InvalidDataError("group_id")``."""
    try:
        return _GROUP_ID.validate_python(group_id, strict=True)  # bytes would be taken for text
    except ValidationError:
        failure = InvalidDataError("group_id", "must be text of 1 to 255 characters without NUL")
    raise failure  # out here, pydantic's error, which holds the value, is not its context


def _checked(field: str, value: int, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise InvalidDataError(field, f"must be an integer from {low} to {high}")
    return value


async def read_modify_write(
    read: Callable[[], Awaitable[E | None]],
    change: Callable[[E], E],
    write: Callable[[E], Awaitable[E]],
    *,
    attempts: int = 10,
) -> E:
    """What ``write`` gives for the ``change`` of what ``read`` gives; all three again when it was changed in between.

        await read_modify_write(lambda: notes.get(id), lambda note: note.evolve(stars=note.stars + 1), notes.save)

    ``change`` is run once for each attempt, so it should do nothing but make the new value; its errors end it at once. Before
    each further attempt there is a pause, longer each time and of random length, so that many writers come past each other.
    Raises ``NotFoundError`` when there is nothing to read, and ``StaleRevisionError`` when the last attempt came too late.
    """
    for attempt in range(1, _checked("attempts", attempts, 1, MAX_LIMIT) + 1):
        current = await read()
        if current is None:
            raise NotFoundError("what should be changed")
        try:
            return await write(change(current))
        except StaleRevisionError:
            if attempt == attempts:
                raise
        await asyncio.sleep(random.uniform(0, _longest_pause(attempt)))  # noqa: S311  (jitter)
    raise AssertionError("the last attempt returns or raises")


def _longest_pause(attempt: int) -> float:
    """The longest pause after an attempt, in seconds: 10 ms at first, a second at most."""
    return float(min(1.0, 0.005 * 2**attempt))
