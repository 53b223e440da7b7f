"""What an agent is told to do: its rules, scenarios, templates, variables, tools and migration plans."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from focal_data.domain.base import (
    Count,
    Entity,
    ExternalId,
    Integer,
    Json,
    JsonObject,
    MutableEntity,
    Name,
    NonEmptyText,
    SoftDeletableEntity,
    Text,
    UtcDatetime,
    ValueObject,
)
from focal_data.domain.embedding import Embedding
from focal_data.domain.profile import Channel
from focal_data.ids import new_id

Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""The number of one state of some content, from 1. Not a revision, which counts the writes."""


class Scope(StrEnum):
    """Where a rule or a template applies."""

    GLOBAL = "global"
    SCENARIO = "scenario"
    STEP = "step"


class TemplateMode(StrEnum):
    """How a template's text is used: offered to the model, sent as it is, or sent when nothing else fits."""

    SUGGEST = "suggest"
    EXCLUSIVE = "exclusive"
    FALLBACK = "fallback"


class VariableUpdatePolicy(StrEnum):
    """When a variable is resolved again, or how a new value meets the old one."""

    ON_EACH_TURN = "on_each_turn"
    ON_DEMAND = "on_demand"
    ON_SCENARIO_ENTRY = "on_scenario_entry"
    ON_SESSION_START = "on_session_start"
    REPLACE = "replace"
    APPEND = "append"
    MERGE = "merge"


class MigrationPlanStatus(StrEnum):
    """How far a migration plan has come."""

    DRAFT = "draft"
    APPROVED = "approved"
    DEPLOYED = "deployed"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"


class MigrationScenario(StrEnum):
    """What a session that stands at an anchor needs in order to go on in the new version."""

    CLEAN_GRAFT = "clean_graft"
    GAP_FILL = "gap_fill"
    RE_ROUTE = "re_route"


class AgentSettings(ValueObject):
    """How an agent calls its model."""

    llm_provider: Name | None = None
    llm_model: Name | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 0.7
    max_tokens: Annotated[int, Field(ge=1, le=2**31 - 1)] = 1024


class Agent(SoftDeletableEntity):
    """A conversational agent. Its name is unique in its tenant among those that are not deleted."""

    name: Name
    description: Text | None = None
    system_prompt: Text | None = None
    default_model: Name | None = None
    enabled: bool = True
    current_version: Version = 1
    settings: AgentSettings = Field(default_factory=AgentSettings)


def check_scope(scope: Scope, scope_id: UUID | None) -> None:
    """Refuse a global scope with an id, and any other scope without one."""
    if scope is Scope.GLOBAL and scope_id is not None:
        raise PydanticCustomError("scope_id", "scope_id must be left out when scope is global")
    if scope is not Scope.GLOBAL and scope_id is None:
        raise PydanticCustomError("scope_id", "scope_id is required unless scope is global")


class Rule(SoftDeletableEntity):
    """When a condition holds, an action is due."""

    agent_id: UUID
    name: Name
    description: Text | None = None
    condition_text: NonEmptyText
    action_text: NonEmptyText
    action_type: Name | None = None
    action_config: JsonObject = Field(default_factory=dict)
    scope: Scope = Scope.GLOBAL
    scope_id: UUID | None = None
    """The scenario or the step; ``None`` when the scope is global."""
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    """The greater one comes first."""
    enabled: bool = True
    max_fires_per_session: Count = 0
    """0 is unlimited."""
    cooldown_turns: Count = 0
    is_hard_constraint: bool = False
    attached_tool_ids: list[ExternalId] = Field(default_factory=list)
    attached_template_ids: list[UUID] = Field(default_factory=list)
    embedding: Embedding | None = None

    @model_validator(mode="after")
    def _check_scope(self) -> Self:
        check_scope(self.scope, self.scope_id)
        return self


class StepTransition(ValueObject):
    """A way from one step to another."""

    to_step_id: UUID
    condition_text: Text
    priority: Integer = 0
    condition_fields: list[Name] = Field(default_factory=list)


class ScenarioStep(ValueObject):
    """One step of a scenario."""

    id: UUID = Field(default_factory=new_id)
    name: Name
    description: Text | None = None
    transitions: list[StepTransition] = Field(default_factory=list)
    template_ids: list[UUID] = Field(default_factory=list)
    rule_ids: list[UUID] = Field(default_factory=list)
    tool_ids: list[ExternalId] = Field(default_factory=list)
    is_entry: bool = False
    is_terminal: bool = False
    can_skip: bool = False
    reachable_from_anywhere: bool = False
    collects_profile_fields: list[Name] = Field(default_factory=list)
    performs_action: bool = False
    is_required_action: bool = False
    is_checkpoint: bool = False
    checkpoint_description: Text | None = None


class Scenario(SoftDeletableEntity):
    """A conversation with a plan: steps, and the transitions between them."""

    agent_id: UUID
    name: Name
    description: Text | None = None
    version: Version = 1
    """The version of the content, which the caller counts; sessions and archives name it."""
    entry_step_id: UUID
    entry_condition_text: Text | None = None
    embedding: Embedding | None = None
    """Of the entry condition."""
    steps: list[ScenarioStep]
    content_hash: Name | None = None
    tags: list[Name] = Field(default_factory=list)
    enabled: bool = True

    @model_validator(mode="after")
    def _check_steps(self) -> Self:
        ids = {step.id for step in self.steps}
        if len(ids) != len(self.steps):
            raise PydanticCustomError("steps", "steps must have ids that differ")
        if self.entry_step_id not in ids:
            raise PydanticCustomError("entry_step_id", "entry_step_id must name one of the steps")
        if not all(transition.to_step_id in ids for step in self.steps for transition in step.transitions):
            raise PydanticCustomError(
                "to_step_id", "to_step_id of every transition must name one of the steps"
            )
        return self


class ScenarioArchive(Entity):
    """A version of a scenario as it once was. Written once; ``archived_at`` is the store's."""

    scenario_id: UUID
    version: Version
    scenario: Scenario
    archived_at: UtcDatetime | None = None

    @model_validator(mode="after")
    def _check_scenario(self) -> Self:
        if self.scenario_id != self.scenario.id:
            raise PydanticCustomError("scenario_id", "scenario_id must be that of the scenario")
        if self.version != self.scenario.version:
            raise PydanticCustomError("version", "version must be that of the scenario")
        return self


class Template(SoftDeletableEntity):
    """Text that an agent may or must say."""

    agent_id: UUID
    name: Name
    text: NonEmptyText
    mode: TemplateMode = TemplateMode.SUGGEST
    scope: Scope = Scope.GLOBAL
    scope_id: UUID | None = None
    """The scenario or the step; ``None`` when the scope is global."""
    conditions: Text | None = None

    @model_validator(mode="after")
    def _check_scope(self) -> Self:
        check_scope(self.scope, self.scope_id)
        return self


class Variable(SoftDeletableEntity):
    """A value that an agent can look up. Its name is unique in its agent among those that are not deleted."""

    agent_id: UUID
    name: Annotated[str, Field(max_length=50, pattern=r"\A[a-z_][a-z0-9_]*\z")]
    description: Text | None = None
    default_value: Json = None
    resolver_tool_id: ExternalId | None = None
    update_policy: VariableUpdatePolicy = VariableUpdatePolicy.ON_DEMAND
    cache_ttl_seconds: Count = 0
    """0 is not cached."""


class ToolActivation(MutableEntity):
    """Whether an agent may use a tool. One for each agent and tool."""

    agent_id: UUID
    tool_id: ExternalId
    enabled: bool = True
    policy_override: JsonObject | None = None
    enabled_at: UtcDatetime | None = None
    disabled_at: UtcDatetime | None = None


class NodeChanges(ValueObject):
    """The steps on one side of an anchor that differ between two versions."""

    inserted_node_ids: list[UUID] = Field(default_factory=list)
    removed_node_ids: list[UUID] = Field(default_factory=list)
    changed_node_ids: list[UUID] = Field(default_factory=list)


class AnchorTransformation(ValueObject):
    """What becomes of an anchor: a step that both versions of a scenario have."""

    anchor_content_hash: Name
    anchor_name: Name
    anchor_node_id_v1: UUID
    anchor_node_id_v2: UUID
    upstream_changes: NodeChanges = Field(default_factory=NodeChanges)
    downstream_changes: NodeChanges = Field(default_factory=NodeChanges)
    migration_scenario: MigrationScenario


class TransformationMap(ValueObject):
    """The difference between two versions of a scenario, seen from the steps they share."""

    anchors: list[AnchorTransformation] = Field(default_factory=list)
    deleted_nodes: list[UUID] = Field(default_factory=list)
    new_node_ids: list[UUID] = Field(default_factory=list)


class ScopeFilter(ValueObject):
    """Which live sessions a migration concerns. An empty list leaves its aspect open.

    ``custom_conditions`` are for whoever carries the migration out: no store reads them.
    """

    include_channels: list[Channel] = Field(default_factory=list)
    exclude_channels: list[Channel] = Field(default_factory=list)
    include_current_nodes: list[UUID] = Field(default_factory=list)
    exclude_current_nodes: list[UUID] = Field(default_factory=list)
    max_session_age_days: Count | None = None
    min_session_age_days: Count | None = None
    custom_conditions: list[NonEmptyText] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check_ages(self) -> Self:
        low, high = self.min_session_age_days, self.max_session_age_days
        if low is not None and high is not None and low > high:
            raise PydanticCustomError("age", "min_session_age_days must not exceed max_session_age_days")
        return self


class AnchorMigrationPolicy(ValueObject):
    """How the sessions at one anchor are moved."""

    anchor_content_hash: Name
    anchor_name: Name
    scope_filter: ScopeFilter = Field(default_factory=ScopeFilter)
    update_downstream: bool = True
    force_scenario: MigrationScenario | None = None


class MigrationSummary(ValueObject):
    """A migration plan in figures and words, for whoever approves it."""

    counts: dict[Name, Count] = Field(default_factory=dict)
    warnings: list[NonEmptyText] = Field(default_factory=list)
    fields_to_collect: list[Name] = Field(default_factory=list)


class MigrationPlan(MutableEntity):
    """How live sessions move from one version of a scenario to another. One for each pair of versions."""

    scenario_id: UUID
    from_version: Version
    to_version: Version
    scenario_checksum_v1: Name
    scenario_checksum_v2: Name
    transformation_map: TransformationMap = Field(default_factory=TransformationMap)
    anchor_policies: list[AnchorMigrationPolicy] = Field(default_factory=list)
    """At most one for each anchor."""
    scope_filter: ScopeFilter | None = None
    summary: MigrationSummary = Field(default_factory=MigrationSummary)
    status: MigrationPlanStatus = MigrationPlanStatus.DRAFT
    created_by: ExternalId | None = None
    approved_at: UtcDatetime | None = None
    approved_by: ExternalId | None = None
    deployed_at: UtcDatetime | None = None
    expires_at: UtcDatetime | None = None

    @model_validator(mode="after")
    def _check_plan(self) -> Self:
        if self.from_version == self.to_version:
            raise PydanticCustomError("to_version", "to_version must differ from from_version")
        if len({policy.anchor_content_hash for policy in self.anchor_policies}) != len(self.anchor_policies):
            raise PydanticCustomError("anchor_policies", "anchor_policies must name each anchor once")
        return self
