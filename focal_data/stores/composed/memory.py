"""The memory store composed of one repository per kind: what only hands a call on is the same whatever keeps the data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from focal_data.domain.answers import Page, Scored
from focal_data.domain.base import ValueObject
from focal_data.domain.checking import checked_uuid
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EntityFilter, EpisodeFilter, RelationshipFilter
from focal_data.domain.memory import Entity, Episode, Relationship
from focal_data.stores.base import checked_many
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


class ComposedMemoryStore(MemoryStore):
    """A memory store over repositories; a subclass makes them, walks the graph and deletes groups."""

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
        return await self._episodes.nearest(agent_id, query, filters, limit=limit, min_score=min_score)

    async def text_search_episodes(
        self,
        agent_id: UUID,
        query: str,
        *,
        filters: EpisodeFilter | None = None,
        limit: int = 10,
        highlight: bool = False,
    ) -> list[Scored[Episode]]:
        return await self._episodes.matching(agent_id, query, filters, limit=limit, highlight=highlight)

    async def hybrid_search_episodes(
        self,
        agent_id: UUID,
        text: str,
        query: Embedding,
        *,
        filters: EpisodeFilter | None = None,
        limit: int = 10,
    ) -> list[Scored[Episode]]:
        return await self._episodes.fused(agent_id, text, query, filters, limit=limit)

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
        return await self._entities.nearest(agent_id, query, filters, limit=limit, min_score=min_score)

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
