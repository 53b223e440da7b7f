"""What happened, for good: turns and events, which are inserted and never changed."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from focal_data.domain.base import (
    NO_NUL,
    Count,
    Entity,
    ExternalId,
    Json,
    JsonObject,
    Name,
    Text,
    UtcDatetime,
    ValueObject,
)

EventType = Annotated[str, Field(min_length=1, max_length=50), NO_NUL]


class ToolCall(ValueObject):
    """One call of a tool during a turn."""

    tool_id: ExternalId
    tool_name: Name
    input: Json = None
    output: Json = None
    success: bool
    error: Text | None = None
    latency_ms: Count


class TurnRecord(Entity):
    """One turn: what the customer said, and what the agent made of it. One for each session and turn number.

    Where ``erased_at`` is set, the personal text is gone: ``user_message`` and ``tool_calls`` are empty,
    ``agent_response``, ``scenario_state`` and ``context_extracted`` are ``None``; the rest stays.
    """

    session_id: UUID
    customer_profile_id: UUID | None = None
    agent_id: UUID
    turn_number: Count
    user_message: Text
    agent_response: Text | None = None
    matched_rule_ids: list[UUID] = Field(default_factory=list)
    scenario_id: UUID | None = None
    step_id: UUID | None = None
    scenario_state: JsonObject | None = None
    context_extracted: JsonObject | None = None
    tool_calls: list[ToolCall] = Field(default_factory=list)
    token_usage: JsonObject | None = None
    tokens_used: Count | None = None
    latency_ms: Count | None = None
    created_at: UtcDatetime | None = None
    """The store's time; ``None`` until stored."""
    erased_at: UtcDatetime | None = None
    """Set by the erasure of a person, and by nothing else."""


class AuditEvent(Entity):
    """Something worth keeping that is not a turn. Where ``erased_at`` is set, ``event_data`` is empty."""

    event_type: EventType
    event_data: JsonObject = Field(default_factory=dict)
    session_id: UUID | None = None
    customer_profile_id: UUID | None = None
    turn_id: UUID | None = None
    """The id of the turn record it belongs to."""
    created_at: UtcDatetime | None = None
    """The store's time; ``None`` until stored."""
    erased_at: UtcDatetime | None = None
    """Set by the erasure of a person, and by nothing else."""
