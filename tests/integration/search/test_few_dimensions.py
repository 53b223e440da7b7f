"""Vectors of few dimensions, as toys and tests have: the bits of their codes say hardly more than one another."""

from __future__ import annotations

import numpy as np
import pytest

from focal_data.data_layer import Tenant
from focal_data.domain.config import Agent
from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import Episode
from focal_data.operations.operator import Operator

ROWS = 1600


@pytest.mark.slow
@pytest.mark.parametrize("rows", [60, 900, ROWS])
async def test_the_nearest_of_few_dimensions_are_found(op: Operator, tenant: Tenant, rows: int) -> None:
    """However many rows there are: no row that is left out is nearer than one that is found, and none is found twice."""
    random = np.random.default_rng(rows)
    agent = await tenant.config.save_agent(Agent(name="Ada"))
    kept = {size: random.normal(size=(rows, size)).astype(np.float16) for size in (1, 2, 3, 4)}
    episodes = [
        Episode(agent_id=agent.id, content="a point", embedding=Embedding(vector, model=f"of {size}"))
        for size, vectors in kept.items()
        for vector in vectors
    ]
    assert 4 * rows == await op.tenant(tenant.tenant_id).load_episodes(episodes)
    for size, vectors in kept.items():
        points = vectors.astype(np.float64)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        for query in random.normal(size=(25, size)).astype(np.float16):
            asked = query.astype(np.float64) / np.linalg.norm(query.astype(np.float64))
            best = np.sort(points @ asked)[::-1][:10]
            hits = await tenant.memory.vector_search_episodes(agent.id, Embedding(query, model=f"of {size}"))
            assert best == pytest.approx([hit.score for hit in hits], abs=1e-5), size
            assert 10 == len({hit.item.id for hit in hits})
