"""The graph in PostgreSQL: entities and relationships, as they are known now and as they were known once."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import ColumnElement, Text, bindparam, delete, or_, select

from focal_data.database.scope import Transaction
from focal_data.database.statement import Statement
from focal_data.domain.answers import Scored
from focal_data.domain.checking import checked_filters, checked_uuid
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EntityFilter, RelationshipFilter
from focal_data.domain.memory import Entity, Relationship
from focal_data.errors import NotFoundError
from focal_data.repositories import vector
from focal_data.repositories.base import any_of
from focal_data.repositories.customers import of_person
from focal_data.repositories.filtering import Conditions, chosen, of_agent
from focal_data.repositories.versions import Columns, VersionedRepository, valid
from focal_data.stores.memory import ended
from focal_data.tables.memory import (
    EntityHistoryTable,
    EntityTable,
    RelationshipHistoryTable,
    RelationshipTable,
)


class EntityRepository(VersionedRepository[EntityTable, Entity]):
    """Entities and their history."""

    history = EntityHistoryTable.__table__  # type: ignore[attr-defined]
    filters = EntityFilter

    @classmethod
    def conditions(cls, c: Columns) -> Conditions:
        """What each field of ``EntityFilter`` asks for."""
        return {
            "agent_id": c.agent_id == bindparam("agent_id"),
            "only_agent_id": c.agent_id == bindparam("only_agent_id"),
            "customer_profile_id": of_person(c.customer_profile_id),
            "group_id": c.group_id == bindparam("group_id"),
            "entity_types": c.entity_type == any_of("entity_types", Text()),
            "canonical_name": c.canonical_name == bindparam("canonical_name"),
            "as_of": valid(c),
        }

    async def delete(self, id: UUID) -> bool:  # noqa: A002
        """Move its relationships into the history, then itself; locked first, so that none is added meanwhile."""
        checked_uuid("id", id)
        now = self._scope.now()

        async def work(tx: Transaction) -> bool:
            here = EntityRepository(tx)
            if await here._row(self._locked(), {"id": id}) is None:
                return False
            await RelationshipRepository(tx).delete_of_entity(id, now)
            return await here._execute(self._move(), {"id": id, "now": now}) > 0

        return await self._scope.run(work)

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
        asked = of_agent(checked_uuid("agent_id", agent_id), checked_filters(filters, EntityFilter))
        statement = self._nearest(frozenset(asked))
        return await vector.search(self, statement, query, values=asked, limit=limit, min_score=min_score)

    async def ids_of_group(self, group_id: str) -> list[UUID]:
        """The group's entities, locked, and those that were in it once and that only the history knows now."""
        stored = await self.raw(self._locked_group(), {"group_id": group_id})
        gone = await self.raw(self._only_history(), {"group_id": group_id})
        return [row["id"] for row in (*stored, *gone)]

    async def erase(self, group_id: str, ids: list[UUID]) -> int:
        """Remove ``ids`` for good with their history, and what else of the history is the group's; how many were stored."""
        stored = await self._execute(self._erase(), {"ids": ids})
        await self._execute(self._erase_history(), {"ids": ids, "group_id": group_id})
        return stored

    @classmethod
    @cache
    def _locked(cls) -> Statement:
        return Statement(select(cls.c.revision).where(*cls._key()).with_for_update())

    @classmethod
    @cache
    def _locked_group(cls) -> Statement:
        group = select(cls.c.id).where(*cls.scoped(), cls.c.group_id == bindparam("group_id"))
        return Statement(group.order_by(cls.c.id).with_for_update())

    @classmethod
    @cache
    def _erase(cls) -> Statement:
        return Statement(delete(cls.table).where(*cls.scoped(), cls.c.id == any_of("ids")))

    @classmethod
    @cache
    def _erase_history(cls) -> Statement:
        h = cls.history.c
        theirs = or_(h.group_id == bindparam("group_id"), h.id == any_of("ids"))
        return Statement(delete(cls.history).where(h.tenant_id == bindparam("tenant_id"), theirs))

    @classmethod
    @cache
    def _nearest(cls, asked: frozenset[str]) -> Statement:
        source = cls.source(asked)
        if source is cls.table:
            return vector.nearest(cls, *chosen(cls.conditions(cls.c), asked))
        rows = cls.found(source, asked).where(source.c.embedding_model == bindparam("model"))
        scored = rows.add_columns(vector.distance(source.c).label("distance"))
        return Statement(scored.order_by("distance", source.c.id).limit(bindparam("limit")))


class RelationshipRepository(VersionedRepository[RelationshipTable, Relationship]):
    """Relationships and their history."""

    history = RelationshipHistoryTable.__table__  # type: ignore[attr-defined]
    filters = RelationshipFilter

    @classmethod
    def conditions(cls, c: Columns) -> Conditions:
        """What each field of ``RelationshipFilter`` asks for."""
        return {
            "from_entity_id": c.from_entity_id == bindparam("from_entity_id"),
            "to_entity_id": c.to_entity_id == bindparam("to_entity_id"),
            "relation_types": c.relation_type == any_of("relation_types", Text()),
            "group_id": c.group_id == bindparam("group_id"),
            "as_of": valid(c),
        }

    async def replace(self, id: UUID, successor: Relationship) -> Relationship:  # noqa: A002
        """End the one with this id where ``successor`` begins, and insert that."""
        checked_uuid("id", id)
        new = self._new(successor)

        async def work(tx: Transaction) -> Relationship:
            here = RelationshipRepository(tx)
            old = await here.one(self._locked(), {"id": id})
            if old is None:
                raise NotFoundError(Relationship.__name__)
            recorded_at = (await here.update(ended(old, new.valid_from))).recorded_at
            return await here._added(new.model_copy(update={"recorded_at": recorded_at}))

        return await self._scope.run(work)

    async def delete_of_entity(self, entity_id: UUID, now: datetime) -> int:
        """Move those that begin or end at the entity into the history; how many."""
        return await self._execute(self._move_of_entity(), {"entity_id": entity_id, "now": now})

    async def erase(self, group_id: str, entity_ids: list[UUID]) -> int:
        """Remove those of the group and of ``entity_ids`` for good, with their history; how many were stored."""
        values = {"group_id": group_id, "entity_ids": entity_ids}
        stored = await self.raw(self._erase(), values)
        gone = await self.raw(self._only_history(), {"group_id": group_id})
        await self._execute(self._erase_history(), values | {"ids": [row["id"] for row in (*stored, *gone)]})
        return len(stored)

    @classmethod
    @cache
    def _locked(cls) -> Statement:
        return Statement(cls.rows(cls.c.id == bindparam("id")).with_for_update())

    @classmethod
    @cache
    def _move_of_entity(cls) -> Statement:
        ends = (cls.c.from_entity_id, cls.c.to_entity_id)
        return Statement(cls._moved(or_(*(end == bindparam("entity_id") for end in ends))))

    @classmethod
    @cache
    def _erase(cls) -> Statement:
        return Statement(delete(cls.table).where(*cls.scoped(), _erased(cls.c)).returning(cls.c.id))

    @classmethod
    @cache
    def _erase_history(cls) -> Statement:
        h = cls.history.c
        theirs = or_(_erased(h), h.id == any_of("ids"))
        return Statement(delete(cls.history).where(h.tenant_id == bindparam("tenant_id"), theirs))


def _erased(c: Columns) -> ColumnElement[bool]:
    """In the group, or at one of its entities."""
    ends = (c.from_entity_id, c.to_entity_id)
    return or_(c.group_id == bindparam("group_id"), *(end == any_of("entity_ids") for end in ends))
