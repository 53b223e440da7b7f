"""Times of the world: when something happened, and the period in which it holds."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic_core import PydanticCustomError


def now() -> datetime:
    """The present, in UTC: what a time that the caller may give defaults to."""
    return datetime.now(UTC)


def check_period(valid_from: datetime, valid_to: datetime | None) -> None:
    """Refuse a period that ends before it begins. A period holds its start, and not its end."""
    if valid_to is not None and valid_to <= valid_from:
        raise PydanticCustomError("period", "valid_to must be after valid_from")


def valid_at(valid_from: datetime, valid_to: datetime | None, time: datetime) -> bool:
    """Whether ``time`` is within the period, which holds its start, and not its end."""
    return valid_from <= time and (valid_to is None or time < valid_to)
