"""Several calls in one transaction: all of them, or none."""

from __future__ import annotations

import pytest

from focal_data.domain.embedding import Embedding
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.memory.base import (
    MakeEntity,
    MakeEpisode,
    MemorySuite,
    there,
)


class MemoryTransactionsContract(MemorySuite):
    """Calls within ``transaction()``."""

    async def test_a_transaction_is_one_commit(
        self, tenant: TenantUnderTest, memory: MemoryStore, episode: MakeEpisode
    ) -> None:
        """What is added in a transaction is searched in it, and gone when it rolls back."""
        given = episode("inside", embedding=Embedding([1.0], model="m"))
        with pytest.raises(ZeroDivisionError):
            async with tenant.transaction() as tx:
                await tx.memory.add_episode(given)
                hits = await tx.memory.hybrid_search_episodes(
                    given.agent_id, "inside", there(given.embedding)
                )
                assert [given.id] == [hit.item.id for hit in hits]
                raise ZeroDivisionError
        assert await memory.get_episode(given.id) is None

    async def test_a_rolled_back_update_leaves_no_history(
        self, tenant: TenantUnderTest, memory: MemoryStore, entity: MakeEntity
    ) -> None:
        """The version and its predecessor go together."""
        stored = await memory.add_entity(entity("a"))
        with pytest.raises(ZeroDivisionError):
            async with tenant.transaction() as tx:
                await tx.memory.update_entity(stored.evolve(name="b"))
                raise ZeroDivisionError
        assert stored == await memory.get_entity(stored.id)
        assert "b" == (await memory.update_entity(stored.evolve(name="b"))).name
