"""What is remembered of a person: by whichever id, all that names any of them, also what came under an old one later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from uuid import UUID, uuid4

import pytest

from focal_data.domain.config import Agent
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EntityFilter, EpisodeFilter
from focal_data.domain.memory import Entity, Episode
from focal_data.domain.profile import CustomerProfile
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.profile.base import LONG_AGO, ProfileSuite

QUERY = Embedding([1.0, 2.0], model="m")


async def remembered(memory: MemoryStore, agent: UUID, profile_id: UUID | None, mark: str) -> None:
    """An episode and an entity that name the profile, told by their group and their name."""
    given = {"agent_id": agent, "customer_profile_id": profile_id, "group_id": mark, "embedding": QUERY}
    await memory.add_episode(Episode.model_validate(given | {"content": "apple pie"}))
    await memory.add_entity(Entity.model_validate(given | {"name": mark, "entity_type": "thing"}))


async def episodes(memory: MemoryStore, agent: UUID, filters: EpisodeFilter) -> list[list[str]]:
    """The groups of what each call finds."""
    hits = [
        await memory.vector_search_episodes(agent, QUERY, filters=filters),
        await memory.text_search_episodes(agent, "apple", filters=filters),
        await memory.hybrid_search_episodes(agent, "apple", QUERY, filters=filters),
    ]
    found: list[Iterable[Episode]] = [[hit.item for hit in each] for each in hits]
    return [sorted(str(e.group_id) for e in each) for each in (await memory.get_episodes(filters), *found)]


async def entities(memory: MemoryStore, agent: UUID, filters: EntityFilter) -> list[list[str]]:
    """The names of what each call finds."""
    hits = await memory.vector_search_entities(agent, QUERY, filters=filters)
    found: list[Iterable[Entity]] = [await memory.get_entities(filters), [hit.item for hit in hits]]
    return [sorted(e.name for e in each) for each in found]


class PersonsMemoriesContract(ProfileSuite):
    """``customer_profile_id`` in filters, after ``merge_profiles``: live sessions go on under the old id."""

    @pytest.fixture
    async def agent(self, tenant: TenantUnderTest) -> UUID:
        """The id of an agent."""
        return (await tenant.config.save_agent(Agent(name="a"))).id

    @pytest.fixture
    async def merged(
        self,
        tenant: TenantUnderTest,
        ada: CustomerProfile,
        bob: CustomerProfile,
        eve: CustomerProfile,
        agent: UUID,
    ) -> Sequence[UUID]:
        """The ids of one person, who was merged twice; each has memories from before and from after."""
        names = {"ada": ada.id, "bob": bob.id, "eve": eve.id}
        for name, profile_id in names.items():
            await remembered(tenant.memory, agent, profile_id, name)
        await tenant.profiles.merge_profiles(ada.id, bob.id)
        await tenant.profiles.merge_profiles(bob.id, eve.id)
        for name, profile_id in names.items():
            await remembered(tenant.memory, agent, profile_id, f"{name}, later")
        other = await tenant.profiles.save(CustomerProfile())
        for name, owner in (("another's", other.id), ("nobody's", None)):
            await remembered(tenant.memory, agent, owner, name)
        return tuple(names.values())

    async def test_every_id_finds_what_names_any_of_them(
        self, tenant: TenantUnderTest, agent: UUID, merged: Sequence[UUID]
    ) -> None:
        """The last one, the one between and the first, in lists and searches; nothing of others."""
        theirs = sorted(f"{name}{when}" for name in ("ada", "bob", "eve") for when in ("", ", later"))
        for profile_id in merged:
            asked = EpisodeFilter(customer_profile_id=profile_id)
            assert [theirs] * 4 == await episodes(tenant.memory, agent, asked)
            asked_of = EntityFilter(customer_profile_id=profile_id)
            assert [theirs] * 2 == await entities(tenant.memory, agent, asked_of)

    async def test_other_filters_hold_as_well(
        self, tenant: TenantUnderTest, agent: UUID, merged: Sequence[UUID]
    ) -> None:
        """Of what is kept under one id, only what they ask for."""
        for profile_id in merged:
            asked = {"customer_profile_id": profile_id, "group_id": "ada, later", "agent_id": agent}
            found = await episodes(tenant.memory, agent, EpisodeFilter.model_validate(asked))
            assert [["ada, later"]] * 4 == found
            found_of = await entities(tenant.memory, agent, EntityFilter.model_validate(asked))
            assert [["ada, later"]] * 2 == found_of
            asked["agent_id"] = uuid4()
            assert [[]] * 4 == await episodes(tenant.memory, agent, EpisodeFilter.model_validate(asked))

    async def test_pages_go_through_all_of_them(
        self, tenant: TenantUnderTest, merged: Sequence[UUID]
    ) -> None:
        """In one order, each once."""
        memory, asked = tenant.memory, EpisodeFilter(customer_profile_id=merged[0])
        whole, found, cursor = list(await memory.get_episodes(asked)), list[Episode](), None
        while not found or cursor is not None:
            page = await memory.get_episodes(asked, limit=2, cursor=cursor)
            found, cursor = found + page.items, page.next_cursor
        assert 6 == len(whole)
        assert whole == found

    async def test_what_was_known_is_found_as_well(
        self, tenant: TenantUnderTest, ada: CustomerProfile, bob: CustomerProfile, agent: UUID
    ) -> None:
        """Versions that were replaced or deleted, under an old id too."""
        memory = tenant.memory
        await tenant.profiles.merge_profiles(ada.id, bob.id)
        given = Entity(
            agent_id=agent, customer_profile_id=ada.id, name="e", entity_type="thing", embedding=QUERY
        )
        stored = await memory.add_entity(given)
        changed = await memory.update_entity(stored.evolve(name="f"))
        await memory.delete_entity(stored.id)
        for profile_id in (ada.id, bob.id):
            told = []
            for time in (LONG_AGO, stored.recorded_at, changed.recorded_at, None):
                asked = EntityFilter(customer_profile_id=profile_id, known_at=time)
                told.append(await entities(memory, agent, asked))
            assert [[[], []], [["e"], ["e"]], [["f"], ["f"]], [[], []]] == told

    async def test_what_was_known_of_the_deleted_is_found(
        self, tenant: TenantUnderTest, ada: CustomerProfile, agent: UUID
    ) -> None:
        """The history names whom it named."""
        given = Entity(
            agent_id=agent, customer_profile_id=ada.id, name="e", entity_type="thing", embedding=QUERY
        )
        stored = await tenant.memory.add_entity(given)
        await tenant.memory.delete_entity(stored.id)
        await tenant.profiles.delete_profile(ada.id)
        asked = EntityFilter(customer_profile_id=ada.id, known_at=stored.recorded_at)
        assert [["e"], ["e"]] == await entities(tenant.memory, agent, asked)

    async def test_an_id_that_nobody_has_finds_nothing(
        self, tenant: TenantUnderTest, agent: UUID, merged: Sequence[UUID]
    ) -> None:
        """Also not what names nobody."""
        asked = EpisodeFilter(customer_profile_id=uuid4())
        assert [[]] * 4 == await episodes(tenant.memory, agent, asked)
        asked_of = EntityFilter(customer_profile_id=uuid4())
        assert [[]] * 2 == await entities(tenant.memory, agent, asked_of)

    async def test_a_transaction_sees_its_own_merge(
        self, tenant: TenantUnderTest, ada: CustomerProfile, bob: CustomerProfile, agent: UUID
    ) -> None:
        """Until it is undone."""
        await remembered(tenant.memory, agent, bob.id, "bob")
        asked = EpisodeFilter(customer_profile_id=ada.id)
        with pytest.raises(ZeroDivisionError):
            async with tenant.transaction() as tx:
                await tx.profiles.merge_profiles(ada.id, bob.id)
                await remembered(tx.memory, agent, ada.id, "later")
                assert [["bob", "later"]] * 4 == await episodes(tx.memory, agent, asked)
                raise ZeroDivisionError
        assert [[]] * 4 == await episodes(tenant.memory, agent, asked)

    async def test_nothing_is_missing_while_profiles_are_merged(
        self, tenant: TenantUnderTest, ada: CustomerProfile, bob: CustomerProfile, agent: UUID
    ) -> None:
        """Who they are and what names them is seen at one moment."""
        memory, names = tenant.memory, {"agent_id": agent, "customer_profile_id": ada.id}
        said = [Episode.model_validate(names | {"content": "apple", "embedding": QUERY}) for _ in range(40)]
        await memory.add_episodes(said)
        asked = EpisodeFilter(customer_profile_id=ada.id)
        merging = asyncio.create_task(tenant.profiles.merge_profiles(ada.id, bob.id))
        for _ in range(5):
            listed = await memory.get_episodes(asked)
            hits = await memory.hybrid_search_episodes(agent, "apple", QUERY, filters=asked, limit=50)
            assert (40, 40) == (len(listed), len(hits))
            assert all(hit.vector_rank and hit.text_rank for hit in hits)
        await merging

    async def test_who_someone_is_differs_between_tenants(
        self,
        tenant: TenantUnderTest,
        other: TenantUnderTest,
        ada: CustomerProfile,
        bob: CustomerProfile,
        agent: UUID,
    ) -> None:
        """The same ids are other people there, and were merged otherwise."""
        for profile in (ada, bob):
            await other.profiles.save(CustomerProfile(id=profile.id))
        third = await other.profiles.save(CustomerProfile())
        await tenant.profiles.merge_profiles(ada.id, bob.id)
        await other.profiles.merge_profiles(ada.id, third.id)
        await other.config.save_agent(Agent(id=agent, name="a"))
        for profile_id, mark in ((ada.id, "ada"), (bob.id, "bob")):
            await remembered(tenant.memory, agent, profile_id, mark)
            await remembered(other.memory, agent, profile_id, f"another {mark}")
        await remembered(other.memory, agent, third.id, "a third")
        for memory, profile_id, expected in (
            (tenant.memory, ada.id, ["ada", "bob"]),
            (tenant.memory, bob.id, ["ada", "bob"]),
            (tenant.memory, third.id, []),
            (other.memory, ada.id, ["a third", "another ada"]),
            (other.memory, bob.id, ["another bob"]),
            (other.memory, third.id, ["a third", "another ada"]),
        ):
            asked = EpisodeFilter(customer_profile_id=profile_id)
            assert [expected] * 4 == await episodes(memory, agent, asked)
            asked_of = EntityFilter(customer_profile_id=profile_id)
            assert [expected] * 2 == await entities(memory, agent, asked_of)
