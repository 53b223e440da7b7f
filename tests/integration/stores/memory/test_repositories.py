"""What the repositories of memory do beyond the store: many rows at once, and removal for good."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from focal_data.data_layer import Tenant
from focal_data.domain.memory import Entity, Episode, Relationship
from focal_data.errors import UsageError
from focal_data.repositories.graph import EntityRepository, RelationshipRepository
from focal_data.repositories.memory import EpisodeRepository
from focal_data.stores.memory import MemoryStore

MakeEpisode = Callable[..., Episode]
MakeEntity = Callable[..., Entity]


async def test_hubs_are_cut_at_the_limit(tenant: Tenant, agent: UUID) -> None:
    """A hub of 500, and hubs behind that: the first hundred by id, each one relationship away."""
    people = await EntityRepository(tenant).add_many(
        Entity(id=uuid4(), agent_id=agent, name=str(n), entity_type="t") for n in range(503)
    )
    hubs, leaves = people[:3], people[3:]
    await RelationshipRepository(tenant).add_many(
        Relationship(from_entity_id=hub.id, to_entity_id=leaf.id, relation_type="t")
        for hub in hubs
        for leaf in leaves
    )
    found = await tenant.memory.traverse_from_entities([hubs[0].id], max_depth=3)
    assert sorted(leaf.id for leaf in leaves)[:100] == [f.entity.id for f in found]
    assert {1} == {f.depth for f in found}
    found = await tenant.memory.traverse_from_entities([hubs[0].id], max_depth=2, limit=1000)
    assert {hubs[1].id, hubs[2].id} == {f.entity.id for f in found if f.depth == 2}


async def test_a_purge_leaves_nothing(tenant: Tenant, memory: MemoryStore, entity: MakeEntity) -> None:
    """Neither the entity nor what was known of it."""
    stored = await memory.add_entity(entity("a"))
    await memory.update_entity(stored.evolve(name="b"))
    assert await EntityRepository(tenant).purge(stored.id)
    assert not await EntityRepository(tenant).purge(stored.id)
    assert await memory.get_entity(stored.id, known_at=stored.recorded_at) is None


async def test_an_episode_is_not_updated(tenant: Tenant, memory: MemoryStore, episode: MakeEpisode) -> None:
    """It has no revision to be guarded by; the repository says so, and changes nothing."""
    stored = await memory.add_episode(episode("said"))
    with pytest.raises(UsageError):
        await EpisodeRepository(tenant).update(stored.evolve(content="unsaid"))
    assert stored == await memory.get_episode(stored.id)
