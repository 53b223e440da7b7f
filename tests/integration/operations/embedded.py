"""A tenant with something of every kind that has an embedding, and what is found of it by which model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.config import Rule, Scenario, ScenarioStep
from focal_data.domain.config import Scope as RuleScope
from focal_data.domain.filters import EntityFilter
from focal_data.domain.memory import Entity, Episode
from focal_data.ids import new_id
from focal_data.providers.embedding.fake import FakeEmbeddingProvider
from focal_data.settings import Settings, dsn

OLD = FakeEmbeddingProvider(16, model_id="old-model")
NEW = FakeEmbeddingProvider(24, model_id="new-model")
ALL = {"episodes": 7, "rules": 4, "scenarios": 2, "entities": 3, "entity_history": 2}
"""What a ``World`` has embeddings of; one of the rules is deleted."""


@dataclass
class World:
    tenant: Tenant
    agent_id: UUID
    known_at: datetime
    """Before any entity was changed."""
    episodes: list[Episode]
    rules: list[Rule]
    entities: list[Entity]

    @property
    def tenant_id(self) -> UUID:
        return self.tenant.tenant_id

    async def found(self, model: FakeEmbeddingProvider) -> dict[str, int]:
        """How many of each kind a search by ``model`` finds."""
        query, agent = await model.embed("a question"), self.agent_id
        memory, config = self.tenant.memory, self.tenant.config
        then = EntityFilter(known_at=self.known_at)
        found = {
            "episodes": await memory.vector_search_episodes(agent, query, limit=1000),
            "rules": await config.vector_search_rules(agent, query, limit=1000),
            "scenarios": await config.vector_search_scenarios(agent, query, limit=1000),
            "entities": await memory.vector_search_entities(agent, query, limit=1000),
            "entities then": await memory.vector_search_entities(agent, query, filters=then, limit=1000),
        }
        return {kind: len(hits) for kind, hits in found.items()}

    async def exact(self, model: FakeEmbeddingProvider) -> bool:
        """Whether each thing has the embedding that ``model`` makes of its text."""
        memory, config = self.tenant.memory, self.tenant.config
        for episode in (await memory.get_episodes(limit=1000)).items:
            if episode.embedding != (await model.embed(episode.content)).rounded():
                return False
        for rule in await config.get_rules(self.agent_id):
            if rule.embedding != (await model.embed(rule.condition_text)).rounded():
                return False
        for entity in (await memory.get_entities(limit=1000)).items:
            if entity.embedding != (await model.embed(f"{entity.name} ({entity.entity_type})")).rounded():
                return False
        return True


FOUND = {"episodes": 7, "rules": 3, "scenarios": 2, "entities": 3, "entities then": 3}
NOTHING = dict.fromkeys(FOUND, 0)


async def a_world(data: DataLayer, agent_id: UUID, tenant_id: UUID | None = None) -> World:
    """A new tenant, all of it embedded by ``OLD``."""
    from focal_data.domain.config import Agent

    tenant = data.tenant(tenant_id or uuid4())
    await tenant.config.save_agent(Agent(id=agent_id, name="Ada"))
    episodes = [
        Episode(agent_id=agent_id, content=text, group_id="g", embedding=await OLD.embed(text))
        for text in (f"episode {number} was here" for number in range(7))
    ]
    await tenant.memory.add_episodes(episodes)
    rules = [await _rule(tenant, agent_id, number) for number in range(4)]
    await tenant.config.delete_rule(rules[3].id)
    for number in range(2):
        await _scenario(tenant, agent_id, number)
    entities = [await _entity(tenant, agent_id, number) for number in range(3)]
    known_at = datetime.now(UTC)
    for place in (0, 1):
        entities[place] = await tenant.memory.update_entity(entities[place].evolve(attributes={"changed": 1}))
    return World(tenant, agent_id, known_at, episodes, rules, entities)


async def _rule(tenant: Tenant, agent_id: UUID, number: int) -> Rule:
    text = f"condition {number} holds"
    rule = Rule(
        agent_id=agent_id,
        name=f"rule {number}",
        condition_text=text,
        action_text="act",
        scope=RuleScope.GLOBAL,
        embedding=await OLD.embed(text),
    )
    return await tenant.config.save_rule(rule)


async def _scenario(tenant: Tenant, agent_id: UUID, number: int) -> Scenario:
    step = ScenarioStep(id=new_id(), name="first")
    text = f"scenario {number} begins"
    scenario = Scenario(
        agent_id=agent_id,
        name=f"scenario {number}",
        entry_step_id=step.id,
        entry_condition_text=text,
        steps=[step],
        embedding=await OLD.embed(text),
    )
    return await tenant.config.save_scenario(scenario)


async def _entity(tenant: Tenant, agent_id: UUID, number: int) -> Entity:
    entity = Entity(agent_id=agent_id, name=f"cat {number}", entity_type="animal")
    embedding = await OLD.embed(f"cat {number} (animal)")
    return await tenant.memory.add_entity(entity.evolve(embedding=embedding))


async def staged(settings: Settings, tenant_id: UUID) -> int:
    """How many embeddings lie beside."""
    connection = await asyncpg.connect(dsn(settings.owner_url()))
    try:
        found: int = await connection.fetchval(
            "SELECT count(*) FROM staged_embeddings WHERE tenant_id = $1", tenant_id
        )
        return found
    finally:
        await connection.close()
