"""The audit store in memory: what happened stays as it was."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NoReturn, TypeVar
from uuid import UUID

from focal_data.domain import cursors
from focal_data.domain.answers import Page
from focal_data.domain.audit import AuditEvent, TurnRecord
from focal_data.domain.checking import checked_text, checked_uuid, copied
from focal_data.errors import AccessError
from focal_data.inmemory.database import InMemoryScope, Tables
from focal_data.inmemory.repository import InMemoryRepository, Unique
from focal_data.stores.audit import AuditStore, checked_range
from focal_data.stores.base import checked_limit, checked_offset

R = TypeVar("R", TurnRecord, AuditEvent)

_TURNS: Final = "turn_records"


class InMemoryAuditRepository(InMemoryRepository[R]):
    """What may be added and read, and nothing else."""

    def change(self, tables: Tables, entity: Any, **stamps: Any) -> NoReturn:
        raise AccessError(f"{self.domain.__name__}: what happened is never changed")

    def remove(self, tables: Tables, id: UUID) -> NoReturn:  # noqa: A002
        raise AccessError(f"{self.domain.__name__}: what happened is never removed")


class InMemoryTurnRecordRepository(InMemoryAuditRepository[TurnRecord]):
    """Turns."""

    kind = _TURNS
    domain = TurnRecord
    unique = (Unique("uq_turn_records_session_id", ("session_id", "turn_number")),)


class InMemoryAuditEventRepository(InMemoryAuditRepository[AuditEvent]):
    """Events that are not turns."""

    kind = "audit_events"
    domain = AuditEvent


class InMemoryAuditStore(AuditStore):
    """The audit store in memory."""

    def __init__(self, scope: InMemoryScope) -> None:
        self._scope = scope
        self._turns = InMemoryTurnRecordRepository(scope)
        self._events = InMemoryAuditEventRepository(scope)

    async def save_turn(self, turn: TurnRecord) -> TurnRecord:
        return await self._turns.add(turn)

    async def get_turn(self, turn_id: UUID) -> TurnRecord | None:
        return await self._turns.get(checked_uuid("turn_id", turn_id))

    async def list_turns_by_session(
        self, session_id: UUID, limit: int = 100, offset: int = 0
    ) -> list[TurnRecord]:
        checked_uuid("session_id", session_id)
        checked_limit(limit), checked_offset(offset)
        found = self._turns.those(self._scope.tables(), lambda turn: turn.session_id == session_id)
        found.sort(key=lambda turn: turn.turn_number)
        return [copied(turn) for turn in found[offset : offset + limit]]

    async def list_turns(
        self,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[TurnRecord]:
        start, end = checked_range(start_time, end_time)
        checked_limit(limit)
        mark = cursors.mark(_TURNS, start, end)
        place = None if cursor is None else tuple(cursors.place(cursor, mark, (datetime, UUID)))

        def asked(turn: TurnRecord) -> bool:
            key = created, _ = _time_and_id(turn)
            inside = (start is None or start <= created) and (end is None or created < end)
            return inside and (place is None or key < place)

        found = sorted(self._turns.those(self._scope.tables(), asked), key=_time_and_id, reverse=True)
        page = [copied(turn) for turn in found[:limit]]
        more = cursors.cursor(mark, _time_and_id(page[-1])) if len(found) > limit else None
        return Page(page, more)

    async def save_event(self, event: AuditEvent) -> AuditEvent:
        return await self._events.add(event)

    async def get_event(self, event_id: UUID) -> AuditEvent | None:
        return await self._events.get(checked_uuid("event_id", event_id))

    async def list_events_by_session(
        self, session_id: UUID, event_type: str | None = None, limit: int = 100
    ) -> list[AuditEvent]:
        checked_uuid("session_id", session_id)
        checked_limit(limit)
        if event_type is not None:
            checked_text("event_type", event_type)

        def asked(event: AuditEvent) -> bool:
            return event.session_id == session_id and event_type in (None, event.event_type)

        found = sorted(self._events.those(self._scope.tables(), asked), key=_time_and_id)
        return [copied(event) for event in found[:limit]]


def _time_and_id(record: TurnRecord | AuditEvent) -> tuple[datetime, UUID]:
    assert record.created_at is not None  # the store's
    return record.created_at, record.id
