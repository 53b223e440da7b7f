"""Searches by meaning: exact, complete, in order."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from focal_data.domain.config import Agent
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EntityFilter, EpisodeFilter
from focal_data.domain.profile import CustomerProfile
from focal_data.errors import InvalidDataError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.memory.base import (
    EAST,
    NEVER,
    NOON,
    NORTH,
    MakeEntity,
    MakeEpisode,
    MemorySuite,
    contents,
    recorded,
)


class VectorSearchContract(MemorySuite):
    """``vector_search_episodes`` and ``vector_search_entities``."""

    async def test_the_nearest_come_first(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """In the order of cosine similarity, which is the score; also at angles beyond the right one."""
        vectors = {"same": [2.0, 0.0], "near": [1.0, 0.5], "right": [0.0, 3.0], "opposite": [-1.0, 0.0]}
        await memory.add_episodes([episode(k, embedding=Embedding(v, model="m")) for k, v in vectors.items()])
        hits = await memory.vector_search_episodes(agent, EAST)
        assert ["same", "near", "right", "opposite"] == contents(hits)
        assert pytest.approx([1.0, 2 / 5**0.5, 0.0, -1.0], abs=1e-6) == [hit.score for hit in hits]
        assert hits[0].item == await memory.get_episode(hits[0].item.id)

    async def test_the_score_is_that_of_the_stored_vectors(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """Cosine similarity of both vectors at half precision, whatever their length."""
        random = np.random.default_rng(1)
        stored = [Embedding(random.normal(size=256), model="m").rounded() for _ in range(50)]
        await memory.add_episodes([episode(embedding=embedding) for embedding in stored])
        query = Embedding(random.normal(size=256), model="m")
        rounded = query.rounded().vector.astype(float)
        expected = sorted((cosine(rounded, e.vector.astype(float)) for e in stored), reverse=True)
        hits = await memory.vector_search_episodes(agent, query, limit=50)
        assert pytest.approx(expected, abs=1e-6) == [hit.score for hit in hits]

    async def test_equally_near_ones_are_in_order_of_their_ids(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """Ties are broken the same way each time, also where the limit cuts them."""
        ids = sorted(uuid4() for _ in range(20))
        await memory.add_episodes([episode(id=i, embedding=EAST) for i in reversed(ids)])
        hits = await memory.vector_search_episodes(agent, EAST, limit=7)
        assert ids[:7] == [hit.item.id for hit in hits]

    async def test_other_models_and_agents_are_never_among_them(
        self, memory: MemoryStore, tenant: TenantUnderTest, episode: MakeEpisode, agent: UUID
    ) -> None:
        """Nor are episodes without an embedding; and a filter for another agent contradicts the search."""
        other = (await tenant.config.save_agent(Agent(name="Bo"))).id
        await memory.add_episode(episode("mine", embedding=NORTH))
        await memory.add_episode(episode("bare"))
        await memory.add_episode(episode("model", embedding=Embedding([1.0, 0.0], model="n")))
        await memory.add_episode(episode("agent", embedding=EAST).evolve(agent_id=other))
        assert ["mine"] == contents(await memory.vector_search_episodes(agent, EAST))
        assert [] == await memory.vector_search_episodes(agent, Embedding([1.0, 0.0], model="never"))
        elsewhere = EpisodeFilter(agent_id=other)
        assert [] == await memory.vector_search_episodes(agent, EAST, filters=elsewhere)
        assert [] == await memory.text_search_episodes(agent, "mine or agent", filters=elsewhere)
        same = EpisodeFilter(agent_id=agent)
        assert ["mine"] == contents(await memory.vector_search_episodes(agent, EAST, filters=same))

    async def test_none_is_below_the_least_score(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """``min_score`` itself is good enough."""
        await memory.add_episodes([episode("east", embedding=EAST), episode("north", embedding=NORTH)])
        assert ["east"] == contents(await memory.vector_search_episodes(agent, EAST, min_score=1.0))
        assert ["east", "north"] == contents(await memory.vector_search_episodes(agent, EAST, min_score=-1.0))
        for score in (1.1, -1.1, float("nan"), float("inf")):
            with pytest.raises(InvalidDataError, match=r"^min_score: "):
                await memory.vector_search_episodes(agent, EAST, min_score=score)

    async def test_a_query_beyond_half_precision_is_refused(self, memory: MemoryStore, agent: UUID) -> None:
        """One that overflows it, or that it leaves with zeros only."""
        for component in (1e6, 1e-12):
            query = Embedding([component], model="m")
            with pytest.raises(InvalidDataError, match=r"^query: "):
                await memory.vector_search_episodes(agent, query)
            with pytest.raises(InvalidDataError, match=r"^query: "):
                await memory.hybrid_search_episodes(agent, "word", query)

    async def test_a_rare_filter_still_finds_all(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """Three matching rows are found among many nearer ones, by every search."""
        many = [episode("a common word", embedding=EAST) for _ in range(500)]
        rare = [episode("a rare word", embedding=NORTH, group_id="rare") for _ in range(3)]
        await memory.add_episodes([*many, *rare])
        filters = EpisodeFilter(group_id="rare")
        for hits in (
            await memory.vector_search_episodes(agent, EAST, filters=filters),
            await memory.text_search_episodes(agent, "word", filters=filters),
            await memory.hybrid_search_episodes(agent, "word", EAST, filters=filters),
        ):
            assert sorted(e.id for e in rare) == [hit.item.id for hit in hits]

    async def test_entities_are_searched_as_they_are_known(
        self, memory: MemoryStore, entity: MakeEntity, agent: UUID
    ) -> None:
        """Now, or at ``known_at``, where the embedding was another."""
        first = await memory.add_entity(entity("Ada", embedding=EAST))
        await memory.add_entity(entity("Bo", embedding=NORTH, entity_type="dog"))
        second = await memory.update_entity(first.evolve(name="Ada L.", embedding=NORTH))
        hits = await memory.vector_search_entities(agent, NORTH)
        assert sorted(h.item.id for h in hits) == [h.item.id for h in hits]
        assert {"Ada L.": 1.0, "Bo": 1.0} == {h.item.name: h.score for h in hits}
        then = EntityFilter(known_at=recorded(second) - timedelta(microseconds=1))
        hits = await memory.vector_search_entities(agent, EAST, filters=then)
        assert "Ada" == hits[0].item.name
        assert 1.0 == hits[0].score
        people = EntityFilter(entity_types=("person",), agent_id=agent)
        assert ["Ada L."] == [
            h.item.name for h in await memory.vector_search_entities(agent, EAST, filters=people)
        ]

    async def test_lengths_are_evened_out_by_zeros(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """A shorter vector counts as padded, on either side."""
        await memory.add_episode(episode("long", embedding=Embedding([3.0, 4.0, 0.0, 0.0], model="m")))
        await memory.add_episode(episode("short", embedding=Embedding([1.0], model="m")))
        for query in (Embedding([1.0], model="m"), Embedding([2.0, *[0.0] * 1535], model="m")):
            hits = await memory.vector_search_episodes(agent, query)
            assert ["short", "long"] == contents(hits)
            assert pytest.approx([1.0, 0.6], abs=1e-6) == [hit.score for hit in hits]

    async def test_every_filter_narrows_the_search(
        self, memory: MemoryStore, tenant: TenantUnderTest, episode: MakeEpisode, agent: UUID
    ) -> None:
        """To what a list with the same filter has, in every search; none that matches is left out."""
        profile, session = (await tenant.profiles.save(CustomerProfile())).id, uuid4()
        marks: dict[str, object] = {
            "customer_profile_id": profile,
            "group_id": "g",
            "session_id": session,
            "content_type": "fact",
            "source": "agent",
            "language": "english",
            "importance": 0.9,
            "occurred_at": NOON + timedelta(1),
        }
        plain: dict[str, object] = {"occurred_at": NOON, "embedding": EAST}
        await memory.add_episodes([episode("word", **plain) for _ in range(30)])
        await memory.add_episodes(
            [episode("word", **{**plain, "embedding": NORTH, name: value}) for name, value in marks.items()]
        )
        for filters in (
            EpisodeFilter(customer_profile_id=profile),
            EpisodeFilter(group_id="g"),
            EpisodeFilter(session_id=session),
            EpisodeFilter(content_types=("fact",)),
            EpisodeFilter(sources=("agent",)),
            EpisodeFilter(languages=("english",)),
            EpisodeFilter(min_importance=0.9),
            EpisodeFilter(occurred_from=NOON + timedelta(1)),
            EpisodeFilter(as_of=NOON, group_id="g"),
        ):
            (expected,) = await memory.get_episodes(filters)
            for hits in (
                await memory.vector_search_episodes(agent, EAST, filters=filters),
                await memory.text_search_episodes(agent, "word", filters=filters),
                await memory.hybrid_search_episodes(agent, "word", EAST, filters=filters),
            ):
                assert [expected] == [hit.item for hit in hits]

    async def test_as_many_as_there_are(self, memory: MemoryStore, episode: MakeEpisode, agent: UUID) -> None:
        """Up to the limit, and all of them when it is larger."""
        await memory.add_episodes([episode(str(n), embedding=EAST) for n in range(25)])
        for limit in (1, 10, 24, 25, 26, 1000):
            assert min(limit, 25) == len(await memory.vector_search_episodes(agent, EAST, limit=limit))

    async def test_a_spoiled_query_is_refused(self, memory: MemoryStore, agent: UUID) -> None:
        """One that is too long, not finite or zero, though ``Embedding`` would not have made it."""
        for vector in (np.ones(1537), np.array([np.nan]), np.array([np.inf]), np.zeros(3), np.ones(0)):
            query = Embedding.from_bytes(vector.astype("<f4").tobytes(), model="m")
            for search in (
                memory.vector_search_episodes(agent, query),
                memory.vector_search_entities(agent, query),
                memory.hybrid_search_episodes(agent, "word", query),
            ):
                with pytest.raises(InvalidDataError, match=r"^query: "):
                    await search

    async def test_an_unknown_agent_has_nothing(self, memory: MemoryStore) -> None:
        """To be found by any search."""
        assert [] == await memory.vector_search_episodes(NEVER, EAST)
        assert [] == await memory.text_search_episodes(NEVER, "word")
        assert [] == await memory.hybrid_search_episodes(NEVER, "word", EAST)
        assert [] == await memory.vector_search_entities(NEVER, EAST)


def cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """The cosine of the angle between ``a`` and ``b``."""
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
