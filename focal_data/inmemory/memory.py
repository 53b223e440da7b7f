"""What an agent remembers, in memory: episodes and how they are searched, and the store composed with the graph."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from focal_data.domain import fusion, words
from focal_data.domain.answers import Page, Scored
from focal_data.domain.checking import checked_filters, checked_uuid, copied
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EpisodeFilter
from focal_data.domain.memory import Episode, GroupDeletion, Traversal
from focal_data.inmemory import vector
from focal_data.inmemory.customers import condition
from focal_data.inmemory.database import HasInMemoryScope, InMemoryScope, Tables
from focal_data.inmemory.graph import InMemoryEntityRepository, InMemoryRelationshipRepository
from focal_data.inmemory.paging import page
from focal_data.inmemory.repository import InMemoryRepository, Parent
from focal_data.inmemory.traversal import InMemoryGraph
from focal_data.inmemory.words import read
from focal_data.stores.base import checked_group, checked_limit, checked_query
from focal_data.stores.composed.memory import ComposedMemoryStore, Walk

Leg = list[tuple[float, Episode]]
"""What one search found: scores and episodes, the best first, then by id."""


class InMemoryEpisodeRepository(InMemoryRepository[Episode]):
    """Episodes, and the searches among them."""

    kind = "episodes"
    domain = Episode
    parents = (
        Parent("fk_episodes_agent_id", "agent_id", "agents", "Agent"),
        Parent(
            "fk_episodes_customer_profile_id", "customer_profile_id", "customer_profiles", "CustomerProfile"
        ),
    )

    async def page(self, filters: EpisodeFilter | None, limit: int, cursor: str | None) -> Page[Episode]:
        """One page, the last to occur first, then by id downwards."""
        asked, tables = checked_filters(filters, EpisodeFilter), self._scope.tables()
        found = self.those(tables, condition(self._scope, tables, asked))
        key = {"occurred_at": datetime, "id": UUID}
        return page(found, limit, cursor, key=key, of=(self.kind, asked), descending=True)

    async def nearest(
        self,
        agent_id: UUID,
        query: Embedding,
        filters: EpisodeFilter | None,
        *,
        limit: int,
        min_score: float | None,
    ) -> list[Scored[Episode]]:
        """The agent's episodes nearest to ``query``, nearest first, then by id."""
        return vector.nearest(self._of_agent(agent_id, filters), query, limit=limit, min_score=min_score)

    async def matching(
        self, agent_id: UUID, query: str, filters: EpisodeFilter | None, *, limit: int, highlight: bool
    ) -> list[Scored[Episode]]:
        """The agent's episodes that hold what ``query`` asks for, the best first, then by id."""
        harmless, most = words.harmless(query, "query"), checked_limit(limit)
        hits = _by_text(self._of_agent(agent_id, filters), harmless)[:most]
        return [
            Scored(copied(episode), score, snippet=_snippet(episode, harmless) if highlight else None)
            for score, episode in hits
        ]

    async def fused(
        self, agent_id: UUID, text: str, query: Embedding, filters: EpisodeFilter | None, *, limit: int
    ) -> list[Scored[Episode]]:
        """Both searches, fused by reciprocal rank."""
        harmless, nearest_to, most = (
            words.harmless(text, "text"),
            checked_query(query),
            checked_limit(limit),
        )
        found = self._of_agent(agent_id, filters)
        by_vector = _ranks(_by_vector(found, nearest_to)[: fusion.depth(most)])
        by_text = _ranks(_by_text(found, harmless)[: fusion.depth(most)])
        hits = [
            Scored(episode, fusion.score(*ranks), *ranks)
            for episode in found
            if any(ranks := (by_vector.get(episode.id), by_text.get(episode.id)))
        ]
        best = sorted(hits, key=lambda hit: (-hit.score, hit.item.id))[:most]
        return [Scored(copied(hit.item), hit.score, hit.vector_rank, hit.text_rank) for hit in best]

    def erase(self, tables: Tables, group_id: str) -> int:
        """Remove those of the group; how many."""
        return sum(self.remove(tables, e.id) for e in self.those(tables, lambda e: e.group_id == group_id))

    def _of_agent(self, agent_id: UUID, filters: EpisodeFilter | None) -> list[Episode]:
        checked_uuid("agent_id", agent_id)
        asked, tables = checked_filters(filters, EpisodeFilter), self._scope.tables()
        matches = condition(self._scope, tables, asked)
        return self.those(tables, lambda e: e.agent_id == agent_id and matches(e))


def _by_vector(episodes: Iterable[Episode], query: Embedding) -> Leg:
    found = [e for e in episodes if e.embedding is not None and e.embedding.model == query.model]
    scores = vector.similarities([e.embedding for e in found if e.embedding is not None], query)
    return _best_first(zip(scores, found, strict=True))


def _by_text(episodes: Iterable[Episode], query: str) -> Leg:
    ranked = ((_text_rank(episode, query), episode) for episode in episodes)
    return _best_first((rank, episode) for rank, episode in ranked if rank is not None)


def _text_rank(episode: Episode, query: str) -> float | None:
    asked = read(query, episode.language)
    return None if asked is None else asked.rank(episode.content, episode.language)


def _snippet(episode: Episode, query: str) -> str | None:
    asked = read(query, episode.language)
    return None if asked is None else asked.snippet(episode.content, episode.language)


def _best_first(hits: Iterable[tuple[float, Episode]]) -> Leg:
    return sorted(hits, key=lambda hit: (-hit[0], hit[1].id))


def _ranks(leg: Leg) -> dict[UUID, int]:
    return {episode.id: rank for rank, (_, episode) in enumerate(leg, 1)}


class InMemoryMemoryStore(ComposedMemoryStore):
    """Made from a tenant, where each call is a transaction of its own, or from a unit of work, which each call joins."""

    _episodes: InMemoryEpisodeRepository
    _entities: InMemoryEntityRepository
    _relationships: InMemoryRelationshipRepository

    def __init__(self, source: HasInMemoryScope | InMemoryScope) -> None:
        self._episodes = InMemoryEpisodeRepository(source)
        self._entities = InMemoryEntityRepository(source)
        self._relationships = InMemoryRelationshipRepository(source)
        self._scope: InMemoryScope = source.memory_scope if hasattr(source, "memory_scope") else source

    async def _walked(self, walk: Walk) -> list[Traversal]:
        graph = InMemoryGraph(self._scope.tables(), self._entities, self._relationships, walk.filters)
        return graph.traverse(walk)

    async def delete_by_group(self, group_id: str) -> GroupDeletion:
        group = checked_group(group_id)

        def work(tables: Tables) -> GroupDeletion:
            episodes = self._episodes.erase(tables, group)
            ids = self._entities.ids_of_group(tables, group)
            relationships = self._relationships.erase(tables, group, ids)
            return GroupDeletion(episodes, self._entities.erase(tables, group, ids), relationships)

        return await self._scope.write(work)
