"""One that comes back while it is being deleted: the insert waits for the deletion, and goes on where the history ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest

from focal_data.data_layer import Tenant
from focal_data.domain.memory import Entity
from focal_data.errors import DuplicateError
from focal_data.repositories.graph import EntityRepository
from focal_data.stores.memory import MemoryStore
from focal_data.unit_of_work import UnitOfWork

MakeEntity = Callable[..., Entity]


async def test_its_history_goes_on(tenant: Tenant, memory: MemoryStore, entity: MakeEntity) -> None:
    """Neither a revision nor a time is taken twice, though the deletion had not committed when the insert began."""
    first = await memory.add_entity(entity("first"))
    second = await memory.update_entity(first.evolve(name="second"))
    async with tenant.transaction() as tx:
        await tx.memory.delete_entity(first.id)
        adding = asyncio.create_task(memory.add_entity(entity("third", id=first.id)))
        await asyncio.sleep(0.2)
        assert not adding.done()
    third = await adding
    assert 3 == third.revision
    assert second == await memory.get_entity(first.id, known_at=second.recorded_at)
    fourth = await memory.update_entity(third.evolve(name="fourth"))
    assert third == await memory.get_entity(first.id, known_at=third.recorded_at)
    assert fourth == await memory.get_entity(first.id)


async def test_many_at_once_go_on_too(tenant: Tenant, agent: UUID, entity: MakeEntity) -> None:
    """In bulk as one by one."""
    entities = EntityRepository(tenant)
    first, other = await entities.add_many([entity("first"), entity("other")])
    async with tenant.transaction() as tx:
        await tx.memory.delete_entity(first.id)
        adding = asyncio.create_task(entities.add_many([entity("new"), entity("again", id=first.id)]))
        await asyncio.sleep(0.2)
        assert not adding.done()
    new, again = await adding
    assert (1, 2) == (new.revision, again.revision)
    assert {new.id, again.id, other.id} == {e.id for e in await tenant.memory.get_entities()}


async def test_in_a_transaction_the_caller_tries_again(
    tenant: Tenant, memory: MemoryStore, entity: MakeEntity
) -> None:
    """Its error says so, nothing is written, and ``in_transaction`` does it."""
    first = await memory.add_entity(entity("first"))

    async def again(tx: UnitOfWork) -> Entity:
        return await tx.memory.add_entity(entity("again", id=first.id))

    async with tenant.transaction() as tx:
        await tx.memory.delete_entity(first.id)
        adding = asyncio.create_task(tenant.in_transaction(again))
        await asyncio.sleep(0.2)
        assert not adding.done()
    assert 2 == (await adding).revision


async def test_a_bad_one_of_many_is_named(tenant: Tenant, entity: MakeEntity) -> None:
    """By its place, and nothing is stored."""
    good = [entity(str(n)) for n in range(5)]
    with pytest.raises(DuplicateError) as duplicate:
        await EntityRepository(tenant).add_many([*good, good[2]])
    assert 5 == duplicate.value.row
    assert [] == (await tenant.memory.get_entities()).items
