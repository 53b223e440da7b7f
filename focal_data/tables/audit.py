"""Turns and events. No row refers to another table, so that what happened stays, whatever becomes of whom it happened to."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary, Text
from sqlmodel import Field, SQLModel

from focal_data.domain.audit import ToolCall
from focal_data.tables.base import APPEND_ONLY, TenantScopedTable, TenantTable
from focal_data.tables.columns import (
    JsonDict,
    TypedJSON,
    at_least,
    check,
    given,
    index,
    index_present,
    unique,
    utc,
    uuids,
)

WHOLE_LINK = "num_nonnulls(chain_id, chain_sequence, previous_hash, text_digest, hash, hash_key_id) IN (0, 6)"


class ChainedMixin(SQLModel):
    """The place of a row in its chain; all null in one that was stored without keys. ``salt`` goes when the text is erased."""

    chain_id: UUID | None = None
    chain_sequence: int | None = Field(default=None, sa_type=BigInteger)
    previous_hash: bytes | None = Field(default=None, sa_type=LargeBinary)
    text_digest: bytes | None = Field(default=None, sa_type=LargeBinary)
    hash: bytes | None = Field(default=None, sa_type=LargeBinary)
    hash_key_id: str | None = Field(default=None, max_length=64)
    salt: bytes | None = Field(default=None, sa_type=LargeBinary)


class TurnRecordTable(ChainedMixin, TenantTable, table=True):
    """Turns; one for each session and number."""

    __tablename__ = "turn_records"
    __table_args__ = (
        unique("session_id", "turn_number"),
        index("created_at", "id"),
        index_present("customer_profile_id"),
        check(WHOLE_LINK, "whole_link"),
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


class AuditEventTable(ChainedMixin, TenantTable, table=True):
    """Events that are not turns."""

    __tablename__ = "audit_events"
    __table_args__ = (
        index("created_at", "id"),
        index_present("session_id", "created_at", "id"),
        index_present("customer_profile_id"),
        check(WHOLE_LINK, "whole_link"),
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


class AuditHeadTable(TenantScopedTable, table=True):
    """Where each chain ends. A head moves with the row that it names, in one statement; none is ever removed."""

    __tablename__ = "audit_heads"
    __table_args__ = ({"info": {"grants": ("SELECT", "INSERT", "UPDATE")}},)

    chain_id: UUID = Field(primary_key=True)
    sequence: int = Field(sa_type=BigInteger)
    hash: bytes = Field(sa_type=LargeBinary)
