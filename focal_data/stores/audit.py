"""What the store of what happened promises; ``stores/base.py`` says what holds for every call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from uuid import UUID

from focal_data.domain.answers import Page
from focal_data.domain.audit import AuditEvent, TurnRecord
from focal_data.errors import InvalidDataError


class AuditStore(ABC):
    """Turns and events. They can be added and read, and nothing else: no call changes or removes one.

    The ids in them are never checked against other stores: what happened stays, whatever becomes of the rest.
    """

    @abstractmethod
    async def save_turn(self, turn: TurnRecord) -> TurnRecord:
        """Store it. ``DuplicateError`` when its id, or its number in its session, is stored already."""

    @abstractmethod
    async def get_turn(self, turn_id: UUID) -> TurnRecord | None:
        """The turn, or ``None``."""

    @abstractmethod
    async def list_turns_by_session(
        self, session_id: UUID, limit: int = 100, offset: int = 0
    ) -> list[TurnRecord]:
        """The session's turns, by their number upwards."""

    @abstractmethod
    async def list_turns(
        self,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[TurnRecord]:
        """One page of the turns created from ``start_time`` until before ``end_time``, newest first, then by id.

        Times must be timezone-aware. ``InvalidDataError`` when ``start_time`` is after ``end_time``.
        """

    @abstractmethod
    async def save_event(self, event: AuditEvent) -> AuditEvent:
        """Store it. ``DuplicateError`` when its id is stored already."""

    @abstractmethod
    async def get_event(self, event_id: UUID) -> AuditEvent | None:
        """The event, or ``None``."""

    @abstractmethod
    async def list_events_by_session(
        self, session_id: UUID, event_type: str | None = None, limit: int = 100
    ) -> list[AuditEvent]:
        """The session's events, of one type or of all, oldest first, then by id."""


def checked_range(
    start_time: datetime | None, end_time: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """Both in UTC. ``InvalidDataError`` names a naive one, and ``start_time`` when it is after ``end_time``."""
    start, end = _checked_time("start_time", start_time), _checked_time("end_time", end_time)
    if start is not None and end is not None and start > end:
        raise InvalidDataError("start_time", "must not be after end_time")
    return start, end


def _checked_time(field: str, time: datetime | None) -> datetime | None:
    if time is None:
        return None
    if not isinstance(time, datetime) or time.utcoffset() is None:
        raise InvalidDataError(field, "must be a timezone-aware datetime")
    try:
        return time.astimezone(UTC)
    except OverflowError:
        pass
    raise InvalidDataError(field, "is out of range in UTC")  # out here, so that nothing is its context
