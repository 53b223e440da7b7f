"""What the store of an agent's memory promises; ``stores/base.py`` says what holds for every call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from focal_data.domain.answers import Page, Scored
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EntityFilter, EpisodeFilter, RelationshipFilter
from focal_data.domain.memory import Direction, Entity, Episode, GroupDeletion, Relationship, Traversal
from focal_data.errors import InvalidDataError


class MemoryStore(ABC):
    """Episodes, and the graph of entities and relationships.

    Embeddings come back at the precision they are stored in, and at their own length; a shorter vector is compared as if
    zeros followed it. A vector search considers what has an embedding of the query's own model, and returns no fewer than
    match, up to ``limit``. Its score is cosine similarity, −1..1, of what is stored and the query at that precision.
    A query that this makes zero or infinite is ``InvalidDataError("query")``. An agent that is not known has nothing.

    Entities and relationships have a history. An update or a deletion moves the version it replaces there, and
    ``recorded_at`` of a version is always later than its predecessor's, whatever the clocks say. ``as_of`` asks for
    what is valid at that time, and ``known_at`` for what was known at that time; a version is known from its
    ``recorded_at`` until the next one's. Filters ask of the version that is known then.

    What has no id, no filter, no embedding or no direction where one is asked for is ``InvalidDataError``, by the name of
    the argument (``id`` for the id of what a call is about).
    """

    # Episodes

    @abstractmethod
    async def add_episode(self, episode: Episode) -> Episode:
        """Store it. ``DuplicateError`` when its id is stored already, ``NotFoundError`` without its agent or customer."""

    @abstractmethod
    async def add_episodes(self, episodes: Sequence[Episode]) -> list[Episode]:
        """Store them all, or none; they come back in the same order.

        The error is that of the first one that is refused, as ``add_episode`` raises it, with its place from 0 as ``row``.
        What is not even an episode is refused before anything that only the store can find: ``[3].importance``.
        """

    @abstractmethod
    async def get_episode(self, episode_id: UUID) -> Episode | None:
        """The episode, or ``None``."""

    @abstractmethod
    async def get_episodes(
        self, filters: EpisodeFilter | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[Episode]:
        """One page of episodes, the last to occur first, then by id downwards.

        A cursor goes with the filters that it came with; with others it is ``InvalidDataError("cursor")``, here and in
        the lists of entities and relationships.
        """

    @abstractmethod
    async def delete_episode(self, episode_id: UUID) -> bool:
        """Delete it for good; whether there was one. Its id is free again."""

    @abstractmethod
    async def vector_search_episodes(
        self,
        agent_id: UUID,
        query: Embedding,
        *,
        filters: EpisodeFilter | None = None,
        limit: int = 10,
        min_score: float | None = None,
    ) -> list[Scored[Episode]]:
        """The agent's episodes nearest to ``query``, nearest first, then by id; none below ``min_score``."""

    @abstractmethod
    async def text_search_episodes(
        self,
        agent_id: UUID,
        query: str,
        *,
        filters: EpisodeFilter | None = None,
        limit: int = 10,
        highlight: bool = False,
    ) -> list[Scored[Episode]]:
        """The agent's episodes that match ``query``, the best first, then by id.

        ``query`` is what people type into a search box: words, "phrases", ``or``, and ``-`` before what must be missing.
        Side by side, all of them must be there; ``or`` parts what stands on its two sides. Any string is valid: other
        punctuation is a blank, in contents too, and what it joins is a phrase of words (``e-mail``, ``3.14``, ``<b>``,
        ``https://example.com/a?b=1``). The first 1,024 bytes and of these the first 32 words count; and a query that could
        be met without any word (``-a``, ``a or -b``) finds nothing.

        It is read in the language of each episode; ``filters.languages`` narrows them. In ``simple`` a word is found by
        itself, upper and lower case alike. In the other languages it is found by its stem, and stop words (in English
        *the*, *of*, *and* …) are passed over, in queries and in contents, where they keep their place within a phrase; a
        word with a digit in it is its own stem. The first 100,000 characters of a content are searched; a phrase, in the first
        16,383 words of these, and at the first 255 places of each word.

        What each backend does in its own way: the numbers in ``score`` (above 0; of one word, more occurrences count
        more), the order of hits of several words, which words are stop words, and the finer points of stems.

        With ``highlight``, each hit has a ``snippet``: a part of the first 2,000 characters of its content, around the words
        found if they stand there, each between ``<b>`` and ``</b>``; it is not escaped for HTML.
        """

    @abstractmethod
    async def hybrid_search_episodes(
        self,
        agent_id: UUID,
        text: str,
        query: Embedding,
        *,
        filters: EpisodeFilter | None = None,
        limit: int = 10,
    ) -> list[Scored[Episode]]:
        """Both searches, fused by reciprocal rank (Cormack, Clarke and Büttcher, 2009), the best first, then by id.

        A hit counts 1 / (60 + rank) for its place in each search, its ``vector_rank`` and ``text_rank``, from 1; a search
        that doesn't have it adds nothing. Both follow the filters and go 60 + 2 · ``limit`` deep: what lies deeper in both
        can't be among the hits, and what lies deeper in one counts there as not found. ``InvalidDataError("text")`` for what
        is no text.
        """

    # Entities

    @abstractmethod
    async def add_entity(self, entity: Entity) -> Entity:
        """Store a new one. ``DuplicateError`` when its id is stored already, ``NotFoundError`` without its agent or customer.

        One that was deleted and comes back goes on where its history ends: with the next revision, and a later time.
        In a transaction that is ``RetryableError`` while its deletion is not committed; outside the call waits for that.
        """

    @abstractmethod
    async def get_entity(
        self, entity_id: UUID, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> Entity | None:
        """The entity as it is known, now or at ``known_at``; ``None`` when unknown, or not valid at ``as_of``."""

    @abstractmethod
    async def get_entities(
        self, filters: EntityFilter | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[Entity]:
        """One page of entities, by id."""

    @abstractmethod
    async def update_entity(self, entity: Entity) -> Entity:
        """Store a new version of it; the old one goes into the history."""

    @abstractmethod
    async def delete_entity(self, entity_id: UUID) -> bool:
        """Move its relationships into the history, then itself; whether there was one."""

    @abstractmethod
    async def vector_search_entities(
        self,
        agent_id: UUID,
        query: Embedding,
        *,
        filters: EntityFilter | None = None,
        limit: int = 10,
        min_score: float | None = None,
    ) -> list[Scored[Entity]]:
        """The agent's entities nearest to ``query``, nearest first, then by id; none below ``min_score``."""

    # Relationships

    @abstractmethod
    async def add_relationship(self, relationship: Relationship) -> Relationship:
        """Store a new one.

        ``NotFoundError`` when one of its entities is not stored; ``DuplicateError`` when a relationship of this type
        and ``valid_from`` stands between them already, or its id is stored. It comes back as an entity does.
        """

    @abstractmethod
    async def get_relationship(
        self, relationship_id: UUID, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> Relationship | None:
        """The relationship as it is known, now or at ``known_at``; ``None`` when unknown, or not valid at ``as_of``."""

    @abstractmethod
    async def get_relationships(
        self, filters: RelationshipFilter | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[Relationship]:
        """One page of relationships, by id."""

    @abstractmethod
    async def update_relationship(self, relationship: Relationship) -> Relationship:
        """Store a new version of it; the old one goes into the history. Errors are those of ``add_relationship``."""

    @abstractmethod
    async def delete_relationship(self, relationship_id: UUID) -> bool:
        """Move it into the history; whether there was one."""

    @abstractmethod
    async def replace_relationship(self, relationship_id: UUID, successor: Relationship) -> Relationship:
        """End a fact where its successor begins: ``valid_to`` of the one is ``valid_from`` of the other; both or none.

        Returns the successor as stored. ``NotFoundError`` when the old one is not stored, and
        ``InvalidDataError("valid_from")`` when the successor does not begin within the old one's valid period.
        """

    # The graph

    @abstractmethod
    async def traverse_from_entities(
        self,
        entity_ids: Sequence[UUID],
        *,
        filters: RelationshipFilter | None = None,
        direction: Direction = Direction.BOTH,
        max_depth: int = 2,
        limit: int = 100,
    ) -> list[Traversal]:
        """The entities within ``max_depth`` relationships (1 to 10) of those given, nearest first, then by id.

        Each comes once, with a shortest path to it; of several, the one whose ids are the smallest in order. Those
        it starts from are not among them, and unknown ones lead nowhere. ``filters`` holds for every relationship
        followed, and its times for every entity passed.
        """

    @abstractmethod
    async def delete_by_group(self, group_id: str) -> GroupDeletion:
        """Delete for good all that belongs to the group, with its history: nothing of it can be read any more.

        An entity takes its relationships with it, to whatever group they belong. What was deleted as the group's goes with
        all of its versions; of what left the group and is stored, the versions that were the group's.
        """


def ended(old: Relationship, valid_to: datetime) -> Relationship:
    """``old``, ended where its successor begins; ``InvalidDataError("valid_from")`` when that is not within its period."""
    if not old.valid_from < valid_to or (old.valid_to is not None and valid_to >= old.valid_to):
        raise InvalidDataError("valid_from", "must be within the valid period of the one it replaces")
    return old.evolve(valid_to=valid_to)
