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
            embedding=given.embedding.rounded(),
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

    async def test_locks_hold(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """A stale revision tells the current one, a missing thing is not found, and adding and updating are not mixed up."""
        a, b = await people(memory, entity, "ab")
        link = await memory.add_relationship(relationship(a, b))
        for stored, add, update, get in (
            (a, memory.add_entity, memory.update_entity, memory.get_entity),
            (link, memory.add_relationship, memory.update_relationship, memory.get_relationship),
        ):
            second = await update(stored.evolve(attributes={"n": 2}))
            assert 2 == second.revision
            with pytest.raises(StaleRevisionError) as stale:
                await update(stored.evolve(attributes={"n": 3}))
            assert 2 == stale.value.current_revision
            with pytest.raises(NotFoundError):
                await update(stored.evolve(id=uuid4()))
            with pytest.raises(InvalidDataError, match=r"^revision: "):
                await add(stored.evolve(id=uuid4()))
            with pytest.raises(InvalidDataError, match=r"^revision: "):
                await update(stored.evolve(revision=0))
            assert second == await get(stored.id)
