"""Tenants of three sizes, loaded by the operator, with vectors that are as hard to tell apart as those of texts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID, uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.config import Agent
from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import Episode
from focal_data.domain.profile import CustomerProfile
from focal_data.operations.operator import Operator
from focal_data.repositories.customers import CustomerProfileRepository
from focal_data.settings import Settings

MODEL = "m"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SIZES = {"small": 40, "middling": 700, "large": 4000}


@cache
def topics() -> NDArray[np.float64]:
    """A basis of few directions and of many that matter less, as embeddings of texts have."""
    random = np.random.default_rng(0)
    return random.normal(size=(256, 256)) * np.geomspace(1, 0.03, 256)[:, None]


def vectors(count: int, *, seed: int) -> NDArray[np.float16]:
    """``count`` vectors of 256 dimensions around a few dozen topics, at the precision that is stored."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(1).normal(size=(40, 256))
    mixed = centres[random.integers(0, 40, count)] + 0.7 * random.normal(size=(count, 256))
    return (mixed @ topics()).astype(np.float16)


@dataclass
class World:
    """A tenant's agent and what it remembers, the vectors in the order of the episodes."""

    tenant: Tenant
    agent: UUID
    episodes: list[Episode]
    vectors: NDArray[np.float16]
    person: tuple[UUID, ...] = ()
    """Two ids of one person, each of them named by every fiftieth episode."""

    def nearest(self, query: Embedding, limit: int) -> list[UUID]:
        """The right answer."""
        kept = self.vectors.astype(np.float64)
        asked = query.rounded().vector.astype(np.float64)
        scores = kept @ asked / np.linalg.norm(kept, axis=1) / np.linalg.norm(asked)
        ranked = np.argsort(-scores, kind="stable")
        return [self.episodes[place].id for place in ranked[:limit]]


@pytest.fixture(scope="session")
async def worlds(focal_data_layer: DataLayer, focal_settings: Settings) -> dict[str, World]:
    """One of each size; the table is vacuumed."""
    async with Operator.open(focal_settings) as op:
        return {
            name: await _loaded(focal_data_layer.tenant(uuid4()), op, size, seed)
            for seed, (name, size) in enumerate(SIZES.items(), 10)
        }


async def _loaded(tenant: Tenant, op: Operator, size: int, seed: int) -> World:
    agent = await tenant.config.save_agent(Agent(name="Ada"))
    kept = vectors(size, seed=seed)
    old, new = [(await tenant.profiles.save(CustomerProfile())).id for _ in range(2)]
    await tenant.profiles.merge_profiles(old, new)
    # So many that it never pays to read them all.
    await CustomerProfileRepository(tenant).add_many([CustomerProfile() for _ in range(size)])
    owners = {7: old, 17: new}
    episodes = [
        Episode(
            agent_id=agent.id,
            content=f"number {number}",
            embedding=Embedding(vector, model=MODEL),
            occurred_at=NOON - timedelta(minutes=number),
            group_id=f"g{number % 50}",
            session_id=UUID(int=number // 3 + 1),
            importance=number % 100 / 100,
            customer_profile_id=owners.get(number % 50),
        )
        for number, vector in enumerate(kept)
    ]
    assert size == await op.tenant(tenant.tenant_id).load_episodes(episodes)
    return World(tenant, agent.id, episodes, kept, (old, new))


@pytest.fixture
async def op(focal_settings: Settings) -> AsyncIterator[Operator]:
    """The operator of the run's database."""
    async with Operator.open(focal_settings) as op:
        yield op
