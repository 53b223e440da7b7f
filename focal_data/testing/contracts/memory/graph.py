"""Entities and relationships: kept as given, unique, locked by their revision."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from focal_data.domain.embedding import Embedding
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError, StaleRevisionError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.memory.base import (
    NEVER,
    NOON,
    MakeEntity,
    MakeRelationship,
    MemorySuite,
    people,
    recorded,
    there,
)


class GraphContract(MemorySuite):
    """``add_*``, ``get_*`` and ``update_*`` of entities and relationships."""

    async def test_every_field_of_an_entity_comes_back(
        self, memory: MemoryStore, tenant: TenantUnderTest, entity: MakeEntity
    ) -> None:
        """What was given is what is read, but for the store's own fields."""
        given = entity(
            "Ädä",
            group_id="g",
            canonical_name="ada",
            attributes={"a": [1, None]},
            embedding=Embedding([0.1], model="m"),
            valid_from=NOON,
            valid_to=NOON + timedelta(1),
        )
        stored = await memory.add_entity(given)
        expected = given.evolve(
            tenant_id=tenant.tenant_id,
            revision=1,
            recorded_at=stored.recorded_at,
            embedding=there(given.embedding).rounded(),
        )
        assert expected == stored
        assert stored == await memory.get_entity(given.id)

    async def test_every_field_of_a_relationship_comes_back(
        self, memory: MemoryStore, tenant: TenantUnderTest, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """What was given is what is read, but for the store's own fields."""
        ends = await people(memory, entity, "ab")
        given = relationship(
            *ends,
            attributes={"since": "long"},
            confidence=0.5,
            group_id="g",
            valid_from=NOON,
            valid_to=NOON + timedelta(1),
        )
        stored = await memory.add_relationship(given)
        assert given.evolve(tenant_id=tenant.tenant_id, revision=1, recorded_at=stored.recorded_at) == stored
        assert stored == await memory.get_relationship(given.id)

    async def test_entities_are_unique_by_id_and_need_an_agent(
        self, memory: MemoryStore, entity: MakeEntity
    ) -> None:
        """A stored id is a duplicate, and an unknown agent is not found."""
        stored = await memory.add_entity(entity())
        with pytest.raises(DuplicateError):
            await memory.add_entity(entity(id=stored.id))
        with pytest.raises(NotFoundError, match="agent_id"):
            await memory.add_entity(entity().evolve(agent_id=uuid4()))

    async def test_relationships_need_both_ends(
        self, memory: MemoryStore, stranger: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """An end that is not stored, or is another tenant's, is not found."""
        a, b = await people(memory, entity, "ab")
        for start, end, name in ((a.id, NEVER, "to_entity_id"), (NEVER, b.id, "from_entity_id")):
            with pytest.raises(NotFoundError, match=name):
                await memory.add_relationship(relationship(start, end))
        with pytest.raises(NotFoundError):
            await stranger.add_relationship(relationship(a, b))

    async def test_a_fact_is_stored_once(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """One relationship for each pair, type and ``valid_from``; an update can't go round that."""
        a, b = await people(memory, entity, "ab")
        await memory.add_relationship(relationship(a, b, valid_from=NOON))
        with pytest.raises(DuplicateError) as duplicate:
            await memory.add_relationship(relationship(a, b, valid_from=NOON))
        assert ("from_entity_id", "to_entity_id", "relation_type", "valid_from") == duplicate.value.fields
        later = await memory.add_relationship(relationship(a, b, valid_from=NOON + timedelta(1)))
        with pytest.raises(DuplicateError):
            await memory.update_relationship(later.evolve(valid_from=NOON))
        with pytest.raises(NotFoundError):
            await memory.update_relationship(later.evolve(to_entity_id=NEVER))
        assert later == await memory.get_relationship(later.id)
        assert (await memory.get_relationship(later.id, known_at=NOON)) is None

    async def test_an_entity_is_locked_by_its_revision(self, memory: MemoryStore, entity: MakeEntity) -> None:
        """A stale revision tells the current one, a missing thing is not found, and adding and updating are not mixed up."""
        stored = await memory.add_entity(entity())
        second = await memory.update_entity(stored.evolve(attributes={"n": 2}))
        assert (1, 2) == (stored.revision, second.revision)
        with pytest.raises(StaleRevisionError) as stale:
            await memory.update_entity(stored.evolve(attributes={"n": 3}))
        assert ("Entity", 2) == (stale.value.entity, stale.value.current_revision)
        with pytest.raises(NotFoundError):
            await memory.update_entity(stored.evolve(id=uuid4()))
        with pytest.raises(InvalidDataError, match=r"^revision: "):
            await memory.add_entity(stored.evolve(id=uuid4()))
        with pytest.raises(InvalidDataError, match=r"^revision: "):
            await memory.update_entity(stored.evolve(revision=0))
        assert second == await memory.get_entity(stored.id)

    async def test_a_relationship_is_locked_by_its_revision(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """As an entity is."""
        a, b = await people(memory, entity, "ab")
        stored = await memory.add_relationship(relationship(a, b))
        second = await memory.update_relationship(stored.evolve(attributes={"n": 2}))
        assert (1, 2) == (stored.revision, second.revision)
        with pytest.raises(StaleRevisionError) as stale:
            await memory.update_relationship(stored.evolve(attributes={"n": 3}))
        assert ("Relationship", 2) == (stale.value.entity, stale.value.current_revision)
        with pytest.raises(NotFoundError):
            await memory.update_relationship(stored.evolve(id=uuid4()))
        with pytest.raises(InvalidDataError, match=r"^revision: "):
            await memory.add_relationship(stored.evolve(id=uuid4()))
        with pytest.raises(InvalidDataError, match=r"^revision: "):
            await memory.update_relationship(stored.evolve(revision=0))
        assert second == await memory.get_relationship(stored.id)

    async def test_parents_are_named(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """By their class, on adding and on updating."""
        stored = await memory.add_entity(entity())
        link = await memory.add_relationship(relationship(stored, stored))
        for write, parent in (
            (memory.add_entity(entity(agent_id=NEVER)), "Agent"),
            (memory.add_entity(entity(customer_profile_id=NEVER)), "CustomerProfile"),
            (memory.update_entity(stored.evolve(agent_id=NEVER)), "Agent"),
            (memory.update_entity(stored.evolve(customer_profile_id=NEVER)), "CustomerProfile"),
            (memory.add_relationship(relationship(stored, NEVER)), "Entity"),
            (memory.update_relationship(link.evolve(from_entity_id=NEVER)), "Entity"),
        ):
            with pytest.raises(NotFoundError) as missing:
                await write
            assert parent == missing.value.entity
        assert (stored, link) == (await memory.get_entity(stored.id), await memory.get_relationship(link.id))

    async def test_times_and_revisions_are_the_stores(self, memory: MemoryStore, entity: MakeEntity) -> None:
        """What a caller puts into ``recorded_at`` is ignored, and the id of an update can't move it to another tenant."""
        stored = await memory.add_entity(entity(recorded_at=NOON))
        assert NOON < recorded(stored)
        updated = await memory.update_entity(stored.evolve(recorded_at=NOON, name="b"))
        assert recorded(stored) < recorded(updated)
        with pytest.raises(InvalidDataError, match=r"^tenant_id: "):
            await memory.update_entity(updated.evolve(tenant_id=uuid4()))
        assert updated == await memory.get_entity(stored.id)

    async def test_what_is_handed_over_or_given_is_a_copy(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """Changing a dict inside of an object changes nothing that is stored, nor what is in the history."""
        given = entity(attributes={"a": [1]})
        first = await memory.add_entity(given)
        second = await memory.update_entity(first.evolve(name="b"))
        link = await memory.add_relationship(relationship(first, first, attributes={"a": [1]}))
        ways = await memory.traverse_from_entities([first.id])
        listed = (await memory.get_entities()).items
        past = there(await memory.get_entity(first.id, known_at=recorded(first)))
        assert [] == ways
        for attributes in (
            link.attributes,
            *(thing.attributes for thing in (given, first, second, past, *listed)),
        ):
            attributes["a"] = "spoiled"
        assert {"a": [1]} == there(await memory.get_entity(first.id)).attributes
        assert {"a": [1]} == there(await memory.get_entity(first.id, known_at=recorded(first))).attributes
        assert {"a": [1]} == there(await memory.get_relationship(link.id)).attributes

    async def test_nothing_is_found_or_deleted_twice(self, memory: MemoryStore) -> None:
        """What was never stored is absent."""
        assert (None, None) == (await memory.get_entity(NEVER), await memory.get_relationship(NEVER))
        assert (False, False) == (await memory.delete_entity(NEVER), await memory.delete_relationship(NEVER))
        assert ([], []) == ((await memory.get_entities()).items, (await memory.get_relationships()).items)
