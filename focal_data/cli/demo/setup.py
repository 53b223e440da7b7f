"""A plan becomes an agent with its rules, scenario, templates and variables; once, however often it is set up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar
from uuid import UUID

import orjson

from focal_data.cli.demo.ids import named
from focal_data.cli.demo.plans import Plan
from focal_data.data_layer import Tenant
from focal_data.domain.base import JsonObject
from focal_data.domain.config import Agent, Rule, Scenario, ScenarioStep, Template, Variable
from focal_data.domain.embedding import Embedding
from focal_data.errors import DuplicateError
from focal_data.providers.embedding.base import EmbeddingProvider
from focal_data.unit_of_work import UnitOfWork

C = TypeVar("C", Agent, Rule, Scenario, Template, Variable)


@dataclass(frozen=True)
class Stage:
    """A tenant, ready for its conversations."""

    tenant: Tenant
    plan: Plan
    agent: Agent
    scenario: Scenario
    variables: Sequence[Variable]
    conditions: Mapping[str, Embedding]
    """The conditions of the scenario's transitions, by their text."""

    def step(self, step_id: UUID | None) -> ScenarioStep | None:
        """The step of the scenario that has this id, if one has."""
        return next((step for step in self.scenario.steps if step.id == step_id), None)


async def set_up(tenant: Tenant, plan: Plan, model: EmbeddingProvider) -> Stage:
    """Store what ``plan`` asks for, except what is there already."""
    agent = Agent.model_validate({**plan.agent, "id": named(tenant.tenant_id, "agent")})
    conditions = await _embedded(plan, model)
    rules = [_rule(agent, fields, conditions) for fields in plan.rules]
    scenario = _scenario(agent, plan.scenario, conditions)
    templates = [Template.model_validate(_of(agent, "template", fields)) for fields in plan.templates]
    variables = [Variable.model_validate(_of(agent, "variable", fields)) for fields in plan.variables]

    async def work(tx: UnitOfWork) -> None:
        config = tx.config
        await _keep(agent, config.get_agent, config.save_agent)
        for rule in rules:
            await _keep(rule, config.get_rule, config.save_rule)
        await _keep(scenario, config.get_scenario, config.save_scenario)
        for template in templates:
            await _keep(template, config.get_template, config.save_template)
        for variable in variables:
            await _keep(variable, config.get_variable, config.save_variable)

    await once_more(tenant, work)
    return Stage(tenant, plan, agent, scenario, variables, conditions)


async def once_more(tenant: Tenant, work: Callable[[UnitOfWork], Awaitable[None]]) -> None:
    """``work`` in a transaction; again when another run stored the same meanwhile, which then is there to be found."""
    try:
        await tenant.in_transaction(work)
    except DuplicateError:
        await tenant.in_transaction(work)


async def _keep(
    new: C, get: Callable[[UUID], Awaitable[C | None]], save: Callable[[C], Awaitable[C]]
) -> None:
    if await get(new.id) is None:
        await save(new)


async def _embedded(plan: Plan, model: EmbeddingProvider) -> dict[str, Embedding]:
    """The conditions of the plan's rules and scenario, by their text."""
    steps: Any = plan.scenario["steps"]
    texts = [str(rule["condition_text"]) for rule in plan.rules]
    texts.append(str(plan.scenario["entry_condition_text"]))
    texts += [edge["condition_text"] for step in steps for edge in step.get("transitions", ())]
    return dict(zip(texts, await model.embed_batch(texts), strict=True))


def _of(agent: Agent, kind: str, fields: JsonObject) -> dict[str, Any]:
    return {**fields, "id": named(agent.id, kind, str(fields["name"])), "agent_id": agent.id}


def _rule(agent: Agent, fields: JsonObject, conditions: Mapping[str, Embedding]) -> Rule:
    embedding = conditions[str(fields["condition_text"])]
    return Rule.model_validate({**_of(agent, "rule", fields), "embedding": embedding})


def _scenario(agent: Agent, fields: JsonObject, conditions: Mapping[str, Embedding]) -> Scenario:
    """Steps refer to each other by name in a plan; here by ids made of those names."""
    own = _of(agent, "scenario", fields)
    steps: Any = fields["steps"]
    return Scenario.model_validate(
        {
            **own,
            "entry_step_id": named(own["id"], str(fields["entry_step_id"])),
            "steps": [_step(own["id"], step) for step in steps],
            "embedding": conditions[str(fields["entry_condition_text"])],
            "content_hash": content_hash(fields),
        }
    )


def _step(scenario_id: UUID, fields: dict[str, Any]) -> dict[str, Any]:
    edges = [
        {**edge, "to_step_id": named(scenario_id, edge["to_step_id"])}
        for edge in fields.get("transitions", ())
    ]
    return {**fields, "id": named(scenario_id, fields["id"]), "transitions": edges}


def content_hash(content: JsonObject) -> str:
    """A short name for exactly this content."""
    return sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
