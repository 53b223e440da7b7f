"""What a config store is composed of: one repository per kind, whatever it keeps things in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar
from uuid import UUID

from focal_data.domain.answers import Scored
from focal_data.domain.config import (
    Agent,
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

E = TypeVar("E")


class Kept(Protocol[E]):
    """What every repository does."""

    async def get(self, id: UUID, *, include_deleted: bool = False) -> E | None: ...  # noqa: A002

    async def save(self, entity: E) -> E: ...

    async def delete(self, id: UUID) -> bool: ...  # noqa: A002


class Restorable(Kept[E], Protocol[E]):
    """What a repository does whose kind is deleted softly."""

    async def restored(self, id: UUID) -> E: ...  # noqa: A002


class Agents(Restorable[Agent], Protocol):
    """Agents."""

    async def page(
        self, *, enabled_only: bool, limit: int, offset: int, include_deleted: bool
    ) -> tuple[list[Agent], int]: ...


class Rules(Restorable[Rule], Protocol):
    """Rules."""

    async def of_agent(
        self, values: Mapping[str, Any], *, enabled_only: bool, include_deleted: bool
    ) -> list[Rule]: ...

    async def nearest(
        self, agent_id: UUID, query: Embedding, filters: RuleFilter, *, limit: int, min_score: float | None
    ) -> list[Scored[Rule]]: ...


class Scenarios(Restorable[Scenario], Protocol):
    """Scenarios."""

    async def of_agent(
        self, agent_id: UUID, *, enabled_only: bool, include_deleted: bool
    ) -> list[Scenario]: ...

    async def nearest(
        self,
        agent_id: UUID,
        query: Embedding,
        filters: ScenarioFilter,
        *,
        limit: int,
        min_score: float | None,
    ) -> list[Scored[Scenario]]: ...


class Archives(Protocol):
    """Versions of scenarios as they once were."""

    async def of(self, scenario: Scenario) -> ScenarioArchive: ...

    async def of_version(self, scenario_id: UUID, version: int) -> ScenarioArchive | None: ...


class Templates(Restorable[Template], Protocol):
    """Templates."""

    async def of_agent(self, values: Mapping[str, Any], *, include_deleted: bool) -> list[Template]: ...


class Variables(Restorable[Variable], Protocol):
    """Variables."""

    async def of_agent(self, agent_id: UUID, *, include_deleted: bool) -> list[Variable]: ...

    async def by_name(self, agent_id: UUID, name: str, *, include_deleted: bool) -> Variable | None: ...


class Tools(Kept[ToolActivation], Protocol):
    """Which tools an agent may use."""

    async def of_tool(self, agent_id: UUID, tool_id: str) -> ToolActivation | None: ...

    async def of_agent(self, agent_id: UUID, *, enabled_only: bool) -> list[ToolActivation]: ...

    async def delete_tool(self, agent_id: UUID, tool_id: str) -> bool: ...


class Plans(Kept[MigrationPlan], Protocol):
    """Migration plans."""

    async def for_versions(
        self, scenario_id: UUID, from_version: int, to_version: int
    ) -> MigrationPlan | None: ...

    async def newest(self, values: Mapping[str, Any], limit: int) -> list[MigrationPlan]: ...
