"""A database of dictionaries: what a failed call leaves, who waits for whom, and what nobody sees."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from focal_data.errors import StoreTimeoutError, UsageError
from focal_data.ids import NO_TENANT
from focal_data.inmemory import database
from focal_data.inmemory.database import InMemoryDatabase, InMemoryTenantScope, Tables


@pytest.fixture
def scope() -> InMemoryTenantScope:
    """A tenant of a database of its own."""
    return InMemoryTenantScope(InMemoryDatabase(), uuid4())


def test_work_that_raises_leaves_everything_as_it_was() -> None:
    """What it put, replaced and removed, also twice under one key."""
    tables = Tables({"a": {1: "one", 2: "two"}})

    def work(tables: Tables) -> None:
        tables.put("a", 1, "new")
        tables.put("a", 1, "newer")
        tables.remove("a", 2)
        tables.put("a", 2, "back")
        tables.put("b", 3, "three")
        raise LookupError

    with pytest.raises(LookupError):
        tables.apply(work)
    assert {1: "one", 2: "two"} == tables.rows("a")
    assert {} == tables.rows("b")


def test_earlier_work_stays_when_later_work_raises() -> None:
    """Each is undone by itself."""
    tables = Tables()

    def fail(tables: Tables) -> None:
        tables.put("a", 2, "two")
        raise LookupError

    tables.apply(lambda tables: tables.put("a", 1, "one"))
    with pytest.raises(LookupError):
        tables.apply(fail)
    assert {1: "one"} == tables.rows("a")


def test_a_fork_changes_nothing_until_it_is_adopted() -> None:
    """And then everything that it changed; after that, neither touches what the other was."""
    tables = Tables()
    tables.put("a", 1, "one")
    tables.put("b", 1, "one")
    fork = tables.fork()
    fork.put("a", 2, "two")
    fork.remove("a", 1)
    assert {1: "one"} == tables.rows("a")
    before = tables.rows("a")
    tables.adopt(fork)
    assert {2: "two"} == tables.rows("a")
    assert {1: "one"} == tables.rows("b") == before
    tables.put("b", 2, "two")
    assert {1: "one"} == before


@pytest.mark.parametrize("wrong", [NO_TENANT, str(uuid4()), None], ids=["nil", "text", "none"])
def test_a_tenant_is_a_uuid_and_not_nil(wrong: object) -> None:
    """As everywhere."""
    with pytest.raises(UsageError):
        InMemoryTenantScope(InMemoryDatabase(), wrong)  # type: ignore[arg-type]


async def test_a_reader_waits_for_nobody(scope: InMemoryTenantScope) -> None:
    """A transaction that only reads holds no lock."""
    async with scope.transaction() as tx:
        assert {} == tx.tables().rows("a")
        await asyncio.create_task(_put(scope, 1))
        assert {1: "x"} == tx.tables().rows("a")


async def _put(scope: InMemoryTenantScope, key: int) -> None:
    await scope.write(lambda tables: tables.put("a", key, "x"))


async def test_a_writer_waits_a_time_and_no_longer(
    scope: InMemoryTenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is told so, nothing is written, and the next one gets its turn."""
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.05)
    async with scope.transaction() as tx:
        await tx.write(lambda tables: tables.put("a", 1, "x"))
        with pytest.raises(StoreTimeoutError):
            await asyncio.create_task(_put(scope, 2))
    await _put(scope, 3)
    assert {1, 3} == scope.tables().rows("a").keys()


async def test_writers_of_two_tenants_do_not_wait_for_each_other() -> None:
    """Each tenant has a lock of its own."""
    kept = InMemoryDatabase()
    one, two = InMemoryTenantScope(kept, uuid4()), InMemoryTenantScope(kept, uuid4())
    async with one.transaction() as tx:
        await tx.write(lambda tables: tables.put("a", 1, "x"))
        await asyncio.create_task(_put(two, 2))
    assert {2: "x"} == two.tables().rows("a")
    assert {1: "x"} == one.tables().rows("a")


async def test_a_transaction_cancelled_while_it_waits_frees_the_next(scope: InMemoryTenantScope) -> None:
    """It never had the lock."""

    async def write_in_transaction() -> None:
        async with scope.transaction() as tx:
            await tx.write(lambda tables: tables.put("a", 2, "x"))

    async with scope.transaction() as tx:
        await tx.write(lambda tables: tables.put("a", 1, "x"))
        waiting = asyncio.create_task(write_in_transaction())
        after = asyncio.create_task(_put(scope, 3))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await after
    assert {1, 3} == scope.tables().rows("a").keys()
