"""Both searches at once, fused by reciprocal rank."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from focal_data.domain.answers import Scored
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EpisodeFilter
from focal_data.domain.memory import Episode
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.memory.base import (
    EAST,
    NORTH,
    MakeEpisode,
    MemorySuite,
    contents,
)


class HybridSearchContract(MemorySuite):
    """``hybrid_search_episodes``."""

    async def test_fusion_adds_up_reciprocal_ranks(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """The parts of the score come with it, and a leg that doesn't have a hit adds nothing."""
        given = [
            episode("pear", embedding=EAST),
            episode("apple pear plum", embedding=Embedding([1.0, 0.2], model="m")),
            episode("apple apple", embedding=Embedding([1.0, 0.2], model="other")),
            episode("plum", embedding=NORTH),
        ]
        await memory.add_episodes(given)
        hits = await memory.hybrid_search_episodes(agent, "apple", EAST)
        assert "apple pear plum" == contents(hits)[0]
        parts = {hit.item.content: (hit.vector_rank, hit.text_rank) for hit in hits}
        assert {
            "pear": (1, None),
            "apple pear plum": (2, 2),
            "apple apple": (None, 1),
            "plum": (3, None),
        } == parts
        for hit in hits:
            ranks = (rank for rank in (hit.vector_rank, hit.text_rank) if rank)
            assert pytest.approx(sum(1 / (60 + rank) for rank in ranks)) == hit.score

    async def test_equally_good_fused_hits_are_in_order_of_their_ids(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """The n-th by vector and the n-th by text count the same, and each leg is in order of ids itself."""
        pears = [episode("pear", id=uuid4(), embedding=EAST) for _ in range(30)]
        apples = [episode("apple", id=uuid4()) for _ in range(30)]
        await memory.add_episodes([*pears, *apples])
        hits = await memory.hybrid_search_episodes(agent, "apple", EAST, limit=60)
        ranks = {
            e.id: rank for leg in (pears, apples) for rank, e in enumerate(sorted(leg, key=lambda e: e.id), 1)
        }
        assert sorted(ranks, key=lambda i: (ranks[i], i)) == [hit.item.id for hit in hits]
        assert list(ranks.values()) == [hit.vector_rank or hit.text_rank for hit in sorted(hits, key=by_leg)]

    async def test_each_leg_is_cut_by_id(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """Where more are equal than a leg goes deep, the smallest ids are in it."""
        ids = sorted(uuid4() for _ in range(90))
        await memory.add_episodes([episode("apple", id=i, embedding=EAST) for i in reversed(ids)])
        hits = await memory.hybrid_search_episodes(agent, "apple", EAST, limit=3)
        assert [(ids[n], n + 1, n + 1) for n in range(3)] == [
            (hit.item.id, hit.vector_rank, hit.text_rank) for hit in hits
        ]

    async def test_what_lies_too_deep_counts_as_not_found(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """A leg goes 60 + 2 · limit deep: the next one has no rank in it, though the other leg has it first."""
        ids = sorted(uuid4() for _ in range(63))
        await memory.add_episodes([episode("pear", id=i, embedding=EAST) for i in ids[:62]])
        first = episode("apple", id=ids[62], embedding=EAST)
        await memory.add_episode(first)
        (hit,) = await memory.hybrid_search_episodes(agent, "apple", EAST, limit=1)
        assert (ids[0], 1, None) == (hit.item.id, hit.vector_rank, hit.text_rank)
        _, hit, *_ = await memory.hybrid_search_episodes(agent, "apple", EAST, limit=2)
        assert pytest.approx(1 / 61) == hit.score
        await memory.delete_episode(ids[5])
        (hit,) = await memory.hybrid_search_episodes(agent, "apple", EAST, limit=1)
        assert (first.id, 62, 1) == (hit.item.id, hit.vector_rank, hit.text_rank)

    async def test_second_in_both_legs_beats_first_in_one(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """The legs are deeper than the limit, or the best would be missed."""
        await memory.add_episode(episode("pear", embedding=EAST))
        await memory.add_episode(episode("apple apple"))
        await memory.add_episode(episode("apple", embedding=NORTH))
        (hit,) = await memory.hybrid_search_episodes(agent, "apple", EAST, limit=1)
        assert ("apple", 2, 2) == (hit.item.content, hit.vector_rank, hit.text_rank)

    async def test_both_legs_follow_the_filters(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """A better match that the filters leave out takes no rank."""
        await memory.add_episode(episode("apple", embedding=EAST, importance=0.1))
        await memory.add_episode(episode("apple pear plum", embedding=NORTH, importance=0.9))
        filters = EpisodeFilter(min_importance=0.5)
        (hit,) = await memory.hybrid_search_episodes(agent, "apple", EAST, filters=filters)
        assert ("apple pear plum", 1, 1) == (hit.item.content, hit.vector_rank, hit.text_rank)

    async def test_a_large_limit_is_met_by_fusion(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """As many as there are, up to the limit, though each leg alone has fewer."""
        await memory.add_episodes([episode("apple") for _ in range(150)])
        await memory.add_episodes([episode("pear", embedding=EAST) for _ in range(150)])
        assert 300 == len(await memory.hybrid_search_episodes(agent, "apple", EAST, limit=1000))
        assert 200 == len(await memory.hybrid_search_episodes(agent, "apple", EAST, limit=200))


def by_leg(hit: Scored[Episode]) -> tuple[bool, UUID]:
    """Those found by vector first, then in the order of ids."""
    return hit.vector_rank is None, hit.item.id
