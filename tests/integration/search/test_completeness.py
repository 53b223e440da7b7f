"""What a search finds among many: as many as there are, the right ones, in order, whoever else is about."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import numpy as np
import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.config import Agent
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EpisodeFilter
from focal_data.domain.memory import Episode
from focal_data.operations.operator import Operator
from focal_data.repositories.memory import EpisodeRepository
from tests.integration.search.conftest import MODEL, NOON, SIZES, World, vectors

FEW = {
    "session": EpisodeFilter(session_id=UUID(int=5)),
    "time": EpisodeFilter(occurred_from=NOON - timedelta(minutes=2)),
    "both": EpisodeFilter(group_id="g7", min_importance=0.57, occurred_from=NOON - timedelta(minutes=300)),
}


@pytest.mark.parametrize("name", SIZES)
async def test_the_right_ones_are_found(worlds: dict[str, World], name: str) -> None:
    """At least 99 of 100, and of no query less than half; ten each time; all of them where the agent is small."""
    world, recalls = worlds[name], []
    for vector in vectors(60, seed=50):
        query = Embedding(vector, model=MODEL)
        hits = [hit.item.id for hit in await world.tenant.memory.vector_search_episodes(world.agent, query)]
        assert 10 == len(set(hits))
        recalls.append(len({*hits} & {*world.nearest(query, 10)}) / 10)
    assert np.mean(recalls) >= (0.99 if name == "large" else 1.0)
    assert min(recalls) >= 0.5


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 30, 80, 500])
async def test_however_many_are_asked_for(worlds: dict[str, World], limit: int) -> None:
    """More hits have more candidates: deep down they are the right ones, too, and in order."""
    world, found = worlds["large"], []
    for vector in vectors(10, seed=51):
        query = Embedding(vector, model=MODEL)
        hits = await world.tenant.memory.vector_search_episodes(world.agent, query, limit=limit)
        assert sorted(hits, key=lambda hit: (-hit.score, hit.item.id)) == hits
        found.append(len({hit.item.id for hit in hits} & {*world.nearest(query, limit)}) / limit)
    assert np.mean(found) >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
async def test_neighbours_that_are_all_about_as_far_are_told_apart(
    op: Operator, tenant: Tenant, spread: float
) -> None:
    """In one cluster whose noise has 1536 dimensions codes can't say who is nearest: then as many are compared as it takes."""
    random, rows = np.random.default_rng(5), 2500
    agent = (await tenant.config.save_agent(Agent(name="Ada"))).id
    centre = random.normal(size=1536)
    kept = (centre + spread * random.normal(size=(rows, 1536))).astype(np.float16)
    episodes = [Episode(agent_id=agent, content="", embedding=Embedding(v, model=MODEL)) for v in kept]
    await op.tenant(tenant.tenant_id).load_episodes(episodes)
    world, recalls = World(tenant, agent, episodes, kept), []
    for vector in (centre + spread * random.normal(size=(20, 1536))).astype(np.float16):
        query = Embedding(vector, model=MODEL)
        hits = {hit.item.id for hit in await tenant.memory.vector_search_episodes(agent, query)}
        recalls.append(len(hits & {*world.nearest(query, 10)}) / 10)
    assert np.mean(recalls) >= 0.99


@pytest.mark.parametrize("filters", FEW.values(), ids=FEW)
async def test_few_among_many_are_all_found(worlds: dict[str, World], filters: EpisodeFilter) -> None:
    """Those that meet the filter, wherever they lie: also when the query is the opposite of each of them."""
    world = worlds["large"]
    meant = {episode.id for episode in world.episodes if filters.matches(episode)}
    assert 3 <= len(meant) <= 10
    for query in (world.vectors[14], -world.vectors[14]):
        embedding = Embedding(query, model=MODEL)
        for hits in (
            await world.tenant.memory.vector_search_episodes(world.agent, embedding, filters=filters),
            await world.tenant.memory.hybrid_search_episodes(world.agent, "none", embedding, filters=filters),
        ):
            assert meant == {hit.item.id for hit in hits}


async def test_all_that_names_a_person_is_found(worlds: dict[str, World]) -> None:
    """By either id, among many: as if it were one."""
    world, query = worlds["large"], Embedding(vectors(1, seed=52)[0], model=MODEL)
    meant = {episode.id for episode in world.episodes if episode.customer_profile_id in world.person}
    for profile_id in world.person:
        filters = EpisodeFilter(customer_profile_id=profile_id)
        hits = await world.tenant.memory.vector_search_episodes(
            world.agent, query, filters=filters, limit=500
        )
        both = await world.tenant.memory.hybrid_search_episodes(
            world.agent, "none", query, filters=filters, limit=500
        )
        listed = await world.tenant.memory.get_episodes(filters, limit=500)
        for found in ([hit.item for hit in hits], [hit.item for hit in both], listed):
            assert (160, meant) == (len(list(found)), {episode.id for episode in found})


@pytest.mark.slow
async def test_the_thousandth_call_is_as_the_first(worlds: dict[str, World]) -> None:
    """On one connection, where PostgreSQL has long taken to a plan for every value, with another tenant's calls in between."""
    large, small = worlds["large"], worlds["small"]
    query = Embedding(large.vectors[0], model=MODEL)
    first = await large.tenant.memory.vector_search_episodes(large.agent, query)
    async with large.tenant.transaction() as tx:
        for _ in range(1000):
            last = await tx.memory.vector_search_episodes(large.agent, query)
        plans = await tx.scope.connection.fetchval(
            "SELECT max(generic_plans) FROM pg_prepared_statements WHERE statement LIKE '%embedding_code%'"
        )
    assert first == last
    assert plans > 900
    for _ in range(10):
        mine = await small.tenant.memory.vector_search_episodes(small.agent, query, limit=40)
        assert {episode.id for episode in small.episodes} == {hit.item.id for hit in mine}
        assert first == await large.tenant.memory.vector_search_episodes(large.agent, query)


@pytest.mark.slow
async def test_searches_are_complete_while_others_insert(tenant: Tenant) -> None:
    """Ten each time, and all of what was there before among the nearest."""
    agent = (await tenant.config.save_agent(Agent(name="Ada"))).id
    query = Embedding([1.0, 0.0], model=MODEL)
    near = await tenant.memory.add_episodes(
        [
            Episode(agent_id=agent, content="near", embedding=Embedding([1.0, n / 100], model=MODEL))
            for n in range(10)
        ]
    )
    far = [
        Episode(agent_id=agent, content="far", embedding=Embedding(v, model=MODEL))
        for v in vectors(1200, seed=3)
    ]
    done = asyncio.Event()

    async def insert() -> None:
        for start in range(0, len(far), 50):
            await tenant.memory.add_episodes(far[start : start + 50])
        done.set()

    async def search() -> int:
        calls = 0
        while not done.is_set():
            hits = await tenant.memory.vector_search_episodes(agent, query)
            assert [episode.id for episode in near] == [hit.item.id for hit in hits]
            calls += 1
        return calls

    _, calls = await asyncio.gather(insert(), search())
    assert calls > 1


@pytest.mark.slow
@pytest.mark.parametrize("size", [900, 1100])
async def test_equals_come_in_the_order_of_their_ids(op: Operator, tenant: Tenant, size: int) -> None:
    """However many they are: the first of them."""
    agent = (await tenant.config.save_agent(Agent(name="Ada"))).id
    same = Embedding(vectors(1, seed=4)[0], model=MODEL)
    ids = sorted(uuid4() for _ in range(size))
    await op.tenant(tenant.tenant_id).load_episodes(
        Episode(id=one, agent_id=agent, content="same", embedding=same) for one in reversed(ids)
    )
    for limit in (1, 10, 300):
        hits = await tenant.memory.vector_search_episodes(agent, same, limit=limit)
        assert ids[:limit] == [hit.item.id for hit in hits]


@pytest.mark.slow
async def test_two_models_are_never_mixed(op: Operator, tenant: Tenant) -> None:
    """Of a model with few vectors beside one with many, those few are found, and of one never stored none."""
    agent = (await tenant.config.save_agent(Agent(name="Ada"))).id
    kept = vectors(1203, seed=5)
    episodes = [
        Episode(agent_id=agent, content="x", embedding=Embedding(v, model="few" if n < 3 else "many"))
        for n, v in enumerate(kept)
    ]
    await op.tenant(tenant.tenant_id).load_episodes(episodes)
    for model, count in (("few", 3), ("many", 100), ("never", 0)):
        hits = await tenant.memory.vector_search_episodes(agent, Embedding(kept[0], model=model), limit=100)
        assert [model] * count == [hit.item.embedding.model for hit in hits if hit.item.embedding]


async def test_another_tenants_twin_is_never_found(worlds: dict[str, World], data: DataLayer) -> None:
    """Though its agent has the same id."""
    world, other = worlds["small"], data.tenant(uuid4())
    await other.config.save_agent(Agent(id=world.agent, name="Ada"))
    query = Embedding(world.vectors[0], model=MODEL)
    assert [] == await other.memory.vector_search_episodes(world.agent, query)
    assert 0 == await EpisodeRepository(other).count()
