"""Agents, and what they are told to do: one table per kind."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import Text
from sqlmodel import Field

from focal_data.domain.config import (
    AgentSettings,
    AnchorMigrationPolicy,
    MigrationPlanStatus,
    MigrationSummary,
    Scenario,
    ScenarioStep,
    Scope,
    ScopeFilter,
    TemplateMode,
    TransformationMap,
    VariableUpdatePolicy,
)
from focal_data.tables.base import APPEND_ONLY, EmbeddingMixin, MutableTable, SoftDeletableTable, TenantTable
from focal_data.tables.columns import (
    JsonDict,
    TypedJSON,
    at_least,
    check,
    given,
    index,
    refers_to,
    string_enum,
    texts,
    unique,
    unique_among,
    utc,
    uuids,
    whole_embedding,
)

_ALIVE = "deleted_at IS NULL"
_SCOPED = "(scope = 'global') = (scope_id IS NULL)"


class AgentTable(SoftDeletableTable, table=True):
    """Agents; a name is taken until its agent is deleted."""

    __tablename__ = "agents"
    __table_args__ = (
        unique_among(_ALIVE, "name", name="uq_agents_name"),
        *given("name", "default_model"),
        *at_least(1, "current_version"),
    )

    name: str = Field(max_length=255)
    description: str | None = Field(default=None, sa_type=Text)
    system_prompt: str | None = Field(default=None, sa_type=Text)
    default_model: str | None = Field(default=None, max_length=255)
    enabled: bool
    current_version: int
    settings: AgentSettings = Field(sa_type=TypedJSON(AgentSettings))


class RuleTable(EmbeddingMixin, SoftDeletableTable, table=True):
    """Rules. What they attach and where they apply is not enforced: they outlive tools, templates, scenarios and steps."""

    __tablename__ = "rules"
    __table_args__ = (
        refers_to("agents", "agent_id"),
        index("agent_id"),
        check(_SCOPED, "scope_id_pairing"),
        check("priority BETWEEN -100 AND 100", "priority_range"),
        *given("name", "condition_text", "action_text", "action_type"),
        *at_least(0, "max_fires_per_session", "cooldown_turns"),
        whole_embedding(),
    )

    agent_id: UUID
    name: str = Field(max_length=255)
    description: str | None = Field(default=None, sa_type=Text)
    condition_text: str = Field(sa_type=Text)
    action_text: str = Field(sa_type=Text)
    action_type: str | None = Field(default=None, max_length=255)
    action_config: JsonDict = Field(sa_type=TypedJSON(JsonDict))
    scope: Scope = Field(sa_type=string_enum(Scope, "scope"))
    scope_id: UUID | None = None
    priority: int
    enabled: bool
    max_fires_per_session: int
    cooldown_turns: int
    is_hard_constraint: bool
    attached_tool_ids: list[str] = Field(sa_type=texts())
    attached_template_ids: list[UUID] = Field(sa_type=uuids())


class ScenarioTable(EmbeddingMixin, SoftDeletableTable, table=True):
    """Scenarios, their steps in one document; the embedding is the entry condition's."""

    __tablename__ = "scenarios"
    __table_args__ = (
        refers_to("agents", "agent_id"),
        index("agent_id"),
        *given("name", "content_hash"),
        *at_least(1, "version"),
        whole_embedding(),
    )

    agent_id: UUID
    name: str = Field(max_length=255)
    description: str | None = Field(default=None, sa_type=Text)
    version: int
    entry_step_id: UUID
    entry_condition_text: str | None = Field(default=None, sa_type=Text)
    steps: list[ScenarioStep] = Field(sa_type=TypedJSON(list[ScenarioStep]))
    content_hash: str | None = Field(default=None, max_length=255)
    tags: list[str] = Field(sa_type=texts())
    enabled: bool


class ScenarioArchiveTable(TenantTable, table=True):
    """Versions of scenarios as they once were: written once, and kept whatever becomes of the scenario."""

    __tablename__ = "scenario_archives"
    __table_args__ = (unique("scenario_id", "version"), *at_least(1, "version"), APPEND_ONLY)

    scenario_id: UUID
    version: int
    scenario: Scenario = Field(sa_type=TypedJSON(Scenario))
    archived_at: datetime = Field(sa_type=utc())


class TemplateTable(SoftDeletableTable, table=True):
    """Templates."""

    __tablename__ = "templates"
    __table_args__ = (
        refers_to("agents", "agent_id"),
        index("agent_id"),
        check(_SCOPED, "scope_id_pairing"),
        *given("name", "text"),
    )

    agent_id: UUID
    name: str = Field(max_length=255)
    text: str = Field(sa_type=Text)
    mode: TemplateMode = Field(sa_type=string_enum(TemplateMode, "mode"))
    scope: Scope = Field(sa_type=string_enum(Scope, "scope"))
    scope_id: UUID | None = None
    conditions: str | None = Field(default=None, sa_type=Text)


class VariableTable(SoftDeletableTable, table=True):
    """Variables; a name is taken, in its agent, until its variable is deleted."""

    __tablename__ = "variables"
    __table_args__ = (
        refers_to("agents", "agent_id"),
        index("agent_id"),
        unique_among(_ALIVE, "agent_id", "name", name="uq_variables_agent_id_name"),
        check("name ~ '^[a-z_][a-z0-9_]*$'", "name_pattern"),
        *given("resolver_tool_id"),
        *at_least(0, "cache_ttl_seconds"),
    )

    agent_id: UUID
    name: str = Field(max_length=50)
    description: str | None = Field(default=None, sa_type=Text)
    default_value: Any = Field(default=None, sa_type=TypedJSON(JsonValue), nullable=True)
    resolver_tool_id: str | None = Field(default=None, max_length=255)
    update_policy: VariableUpdatePolicy = Field(sa_type=string_enum(VariableUpdatePolicy, "update_policy"))
    cache_ttl_seconds: int


class ToolActivationTable(MutableTable, table=True):
    """Whether an agent may use a tool."""

    __tablename__ = "tool_activations"
    __table_args__ = (
        refers_to("agents", "agent_id"),
        unique("agent_id", "tool_id"),
        *given("tool_id"),
    )

    agent_id: UUID
    tool_id: str = Field(max_length=255)
    enabled: bool
    policy_override: JsonDict | None = Field(default=None, sa_type=TypedJSON(JsonDict))
    enabled_at: datetime | None = Field(default=None, sa_type=utc())
    disabled_at: datetime | None = Field(default=None, sa_type=utc())


class MigrationPlanTable(MutableTable, table=True):
    """How live sessions move from one version of a scenario to another; kept whatever becomes of the scenario."""

    __tablename__ = "migration_plans"
    __table_args__ = (
        unique("scenario_id", "from_version", "to_version"),
        check("from_version <> to_version", "versions_differ"),
        *given("scenario_checksum_v1", "scenario_checksum_v2", "created_by", "approved_by"),
        *at_least(1, "from_version", "to_version"),
    )

    scenario_id: UUID
    from_version: int
    to_version: int
    scenario_checksum_v1: str = Field(max_length=255)
    scenario_checksum_v2: str = Field(max_length=255)
    transformation_map: TransformationMap = Field(sa_type=TypedJSON(TransformationMap))
    anchor_policies: list[AnchorMigrationPolicy] = Field(sa_type=TypedJSON(list[AnchorMigrationPolicy]))
    scope_filter: ScopeFilter | None = Field(default=None, sa_type=TypedJSON(ScopeFilter))
    summary: MigrationSummary = Field(sa_type=TypedJSON(MigrationSummary))
    status: MigrationPlanStatus = Field(sa_type=string_enum(MigrationPlanStatus, "status"))
    created_by: str | None = Field(default=None, max_length=255)
    approved_at: datetime | None = Field(default=None, sa_type=utc())
    approved_by: str | None = Field(default=None, max_length=255)
    deployed_at: datetime | None = Field(default=None, sa_type=utc())
    expires_at: datetime | None = Field(default=None, sa_type=utc())
