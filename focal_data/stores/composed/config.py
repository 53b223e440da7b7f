"""The config store composed of one repository per kind: the same arguments are refused whatever keeps the data."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from focal_data.domain.answers import Scored
from focal_data.domain.checking import checked_filters, checked_member, checked_text, checked_uuid
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
from focal_data.stores.base import checked_flag, checked_integer
from focal_data.stores.composed.config_repositories import (
    Agents,
    Archives,
    Plans,
    Rules,
    Scenarios,
    Templates,
    Tools,
    Variables,
)
from focal_data.stores.config import ConfigStore


class ComposedConfigStore(ConfigStore):
    """A config store over repositories; a subclass makes them."""

    _agents: Agents
    _rules: Rules
    _scenarios: Scenarios
    _archives: Archives
    _templates: Templates
    _variables: Variables
    _tools: Tools
    _plans: Plans

    async def get_agent(self, agent_id: UUID, *, include_deleted: bool = False) -> Agent | None:
        return await self._agents.get(
            checked_uuid("agent_id", agent_id),
            include_deleted=checked_flag("include_deleted", include_deleted),
        )

    async def get_agents(
        self,
        enabled_only: bool = False,
        limit: int = 20,
        offset: int = 0,
        *,
        include_deleted: bool = False,
    ) -> tuple[list[Agent], int]:
        return await self._agents.page(
            enabled_only=checked_flag("enabled_only", enabled_only),
            limit=limit,
            offset=offset,
            include_deleted=checked_flag("include_deleted", include_deleted),
        )

    async def save_agent(self, agent: Agent) -> Agent:
        return await self._agents.save(agent)

    async def delete_agent(self, agent_id: UUID) -> bool:
        return await self._agents.delete(checked_uuid("agent_id", agent_id))

    async def restore_agent(self, agent_id: UUID) -> Agent:
        return await self._agents.restored(checked_uuid("agent_id", agent_id))

    async def get_rule(self, rule_id: UUID, *, include_deleted: bool = False) -> Rule | None:
        return await self._rules.get(
            checked_uuid("rule_id", rule_id), include_deleted=checked_flag("include_deleted", include_deleted)
        )

    async def get_rules(
        self,
        agent_id: UUID,
        scope: Scope | None = None,
        scope_id: UUID | None = None,
        enabled_only: bool = True,
        *,
        include_deleted: bool = False,
    ) -> list[Rule]:
        where = _of_scope(agent_id, scope, scope_id)
        return await self._rules.of_agent(
            where,
            enabled_only=checked_flag("enabled_only", enabled_only),
            include_deleted=checked_flag("include_deleted", include_deleted),
        )

    async def save_rule(self, rule: Rule) -> Rule:
        return await self._rules.save(rule)

    async def delete_rule(self, rule_id: UUID) -> bool:
        return await self._rules.delete(checked_uuid("rule_id", rule_id))

    async def restore_rule(self, rule_id: UUID) -> Rule:
        return await self._rules.restored(checked_uuid("rule_id", rule_id))

    async def vector_search_rules(
        self,
        agent_id: UUID,
        query: Embedding,
        *,
        filters: RuleFilter | None = None,
        limit: int = 10,
        min_score: float | None = None,
    ) -> list[Scored[Rule]]:
        return await self._rules.nearest(
            checked_uuid("agent_id", agent_id),
            query,
            checked_filters(filters, RuleFilter),
            limit=limit,
            min_score=min_score,
        )

    async def get_scenario(self, scenario_id: UUID, *, include_deleted: bool = False) -> Scenario | None:
        return await self._scenarios.get(
            checked_uuid("scenario_id", scenario_id),
            include_deleted=checked_flag("include_deleted", include_deleted),
        )

    async def get_scenarios(
        self, agent_id: UUID, enabled_only: bool = True, *, include_deleted: bool = False
    ) -> list[Scenario]:
        return await self._scenarios.of_agent(
            checked_uuid("agent_id", agent_id),
            enabled_only=checked_flag("enabled_only", enabled_only),
            include_deleted=checked_flag("include_deleted", include_deleted),
        )

    async def save_scenario(self, scenario: Scenario) -> Scenario:
        return await self._scenarios.save(scenario)

    async def delete_scenario(self, scenario_id: UUID) -> bool:
        return await self._scenarios.delete(checked_uuid("scenario_id", scenario_id))

    async def restore_scenario(self, scenario_id: UUID) -> Scenario:
        return await self._scenarios.restored(checked_uuid("scenario_id", scenario_id))

    async def vector_search_scenarios(
        self,
        agent_id: UUID,
        query: Embedding,
        *,
        filters: ScenarioFilter | None = None,
        limit: int = 10,
        min_score: float | None = None,
    ) -> list[Scored[Scenario]]:
        return await self._scenarios.nearest(
            checked_uuid("agent_id", agent_id),
            query,
            checked_filters(filters, ScenarioFilter),
            limit=limit,
            min_score=min_score,
        )

    async def archive_scenario_version(self, scenario: Scenario) -> ScenarioArchive:
        return await self._archives.of(scenario)

    async def get_archived_scenario(self, scenario_id: UUID, version: int) -> Scenario | None:
        archive = await self._archives.of_version(
            checked_uuid("scenario_id", scenario_id), checked_integer("version", version)
        )
        return None if archive is None else archive.scenario

    async def get_template(self, template_id: UUID, *, include_deleted: bool = False) -> Template | None:
        return await self._templates.get(
            checked_uuid("template_id", template_id),
            include_deleted=checked_flag("include_deleted", include_deleted),
        )

    async def get_templates(
        self,
        agent_id: UUID,
        scope: Scope | None = None,
        scope_id: UUID | None = None,
        *,
        include_deleted: bool = False,
    ) -> list[Template]:
        where = _of_scope(agent_id, scope, scope_id)
        return await self._templates.of_agent(
            where, include_deleted=checked_flag("include_deleted", include_deleted)
        )

    async def save_template(self, template: Template) -> Template:
        return await self._templates.save(template)

    async def delete_template(self, template_id: UUID) -> bool:
        return await self._templates.delete(checked_uuid("template_id", template_id))

    async def restore_template(self, template_id: UUID) -> Template:
        return await self._templates.restored(checked_uuid("template_id", template_id))

    async def get_variable(self, variable_id: UUID, *, include_deleted: bool = False) -> Variable | None:
        return await self._variables.get(
            checked_uuid("variable_id", variable_id),
            include_deleted=checked_flag("include_deleted", include_deleted),
        )

    async def get_variable_by_name(
        self, agent_id: UUID, name: str, *, include_deleted: bool = False
    ) -> Variable | None:
        return await self._variables.by_name(
            checked_uuid("agent_id", agent_id),
            checked_text("name", name),
            include_deleted=checked_flag("include_deleted", include_deleted),
        )

    async def get_variables(self, agent_id: UUID, *, include_deleted: bool = False) -> list[Variable]:
        return await self._variables.of_agent(
            checked_uuid("agent_id", agent_id),
            include_deleted=checked_flag("include_deleted", include_deleted),
        )

    async def save_variable(self, variable: Variable) -> Variable:
        return await self._variables.save(variable)

    async def delete_variable(self, variable_id: UUID) -> bool:
        return await self._variables.delete(checked_uuid("variable_id", variable_id))

    async def restore_variable(self, variable_id: UUID) -> Variable:
        return await self._variables.restored(checked_uuid("variable_id", variable_id))

    async def get_tool_activation(self, agent_id: UUID, tool_id: str) -> ToolActivation | None:
        return await self._tools.of_tool(checked_uuid("agent_id", agent_id), checked_text("tool_id", tool_id))

    async def get_tool_activations(self, agent_id: UUID, enabled_only: bool = True) -> list[ToolActivation]:
        return await self._tools.of_agent(
            checked_uuid("agent_id", agent_id), enabled_only=checked_flag("enabled_only", enabled_only)
        )

    async def save_tool_activation(self, activation: ToolActivation) -> ToolActivation:
        return await self._tools.save(activation)

    async def delete_tool_activation(self, agent_id: UUID, tool_id: str) -> bool:
        return await self._tools.delete_tool(
            checked_uuid("agent_id", agent_id), checked_text("tool_id", tool_id)
        )

    async def get_migration_plan(self, plan_id: UUID) -> MigrationPlan | None:
        return await self._plans.get(checked_uuid("plan_id", plan_id))

    async def get_migration_plan_for_versions(
        self, scenario_id: UUID, from_version: int, to_version: int
    ) -> MigrationPlan | None:
        return await self._plans.for_versions(
            checked_uuid("scenario_id", scenario_id),
            checked_integer("from_version", from_version),
            checked_integer("to_version", to_version),
        )

    async def list_migration_plans(
        self,
        scenario_id: UUID | None = None,
        status: MigrationPlanStatus | None = None,
        limit: int = 50,
    ) -> list[MigrationPlan]:
        where: dict[str, Any] = {}
        if scenario_id is not None:
            where["scenario_id"] = checked_uuid("scenario_id", scenario_id)
        if status is not None:
            where["status"] = checked_member("status", status, MigrationPlanStatus)
        return await self._plans.newest(where, limit)

    async def save_migration_plan(self, plan: MigrationPlan) -> MigrationPlan:
        return await self._plans.save(plan)

    async def delete_migration_plan(self, plan_id: UUID) -> bool:
        return await self._plans.delete(checked_uuid("plan_id", plan_id))


def _of_scope(agent_id: UUID, scope: Scope | None, scope_id: UUID | None) -> dict[str, Any]:
    where: dict[str, Any] = {"agent_id": checked_uuid("agent_id", agent_id)}
    if scope is not None:
        where["scope"] = checked_member("scope", scope, Scope)
    if scope_id is not None:
        where["scope_id"] = checked_uuid("scope_id", scope_id)
    return where
