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
from focal_data.errors import InvalidDataError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.memory.base import (
    EAST,
    NORTH,
    MakeEntity,
    MakeEpisode,
    MemorySuite,
    contents,
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
        then = EntityFilter(known_at=second.recorded_at - timedelta(microseconds=1))
        hits = await memory.vector_search_entities(agent, EAST, filters=then)
        assert "Ada" == hits[0].item.name
        assert 1.0 == hits[0].score
        people = EntityFilter(entity_types=("person",), agent_id=agent)
        assert ["Ada L."] == [
            h.item.name for h in await memory.vector_search_entities(agent, EAST, filters=people)
        ]


def cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """The cosine of the angle between ``a`` and ``b``."""
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
