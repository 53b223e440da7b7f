"""The live conversation: where it stands, what it has seen, and what it remembers until it ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from focal_data.domain.base import (
    Count,
    ExternalId,
    Fraction,
    JsonObject,
    Name,
    PlainValue,
    Text,
    UtcDatetime,
    ValueObject,
)
from focal_data.domain.config import ScopeFilter, Version
from focal_data.domain.profile import Channel
from focal_data.ids import NO_TENANT, TenantId, new_id


class SessionStatus(StrEnum):
    """What a session is doing. A closed one is no longer found by its channel."""

    ACTIVE = "active"
    IDLE = "idle"
    PROCESSING = "processing"
    INTERRUPTED = "interrupted"
    CLOSED = "closed"


class StepVisit(PlainValue):
    """One visit to a step of a scenario. ``step_content_hash`` tells which content the step had then."""

    step_id: UUID
    step_name: Name | None = None
    entered_at: UtcDatetime
    turn_number: Count
    transition_reason: Text | None = None
    confidence: Fraction = 1.0
    is_checkpoint: bool = False
    checkpoint_description: Text | None = None
    step_content_hash: Name | None = None


class PendingMigration(PlainValue):
    """The migration plan that moves the session to another version of its scenario at its next turn."""

    target_version: Version
    anchor_content_hash: Name
    migration_plan_id: UUID
    marked_at: UtcDatetime


class Session(ValueObject):
    """A conversation on one channel. Its ids of scenarios and steps may name what no longer exists.

    ``revision`` 0 means not stored yet; until then ``created_at`` and ``last_activity_at``, which are the
    store's, are ``None``.
    """

    session_id: UUID = Field(default_factory=new_id)
    tenant_id: TenantId = NO_TENANT
    agent_id: UUID
    channel: Channel
    channel_user_id: ExternalId
    customer_profile_id: UUID | None = None
    config_version: Version = 1
    active_scenario_id: UUID | None = None
    active_step_id: UUID | None = None
    active_scenario_version: Version | None = None
    step_history: list[StepVisit] = Field(default_factory=list)
    """Oldest first."""
    relocalization_count: Count = 0
    rule_fires: dict[UUID, Count] = Field(default_factory=dict)
    """How often each rule fired."""
    rule_last_fire_turn: dict[UUID, Count] = Field(default_factory=dict)
    variables: JsonObject = Field(default_factory=dict)
    variable_updated_at: dict[Text, UtcDatetime] = Field(default_factory=dict)
    turn_count: Count = 0
    status: SessionStatus = SessionStatus.ACTIVE
    pending_migration: PendingMigration | None = None
    scenario_checksum: Name | None = None
    created_at: UtcDatetime | None = None
    last_activity_at: UtcDatetime | None = None
    revision: Count = 0

    @property
    def step_content_hash(self) -> str | None:
        """The content hash of the step where it stands, that of its last visit; ``None`` before the first."""
        return self.step_history[-1].step_content_hash if self.step_history else None


def step_of(session: Session) -> tuple[UUID, int, str] | None:
    """Scenario, its version, and the content of the step where the session stands, if all are known."""
    scenario, version = session.active_scenario_id, session.active_scenario_version
    content = session.step_content_hash
    return None if scenario is None or version is None or content is None else (scenario, version, content)


def in_scope(session: Session, scope: ScopeFilter, now: datetime) -> bool:
    """Whether a migration with this scope concerns the session. Its age is counted from its creation."""
    channels, step = scope.include_channels, session.active_step_id
    if (channels and session.channel not in channels) or session.channel in scope.exclude_channels:
        return False
    nodes = scope.include_current_nodes
    if (nodes and step not in nodes) or step in scope.exclude_current_nodes:
        return False
    age = now - (session.created_at or now)
    low, high = scope.min_session_age_days, scope.max_session_age_days
    return (low is None or age >= timedelta(days=low)) and (high is None or age <= timedelta(days=high))
