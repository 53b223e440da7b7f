"""What belongs to a group goes with it."""

from __future__ import annotations

from focal_data.domain.filters import EntityFilter
from focal_data.domain.memory import (
    GroupDeletion,
)
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.memory.base import (
    MakeEntity,
    MakeEpisode,
    MakeRelationship,
    MemorySuite,
    recorded,
)


class GroupsContract(MemorySuite):
    """``delete_by_group``."""

    async def test_a_group_goes_for_good(
        self,
        memory: MemoryStore,
        episode: MakeEpisode,
        entity: MakeEntity,
        relationship: MakeRelationship,
    ) -> None:
        """With what hangs on its entities, and with the history of all of it; what is not the group's stays."""
        a = await memory.add_entity(entity("a", group_id="g"))
        b = await memory.add_entity(entity("b"))
        left = await memory.add_entity(entity("left", group_id="g"))
        once = await memory.add_entity(entity("gone"))
        gone = await memory.update_entity(once.evolve(group_id="g"))
        free = await memory.add_entity(entity("joined"))
        await memory.update_entity(free.evolve(group_id="g"))
        ab = await memory.add_relationship(relationship(a, b, group_id="h"))
        bb = await memory.add_relationship(relationship(b, b))
        await memory.update_relationship(bb.evolve(group_id="g"))
        kept = await memory.add_relationship(relationship(b, left, group_id="h"))
        was = await memory.add_relationship(relationship(b, gone))
        before = (await memory.update_relationship(was.evolve(confidence=0.5))).recorded_at
        left = await memory.update_entity(left.evolve(group_id=None))
        await memory.update_entity(a.evolve(name="a2"))
        await memory.delete_entity(gone.id)
        await memory.add_episodes([episode(group_id="g"), episode(group_id="g"), episode(group_id="h")])

        assert GroupDeletion(episodes=2, entities=2, relationships=2) == await memory.delete_by_group("g")

        assert 1 == len(await memory.get_episodes())
        assert [b, left] == (await memory.get_entities()).items
        assert [kept] == (await memory.get_relationships()).items
        for erased in (a, once, gone, free):
            assert await memory.get_entity(erased.id, known_at=recorded(erased)) is None
        for link in (ab, bb, was):
            assert await memory.get_relationship(link.id, known_at=recorded(link)) is None
        for time in (before, recorded(once), recorded(gone), recorded(a)):
            then = await memory.get_entities(EntityFilter(known_at=time))
            assert {"b"} >= {e.name for e in then}
        assert GroupDeletion(0, 0, 0) == await memory.delete_by_group("g")

    async def test_one_that_left_the_store_in_the_group_goes_with_all_it_was(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """A relationship that was deleted while it was the group's leaves no version, of whatever group that was."""
        a = await memory.add_entity(entity("a"))
        first = await memory.add_relationship(relationship(a, a))
        second = await memory.update_relationship(first.evolve(group_id="g"))
        await memory.delete_relationship(first.id)
        assert GroupDeletion(0, 0, 0) == await memory.delete_by_group("g")
        for version in (first, second):
            assert await memory.get_relationship(first.id, known_at=recorded(version)) is None
        assert a == await memory.get_entity(a.id)

    async def test_a_version_of_the_group_goes_from_what_left_it(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """What is stored and not the group's any more stays, and so do its other versions."""
        first = await memory.add_entity(entity("first"))
        second = await memory.update_entity(first.evolve(group_id="g"))
        third = await memory.update_entity(second.evolve(group_id=None))
        link = await memory.add_relationship(relationship(first, first, group_id="g"))
        kept = await memory.update_relationship(link.evolve(group_id=None))
        await memory.delete_by_group("g")
        assert first == await memory.get_entity(first.id, known_at=recorded(first))
        assert await memory.get_entity(first.id, known_at=recorded(second)) is None
        assert third == await memory.get_entity(first.id)
        assert await memory.get_relationship(link.id, known_at=recorded(link)) is None
        assert kept == await memory.get_relationship(link.id)
        fourth = await memory.update_entity(third.evolve(name="fourth"))
        assert (4, third) == (fourth.revision, await memory.get_entity(first.id, known_at=recorded(third)))
