"""What the store of an agent's configuration promises; ``stores/base.py`` says what holds for every call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from uuid import UUID

from focal_data.domain.answers import Scored
from focal_data.domain.config import (
    Agent,
    MigrationPlan,
    MigrationPlanStatus,
    Rule,
    Scenario,
    ScenarioArchive,
    Scope,
    Template,
    ToolActivation,
    Variable,
)
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import RuleFilter, ScenarioFilter


class ConfigStore(ABC):
    """Agents and what they are told to do.

    Lists are in the order of their ids, which is that of their making, where nothing else is said. To delete and
    to restore are writes: they count up the revision. What names an agent is written only while that agent is alive:
    otherwise it is ``NotFoundError("Agent")``. Scenarios, steps, templates and tools that something names need not exist.
    """

    @abstractmethod
    async def get_agent(self, agent_id: UUID, *, include_deleted: bool = False) -> Agent | None:
        """The agent, or ``None``."""

    @abstractmethod
    async def get_agents(
        self,
        enabled_only: bool = False,
        limit: int = 20,
        offset: int = 0,
        *,
        include_deleted: bool = False,
    ) -> tuple[list[Agent], int]:
        """One page of the agents, and how many there are in all."""

    @abstractmethod
    async def save_agent(self, agent: Agent) -> Agent:
        """Insert or update it. ``DuplicateError`` when another agent has its name."""

    @abstractmethod
    async def delete_agent(self, agent_id: UUID) -> bool:
        """Delete it softly, and with it its rules, scenarios, templates and variables, all at one time.

        That time is later than the deletion of every part that had gone before. Its tools stay as they are.
        """

    @abstractmethod
    async def restore_agent(self, agent_id: UUID) -> Agent:
        """Undo its deletion, and that of what was deleted with it. One that is not deleted is returned as it is.

        ``NotFoundError`` when it was never stored; ``DuplicateError`` when its name has been taken.
        """

    @abstractmethod
    async def get_rule(self, rule_id: UUID, *, include_deleted: bool = False) -> Rule | None:
        """The rule, or ``None``."""

    @abstractmethod
    async def get_rules(
        self,
        agent_id: UUID,
        scope: Scope | None = None,
        scope_id: UUID | None = None,
        enabled_only: bool = True,
        *,
        include_deleted: bool = False,
    ) -> list[Rule]:
        """The agent's rules, the greatest priority first, then by id; all of them, or those of one scope.

        A scope without an id takes every rule of that scope, and an id without a scope what has that id.
        """

    @abstractmethod
    async def save_rule(self, rule: Rule) -> Rule:
        """Insert or update it."""

    @abstractmethod
    async def delete_rule(self, rule_id: UUID) -> bool:
        """Delete it softly."""

    @abstractmethod
    async def restore_rule(self, rule_id: UUID) -> Rule:
        """Undo its deletion. ``NotFoundError`` when it was never stored; ``ConflictError`` while its agent is deleted."""

    @abstractmethod
    async def vector_search_rules(
        self,
        agent_id: UUID,
        query: Embedding,
        *,
        filters: RuleFilter | None = None,
        limit: int = 10,
        min_score: float | None = None,
    ) -> list[Scored[Rule]]:
        """The agent's rules nearest to ``query`` by cosine similarity, nearest first, then by id.

        Without ``filters`` they are those of ``RuleFilter()``: the enabled ones. Rules without an embedding, or with
        one of another model, are never found. With ``min_score``, only those with at least that similarity.
        """

    @abstractmethod
    async def get_scenario(self, scenario_id: UUID, *, include_deleted: bool = False) -> Scenario | None:
        """The scenario, or ``None``."""

    @abstractmethod
    async def get_scenarios(
        self, agent_id: UUID, enabled_only: bool = True, *, include_deleted: bool = False
    ) -> list[Scenario]:
        """The agent's scenarios."""

    @abstractmethod
    async def save_scenario(self, scenario: Scenario) -> Scenario:
        """Insert or update it. Its ``version`` is the caller's to count, and its older versions to archive."""

    @abstractmethod
    async def delete_scenario(self, scenario_id: UUID) -> bool:
        """Delete it softly. Live sessions that are in it stay as they are."""

    @abstractmethod
    async def restore_scenario(self, scenario_id: UUID) -> Scenario:
        """Undo its deletion. ``NotFoundError`` when it was never stored; ``ConflictError`` while its agent is deleted."""

    @abstractmethod
    async def vector_search_scenarios(
        self,
        agent_id: UUID,
        query: Embedding,
        *,
        filters: ScenarioFilter | None = None,
        limit: int = 10,
        min_score: float | None = None,
    ) -> list[Scored[Scenario]]:
        """The agent's scenarios whose entry condition is nearest to ``query``; as in ``vector_search_rules``."""

    @abstractmethod
    async def archive_scenario_version(self, scenario: Scenario) -> ScenarioArchive:
        """Keep this version of the scenario for good, as it is. ``DuplicateError`` when the version is kept already.

        Neither the scenario nor its agent need be stored.
        """

    @abstractmethod
    async def get_archived_scenario(self, scenario_id: UUID, version: int) -> Scenario | None:
        """The scenario as it was archived under that version, or ``None``."""

    @abstractmethod
    async def get_template(self, template_id: UUID, *, include_deleted: bool = False) -> Template | None:
        """The template, or ``None``."""

    @abstractmethod
    async def get_templates(
        self,
        agent_id: UUID,
        scope: Scope | None = None,
        scope_id: UUID | None = None,
        *,
        include_deleted: bool = False,
    ) -> list[Template]:
        """The agent's templates; all of them, or those of one scope as in ``get_rules``."""

    @abstractmethod
    async def save_template(self, template: Template) -> Template:
        """Insert or update it."""

    @abstractmethod
    async def delete_template(self, template_id: UUID) -> bool:
        """Delete it softly."""

    @abstractmethod
    async def restore_template(self, template_id: UUID) -> Template:
        """Undo its deletion. ``NotFoundError`` when it was never stored; ``ConflictError`` while its agent is deleted."""

    @abstractmethod
    async def get_variable(self, variable_id: UUID, *, include_deleted: bool = False) -> Variable | None:
        """The variable, or ``None``."""

    @abstractmethod
    async def get_variable_by_name(
        self, agent_id: UUID, name: str, *, include_deleted: bool = False
    ) -> Variable | None:
        """The agent's variable of that name, or ``None``. Of deleted ones, the last that was deleted."""

    @abstractmethod
    async def get_variables(self, agent_id: UUID, *, include_deleted: bool = False) -> list[Variable]:
        """The agent's variables."""

    @abstractmethod
    async def save_variable(self, variable: Variable) -> Variable:
        """Insert or update it. ``DuplicateError`` when another variable of the agent has its name."""

    @abstractmethod
    async def delete_variable(self, variable_id: UUID) -> bool:
        """Delete it softly."""

    @abstractmethod
    async def restore_variable(self, variable_id: UUID) -> Variable:
        """Undo its deletion. As ``restore_rule``; ``DuplicateError`` when its name has been taken."""

    @abstractmethod
    async def get_tool_activation(self, agent_id: UUID, tool_id: str) -> ToolActivation | None:
        """Whether the agent may use the tool, or ``None`` when nothing was said about it."""

    @abstractmethod
    async def get_tool_activations(self, agent_id: UUID, enabled_only: bool = True) -> list[ToolActivation]:
        """The agent's tools."""

    @abstractmethod
    async def save_tool_activation(self, activation: ToolActivation) -> ToolActivation:
        """Insert or update it. ``DuplicateError`` when the agent has another one for the tool."""

    @abstractmethod
    async def delete_tool_activation(self, agent_id: UUID, tool_id: str) -> bool:
        """Delete it for good."""

    @abstractmethod
    async def get_migration_plan(self, plan_id: UUID) -> MigrationPlan | None:
        """The migration plan, or ``None``."""

    @abstractmethod
    async def get_migration_plan_for_versions(
        self, scenario_id: UUID, from_version: int, to_version: int
    ) -> MigrationPlan | None:
        """The plan that leads from one version of the scenario to the other, or ``None``."""

    @abstractmethod
    async def list_migration_plans(
        self,
        scenario_id: UUID | None = None,
        status: MigrationPlanStatus | None = None,
        limit: int = 50,
    ) -> list[MigrationPlan]:
        """The newest migration plans, newest first (by id), of one scenario or of all, in one status or in any."""

    @abstractmethod
    async def save_migration_plan(self, plan: MigrationPlan) -> MigrationPlan:
        """Insert or update it. ``DuplicateError`` when the scenario has another plan for these versions."""

    @abstractmethod
    async def delete_migration_plan(self, plan_id: UUID) -> bool:
        """Delete it for good."""
