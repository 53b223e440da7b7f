"""Several calls in one transaction: all of them, or none."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import pytest

from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EntityFilter
from focal_data.domain.memory import GroupDeletion
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError, StaleRevisionError, StoreError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.memory.base import (
    NEVER,
    NOON,
    MakeEntity,
    MakeEpisode,
    MakeRelationship,
    MemorySuite,
    recorded,
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

    async def test_the_graph_is_changed_together(
        self, tenant: TenantUnderTest, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """Replacing, deleting and deleting a group, with their histories: seen inside, and none of it after a roll-back."""
        a, b = [await memory.add_entity(entity(name, group_id="g")) for name in "ab"]
        link = await memory.add_relationship(relationship(a, b, valid_from=NOON))
        later = relationship(a, b, valid_from=NOON + timedelta(1))
        for works in (False, True):
            with contextlib.suppress(ZeroDivisionError):
                async with tenant.transaction() as tx:
                    new = await tx.memory.replace_relationship(link.id, later)
                    assert new == await tx.memory.get_relationship(new.id)
                    assert await tx.memory.delete_entity(b.id)
                    assert [] == (await tx.memory.get_relationships()).items
                    assert b == await tx.memory.get_entity(b.id, known_at=recorded(b))
                    assert GroupDeletion(0, 1, 0) == await tx.memory.delete_by_group("g")
                    assert await tx.memory.get_entity(b.id, known_at=recorded(b)) is None
                    1 / works
            expected = [] if works else [a, b]
            assert expected == (await memory.get_entities()).items
            assert expected == (await memory.get_entities(EntityFilter(known_at=recorded(link)))).items
            assert ([] if works else [link]) == (await memory.get_relationships()).items

    async def test_nobody_else_sees_it_before_it_commits(
        self, tenant: TenantUnderTest, memory: MemoryStore, episode: MakeEpisode
    ) -> None:
        """Another task reads what was there before."""

        async def seen() -> list[str]:
            return [e.content for e in await memory.get_episodes()]

        async with tenant.transaction() as tx:
            await tx.memory.add_episode(episode("inside"))
            assert [] == await asyncio.create_task(seen())
        assert ["inside"] == await seen()

    async def test_an_error_that_is_caught_inside_spoils_the_rest(
        self, tenant: TenantUnderTest, memory: MemoryStore, episode: MakeEpisode
    ) -> None:
        """After a duplicate or a missing parent nothing of it is written, and the end says so."""
        stored = await memory.add_episode(episode("stored"))
        with pytest.raises(StoreError):
            async with tenant.transaction() as tx:
                await tx.memory.add_episode(episode("before"))
                with pytest.raises(DuplicateError):
                    await tx.memory.add_episode(stored)
        assert [stored] == (await memory.get_episodes()).items

    async def test_a_stale_revision_spoils_nothing(
        self, tenant: TenantUnderTest, memory: MemoryStore, entity: MakeEntity
    ) -> None:
        """It is told before anything is tried, as is data that is refused; the transaction goes on."""
        stored = await memory.add_entity(entity("a"))
        await memory.update_entity(stored.evolve(name="b"))
        async with tenant.transaction() as tx:
            with pytest.raises(StaleRevisionError):
                await tx.memory.update_entity(stored.evolve(name="c"))
            with pytest.raises(NotFoundError):
                await tx.memory.update_entity(stored.evolve(id=NEVER))
            with pytest.raises(InvalidDataError):
                await tx.memory.add_entity(stored)
            await tx.memory.add_entity(entity("added"))
        assert {"b", "added"} == {e.name for e in await memory.get_entities()}
