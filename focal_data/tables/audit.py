"""Turns and events. No row refers to another table, so that what happened stays, whatever becomes of whom it happened to."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Text
from sqlmodel import Field

from focal_data.domain.audit import ToolCall
from focal_data.tables.base import APPEND_ONLY, TenantTable
from focal_data.tables.columns import (
    JsonDict,
    TypedJSON,
    at_least,
    given,
    index,
    index_present,
    unique,
    utc,
    uuids,
)


class TurnRecordTable(TenantTable, table=True):
    """Turns; one for each session and number."""

    __tablename__ = "turn_records"
    __table_args__ = (
        unique("session_id", "turn_number"),
        index("created_at", "id"),
        index_present("customer_profile_id"),
        *at_least(0, "turn_number", "tokens_used", "latency_ms"),
        APPEND_ONLY,
    )

    session_id: UUID
    customer_profile_id: UUID | None = None
    agent_id: UUID
    turn_number: int
    user_message: str = Field(sa_type=Text)
    agent_response: str | None = Field(default=None, sa_type=Text)
    matched_rule_ids: list[UUID] = Field(sa_type=uuids())
    scenario_id: UUID | None = None
    step_id: UUID | None = None
    scenario_state: JsonDict | None = Field(default=None, sa_type=TypedJSON(JsonDict))
    context_extracted: JsonDict | None = Field(default=None, sa_type=TypedJSON(JsonDict))
    tool_calls: list[ToolCall] = Field(sa_type=TypedJSON(list[ToolCall]))
    token_usage: JsonDict | None = Field(default=None, sa_type=TypedJSON(JsonDict))
    tokens_used: int | None = None
    latency_ms: int | None = None
    created_at: datetime = Field(sa_type=utc())
    erased_at: datetime | None = Field(default=None, sa_type=utc())


class AuditEventTable(TenantTable, table=True):
    """Events that are not turns."""

    __tablename__ = "audit_events"
    __table_args__ = (
        index("created_at", "id"),
        index_present("session_id", "created_at", "id"),
        index_present("customer_profile_id"),
        *given("event_type"),
        APPEND_ONLY,
    )

    event_type: str = Field(max_length=50)
    event_data: JsonDict = Field(sa_type=TypedJSON(JsonDict))
    session_id: UUID | None = None
    customer_profile_id: UUID | None = None
    turn_id: UUID | None = None
    created_at: datetime = Field(sa_type=utc())
    erased_at: datetime | None = Field(default=None, sa_type=utc())
