"""Many at once: one wins, the others are told."""

from __future__ import annotations

import asyncio

from focal_data.domain.filters import RelationshipFilter
from focal_data.domain.memory import (
    Entity,
)
from focal_data.errors import NotFoundError, StaleRevisionError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.memory.base import (
    MakeEntity,
    MakeRelationship,
    MemorySuite,
)


class MemoryRacesContract(MemorySuite):
    """Concurrent writers."""

    async def test_of_two_updates_at_once_one_is_stale(self, memory: MemoryStore, entity: MakeEntity) -> None:
        """Whoever comes second is told the revision that the first one made; the history has each version once."""
        stored = await memory.add_entity(entity("0"))
        for _ in range(5):
            tries = [memory.update_entity(stored.evolve(name=str(n))) for n in range(6)]
            results = await asyncio.gather(*tries, return_exceptions=True)
            (winner,) = [r for r in results if isinstance(r, Entity)]
            stale = [r for r in results if isinstance(r, StaleRevisionError)]
            assert [winner.revision] * 5 == [error.current_revision for error in stale]
            assert stored == await memory.get_entity(stored.id, known_at=stored.recorded_at)
            stored = winner
        assert 6 == stored.revision

    async def test_an_entity_is_deleted_while_others_work_on_it(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """Each concurrent write comes before or finds it gone; no relationship is left behind."""
        for _ in range(5):
            a, b = [await memory.add_entity(entity(name)) for name in "ab"]
            results = await asyncio.gather(
                *(memory.add_relationship(relationship(*ends)) for ends in ((a, b), (b, a)) * 2),
                memory.delete_entity(a.id),
                memory.update_entity(a.evolve(name="a2")),
                memory.delete_entity(a.id),
                return_exceptions=True,
            )
            failures = [r for r in results if isinstance(r, Exception)]
            assert {NotFoundError} >= {type(failure) for failure in failures}
            assert [False, True] == sorted(r for r in results if isinstance(r, bool))
            assert [] == (await memory.get_relationships(RelationshipFilter(from_entity_id=a.id))).items
            assert [] == (await memory.get_relationships(RelationshipFilter(to_entity_id=a.id))).items
