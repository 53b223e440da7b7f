"""Arguments out of bounds, which of several is named, and what is asked in vain."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

import pytest

from focal_data.domain.embedding import Embedding
from focal_data.errors import InvalidDataError, StaleRevisionError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.memory.base import (
    EAST,
    NEVER,
    MakeEntity,
    MakeEpisode,
    MakeRelationship,
    MemorySuite,
)


class MemoryArgumentsContract(MemorySuite):
    """The arguments of searches and walks."""

    @pytest.mark.parametrize("score", [1.001, -1.001, math.nan, math.inf, -math.inf, True, "1"], ids=repr)
    async def test_what_no_score_can_be_is_refused(
        self, memory: MemoryStore, agent: UUID, score: Any
    ) -> None:
        """Cosines are −1 to 1."""
        for call in (
            memory.vector_search_episodes(agent, EAST, min_score=score),
            memory.vector_search_entities(agent, EAST, min_score=score),
        ):
            with pytest.raises(InvalidDataError, match=r"^min_score: "):
                await call

    @pytest.mark.parametrize("vector", [[1e-9, 0.0], [1e9, 0.0]], ids=["zeros", "infinite"])
    async def test_a_query_that_is_nothing_at_the_stored_precision_is_refused(
        self, memory: MemoryStore, agent: UUID, vector: list[float]
    ) -> None:
        """Nothing is near to it, or everything alike."""
        query = Embedding(vector, model="m")
        for call in (
            memory.vector_search_episodes(agent, query),
            memory.vector_search_entities(agent, query),
            memory.hybrid_search_episodes(agent, "word", query),
        ):
            with pytest.raises(InvalidDataError, match=r"^query: "):
                await call

    @pytest.mark.parametrize(
        "vector", [[], [0.0, 0.0], [math.nan], [math.inf, 1.0], [1.0] * 1537, [[1.0]]], ids=repr
    )
    def test_what_is_no_vector_can_not_be_asked_for(self, vector: Any) -> None:
        """Empty, zero, not finite, or too long: there is no such embedding."""
        with pytest.raises(ValueError):  # noqa: PT011  (pydantic's own among them)
            Embedding(vector, model="m")

    async def test_what_nobody_stored_finds_nothing(
        self, memory: MemoryStore, agent: UUID, episode: MakeEpisode, entity: MakeEntity
    ) -> None:
        """A model that was never stored, an agent or an entity that is not known."""
        await memory.add_episode(episode("word", embedding=EAST))
        await memory.add_entity(entity(embedding=EAST))
        other = Embedding([1.0, 0.0], model="never")
        assert [] == await memory.vector_search_episodes(agent, other)
        assert [] == await memory.vector_search_entities(agent, other)
        for of_agent, query in ((NEVER, EAST), (agent, other)):
            found = await memory.hybrid_search_episodes(of_agent, "nothing", query)
            assert [] == found
        assert [] == await memory.vector_search_episodes(NEVER, EAST)
        assert [] == await memory.vector_search_entities(NEVER, EAST)
        assert [] == await memory.traverse_from_entities([NEVER, NEVER])
        assert (await memory.get_entity(NEVER), await memory.get_relationship(NEVER)) == (None, None)
        assert (False, False) == (await memory.delete_entity(NEVER), await memory.delete_relationship(NEVER))

    @pytest.mark.parametrize("text", [None, 5, b"word", ["word"]], ids=type)
    async def test_only_text_is_searched_for(self, memory: MemoryStore, agent: UUID, text: Any) -> None:
        """By the name of the argument."""
        with pytest.raises(InvalidDataError, match=r"^query: "):
            await memory.text_search_episodes(agent, text)
        with pytest.raises(InvalidDataError, match=r"^text: "):
            await memory.hybrid_search_episodes(agent, text, EAST)

    @pytest.mark.parametrize("flag", [None, 1, "yes", [True]], ids=type)
    async def test_only_true_or_false_is_a_flag(self, memory: MemoryStore, agent: UUID, flag: Any) -> None:
        """By its name."""
        with pytest.raises(InvalidDataError, match=r"^highlight: "):
            await memory.text_search_episodes(agent, "word", highlight=flag)

    async def test_of_several_bad_arguments_the_first_is_named(
        self, memory: MemoryStore, agent: UUID
    ) -> None:
        """In the order in which they are declared, and before anything is asked."""
        bad: Any = object()
        walk: dict[str, Any] = {"filters": bad, "direction": bad, "max_depth": 0, "limit": 0}
        found: dict[str, Any] = {"filters": bad, "limit": 0, "min_score": 5}
        calls = [
            ("agent_id", memory.vector_search_episodes(bad, bad, **found)),
            ("query", memory.vector_search_episodes(agent, bad, **found)),
            ("filters", memory.vector_search_episodes(agent, EAST, **found)),
            ("limit", memory.vector_search_episodes(agent, EAST, limit=0, min_score=5)),
            ("agent_id", memory.vector_search_entities(bad, bad, **found)),
            ("query", memory.vector_search_entities(agent, bad, **found)),
            ("filters", memory.vector_search_entities(agent, EAST, **found)),
            ("limit", memory.vector_search_entities(agent, EAST, limit=0, min_score=5)),
            ("agent_id", memory.text_search_episodes(bad, bad, filters=bad, limit=0)),
            ("query", memory.text_search_episodes(agent, bad, filters=bad, limit=0)),
            ("filters", memory.text_search_episodes(agent, "word", filters=bad, limit=0)),
            ("limit", memory.text_search_episodes(agent, "word", limit=0, highlight=bad)),
            ("agent_id", memory.hybrid_search_episodes(bad, bad, bad, filters=bad, limit=0)),
            ("text", memory.hybrid_search_episodes(agent, bad, bad, filters=bad, limit=0)),
            ("query", memory.hybrid_search_episodes(agent, "word", bad, filters=bad, limit=0)),
            ("filters", memory.hybrid_search_episodes(agent, "word", EAST, filters=bad, limit=0)),
            ("entity_ids", memory.traverse_from_entities(bad, **walk)),
            ("filters", memory.traverse_from_entities([NEVER], **walk)),
            ("direction", memory.traverse_from_entities([NEVER], **{**walk, "filters": None})),
            ("max_depth", memory.traverse_from_entities([NEVER], max_depth=0, limit=0)),
            ("filters", memory.get_episodes(bad, 0, bad)),
            ("limit", memory.get_episodes(None, 0, bad)),
            ("filters", memory.get_entities(bad, 0, bad)),
            ("limit", memory.get_relationships(None, 0, bad)),
            ("id", memory.get_entity(bad, bad, bad)),
            ("as_of", memory.get_relationship(NEVER, bad, bad)),
            ("id", memory.replace_relationship(bad, bad)),
        ]
        for name, call in calls:
            with pytest.raises(InvalidDataError, match=f"^{name}: "):
                await call

    async def test_the_last_revision_there_can_be_is_stale(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """It is a number as any other."""
        stored = await memory.add_entity(entity())
        link = await memory.add_relationship(relationship(stored, stored))
        for call in (
            memory.update_entity(stored.evolve(revision=2**31 - 1)),
            memory.update_relationship(link.evolve(revision=2**31 - 1)),
        ):
            with pytest.raises(StaleRevisionError) as stale:
                await call
            assert 1 == stale.value.current_revision
