"""The graph in memory: entities and relationships, as they are known now and as they were known once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from focal_data.domain.answers import Scored
from focal_data.domain.checking import checked_filters, checked_uuid, copied
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EntityFilter, RelationshipFilter
from focal_data.domain.memory import Entity, Relationship
from focal_data.errors import NotFoundError
from focal_data.inmemory import vector
from focal_data.inmemory.customers import condition
from focal_data.inmemory.database import Tables
from focal_data.inmemory.repository import Parent, Unique
from focal_data.inmemory.versions import InMemoryVersionedRepository
from focal_data.stores.memory import ended


class InMemoryEntityRepository(InMemoryVersionedRepository[Entity]):
    """Entities and their history."""

    kind = "entities"
    history = "entity_history"
    domain = Entity
    filters = EntityFilter
    parents = (
        Parent("fk_entities_agent_id", "agent_id", "agents", "Agent"),
        Parent(
            "fk_entities_customer_profile_id", "customer_profile_id", "customer_profiles", "CustomerProfile"
        ),
    )

    async def nearest(
        self,
        agent_id: UUID,
        query: Embedding,
        filters: EntityFilter | None,
        *,
        limit: int,
        min_score: float | None,
    ) -> list[Scored[Entity]]:
        """The agent's entities nearest to ``query``, nearest first, then by id."""
        checked_uuid("agent_id", agent_id)
        asked, tables = checked_filters(filters, EntityFilter), self._scope.tables()
        known, matches = self.known(tables, asked.known_at), self.condition(tables, asked)
        found = (entity for entity in known if entity.agent_id == agent_id and matches(entity))
        return vector.nearest(found, query, limit=limit, min_score=min_score)

    def condition(self, tables: Tables, asked: EntityFilter) -> Callable[[Entity], bool]:
        return condition(self._scope, tables, asked)

    def move(self, tables: Tables, id: UUID, now: datetime) -> bool:  # noqa: A002
        """Move its relationships into the history, then itself."""
        relationships = InMemoryRelationshipRepository(self._scope)
        for relationship in relationships.those(tables, lambda r: id in (r.from_entity_id, r.to_entity_id)):
            relationships.move(tables, relationship.id, now)
        return super().move(tables, id, now)

    def ids_of_group(self, tables: Tables, group_id: str) -> set[UUID]:
        """The group's entities, and those that were in it once and that only the history knows now."""
        gone = {e.id for e in self.past(tables) if e.group_id == group_id and self.find(tables, e.id) is None}
        return gone | {e.id for e in self.those(tables, lambda e: e.group_id == group_id)}

    def erase(self, tables: Tables, group_id: str, ids: set[UUID]) -> int:
        """Remove ``ids`` for good with their history, and what else of the history is the group's; how many were stored."""
        self.forget(tables, lambda version: version.group_id == group_id or version.id in ids)
        return sum(self.remove(tables, id) for id in ids)  # noqa: A001


class InMemoryRelationshipRepository(InMemoryVersionedRepository[Relationship]):
    """Relationships and their history."""

    kind = "relationships"
    history = "relationship_history"
    domain = Relationship
    filters = RelationshipFilter
    unique = (
        Unique(
            "uq_relationships_from_entity_id",
            ("from_entity_id", "to_entity_id", "relation_type", "valid_from"),
        ),
    )
    parents = (
        Parent("fk_relationships_from_entity_id", "from_entity_id", "entities", "Entity"),
        Parent("fk_relationships_to_entity_id", "to_entity_id", "entities", "Entity"),
    )

    async def replace(self, id: UUID, successor: Relationship) -> Relationship:  # noqa: A002
        """End the one with this id where ``successor`` begins, and insert that."""
        checked_uuid("id", id)
        new = self.new(successor)
        return copied(await self._scope.write(lambda tables: self._replaced(tables, id, new)))

    def erase(self, tables: Tables, group_id: str, entity_ids: set[UUID]) -> int:
        """Remove those of the group and of ``entity_ids`` for good, with their history; how many were stored."""

        def belongs(version: Relationship) -> bool:
            ends = (version.from_entity_id, version.to_entity_id)
            return version.group_id == group_id or not entity_ids.isdisjoint(ends)

        stored = {r.id for r in self.those(tables, belongs)}
        for id in stored:  # noqa: A001
            self.remove(tables, id)
        gone = {v.id for v in self.past(tables) if v.group_id == group_id and self.find(tables, v.id) is None}
        self.forget(tables, lambda version: belongs(version) or version.id in stored | gone)
        return len(stored)

    def _replaced(self, tables: Tables, id: UUID, new: Relationship) -> Relationship:  # noqa: A002
        old = self.find(tables, id)
        if old is None:
            raise NotFoundError(Relationship.__name__)
        recorded_at = self.change(tables, ended(old, new.valid_from)).recorded_at
        return self.insert(tables, self.stamped(new, recorded_at=recorded_at))
