"""What an agent is told to do, in memory: a repository per kind, and the store composed of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from focal_data.domain.answers import Scored
from focal_data.domain.checking import checked, copied
from focal_data.domain.config import (
    MigrationPlan,
    Rule,
    Scenario,
    ScenarioArchive,
    Template,
    ToolActivation,
    Variable,
)
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import RuleFilter, ScenarioFilter
from focal_data.inmemory import vector
from focal_data.inmemory.agents import (
    InMemoryAgentPartRepository,
    InMemoryAgentRepository,
    InMemoryOfAgentRepository,
    of_an_agent,
)
from focal_data.inmemory.database import HasInMemoryScope, InMemoryScope
from focal_data.inmemory.repository import InMemoryRepository, Unique, alive
from focal_data.stores.base import checked_limit
from focal_data.stores.composed.config import ComposedConfigStore


class InMemoryRuleRepository(InMemoryAgentPartRepository[Rule]):
    """Rules."""

    kind = "rules"
    domain = Rule
    parents = (of_an_agent(kind),)

    async def of_agent(
        self, values: Mapping[str, Any], *, enabled_only: bool, include_deleted: bool
    ) -> list[Rule]:
        """Those of ``agent_id``, and where given ``scope`` and ``scope_id``; the greatest priority first, then by id."""
        met = _having(values)
        found = self.those(
            self._scope.tables(),
            lambda rule: met(rule) and (rule.enabled or not enabled_only),
            include_deleted=include_deleted,
        )
        return [copied(rule) for rule in sorted(found, key=lambda rule: -rule.priority)]  # stable: then by id

    async def nearest(
        self, agent_id: UUID, query: Embedding, filters: RuleFilter, *, limit: int, min_score: float | None
    ) -> list[Scored[Rule]]:
        """The agent's rules nearest to ``query``."""
        found = self.those(
            self._scope.tables(), lambda rule: rule.agent_id == agent_id and _rule_meets(rule, filters)
        )
        return vector.nearest(found, query, limit=limit, min_score=min_score)


class InMemoryScenarioRepository(InMemoryAgentPartRepository[Scenario]):
    """Scenarios."""

    kind = "scenarios"
    domain = Scenario
    parents = (of_an_agent(kind),)

    async def of_agent(self, agent_id: UUID, *, enabled_only: bool, include_deleted: bool) -> list[Scenario]:
        """The agent's, in the order of their ids."""
        found = self.those(
            self._scope.tables(),
            lambda scenario: scenario.agent_id == agent_id and (scenario.enabled or not enabled_only),
            include_deleted=include_deleted,
        )
        return [copied(scenario) for scenario in found]

    async def nearest(
        self,
        agent_id: UUID,
        query: Embedding,
        filters: ScenarioFilter,
        *,
        limit: int,
        min_score: float | None,
    ) -> list[Scored[Scenario]]:
        """The agent's scenarios whose entry condition is nearest to ``query``."""
        found = self.those(
            self._scope.tables(),
            lambda scenario: scenario.agent_id == agent_id and _scenario_meets(scenario, filters),
        )
        return vector.nearest(found, query, limit=limit, min_score=min_score)


class InMemoryScenarioArchiveRepository(InMemoryRepository[ScenarioArchive]):
    """Versions of scenarios as they once were."""

    kind = "scenario_archives"
    domain = ScenarioArchive
    unique = (Unique("uq_scenario_archives_scenario_id", ("scenario_id", "version")),)

    async def of(self, scenario: Scenario) -> ScenarioArchive:
        """Keep ``scenario`` as it is, under its id and version. Raises ``DuplicateError``."""
        copy = checked(scenario, Scenario, self._scope.tenant_id)
        return await self.add(ScenarioArchive(scenario_id=copy.id, version=copy.version, scenario=copy))

    async def of_version(self, scenario_id: UUID, version: int) -> ScenarioArchive | None:
        """The one of this version, or ``None``."""
        return self.first(_having({"scenario_id": scenario_id, "version": version}))


class InMemoryTemplateRepository(InMemoryAgentPartRepository[Template]):
    """Templates."""

    kind = "templates"
    domain = Template
    parents = (of_an_agent(kind),)

    async def of_agent(self, values: Mapping[str, Any], *, include_deleted: bool) -> list[Template]:
        """Those of ``agent_id``, and where given ``scope`` and ``scope_id``, in the order of their ids."""
        found = self.those(self._scope.tables(), _having(values), include_deleted=include_deleted)
        return [copied(template) for template in found]


class InMemoryVariableRepository(InMemoryAgentPartRepository[Variable]):
    """Variables."""

    kind = "variables"
    domain = Variable
    unique = (Unique("uq_variables_agent_id_name", ("agent_id", "name"), alive),)
    parents = (of_an_agent(kind),)

    async def of_agent(self, agent_id: UUID, *, include_deleted: bool) -> list[Variable]:
        """The agent's, in the order of their ids."""
        found = self.those(
            self._scope.tables(), _having({"agent_id": agent_id}), include_deleted=include_deleted
        )
        return [copied(variable) for variable in found]

    async def by_name(self, agent_id: UUID, name: str, *, include_deleted: bool) -> Variable | None:
        """The agent's of this name, or ``None``; of deleted ones, the last that was deleted."""
        named = _having({"agent_id": agent_id, "name": name})
        found = self.those(self._scope.tables(), named, include_deleted=include_deleted)
        living = [variable for variable in found if alive(variable)]
        return self.given(max(living or found, key=lambda variable: variable.deleted_at, default=None))  # type: ignore[arg-type,return-value]


class InMemoryToolActivationRepository(InMemoryOfAgentRepository[ToolActivation]):
    """Which tools an agent may use."""

    kind = "tool_activations"
    domain = ToolActivation
    unique = (Unique("uq_tool_activations_agent_id", ("agent_id", "tool_id")),)
    parents = (of_an_agent(kind),)

    async def of_tool(self, agent_id: UUID, tool_id: str) -> ToolActivation | None:
        """The agent's for this tool, or ``None``."""
        return self.first(_having({"agent_id": agent_id, "tool_id": tool_id}))

    async def of_agent(self, agent_id: UUID, *, enabled_only: bool) -> list[ToolActivation]:
        """The agent's, in the order of their ids."""
        found = self.those(
            self._scope.tables(),
            lambda tool: tool.agent_id == agent_id and (tool.enabled or not enabled_only),
        )
        return [copied(tool) for tool in found]

    async def delete_tool(self, agent_id: UUID, tool_id: str) -> bool:
        """Remove the agent's for this tool; whether there was one."""
        named = _having({"agent_id": agent_id, "tool_id": tool_id})
        return await self._scope.write(
            lambda tables: any(self.remove(tables, tool.id) for tool in self.those(tables, named))
        )


class InMemoryMigrationPlanRepository(InMemoryRepository[MigrationPlan]):
    """How live sessions move from one version of a scenario to another."""

    kind = "migration_plans"
    domain = MigrationPlan
    unique = (Unique("uq_migration_plans_scenario_id", ("scenario_id", "from_version", "to_version")),)

    async def for_versions(
        self, scenario_id: UUID, from_version: int, to_version: int
    ) -> MigrationPlan | None:
        """The plan that leads from one version to the other, or ``None``."""
        values = {"scenario_id": scenario_id, "from_version": from_version, "to_version": to_version}
        return self.first(_having(values))

    async def newest(self, values: Mapping[str, Any], limit: int) -> list[MigrationPlan]:
        """The newest, and where given those of ``scenario_id`` and ``status``; by id, the newest first."""
        most, found = checked_limit(limit), self.those(self._scope.tables(), _having(values))
        return [copied(plan) for plan in reversed(found[-most:])]


class InMemoryConfigStore(ComposedConfigStore):
    """The config store in memory: the reference for what ``ConfigStore`` promises."""

    def __init__(self, source: HasInMemoryScope | InMemoryScope) -> None:
        self._agents = InMemoryAgentRepository(source)
        self._rules = InMemoryRuleRepository(source)
        self._scenarios = InMemoryScenarioRepository(source)
        self._archives = InMemoryScenarioArchiveRepository(source)
        self._templates = InMemoryTemplateRepository(source)
        self._variables = InMemoryVariableRepository(source)
        self._tools = InMemoryToolActivationRepository(source)
        self._plans = InMemoryMigrationPlanRepository(source)


def _having(values: Mapping[str, Any]) -> Callable[[Any], bool]:
    """Whether something has these values in these fields."""
    return lambda entity: all(getattr(entity, name) == value for name, value in values.items())


def _rule_meets(rule: Rule, filters: RuleFilter) -> bool:
    here = (rule.scope, rule.scope_id)
    return (filters.enabled is None or rule.enabled == filters.enabled) and (
        filters.scopes is None or here in filters.scopes or (rule.scope, None) in filters.scopes
    )


def _scenario_meets(scenario: Scenario, filters: ScenarioFilter) -> bool:
    return (filters.enabled is None or scenario.enabled == filters.enabled) and (
        filters.tags is None or not set(filters.tags).isdisjoint(scenario.tags)
    )
