"""Whoever writes an embedding writes its sign code: what is stored is the code of the vector that is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from focal_data.data_layer import Tenant
from focal_data.domain.config import Agent, Rule, Scenario, ScenarioStep, Scope
from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import Entity, Episode
from focal_data.ids import new_id
from focal_data.operations.operator import Operator
from focal_data.repositories.bulk import CHUNK
from focal_data.repositories.config import RuleRepository
from focal_data.repositories.graph import EntityRepository
from focal_data.repositories.memory import EpisodeRepository
from focal_data.settings import Settings, dsn
from focal_data.tables.columns import codes_of
from tests.integration.search.conftest import MODEL, vectors

MANY = 2 * CHUNK + 3
EMBEDDINGS = [Embedding(vector, model=MODEL) for vector in vectors(MANY, seed=6)]
FIRST, SECOND = EMBEDDINGS[:2]


@pytest.fixture
async def agent(tenant: Tenant) -> Agent:
    return await tenant.config.save_agent(Agent(name="Ada"))


@pytest.fixture
async def owner(focal_settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn(focal_settings.owner_url()))
    yield connection
    await connection.close()


async def coded(owner: asyncpg.Connection, tenant: Tenant, table: str) -> int:
    """How many rows the tenant has that have a code; each is that of its vector, and none has one without the other."""
    rows: list[Any] = await owner.fetch(
        f"SELECT halfvec_send(embedding) AS vector, embedding_code AS code FROM {table} WHERE tenant_id = $1",
        tenant.tenant_id,
    )
    assert [row["vector"] is None for row in rows] == [row["code"] is None for row in rows]
    kept = [row for row in rows if row["vector"] is not None]
    assert codes_of([row["vector"] for row in kept]) == [row["code"].bytes for row in kept]
    return len(kept)


async def test_episodes(op: Operator, owner: asyncpg.Connection, tenant: Tenant, agent: Agent) -> None:
    """One by one, many at once, by COPY, and those without an embedding among them."""

    def episodes() -> list[Episode]:
        made = [Episode(agent_id=agent.id, content="x", embedding=embedding) for embedding in EMBEDDINGS]
        return [*made, Episode(agent_id=agent.id, content="bare")]

    await tenant.memory.add_episode(episodes()[0])
    await tenant.memory.add_episode(episodes()[-1])
    assert 1 == await coded(owner, tenant, "episodes")
    await EpisodeRepository(tenant).add_many(episodes())
    assert 1 + MANY == await coded(owner, tenant, "episodes")
    await op.tenant(tenant.tenant_id).load_episodes(episodes())
    assert 1 + 2 * MANY == await coded(owner, tenant, "episodes")


async def test_entities(owner: asyncpg.Connection, tenant: Tenant, agent: Agent) -> None:
    """Added, embedded anew, changed otherwise, bereft of it, many at once, and back from the history."""

    def made(**fields: Any) -> Entity:
        return Entity(agent_id=agent.id, name="Ada", entity_type="person", **fields)

    entity = await tenant.memory.add_entity(made(embedding=FIRST))
    for change in ({"embedding": SECOND}, {"name": "Bo"}, {"embedding": None}, {"embedding": FIRST}):
        entity = await tenant.memory.update_entity(entity.evolve(**change))
        assert (entity.embedding is not None) == await coded(owner, tenant, "entities")
    await tenant.memory.delete_entity(entity.id)
    await tenant.memory.add_entity(made(id=entity.id, embedding=SECOND))
    await EntityRepository(tenant).add_many(made(embedding=embedding) for embedding in EMBEDDINGS)
    assert 1 + MANY == await coded(owner, tenant, "entities")


async def test_rules_and_scenarios(owner: asyncpg.Connection, tenant: Tenant, agent: Agent) -> None:
    """Saved, changed, deleted and restored, alone or with their agent."""
    rule = Rule(agent_id=agent.id, name="r", condition_text="c", action_text="a", scope=Scope.GLOBAL)
    step = ScenarioStep(id=new_id(), name="s")
    scenario = Scenario(agent_id=agent.id, name="s", entry_step_id=step.id, steps=[step])
    kept = await tenant.config.save_rule(rule.evolve(embedding=FIRST))
    told = await tenant.config.save_scenario(scenario.evolve(embedding=FIRST))
    await tenant.config.save_rule(kept.evolve(embedding=SECOND))
    await tenant.config.save_scenario(told.evolve(embedding=SECOND))
    await RuleRepository(tenant).add_many(
        rule.evolve(id=new_id(), name=str(n), embedding=e) for n, e in enumerate(EMBEDDINGS)
    )
    await tenant.config.delete_agent(agent.id)
    await tenant.config.restore_agent(agent.id)
    assert (1 + MANY, 1) == (await coded(owner, tenant, "rules"), await coded(owner, tenant, "scenarios"))
    query = EMBEDDINGS[40]
    (hit,) = await tenant.config.vector_search_rules(agent.id, query, limit=1)
    assert query.rounded() == hit.item.embedding


async def test_the_longest_names_fit_into_an_entry_of_the_index(tenant: Tenant, agent: Agent) -> None:
    """Of model, group and kind, four bytes a character, and none alike, so that nothing is to be compressed."""
    longest = "".join(chr(0x20000 + 17 * number) for number in range(500))
    embedding = Embedding([1.0], model=longest[:255])
    await tenant.memory.add_episode(
        Episode(
            agent_id=agent.id,
            content="x",
            embedding=embedding,
            group_id=longest[-255:],
            session_id=new_id(),
            valid_to=datetime(9999, 1, 1, tzinfo=UTC),
        )
    )
    names = {"name": longest, "canonical_name": longest, "group_id": longest[:255]}
    await tenant.memory.add_entity(
        Entity(agent_id=agent.id, entity_type=longest[-100:], embedding=embedding, **names)
    )
    assert 1 == len(await tenant.memory.vector_search_episodes(agent.id, embedding))
    assert 1 == len(await tenant.memory.vector_search_entities(agent.id, embedding))
