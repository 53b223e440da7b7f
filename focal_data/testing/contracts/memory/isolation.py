"""Another tenant reaches nothing: by id, list, search, way or foreign key."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import (
    GroupDeletion,
)
from focal_data.errors import InvalidDataError, NotFoundError
from focal_data.ids import NO_TENANT
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.memory.base import (
    MakeEntity,
    MakeEpisode,
    MakeRelationship,
    MemorySuite,
    people,
)


class MemoryIsolationContract(MemorySuite):
    """Every call, by another tenant."""

    async def test_another_tenants_episode_is_refused(
        self, memory: MemoryStore, episode: MakeEpisode
    ) -> None:
        """An episode that names another tenant is an error, and nothing is written."""
        alien = episode(tenant_id=uuid4())
        with pytest.raises(InvalidDataError, match="tenant_id"):
            await memory.add_episode(alien)
        assert await memory.get_episode(alien.id) is None

    async def test_other_tenants_see_nothing(
        self, memory: MemoryStore, stranger: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """Not by id, not in a list, not in a search; and they can delete nothing, or use the agent."""
        stored = await memory.add_episode(
            episode("secret", embedding=Embedding([1.0], model="m"), group_id="g")
        )
        query = Embedding([1.0], model="m")
        assert await stranger.get_episode(stored.id) is None
        assert [] == (await stranger.get_episodes()).items
        assert [] == await stranger.vector_search_episodes(agent, query)
        assert [] == await stranger.text_search_episodes(agent, "secret")
        assert [] == await stranger.hybrid_search_episodes(agent, "secret", query)
        assert not await stranger.delete_episode(stored.id)
        assert 0 == (await stranger.delete_by_group("g")).episodes
        with pytest.raises(NotFoundError):
            await stranger.add_episode(stored.evolve(tenant_id=NO_TENANT, id=uuid4()))
        assert stored == await memory.get_episode(stored.id)

    async def test_other_tenants_reach_nothing(
        self, memory: MemoryStore, stranger: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """Not by id, list or way; and they change nothing."""
        a, b = await people(memory, entity, "ab")
        link = await memory.add_relationship(relationship(a, b, group_id="g"))
        assert await stranger.get_entity(a.id) is None
        assert await stranger.get_entity(a.id, known_at=a.recorded_at) is None
        assert await stranger.get_relationship(link.id) is None
        assert [] == (await stranger.get_entities()).items
        assert [] == (await stranger.get_relationships()).items
        assert [] == await stranger.traverse_from_entities([a.id])
        assert not await stranger.delete_entity(a.id)
        assert not await stranger.delete_relationship(link.id)
        assert GroupDeletion(0, 0, 0) == await stranger.delete_by_group("g")
        with pytest.raises(NotFoundError):
            await stranger.update_entity(a.evolve(tenant_id=NO_TENANT, name="mine"))
        with pytest.raises(NotFoundError):
            await stranger.replace_relationship(link.id, relationship(a, b))
        assert (a, link) == (await memory.get_entity(a.id), await memory.get_relationship(link.id))
