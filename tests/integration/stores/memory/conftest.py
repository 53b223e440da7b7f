"""A tenant's memory, its agent, and another tenant's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.config import Agent
from focal_data.domain.memory import Entity, Episode, Relationship
from focal_data.repositories.agents import AgentRepository
from focal_data.stores.memory import MemoryStore

MakeEpisode = Callable[..., Episode]
MakeEntity = Callable[..., Entity]


@pytest.fixture
def memory(tenant: Tenant) -> MemoryStore:
    """The tenant's memory."""
    return tenant.memory


@pytest.fixture
def stranger(data: DataLayer) -> MemoryStore:
    """Another tenant's memory."""
    return data.tenant(uuid4()).memory


@pytest.fixture
async def agent(tenant: Tenant) -> UUID:
    """The id of an agent of the tenant."""
    return (await AgentRepository(tenant).add(Agent(name="Ada"))).id


@pytest.fixture
def episode(agent: UUID) -> MakeEpisode:
    """Makes an episode of the agent that is not stored yet."""

    def make(content: str = "A word.", **fields: Any) -> Episode:
        return Episode(agent_id=agent, content=content, **fields)

    return make


@pytest.fixture
def entity(agent: UUID) -> MakeEntity:
    """Makes an entity of the agent that is not stored yet."""

    def make(name: str = "Ada", **fields: Any) -> Entity:
        return Entity(agent_id=agent, name=name, **{"entity_type": "person", **fields})

    return make


@pytest.fixture
def relationship() -> Callable[..., Relationship]:
    """Makes a relationship that is not stored yet."""

    def make(start: Entity | UUID, end: Entity | UUID, **fields: Any) -> Relationship:
        ends = [at.id if isinstance(at, Entity) else at for at in (start, end)]
        return Relationship(
            from_entity_id=ends[0], to_entity_id=ends[1], **{"relation_type": "knows", **fields}
        )

    return make
