"""Another tenant reaches nothing: by id, list, search, way or foreign key."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from focal_data.domain.config import Agent
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EntityFilter
from focal_data.domain.memory import (
    Episode,
    GroupDeletion,
)
from focal_data.domain.profile import CustomerProfile
from focal_data.errors import InvalidDataError, NotFoundError
from focal_data.ids import NO_TENANT
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.memory.base import (
    NOON,
    MakeEntity,
    MakeEpisode,
    MakeRelationship,
    MemorySuite,
    people,
    recorded,
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

    async def test_no_foreign_key_reaches_across(
        self,
        memory: MemoryStore,
        tenant: TenantUnderTest,
        other: TenantUnderTest,
        entity: MakeEntity,
        relationship: MakeRelationship,
    ) -> None:
        """Another's agent, customer or entity is as good as none, on adding, updating and replacing."""
        profile = (await tenant.profiles.save(CustomerProfile())).id
        theirs = await memory.add_entity(entity("theirs"))
        stranger = other.memory
        agent = (await other.config.save_agent(Agent(name="Eve"))).id
        mine = await stranger.add_entity(entity("mine", agent_id=agent))
        link = await stranger.add_relationship(relationship(mine, mine, valid_from=NOON))
        later = NOON + timedelta(1)
        for write, parent in (
            (stranger.add_episode(Episode(agent_id=theirs.agent_id, content="x")), "Agent"),
            (
                stranger.add_episode(Episode(agent_id=agent, content="x", customer_profile_id=profile)),
                "CustomerProfile",
            ),
            (stranger.add_episodes([Episode(agent_id=theirs.agent_id, content="x")]), "Agent"),
            (stranger.add_entity(entity("x")), "Agent"),
            (
                stranger.add_entity(entity("x", agent_id=agent, customer_profile_id=profile)),
                "CustomerProfile",
            ),
            (stranger.update_entity(mine.evolve(agent_id=theirs.agent_id)), "Agent"),
            (stranger.update_entity(mine.evolve(customer_profile_id=profile)), "CustomerProfile"),
            (stranger.add_relationship(relationship(mine, theirs)), "Entity"),
            (stranger.add_relationship(relationship(theirs, mine)), "Entity"),
            (stranger.update_relationship(link.evolve(to_entity_id=theirs.id)), "Entity"),
            (stranger.replace_relationship(link.id, relationship(mine, theirs, valid_from=later)), "Entity"),
        ):
            with pytest.raises(NotFoundError) as missing:
                await write
            assert parent == missing.value.entity
        assert [] == (await stranger.get_episodes()).items
        assert [mine] == (await stranger.get_entities()).items
        assert [link] == (await stranger.get_relationships()).items

    async def test_tenants_may_have_the_same_ids(
        self, memory: MemoryStore, other: TenantUnderTest, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """And groups: what the one does with its own leaves the other's as they are."""
        agent = (await other.config.save_agent(Agent(name="Eve"))).id
        mine = await memory.add_entity(entity("mine", group_id="g"))
        theirs = await other.memory.add_entity(entity("theirs", id=mine.id, agent_id=agent, group_id="g"))
        link = relationship(mine, mine, group_id="g")
        await memory.add_relationship(link)
        their_link = await other.memory.add_relationship(link)
        await memory.update_entity(mine.evolve(name="changed"))
        assert GroupDeletion(0, 1, 1) == await memory.delete_by_group("g")
        assert theirs == await other.memory.get_entity(mine.id)
        assert [theirs] == (
            await other.memory.get_entities(EntityFilter(known_at=recorded(their_link)))
        ).items
        assert their_link == await other.memory.get_relationship(link.id)

    async def test_another_tenants_things_are_refused(
        self, stranger: MemoryStore, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """As they came from there, with their tenant in them."""
        stored = await memory.add_entity(entity())
        link = await memory.add_relationship(relationship(stored, stored))
        for write in (
            stranger.add_entity(stored.evolve(revision=0)),
            stranger.update_entity(stored),
            stranger.add_relationship(link.evolve(revision=0)),
            stranger.update_relationship(link),
            stranger.replace_relationship(link.id, link.evolve(revision=0)),
        ):
            with pytest.raises(InvalidDataError, match=r"^tenant_id: "):
                await write
        assert ([], []) == ((await stranger.get_entities()).items, (await stranger.get_relationships()).items)

    async def test_a_cursor_opens_no_door(
        self, stranger: MemoryStore, memory: MemoryStore, episode: MakeEpisode
    ) -> None:
        """Another tenant's cursor is a place in one's own list, or none at all."""
        await memory.add_episodes([episode(str(n)) for n in range(3)])
        cursor = (await memory.get_episodes(limit=1)).next_cursor
        assert [] == (await stranger.get_episodes(cursor=cursor)).items
