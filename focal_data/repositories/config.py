"""What an agent is told to do, in PostgreSQL: a repository per table, and the store composed of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, Uuid, and_, bindparam, delete, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from focal_data.database.scope import HasScope, Scope
from focal_data.database.statement import Statement
from focal_data.domain.answers import Scored
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
from focal_data.repositories import vector
from focal_data.repositories.agents import (
    AgentPartRepository,
    AgentRepository,
    OfAgentRepository,
    ScopedPartRepository,
)
from focal_data.repositories.base import TenantRepository
from focal_data.repositories.filtering import chosen, given
from focal_data.stores.base import checked_limit
from focal_data.stores.composed.config import ComposedConfigStore
from focal_data.tables.config import (
    MigrationPlanTable,
    RuleTable,
    ScenarioArchiveTable,
    ScenarioTable,
    TemplateTable,
    ToolActivationTable,
    VariableTable,
)


class RuleRepository(ScopedPartRepository[RuleTable, Rule]):
    """Rules."""

    async def of_agent(
        self, values: Mapping[str, Any], *, enabled_only: bool, include_deleted: bool
    ) -> list[Rule]:
        """Those of ``agent_id``, and where given ``scope`` and ``scope_id``; the greatest priority first, then by id."""
        return await self.all(self._of(frozenset(values), enabled_only, include_deleted), values)

    async def nearest(
        self, agent_id: UUID, query: Embedding, filters: RuleFilter, *, limit: int, min_score: float | None
    ) -> list[Scored[Rule]]:
        """The agent's rules nearest to ``query``."""
        asked = {**given(filters), "agent_id": agent_id}
        if (pairs := asked.get("scopes")) is not None:
            asked["scopes"] = [scope.value for scope, _ in pairs]
            asked["scope_ids"] = [scope_id for _, scope_id in pairs]
        statement = self._nearest(frozenset(asked))
        return await vector.search(self, statement, query, values=asked, limit=limit, min_score=min_score)

    @classmethod
    @cache
    def _of(cls, names: frozenset[str], enabled_only: bool, include_deleted: bool) -> Statement:
        conditions = chosen(cls._scoped_conditions(), names) + ([cls.c.enabled] if enabled_only else [])
        rows = cls.rows(*conditions, include_deleted=include_deleted)
        return Statement(rows.order_by(cls.c.priority.desc(), cls.c.id))

    @classmethod
    @cache
    def _nearest(cls, names: frozenset[str]) -> Statement:
        pairs = (
            func.unnest(bindparam("scopes", type_=ARRAY(Text())), bindparam("scope_ids", type_=ARRAY(Uuid())))
            .table_valued("scope", "scope_id")
            .render_derived()
        )
        same_id = or_(pairs.c.scope_id.is_(None), pairs.c.scope_id == cls.c.scope_id)
        meets = and_(pairs.c.scope == cls.c.scope, same_id)
        conditions = {
            "agent_id": cls.c.agent_id == bindparam("agent_id"),
            "enabled": cls.c.enabled == bindparam("enabled"),
            "scopes": select(1).select_from(pairs).where(meets).correlate(cls.table).exists(),
        }
        return vector.nearest(cls, *chosen(conditions, names))


class TemplateRepository(ScopedPartRepository[TemplateTable, Template]):
    """Templates."""

    async def of_agent(self, values: Mapping[str, Any], *, include_deleted: bool) -> list[Template]:
        """Those of ``agent_id``, and where given ``scope`` and ``scope_id``, in the order of their ids."""
        return await self.all(self._of(frozenset(values), include_deleted), values)

    @classmethod
    @cache
    def _of(cls, names: frozenset[str], include_deleted: bool) -> Statement:
        conditions = chosen(cls._scoped_conditions(), names)
        return Statement(cls.rows(*conditions, include_deleted=include_deleted).order_by(cls.c.id))


class ScenarioRepository(AgentPartRepository[ScenarioTable, Scenario]):
    """Scenarios."""

    async def of_agent(self, agent_id: UUID, *, enabled_only: bool, include_deleted: bool) -> list[Scenario]:
        """The agent's, in the order of their ids."""
        return await self.all(self._of(enabled_only, include_deleted), {"agent_id": agent_id})

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
        asked = {**given(filters), "agent_id": agent_id}
        statement = self._nearest(frozenset(asked))
        return await vector.search(self, statement, query, values=asked, limit=limit, min_score=min_score)

    @classmethod
    @cache
    def _of(cls, enabled_only: bool, include_deleted: bool) -> Statement:
        conditions = [cls.c.agent_id == bindparam("agent_id"), *([cls.c.enabled] if enabled_only else [])]
        return Statement(cls.rows(*conditions, include_deleted=include_deleted).order_by(cls.c.id))

    @classmethod
    @cache
    def _nearest(cls, names: frozenset[str]) -> Statement:
        conditions = {
            "agent_id": cls.c.agent_id == bindparam("agent_id"),
            "enabled": cls.c.enabled == bindparam("enabled"),
            "tags": cls.c.tags.overlap(bindparam("tags", type_=ARRAY(Text()))),
        }
        return vector.nearest(cls, *chosen(conditions, names))


class ScenarioArchiveRepository(TenantRepository[ScenarioArchiveTable, ScenarioArchive]):
    """Versions of scenarios as they once were."""

    async def of(self, scenario: Scenario) -> ScenarioArchive:
        """Keep ``scenario`` as it is, under its id and version. Raises ``DuplicateError``, ``NotFoundError``."""
        copy = ScenarioRepository.mapper.checked(scenario, self._scope.tenant_id)
        return await self.add(ScenarioArchive(scenario_id=copy.id, version=copy.version, scenario=copy))

    async def of_version(self, scenario_id: UUID, version: int) -> ScenarioArchive | None:
        """The one of this version, or ``None``."""
        return await self.one(self._of_version(), {"scenario_id": scenario_id, "version": version})

    @classmethod
    @cache
    def _of_version(cls) -> Statement:
        scenario = cls.c.scenario_id == bindparam("scenario_id")
        return Statement(cls.rows(scenario, cls.c.version == bindparam("version")))


class VariableRepository(AgentPartRepository[VariableTable, Variable]):
    """Variables."""

    async def of_agent(self, agent_id: UUID, *, include_deleted: bool) -> list[Variable]:
        """The agent's, in the order of their ids."""
        return await self.all(self._of(include_deleted), {"agent_id": agent_id})

    async def by_name(self, agent_id: UUID, name: str, *, include_deleted: bool) -> Variable | None:
        """The agent's of this name, or ``None``; of deleted ones, the last that was deleted."""
        return await self.one(self._by_name(include_deleted), {"agent_id": agent_id, "name": name})

    @classmethod
    @cache
    def _of(cls, include_deleted: bool) -> Statement:
        rows = cls.rows(cls.c.agent_id == bindparam("agent_id"), include_deleted=include_deleted)
        return Statement(rows.order_by(cls.c.id))

    @classmethod
    @cache
    def _by_name(cls, include_deleted: bool) -> Statement:
        agent = cls.c.agent_id == bindparam("agent_id")
        rows = cls.rows(agent, cls.c.name == bindparam("name"), include_deleted=include_deleted)
        return Statement(rows.order_by(cls.c.deleted_at.desc().nulls_first()).limit(1))


class ToolActivationRepository(OfAgentRepository[ToolActivationTable, ToolActivation]):
    """Which tools an agent may use."""

    async def of_tool(self, agent_id: UUID, tool_id: str) -> ToolActivation | None:
        """The agent's for this tool, or ``None``."""
        return await self.one(self._of_tool(), {"agent_id": agent_id, "tool_id": tool_id})

    async def of_agent(self, agent_id: UUID, *, enabled_only: bool) -> list[ToolActivation]:
        """The agent's, in the order of their ids."""
        return await self.all(self._of(enabled_only), {"agent_id": agent_id})

    async def delete_tool(self, agent_id: UUID, tool_id: str) -> bool:
        """Remove the agent's for this tool; whether there was one."""
        return await self._execute(self._delete_tool(), {"agent_id": agent_id, "tool_id": tool_id}) > 0

    @classmethod
    @cache
    def _of_tool(cls) -> Statement:
        return Statement(cls.rows(*cls._tool()))

    @classmethod
    @cache
    def _of(cls, enabled_only: bool) -> Statement:
        conditions = [cls.c.agent_id == bindparam("agent_id"), *([cls.c.enabled] if enabled_only else [])]
        return Statement(cls.rows(*conditions).order_by(cls.c.id))

    @classmethod
    @cache
    def _delete_tool(cls) -> Statement:
        return Statement(delete(cls.table).where(*cls.scoped(), *cls._tool()))

    @classmethod
    def _tool(cls) -> list[ColumnElement[bool]]:
        return [cls.c.agent_id == bindparam("agent_id"), cls.c.tool_id == bindparam("tool_id")]


class MigrationPlanRepository(TenantRepository[MigrationPlanTable, MigrationPlan]):
    """How live sessions move from one version of a scenario to another."""

    async def for_versions(
        self, scenario_id: UUID, from_version: int, to_version: int
    ) -> MigrationPlan | None:
        """The plan that leads from one version to the other, or ``None``."""
        values = {"scenario_id": scenario_id, "from_version": from_version, "to_version": to_version}
        return await self.one(self._for_versions(), values)

    async def newest(self, values: Mapping[str, Any], limit: int) -> list[MigrationPlan]:
        """The newest, and where given those of ``scenario_id`` and ``status``; by id, the newest first."""
        return await self.all(self._newest(frozenset(values)), {**values, "limit": checked_limit(limit)})

    @classmethod
    @cache
    def _for_versions(cls) -> Statement:
        names = ("scenario_id", "from_version", "to_version")
        return Statement(cls.rows(*(cls.c[name] == bindparam(name) for name in names)))

    @classmethod
    @cache
    def _newest(cls, names: frozenset[str]) -> Statement:
        conditions = {name: cls.c[name] == bindparam(name) for name in ("scenario_id", "status")}
        rows = cls.rows(*chosen(conditions, names))
        return Statement(rows.order_by(cls.c.id.desc()).limit(bindparam("limit")))


class PostgresConfigStore(ComposedConfigStore):
    """The config store in PostgreSQL."""

    def __init__(self, source: HasScope | Scope) -> None:
        self._agents = AgentRepository(source)
        self._rules = RuleRepository(source)
        self._scenarios = ScenarioRepository(source)
        self._archives = ScenarioArchiveRepository(source)
        self._templates = TemplateRepository(source)
        self._variables = VariableRepository(source)
        self._tools = ToolActivationRepository(source)
        self._plans = MigrationPlanRepository(source)
