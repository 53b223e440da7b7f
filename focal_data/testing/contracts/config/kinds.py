"""The kinds of things that a config store keeps, each with an example that has every field, so that one test serves all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import pytest

from focal_data.domain.base import MutableEntity
from focal_data.domain.config import (
    Agent,
    AgentSettings,
    AnchorMigrationPolicy,
    AnchorTransformation,
    MigrationPlan,
    MigrationPlanStatus,
    MigrationScenario,
    MigrationSummary,
    NodeChanges,
    Rule,
    Scenario,
    ScenarioStep,
    Scope,
    ScopeFilter,
    StepTransition,
    Template,
    TemplateMode,
    ToolActivation,
    TransformationMap,
    Variable,
    VariableUpdatePolicy,
)
from focal_data.domain.embedding import Embedding
from focal_data.domain.profile import Channel
from focal_data.ids import new_id
from focal_data.stores.config import ConfigStore

LONG_AGO: Final = datetime(2001, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
TEXT: Final = "Ädå 🦊\n\t'\";--%\\"
JSON: Final[dict[str, Any]] = {
    "ü": [1, {"b": None}, [], {}, True],
    "": "",
    "f": 1.5,
    "i": 2**63 - 1,
    "big": 1e16,
    "z": -1,
}
VECTOR: Final = Embedding([0.1, -0.2, 0.3], model="a model")
STORES_OWN: Final = {"tenant_id", "revision", "created_at", "updated_at"}
"""The fields that a store sets."""


@dataclass(frozen=True)
class Kind:
    """One kind: how an example is made, and by which calls a store keeps it. ``change`` and ``text`` are fields to change."""

    name: str
    domain: type[Any]
    make: Callable[..., Any]
    """``make(agent_id, **changes)``."""
    change: Mapping[str, Any]
    text: str
    listing: Callable[[ConfigStore, Any, bool], Any] = field(repr=False)
    """All of those that stand beside an example; with ``True`` the deleted ones, too."""

    async def save(self, store: ConfigStore, entity: Any) -> Any:
        return await getattr(store, f"save_{self.name}")(entity)

    async def get(self, store: ConfigStore, entity: Any, **options: bool) -> Any:
        return await getattr(store, f"get_{self.name}")(*self._key(entity), **options)

    async def delete(self, store: ConfigStore, entity: Any) -> bool:
        return bool(await getattr(store, f"delete_{self.name}")(*self._key(entity)))

    async def restore(self, store: ConfigStore, entity: Any) -> Any:
        return await getattr(store, f"restore_{self.name}")(entity.id)

    async def listed(self, store: ConfigStore, entity: Any, *, include_deleted: bool = False) -> list[Any]:
        return list(await self.listing(store, entity, include_deleted))

    async def stored(self, store: ConfigStore, **changes: Any) -> Any:
        """A stored example, of an agent of its own."""
        agent = await store.save_agent(an_agent())
        return await self.save(store, self.make(agent.id, **changes))

    def _key(self, entity: Any) -> tuple[Any, ...]:
        return (entity.agent_id, entity.tool_id) if self.domain is ToolActivation else (entity.id,)


def an_agent(**changes: Any) -> Agent:
    """An agent with a name of its own, and every field."""
    given = {
        "name": f"{TEXT} {new_id()}",
        "description": TEXT,
        "system_prompt": TEXT,
        "default_model": "a model",
        "enabled": True,
        "current_version": 3,
        "settings": AgentSettings(llm_provider="p", llm_model="m", temperature=0.1, max_tokens=9),
    }
    return Agent.model_validate(given | changes)


def a_rule(agent_id: UUID, **changes: Any) -> Rule:
    """A rule with every field."""
    given = {
        "agent_id": agent_id,
        "name": "greet",
        "description": TEXT,
        "condition_text": TEXT,
        "action_text": TEXT,
        "action_type": "say",
        "action_config": JSON,
        "scope": Scope.STEP,
        "scope_id": new_id(),
        "priority": -100,
        "max_fires_per_session": 3,
        "cooldown_turns": 4,
        "is_hard_constraint": True,
        "attached_tool_ids": ["a", TEXT],
        "attached_template_ids": [new_id(), new_id()],
        "embedding": VECTOR,
    }
    return Rule.model_validate(given | changes)


def a_scenario(agent_id: UUID, **changes: Any) -> Scenario:
    """A scenario with every field, and two steps."""
    last = ScenarioStep(name="say goodbye", is_terminal=True, is_checkpoint=True, checkpoint_description=TEXT)
    way = StepTransition(to_step_id=last.id, condition_text=TEXT, priority=-1, condition_fields=["a"])
    first = ScenarioStep(
        name=TEXT,
        description=TEXT,
        transitions=[way],
        template_ids=[new_id()],
        rule_ids=[new_id()],
        tool_ids=["t"],
        is_entry=True,
        collects_profile_fields=["name"],
    )
    given = {
        "agent_id": agent_id,
        "name": "talk",
        "description": TEXT,
        "version": 7,
        "entry_step_id": first.id,
        "entry_condition_text": TEXT,
        "embedding": VECTOR,
        "steps": [first, last],
        "content_hash": "h",
        "tags": ["b", "a"],
    }
    return Scenario.model_validate(given | changes)


def a_template(agent_id: UUID, **changes: Any) -> Template:
    """A template with every field."""
    given = {
        "agent_id": agent_id,
        "name": TEXT,
        "text": TEXT,
        "mode": TemplateMode.FALLBACK,
        "scope": Scope.SCENARIO,
        "scope_id": new_id(),
        "conditions": TEXT,
    }
    return Template.model_validate(given | changes)


def a_variable(agent_id: UUID, **changes: Any) -> Variable:
    """A variable with every field, and a name of its own."""
    given = {
        "agent_id": agent_id,
        "name": f"v_{new_id().hex}",
        "description": TEXT,
        "default_value": JSON,
        "resolver_tool_id": "t",
        "update_policy": VariableUpdatePolicy.MERGE,
        "cache_ttl_seconds": 60,
    }
    return Variable.model_validate(given | changes)


def a_tool(agent_id: UUID, **changes: Any) -> ToolActivation:
    """A tool activation with every field, of a tool of its own."""
    given = {
        "agent_id": agent_id,
        "tool_id": f"{TEXT} {new_id()}",
        "policy_override": JSON,
        "enabled_at": LONG_AGO,
        "disabled_at": LONG_AGO,
    }
    return ToolActivation.model_validate(given | changes)


def a_plan(agent_id: UUID | None = None, **changes: Any) -> MigrationPlan:
    """A migration plan with every field, of a scenario of its own."""
    scope = ScopeFilter(
        include_channels=[Channel.SLACK],
        exclude_current_nodes=[new_id()],
        min_session_age_days=1,
        max_session_age_days=2,
        custom_conditions=["x"],
    )
    anchor = AnchorTransformation(
        anchor_content_hash="h",
        anchor_name=TEXT,
        anchor_node_id_v1=new_id(),
        anchor_node_id_v2=new_id(),
        upstream_changes=NodeChanges(inserted_node_ids=[new_id()]),
        migration_scenario=MigrationScenario.GAP_FILL,
    )
    policy = AnchorMigrationPolicy(
        anchor_content_hash="h",
        anchor_name=TEXT,
        scope_filter=scope,
        update_downstream=False,
        force_scenario=MigrationScenario.RE_ROUTE,
    )
    given = {
        "scenario_id": new_id(),
        "from_version": 1,
        "to_version": 2,
        "scenario_checksum_v1": "a",
        "scenario_checksum_v2": "b",
        "transformation_map": TransformationMap(
            anchors=[anchor], deleted_nodes=[new_id()], new_node_ids=[new_id()]
        ),
        "anchor_policies": [policy],
        "scope_filter": scope,
        "summary": MigrationSummary(counts={"a": 1}, warnings=[TEXT], fields_to_collect=["f"]),
        "status": MigrationPlanStatus.APPROVED,
        "created_by": "a",
        "approved_at": LONG_AGO,
        "approved_by": "b",
        "deployed_at": LONG_AGO,
        "expires_at": LONG_AGO,
    }
    return MigrationPlan.model_validate(given | changes)


async def _agents(store: ConfigStore, _: Any, deleted: bool) -> Any:
    return (await store.get_agents(limit=1000, include_deleted=deleted))[0]


async def _rules(store: ConfigStore, of: Any, deleted: bool) -> Any:
    return await store.get_rules(of.agent_id, enabled_only=False, include_deleted=deleted)


async def _scenarios(store: ConfigStore, of: Any, deleted: bool) -> Any:
    return await store.get_scenarios(of.agent_id, enabled_only=False, include_deleted=deleted)


async def _templates(store: ConfigStore, of: Any, deleted: bool) -> Any:
    return await store.get_templates(of.agent_id, include_deleted=deleted)


async def _variables(store: ConfigStore, of: Any, deleted: bool) -> Any:
    return await store.get_variables(of.agent_id, include_deleted=deleted)


async def _tools(store: ConfigStore, of: Any, _: bool) -> Any:
    return await store.get_tool_activations(of.agent_id, enabled_only=False)


async def _plans(store: ConfigStore, of: Any, _: bool) -> Any:
    return await store.list_migration_plans(of.scenario_id)


AGENT = Kind(
    "agent", Agent, lambda _, **changes: an_agent(**changes), {"enabled": False}, "system_prompt", _agents
)
RULE = Kind("rule", Rule, a_rule, {"priority": 100, "embedding": None}, "condition_text", _rules)
SCENARIO = Kind("scenario", Scenario, a_scenario, {"version": 8, "tags": []}, "description", _scenarios)
TEMPLATE = Kind("template", Template, a_template, {"mode": TemplateMode.EXCLUSIVE}, "text", _templates)
VARIABLE = Kind("variable", Variable, a_variable, {"default_value": None}, "description", _variables)
TOOL = Kind("tool_activation", ToolActivation, a_tool, {"policy_override": None}, "tool_id", _tools)
PLAN = Kind(
    "migration_plan",
    MigrationPlan,
    a_plan,
    {"status": MigrationPlanStatus.DEPLOYED, "scope_filter": None},
    "created_by",
    _plans,
)

PARTS: Final = (RULE, SCENARIO, TEMPLATE, VARIABLE)
SOFT: Final = (AGENT, *PARTS)
OF_AGENT: Final = (*PARTS, TOOL)
ALL: Final = (*SOFT, TOOL, PLAN)


def each(kinds: tuple[Kind, ...]) -> pytest.MarkDecorator:
    """Run a test once for each of ``kinds``, as its ``kind``."""
    return pytest.mark.parametrize("kind", kinds, ids=[kind.name for kind in kinds])


def content(entity: MutableEntity) -> dict[str, Any]:
    """What the caller says of ``entity``, at the precision that stores keep."""
    embedding = getattr(entity, "embedding", None)
    kept = entity if embedding is None else entity.evolve(embedding=embedding.rounded())
    return kept.model_dump(exclude=STORES_OWN)
