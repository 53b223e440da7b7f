"""The memory store composed of one repository per kind: what only hands a call on is the same whatever keeps the data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from focal_data.domain.answers import Page, Scored
from focal_data.domain.base import ValueObject
from focal_data.domain.checking import checked_filters, checked_member, checked_uuid
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EntityFilter, EpisodeFilter, RelationshipFilter
from focal_data.domain.memory import Direction, Entity, Episode, Relationship, Traversal
from focal_data.stores.base import (
    checked_depth,
    checked_flag,
    checked_ids,
    checked_limit,
    checked_many,
    checked_min_score,
    checked_query,
    checked_string,
)
from focal_data.stores.memory import MemoryStore

V = TypeVar("V")


class Episodes(Protocol):
    """Episodes, and the searches among them."""

    async def add(self, entity: Episode) -> Episode: ...

    async def add_many(self, entities: Iterable[Episode]) -> list[Episode]: ...

    async def get(self, id: UUID, *, include_deleted: bool = False) -> Episode | None: ...  # noqa: A002

    async def delete(self, id: UUID) -> bool: ...  # noqa: A002

    async def page(self, filters: EpisodeFilter | None, limit: int, cursor: str | None) -> Page[Episode]: ...

    async def nearest(
        self,
        agent_id: UUID,
        query: Embedding,
        filters: EpisodeFilter | None,
        *,
        limit: int,
        min_score: float | None,
    ) -> list[Scored[Episode]]: ...

    async def matching(
        self, agent_id: UUID, query: str, filters: EpisodeFilter | None, *, limit: int, highlight: bool
    ) -> list[Scored[Episode]]: ...

    async def fused(
        self, agent_id: UUID, text: str, query: Embedding, filters: EpisodeFilter | None, /, *, limit: int
    ) -> list[Scored[Episode]]: ...


class Versioned(Protocol[V]):
    """What has a history."""

    async def add(self, entity: V) -> V: ...

    async def at(self, id: UUID, *, as_of: datetime | None, known_at: datetime | None) -> V | None: ...  # noqa: A002

    async def page(self, filters: ValueObject | None, limit: int, cursor: str | None) -> Page[V]: ...

    async def update(self, entity: V) -> V: ...

    async def delete(self, id: UUID) -> bool: ...  # noqa: A002


class Entities(Versioned[Entity], Protocol):
    """Entities, and the search among them."""

    async def nearest(
        self,
        agent_id: UUID,
        query: Embedding,
        filters: EntityFilter | None,
        *,
        limit: int,
        min_score: float | None,
    ) -> list[Scored[Entity]]: ...


class Relationships(Versioned[Relationship], Protocol):
    """Relationships."""

    async def replace(self, id: UUID, successor: Relationship) -> Relationship: ...  # noqa: A002


@dataclass(frozen=True)
class Walk:
    """A way through the graph: from where, over what, how far, and how many entities are enough."""

    starts: tuple[UUID, ...]
    filters: RelationshipFilter
    direction: Direction
    max_depth: int
    limit: int


class ComposedMemoryStore(MemoryStore):
    """A memory store over repositories; a subclass makes them, walks the graph and deletes groups.

    Arguments are checked here, in their order, so that of two bad ones every backend names the same.
    """

    _episodes: Episodes
    _entities: Entities
    _relationships: Relationships

    async def add_episode(self, episode: Episode) -> Episode:
        return await self._episodes.add(episode)

    async def add_episodes(self, episodes: Sequence[Episode]) -> list[Episode]:
        return await self._episodes.add_many(checked_many("episodes", episodes))

    async def get_episode(self, episode_id: UUID) -> Episode | None:
        return await self._episodes.get(checked_uuid("id", episode_id))

    async def get_episodes(
        self, filters: EpisodeFilter | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[Episode]:
        return await self._episodes.page(filters, limit, cursor)

    async def delete_episode(self, episode_id: UUID) -> bool:
        return await self._episodes.delete(checked_uuid("id", episode_id))

    async def vector_search_episodes(
        self,
        agent_id: UUID,
        query: Embedding,
        *,
        filters: EpisodeFilter | None = None,
        limit: int = 10,
        min_score: float | None = None,
    ) -> list[Scored[Episode]]:
        return await self._episodes.nearest(
            checked_uuid("agent_id", agent_id),
            checked_query(query),
            checked_filters(filters, EpisodeFilter),
            limit=checked_limit(limit),
            min_score=checked_min_score(min_score),
        )

    async def text_search_episodes(
        self,
        agent_id: UUID,
        query: str,
        *,
        filters: EpisodeFilter | None = None,
        limit: int = 10,
        highlight: bool = False,
    ) -> list[Scored[Episode]]:
        return await self._episodes.matching(
            checked_uuid("agent_id", agent_id),
            checked_string("query", query),
            checked_filters(filters, EpisodeFilter),
            limit=checked_limit(limit),
            highlight=checked_flag("highlight", highlight),
        )

    async def hybrid_search_episodes(
        self,
        agent_id: UUID,
        text: str,
        query: Embedding,
        *,
        filters: EpisodeFilter | None = None,
        limit: int = 10,
    ) -> list[Scored[Episode]]:
        return await self._episodes.fused(
            checked_uuid("agent_id", agent_id),
            checked_string("text", text),
            checked_query(query),
            checked_filters(filters, EpisodeFilter),
            limit=checked_limit(limit),
        )

    async def add_entity(self, entity: Entity) -> Entity:
        return await self._entities.add(entity)

    async def get_entity(
        self, entity_id: UUID, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> Entity | None:
        return await self._entities.at(entity_id, as_of=as_of, known_at=known_at)

    async def get_entities(
        self, filters: EntityFilter | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[Entity]:
        return await self._entities.page(filters, limit, cursor)

    async def update_entity(self, entity: Entity) -> Entity:
        return await self._entities.update(entity)

    async def delete_entity(self, entity_id: UUID) -> bool:
        return await self._entities.delete(entity_id)

    async def vector_search_entities(
        self,
        agent_id: UUID,
        query: Embedding,
        *,
        filters: EntityFilter | None = None,
        limit: int = 10,
        min_score: float | None = None,
    ) -> list[Scored[Entity]]:
        return await self._entities.nearest(
            checked_uuid("agent_id", agent_id),
            checked_query(query),
            checked_filters(filters, EntityFilter),
            limit=checked_limit(limit),
            min_score=checked_min_score(min_score),
        )

    async def add_relationship(self, relationship: Relationship) -> Relationship:
        return await self._relationships.add(relationship)

    async def get_relationship(
        self, relationship_id: UUID, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> Relationship | None:
        return await self._relationships.at(relationship_id, as_of=as_of, known_at=known_at)

    async def get_relationships(
        self, filters: RelationshipFilter | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[Relationship]:
        return await self._relationships.page(filters, limit, cursor)

    async def update_relationship(self, relationship: Relationship) -> Relationship:
        return await self._relationships.update(relationship)

    async def delete_relationship(self, relationship_id: UUID) -> bool:
        return await self._relationships.delete(relationship_id)

    async def replace_relationship(self, relationship_id: UUID, successor: Relationship) -> Relationship:
        return await self._relationships.replace(relationship_id, successor)

    async def traverse_from_entities(
        self,
        entity_ids: Sequence[UUID],
        *,
        filters: RelationshipFilter | None = None,
        direction: Direction = Direction.BOTH,
        max_depth: int = 2,
        limit: int = 100,
    ) -> list[Traversal]:
        walk = Walk(
            tuple(dict.fromkeys(checked_ids("entity_ids", entity_ids))),
            checked_filters(filters, RelationshipFilter),
            checked_member("direction", direction, Direction),
            checked_depth(max_depth),
            checked_limit(limit),
        )
        return await self._walked(walk)

    @abstractmethod
    async def _walked(self, walk: Walk) -> list[Traversal]:
        """What the walk reaches, as ``traverse_from_entities`` says."""
