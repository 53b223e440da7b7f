"""Revision 0003 gives the embeddings that are there their sign codes."""

from __future__ import annotations

from uuid import uuid4

import numpy as np
import pytest

from focal_data.data_layer import DataLayer
from focal_data.domain.config import Agent, Rule, Scope
from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import Entity, Episode
from focal_data.migration import runner
from focal_data.settings import Settings
from focal_data.tables.columns import codes_of
from focal_data.testing.engines import Engines
from tests.integration.migration.conftest import Estate, NewEstate

TABLES = ("episodes", "entities", "rules", "scenarios")
ROWS = 1203


@pytest.mark.slow
async def test_embeddings_that_are_there_get_their_codes(
    new_estate: NewEstate, focal_engines: Engines
) -> None:
    """More than a batch of them, and also when it was cut off in the middle; those without an embedding get none."""
    estate = await new_estate()
    await runner.upgrade(estate.settings)
    await _filled(estate, focal_engines)
    before = await _codes(estate)
    await runner.downgrade(estate.settings, "0002")
    await runner.upgrade(estate.settings, "0003")
    async with estate.connection(estate.owner) as owner:  # as if cut off: some have theirs
        await owner.execute(
            "UPDATE episodes SET embedding_code = $1 WHERE id = $2", before[0][1], before[0][0]
        )
    await runner.upgrade(estate.settings)
    assert before == await _codes(estate)
    async with estate.connection(estate.owner) as owner:
        assert 4 == await owner.fetchval(
            "SELECT count(*) FROM pg_constraint WHERE convalidated"
            " AND conname = ANY (SELECT 'ck_' || name || '_whole_embedding' FROM unnest($1::text[]) name)",
            list(TABLES),
        )


async def _filled(estate: Estate, engines: Engines) -> None:
    urls = {"database_url": estate.url(estate.service), "redis_url": engines.redis_url}
    random = np.random.default_rng(0)
    async with DataLayer.open(Settings.of(**urls, app_role=estate.role)) as data:
        for _ in range(2):
            tenant = data.tenant(uuid4())
            agent = (await tenant.config.save_agent(Agent(name="Ada"))).id
            made = [Embedding(random.normal(size=64), model="m") for _ in range(ROWS // 2)]
            bare = Episode(agent_id=agent, content="bare")
            await tenant.memory.add_episodes([bare, *(bare.evolve(id=uuid4(), embedding=e) for e in made)])
            await tenant.memory.add_entity(
                Entity(agent_id=agent, name="Bo", entity_type="dog", embedding=made[0])
            )
            rule = Rule(agent_id=agent, name="r", condition_text="c", action_text="a", scope=Scope.GLOBAL)
            await tenant.config.save_rule(rule.evolve(embedding=made[1]))


async def _codes(estate: Estate) -> list[tuple[object, object]]:
    """By id, after each was seen to be that of its vector."""
    found = []
    async with estate.connection(estate.owner) as owner:
        for table in TABLES:
            rows = await owner.fetch(
                f"SELECT id, halfvec_send(embedding) AS vector, embedding_code AS code FROM {table} ORDER BY tenant_id, id"
            )
            kept = [row for row in rows if row["vector"] is not None]
            assert codes_of([row["vector"] for row in kept]) == [row["code"].bytes for row in kept]
            assert not any(row["code"] for row in rows if row["vector"] is None)
            found += [(row["id"], row["code"]) for row in kept]
    assert ROWS // 2 * 2 + 4 == len(found)
    return found
