"""What happened, in PostgreSQL. The application role may add rows here and read them, nothing else."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam

from focal_data.database.scope import HasScope, Scope
from focal_data.database.statement import Statement
from focal_data.domain.answers import Page
from focal_data.domain.audit import AuditEvent, TurnRecord
from focal_data.domain.chain import EVENT, TURN, ChainHead
from focal_data.domain.checking import checked_uuid
from focal_data.repositories import paging
from focal_data.repositories.chain import ChainedRepository
from focal_data.repositories.filtering import chosen
from focal_data.stores.audit import AuditStore, checked_range
from focal_data.stores.base import checked_limit, checked_offset
from focal_data.tables.audit import AuditEventTable, TurnRecordTable


class TurnRecordRepository(ChainedRepository[TurnRecordTable, TurnRecord]):
    """Turns."""

    kind = TURN

    async def of_session(self, session_id: UUID, *, limit: int, offset: int) -> list[TurnRecord]:
        """The session's turns, by their number upwards."""
        values = {"limit": checked_limit(limit), "offset": checked_offset(offset), "session_id": session_id}
        return await self.all(self._of_session(), values)

    async def newest(
        self, start: datetime | None, end: datetime | None, *, limit: int, cursor: str | None
    ) -> Page[TurnRecord]:
        """One page of those created from ``start`` until before ``end``, newest first, then by id."""
        key, asked = (self.c.created_at, self.c.id), checked_range(start, end)
        values = _given(*asked) | (paging.place(cursor, key, *asked) if cursor is not None else {})
        statement = self._newest(frozenset(values))
        turns = await self.all(statement, {**values, "limit": checked_limit(limit) + 1}, custom_plan=True)
        return paging.page(turns, limit, key, *asked)

    def _first(self, entity: TurnRecord) -> ChainHead | None:
        return ChainHead() if entity.turn_number <= 1 else None

    @classmethod
    @cache
    def _of_session(cls) -> Statement:
        rows = cls.rows(cls.c.session_id == bindparam("session_id")).order_by(cls.c.turn_number)
        return Statement(rows.limit(bindparam("limit")).offset(bindparam("offset")))

    @classmethod
    @cache
    def _newest(cls, names: Collection[str]) -> Statement:
        key = (cls.c.created_at, cls.c.id)
        conditions: dict[str, ColumnElement[bool]] = {
            "start_time": cls.c.created_at >= bindparam("start_time"),
            "end_time": cls.c.created_at < bindparam("end_time"),
            "after_0": paging.after(key, descending=True),
        }
        rows = cls.rows(*chosen(conditions, names)).order_by(*(column.desc() for column in key))
        return Statement(rows.limit(bindparam("limit")))


class AuditEventRepository(ChainedRepository[AuditEventTable, AuditEvent]):
    """Events that are not turns."""

    kind = EVENT

    async def of_session(self, session_id: UUID, event_type: str | None, *, limit: int) -> list[AuditEvent]:
        """The session's events, of one type or of all, oldest first, then by id."""
        values: dict[str, Any] = {"limit": checked_limit(limit), "session_id": session_id}
        typed = {} if event_type is None else {"event_type": event_type}
        return await self.all(self._of_session(event_type is not None), values | typed)

    @classmethod
    @cache
    def _of_session(cls, typed: bool) -> Statement:
        conditions = [cls.c.session_id == bindparam("session_id")]
        conditions += [cls.c.event_type == bindparam("event_type")] if typed else []
        return Statement(cls.rows(*conditions).order_by(cls.c.created_at, cls.c.id).limit(bindparam("limit")))


class PostgresAuditStore(AuditStore):
    """The audit store in PostgreSQL."""

    def __init__(self, source: HasScope | Scope) -> None:
        self._turns = TurnRecordRepository(source)
        self._events = AuditEventRepository(source)

    async def save_turn(self, turn: TurnRecord) -> TurnRecord:
        return await self._turns.add(turn)

    async def get_turn(self, turn_id: UUID) -> TurnRecord | None:
        return await self._turns.get(checked_uuid("turn_id", turn_id))

    async def list_turns_by_session(
        self, session_id: UUID, limit: int = 100, offset: int = 0
    ) -> list[TurnRecord]:
        checked_uuid("session_id", session_id)
        return await self._turns.of_session(session_id, limit=limit, offset=offset)

    async def list_turns(
        self,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[TurnRecord]:
        return await self._turns.newest(start_time, end_time, limit=limit, cursor=cursor)

    async def save_event(self, event: AuditEvent) -> AuditEvent:
        return await self._events.add(event)

    async def get_event(self, event_id: UUID) -> AuditEvent | None:
        return await self._events.get(checked_uuid("event_id", event_id))

    async def list_events_by_session(
        self, session_id: UUID, event_type: str | None = None, limit: int = 100
    ) -> list[AuditEvent]:
        checked_uuid("session_id", session_id)
        return await self._events.of_session(session_id, event_type, limit=limit)


def _given(start: datetime | None, end: datetime | None) -> dict[str, Any]:
    """What is given of ``start`` and ``end``."""
    given = {"start_time": start, "end_time": end}
    return {name: time for name, time in given.items() if time is not None}
