"""What the suites of memory share: an agent, ways to make what it remembers, and another tenant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import pytest

from focal_data.domain.answers import Scored
from focal_data.domain.config import Agent
from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import Entity, Episode, Relationship, Traversal
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.base import StoreContract, TenantUnderTest

T = TypeVar("T")
MakeEpisode = Callable[..., Episode]
MakeEntity = Callable[..., Entity]
MakeRelationship = Callable[..., Relationship]

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK: Final = timedelta(microseconds=1)
NEVER: Final = UUID(int=7)
"""The id of nothing."""
EAST: Final = Embedding([1.0, 0.0], model="m")
NORTH: Final = Embedding([0.0, 1.0], model="m")


class MemorySuite(StoreContract):
    """The fixtures of every suite of memory. They need a ``config`` store beside it, for the agent."""

    @pytest.fixture
    def memory(self, tenant: TenantUnderTest) -> MemoryStore:
        """The tenant's memory."""
        return tenant.memory

    @pytest.fixture
    def stranger(self, other: TenantUnderTest) -> MemoryStore:
        """Another tenant's memory."""
        return other.memory

    @pytest.fixture
    async def agent(self, tenant: TenantUnderTest) -> UUID:
        """The id of an agent of the tenant."""
        return (await tenant.config.save_agent(Agent(name="Ada"))).id

    @pytest.fixture
    def episode(self, agent: UUID) -> MakeEpisode:
        """Makes an episode of the agent that is not stored yet."""

        def make(content: str = "A word.", **fields: Any) -> Episode:
            return Episode.model_validate({"agent_id": agent, "content": content, **fields})

        return make

    @pytest.fixture
    def entity(self, agent: UUID) -> MakeEntity:
        """Makes an entity of the agent that is not stored yet."""

        def make(name: str = "Ada", **fields: Any) -> Entity:
            return Entity.model_validate({"agent_id": agent, "name": name, "entity_type": "person", **fields})

        return make

    @pytest.fixture
    def relationship(self) -> MakeRelationship:
        """Makes a relationship that is not stored yet."""

        def make(start: Entity | UUID, end: Entity | UUID, **fields: Any) -> Relationship:
            ends = [at.id if isinstance(at, Entity) else at for at in (start, end)]
            given = {"from_entity_id": ends[0], "to_entity_id": ends[1], "relation_type": "knows"}
            return Relationship.model_validate({**given, **fields})

        return make


async def people(memory: MemoryStore, entity: MakeEntity, names: Iterable[str]) -> list[Entity]:
    """Stored entities of these names."""
    return [await memory.add_entity(entity(name)) for name in names]


def contents(hits: Iterable[Scored[Episode]]) -> list[str]:
    """What the episodes that were found say."""
    return [hit.item.content for hit in hits]


def reached(found: Iterable[Traversal]) -> list[tuple[str, int]]:
    """The names of what was reached, and how far."""
    return [(way.entity.name, way.depth) for way in found]


def there(found: T | None) -> T:
    """What was found, which must be there."""
    assert found is not None
    return found


def recorded(version: Episode | Entity | Relationship) -> datetime:
    """When it was recorded."""
    return there(version.recorded_at)
