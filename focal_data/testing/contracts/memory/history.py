"""Entities and relationships in two times: what was true, and what was known."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from focal_data.domain.filters import EntityFilter, RelationshipFilter
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError, StaleRevisionError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.memory.base import (
    NOON,
    TICK,
    MakeEntity,
    MakeRelationship,
    MemorySuite,
    recorded,
    there,
)


class HistoryContract(MemorySuite):
    """``as_of``, ``known_at``, ``delete_*`` and ``replace_relationship``."""

    async def test_an_update_keeps_what_was_known(self, memory: MemoryStore, entity: MakeEntity) -> None:
        """Each version is known from its own time until the next one's, with every field."""
        first = await memory.add_entity(entity("a", attributes={"n": 1}, group_id="g"))
        second = await memory.update_entity(first.evolve(name="b", attributes={"n": 2}, group_id=None))
        third = await memory.update_entity(second.evolve(name="c", entity_type="dog"))
        assert recorded(first) < recorded(second) < recorded(third)
        for version, until in ((first, second), (second, third)):
            for time in (recorded(version), recorded(until) - TICK):
                assert version == await memory.get_entity(first.id, known_at=time)
                assert [version] == (await memory.get_entities(EntityFilter(known_at=time))).items
        assert third == await memory.get_entity(first.id)
        assert third == await memory.get_entity(first.id, known_at=recorded(third) + timedelta(1))
        assert await memory.get_entity(first.id, known_at=recorded(first) - TICK) is None
        past = EntityFilter(known_at=recorded(first), group_id="g", entity_types=("person",))
        assert [first] == (await memory.get_entities(past)).items

    async def test_both_times_are_asked_at_once(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """What was valid then, as it was known then."""
        a, b = [await memory.add_entity(entity(name)) for name in "ab"]
        stored = await memory.add_relationship(relationship(a, b, valid_from=NOON))
        ended = await memory.update_relationship(stored.evolve(valid_to=NOON + timedelta(1)))
        late = NOON + timedelta(2)
        assert await memory.get_relationship(stored.id, as_of=late) is None
        assert ended == await memory.get_relationship(stored.id, as_of=NOON)
        assert stored == await memory.get_relationship(stored.id, late, recorded(stored))
        assert await memory.get_relationship(stored.id, NOON - TICK, recorded(stored)) is None
        then = RelationshipFilter(as_of=late, known_at=recorded(stored), from_entity_id=a.id)
        assert [stored] == (await memory.get_relationships(then)).items
        assert [] == (await memory.get_relationships(RelationshipFilter(as_of=late))).items

    async def test_deleting_an_entity_ends_its_relationships(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """Both ways, into the history, where they can still be read."""
        a, b, c = [await memory.add_entity(entity(name)) for name in "abc"]
        ends = ((a, b), (b, a), (a, a), (b, c))
        links = [await memory.add_relationship(relationship(*pair)) for pair in ends]
        known = recorded(links[-1])
        assert await memory.delete_entity(a.id)
        assert await memory.get_entity(a.id) is None
        assert [links[3]] == (await memory.get_relationships()).items
        assert a == await memory.get_entity(a.id, known_at=known)
        assert links == (await memory.get_relationships(RelationshipFilter(known_at=known))).items
        assert not await memory.delete_entity(a.id)

    async def test_deleting_a_relationship_keeps_it_in_the_history(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """It can be read as it was known."""
        a, b = [await memory.add_entity(entity(name)) for name in "ab"]
        link = await memory.add_relationship(relationship(a, b))
        assert await memory.delete_relationship(link.id)
        assert not await memory.delete_relationship(link.id)
        assert await memory.get_relationship(link.id) is None
        assert link == await memory.get_relationship(link.id, known_at=recorded(link))

    async def test_a_fact_is_replaced_where_its_successor_begins(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """The old one ends there, both are recorded at one time, and what was known before stays known."""
        a, b, c = [await memory.add_entity(entity(name)) for name in "abc"]
        old = await memory.add_relationship(relationship(a, b, valid_from=NOON))
        change = NOON + timedelta(1)
        new = await memory.replace_relationship(old.id, relationship(a, c, valid_from=change))
        ended = there(await memory.get_relationship(old.id))
        assert (change, 2) == (ended.valid_to, ended.revision)
        assert recorded(ended) == recorded(new)
        assert new == await memory.get_relationship(new.id)
        for time, expected in ((change - TICK, ended), (change, new)):
            assert [expected] == (await memory.get_relationships(RelationshipFilter(as_of=time))).items
        then = RelationshipFilter(as_of=change, known_at=recorded(old))
        assert [old] == (await memory.get_relationships(then)).items

    async def test_a_replacement_is_both_or_none(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """A successor that begins outside, or can't be stored, leaves the old fact as it is."""
        a, b = [await memory.add_entity(entity(name)) for name in "ab"]
        end = NOON + timedelta(2)
        old = await memory.add_relationship(relationship(a, b, valid_from=NOON, valid_to=end))
        for start in (NOON - TICK, NOON, end, end + TICK):
            with pytest.raises(InvalidDataError, match=r"^valid_from: "):
                await memory.replace_relationship(old.id, relationship(a, b, valid_from=start))
        within = NOON + timedelta(1)
        with pytest.raises(NotFoundError):
            await memory.replace_relationship(old.id, relationship(a, uuid4(), valid_from=within))
        with pytest.raises(DuplicateError):
            await memory.replace_relationship(old.id, relationship(a, b, id=old.id, valid_from=within))
        with pytest.raises(InvalidDataError, match=r"^revision: "):
            await memory.replace_relationship(old.id, relationship(a, b, revision=1, valid_from=within))
        with pytest.raises(NotFoundError):
            await memory.replace_relationship(uuid4(), relationship(a, b, valid_from=within))
        assert [old] == (await memory.get_relationships()).items
        assert old == await memory.get_relationship(old.id, known_at=recorded(old))

    async def test_a_period_holds_its_start_and_not_its_end(
        self, memory: MemoryStore, entity: MakeEntity
    ) -> None:
        """By ``as_of``, for one and for many."""
        end = NOON + timedelta(1)
        stored = await memory.add_entity(entity(valid_from=NOON, valid_to=end))
        for time, valid in ((NOON - TICK, False), (NOON, True), (end - TICK, True), (end, False)):
            expected = [stored] if valid else []
            assert expected == (await memory.get_entities(EntityFilter(as_of=time))).items
            assert (stored if valid else None) == await memory.get_entity(stored.id, as_of=time)

    async def test_filters_ask_of_the_version_then_known(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """Not of what it is now."""
        a, b = [await memory.add_entity(entity(name, group_id="old")) for name in "ab"]
        link = await memory.add_relationship(relationship(a, b, group_id="old"))
        known = recorded(link)
        await memory.update_entity(a.evolve(group_id="new"))
        await memory.update_relationship(link.evolve(group_id="new", relation_type="likes"))
        for group, entities, links in (("old", [a, b], [link]), ("new", [], [])):
            found = await memory.get_entities(EntityFilter(known_at=known, group_id=group))
            assert entities == found.items
            found_links = await memory.get_relationships(RelationshipFilter(known_at=known, group_id=group))
            assert links == found_links.items

    async def test_a_refused_update_leaves_no_version(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """Neither a stale one nor one that contradicts what is stored."""
        a, b = [await memory.add_entity(entity(name)) for name in "ab"]
        one = await memory.add_relationship(relationship(a, b, valid_from=NOON))
        other = await memory.add_relationship(relationship(a, b, valid_from=NOON + TICK))
        with pytest.raises(DuplicateError):
            await memory.update_relationship(other.evolve(valid_from=NOON))
        second = await memory.update_relationship(other.evolve(confidence=0.5))
        with pytest.raises(StaleRevisionError):
            await memory.update_relationship(other.evolve(confidence=0.7))
        assert (1, 2) == (other.revision, second.revision)
        assert other == await memory.get_relationship(other.id, known_at=recorded(second) - TICK)
        assert [one, second] == sorted((await memory.get_relationships()).items, key=lambda r: r.valid_from)

    async def test_one_that_comes_back_leaves_a_gap(self, memory: MemoryStore, entity: MakeEntity) -> None:
        """While it was deleted, nothing was known of it; its revisions go on."""
        first = await memory.add_entity(entity("first"))
        await memory.delete_entity(first.id)
        again = await memory.add_entity(entity("again", id=first.id))
        assert 2 == again.revision
        assert recorded(first) < recorded(again)
        assert first == await memory.get_entity(first.id, known_at=recorded(first))
        assert again == await memory.get_entity(first.id)
        with pytest.raises(DuplicateError):
            await memory.add_entity(entity("again", id=first.id))
