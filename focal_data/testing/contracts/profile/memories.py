"""What is remembered of a customer, and their profile: it moves with a merge, and holds a deletion."""

from __future__ import annotations

from uuid import UUID

import pytest

from focal_data.domain.config import Agent
from focal_data.domain.filters import EntityFilter, EpisodeFilter
from focal_data.domain.memory import Entity, Episode
from focal_data.domain.profile import CustomerProfile
from focal_data.errors import ConflictError, InUseError, NotFoundError, StaleRevisionError
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.profile.base import ProfileSuite, a_field


def an_episode(agent: UUID, profile: CustomerProfile) -> Episode:
    """Something that was said."""
    return Episode(agent_id=agent, content="x", customer_profile_id=profile.id)


def an_entity(agent: UUID, profile: CustomerProfile) -> Entity:
    """Something that the customer has."""
    return Entity(agent_id=agent, customer_profile_id=profile.id, name="e", entity_type="thing")


class MergedMemoriesContract(ProfileSuite):
    """``merge_profiles`` and ``delete_profile`` where episodes and entities name the profile."""

    @pytest.fixture
    async def agent(self, tenant: TenantUnderTest) -> UUID:
        """The id of an agent."""
        return (await tenant.config.save_agent(Agent(name="a"))).id

    async def test_memories_come_along(
        self, tenant: TenantUnderTest, ada: CustomerProfile, bob: CustomerProfile, agent: UUID
    ) -> None:
        """Episodes, entities, and what was known of these before."""
        memory = tenant.memory
        episode = await memory.add_episode(an_episode(agent, ada))
        entity = await memory.add_entity(an_entity(agent, ada))
        updated = await memory.update_entity(entity.evolve(name="f"))
        await tenant.profiles.merge_profiles(ada.id, bob.id)
        assert episode.evolve(customer_profile_id=bob.id) == await memory.get_episode(episode.id)
        moved = updated.evolve(customer_profile_id=bob.id, revision=updated.revision + 1)
        assert moved == await memory.get_entity(entity.id)
        known = await memory.get_entity(entity.id, known_at=entity.recorded_at)
        assert known is not None
        assert ("e", bob.id) == (known.name, known.customer_profile_id)
        mine, theirs = EpisodeFilter(customer_profile_id=bob.id), EntityFilter(customer_profile_id=bob.id)
        assert [episode.id] == [found.id for found in await memory.get_episodes(mine)]
        assert [moved] == list(await memory.get_entities(theirs))

    async def test_an_entity_read_before_a_merge_can_not_be_written_after_it(
        self, tenant: TenantUnderTest, ada: CustomerProfile, bob: CustomerProfile, agent: UUID
    ) -> None:
        """It would take the old profile back."""
        entity = await tenant.memory.add_entity(an_entity(agent, ada))
        await tenant.profiles.merge_profiles(ada.id, bob.id)
        with pytest.raises(StaleRevisionError):
            await tenant.memory.update_entity(entity.evolve(name="f"))

    async def test_memories_of_an_old_id_come_along_further(
        self,
        tenant: TenantUnderTest,
        ada: CustomerProfile,
        bob: CustomerProfile,
        eve: CustomerProfile,
        agent: UUID,
    ) -> None:
        """Those that came under it after its merge, with what was known of them, deleted ones too."""
        memory = tenant.memory
        await tenant.profiles.merge_profiles(ada.id, bob.id)
        await memory.add_episode(an_episode(agent, ada))
        entity = await memory.add_entity(an_entity(agent, ada))
        await memory.update_entity(entity.evolve(name="f"))
        await memory.delete_entity(entity.id)
        again = await memory.add_entity(entity.evolve(name="g", revision=0))
        await tenant.profiles.merge_profiles(bob.id, eve.id)
        assert 1 == len(await memory.get_episodes(EpisodeFilter(customer_profile_id=eve.id)))
        now = await memory.get_entities(EntityFilter(customer_profile_id=eve.id))
        filters = EntityFilter(customer_profile_id=eve.id, known_at=entity.recorded_at)
        assert [["g"], ["e"]] == [
            [e.name for e in found] for found in (now, await memory.get_entities(filters))
        ]
        updated = await memory.update_entity(now.items[0].evolve(name="h"))
        assert again.revision + 2 == updated.revision

    async def test_a_merge_leaves_the_memories_of_others(
        self,
        tenant: TenantUnderTest,
        ada: CustomerProfile,
        bob: CustomerProfile,
        eve: CustomerProfile,
        agent: UUID,
    ) -> None:
        """Of the target, of a third, and of nobody."""
        entities = [await tenant.memory.add_entity(an_entity(agent, owner)) for owner in (bob, eve)]
        entities.append(await tenant.memory.add_entity(Entity(agent_id=agent, name="e", entity_type="thing")))
        await tenant.profiles.merge_profiles(ada.id, bob.id)
        assert entities == [await tenant.memory.get_entity(entity.id) for entity in entities]

    @pytest.mark.parametrize("kind", ["episode", "entity"])
    async def test_a_profile_in_use_is_not_deleted(
        self, tenant: TenantUnderTest, ada: CustomerProfile, bob: CustomerProfile, agent: UUID, kind: str
    ) -> None:
        """While one names it by any of its ids; it stays whole, with what was merged into it."""
        profiles, memory = tenant.profiles, tenant.memory
        field = await profiles.update_field(bob.id, a_field(bob, "Rome"))
        await profiles.merge_profiles(ada.id, bob.id)
        if kind == "episode":
            named = (await memory.add_episode(an_episode(agent, ada))).id
        else:
            named = (await memory.add_entity(an_entity(agent, ada))).id
        for profile in (ada, bob):
            with pytest.raises(InUseError):
                await profiles.delete_profile(profile.id)
        assert [ada.id] == await profiles.get_merged_ids(bob.id)
        assert 2 == len(await profiles.list_channels(bob.id))
        assert {"city": field} == await profiles.get_fields(bob.id)
        await (memory.delete_episode(named) if kind == "episode" else memory.delete_entity(named))
        assert await profiles.delete_profile(ada.id)

    async def test_what_is_remembered_of_the_deleted_is_refused(
        self, tenant: TenantUnderTest, ada: CustomerProfile, agent: UUID
    ) -> None:
        """There is no such profile."""
        await tenant.profiles.delete_profile(ada.id)
        with pytest.raises(NotFoundError) as caught:
            await tenant.memory.add_episode(an_episode(agent, ada))
        assert "CustomerProfile" == caught.value.entity

    async def test_a_merge_that_is_refused_moves_no_memory(
        self, tenant: TenantUnderTest, ada: CustomerProfile, agent: UUID
    ) -> None:
        """All or nothing."""
        entity = await tenant.memory.add_entity(an_entity(agent, ada))
        with pytest.raises(ConflictError):
            await tenant.profiles.merge_profiles(ada.id, ada.id)
        assert entity == await tenant.memory.get_entity(entity.id)
