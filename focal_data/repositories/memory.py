"""What an agent remembers, in PostgreSQL: episodes and how they are searched, and the store composed with the graph."""

from __future__ import annotations

from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Float, Text, bindparam, delete

from focal_data.database.scope import HasScope, Row, Scope, Transaction
from focal_data.database.statement import Statement
from focal_data.domain.answers import Page, Scored
from focal_data.domain.checking import checked_filters, checked_uuid
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EpisodeFilter
from focal_data.domain.fusion import depth
from focal_data.domain.memory import (
    Episode,
    GroupDeletion,
    Traversal,
)
from focal_data.domain.words import harmless
from focal_data.repositories import fusion, paging, text, vector
from focal_data.repositories.base import TenantRepository, any_of
from focal_data.repositories.customers import of_person
from focal_data.repositories.filtering import Conditions, chosen, given, of_agent
from focal_data.repositories.graph import EntityRepository, RelationshipRepository
from focal_data.repositories.traversal import traverse
from focal_data.repositories.versions import valid
from focal_data.stores.base import checked_group, checked_limit
from focal_data.stores.composed.memory import ComposedMemoryStore, Walk
from focal_data.tables.columns import utc
from focal_data.tables.memory import EpisodeTable


class EpisodeRepository(TenantRepository[EpisodeTable, Episode]):
    """Episodes, and the searches among them."""

    async def page(self, filters: EpisodeFilter | None, limit: int, cursor: str | None) -> Page[Episode]:
        """One page, the last to occur first, then by id downwards."""
        narrowed = checked_filters(filters, EpisodeFilter)
        asked, key, of = given(narrowed), (self.c.occurred_at, self.c.id), (self.table.name, narrowed)
        values = asked | {"limit": checked_limit(limit) + 1}
        if cursor is not None:
            values |= paging.place(cursor, key, *of)
        found = await self.all(self._page(frozenset(asked), cursor is not None), values)
        return paging.page(found, limit, key, *of)

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
        asked = _of_agent(agent_id, filters)
        statement = self._nearest(frozenset(asked))
        return await vector.search(self, statement, query, values=asked, limit=limit, min_score=min_score)

    async def matching(
        self, agent_id: UUID, query: str, filters: EpisodeFilter | None, *, limit: int, highlight: bool
    ) -> list[Scored[Episode]]:
        """The agent's episodes that hold what ``query`` asks for, by ``ts_rank``, then by id; see ``words.harmless``."""
        asked = _of_agent(agent_id, filters)
        values = {"text": harmless(query, "query"), "limit": checked_limit(limit)}
        statement = self._matching(frozenset(asked), bool(highlight))
        rows = await self.raw(statement, asked | values)
        return [self._scored(row) for row in rows]

    async def fused(
        self, agent_id: UUID, words: str, query: Embedding, filters: EpisodeFilter | None, *, limit: int
    ) -> list[Scored[Episode]]:
        """Both searches in one statement, fused by reciprocal rank; see ``fusion``."""
        asked = _of_agent(agent_id, filters)
        values = {
            "text": harmless(words, "text"),
            "limit": checked_limit(limit),
            **vector.bound(query, depth(limit)),
            "depth": depth(limit),
        }
        rows = await self.raw(self._fused(frozenset(asked)), asked | values, custom_plan=True)
        return [self._scored(row) for row in rows]

    async def erase(self, group_id: str) -> int:
        """Remove those of the group; how many."""
        return await self._execute(self._erase(), {"group_id": group_id})

    def _scored(self, row: Row) -> Scored[Episode]:
        values = dict(row)
        extras = {name: values.pop(name) for name in _EXTRAS if name in values}
        if "snippet" in extras:
            extras["snippet"] = text.restored(extras["snippet"], values["content"])
        return Scored(self.mapper.from_row(values), **extras)

    @classmethod
    def conditions(cls) -> Conditions:
        """What each field of ``EpisodeFilter`` asks for."""
        c = cls.c
        return {
            "agent_id": c.agent_id == bindparam("agent_id"),
            "only_agent_id": c.agent_id == bindparam("only_agent_id"),
            "customer_profile_id": of_person(c.customer_profile_id),
            "group_id": c.group_id == bindparam("group_id"),
            "session_id": c.session_id == bindparam("session_id"),
            "content_types": c.content_type == any_of("content_types", Text()),
            "sources": c.source == any_of("sources", Text()),
            "languages": c.language == any_of("languages", Text()),
            "occurred_from": c.occurred_at >= bindparam("occurred_from", type_=utc()),
            "occurred_to": c.occurred_at < bindparam("occurred_to", type_=utc()),
            "as_of": valid(c),
            "min_importance": c.importance >= bindparam("min_importance", type_=Float()),
        }

    @classmethod
    @cache
    def _page(cls, asked: frozenset[str], further: bool) -> Statement:
        key = (cls.c.occurred_at, cls.c.id)
        rows = cls.rows(*chosen(cls.conditions(), asked))
        if further:
            rows = rows.where(paging.after(key, descending=True))
        return Statement(rows.order_by(*(column.desc() for column in key)).limit(bindparam("limit")))

    @classmethod
    @cache
    def _nearest(cls, asked: frozenset[str]) -> Statement:
        return vector.nearest(cls, *chosen(cls.conditions(), asked))

    @classmethod
    @cache
    def _matching(cls, asked: frozenset[str], highlight: bool) -> Statement:
        hits = text.hits(asked, "limit").cte("hits")
        rows = cls.rows(cls.c.id == hits.c.id).add_columns((-hits.c.order).label("score"))
        if highlight:
            rows = rows.add_columns(text.snippet(cls.c).label("snippet"))
        return Statement(rows.order_by(hits.c.order, cls.c.id))

    @classmethod
    @cache
    def _fused(cls, asked: frozenset[str]) -> Statement:
        nearest = vector.hits(cls, "depth", *chosen(cls.conditions(), asked))
        by_vector = fusion.ranked(nearest, "by_vector")
        by_text = fusion.ranked(text.hits(asked, "depth"), "by_text")
        hits = fusion.best(by_vector, by_text)
        return Statement(
            cls.rows(cls.c.id == hits.c.id)
            .add_columns(hits.c.score, hits.c.vector_rank, hits.c.text_rank)
            .order_by(hits.c.score.desc(), cls.c.id)
        )

    @classmethod
    @cache
    def _erase(cls) -> Statement:
        group = cls.c.group_id == bindparam("group_id")
        return Statement(delete(cls.table).where(*cls.scoped(), group))


def _of_agent(agent_id: UUID, filters: EpisodeFilter | None) -> dict[str, Any]:
    return of_agent(checked_uuid("agent_id", agent_id), checked_filters(filters, EpisodeFilter))


_EXTRAS: Final = ("score", "vector_rank", "text_rank", "snippet")


class PostgresMemoryStore(ComposedMemoryStore):
    """Made from a tenant, where each call is a transaction of its own, or from a unit of work, which each call joins."""

    _entities: EntityRepository

    def __init__(self, source: HasScope | Scope) -> None:
        self._scope: Scope = source.scope if hasattr(source, "scope") else source
        self._episodes = EpisodeRepository(source)
        self._entities = EntityRepository(source)
        self._relationships = RelationshipRepository(source)

    async def _walked(self, walk: Walk) -> list[Traversal]:
        return await traverse(self._entities, walk)

    async def delete_by_group(self, group_id: str) -> GroupDeletion:
        group = checked_group(group_id)

        async def work(tx: Transaction) -> GroupDeletion:
            entities, relationships = EntityRepository(tx), RelationshipRepository(tx)
            episodes = await EpisodeRepository(tx).erase(group)
            ids = await entities.ids_of_group(group)
            ended = await relationships.erase(group, ids)
            return GroupDeletion(episodes, await entities.erase(group, ids), ended)

        return await self._scope.run(work)
