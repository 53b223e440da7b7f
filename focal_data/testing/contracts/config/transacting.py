"""Transactions over the config store: all of it or nothing, seen by nobody before its end, and held by one task."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from focal_data.errors import (
    DuplicateError,
    InvalidDataError,
    NotFoundError,
    StaleRevisionError,
    StoreError,
    UsageError,
)
from focal_data.ids import new_id
from focal_data.stores.config import ConfigStore
from focal_data.testing.contracts.base import Stores, TenantUnderTest
from focal_data.testing.contracts.config.base import ConfigContract
from focal_data.testing.contracts.config.kinds import ALL, PARTS, Kind, a_rule, an_agent, each


class Interrupted(Exception):  # noqa: N818  (an error of nobody's)
    """What ends a block early."""


class TransactionContract(ConfigContract):
    """One commit over several calls."""

    @each(ALL)
    async def test_what_a_transaction_writes_is_there_when_it_ends(
        self, tenant: TenantUnderTest, kind: Kind
    ) -> None:
        """It sees its own writes before; changes and deletions alike."""
        changed, gone = await kind.stored(tenant.config), await kind.stored(tenant.config)
        async with tenant.transaction() as tx:
            new = await kind.stored(tx.config)
            changed = await kind.save(tx.config, changed.evolve(**kind.change))
            assert await kind.delete(tx.config, gone)
            assert (new, changed) == (await kind.get(tx.config, new), await kind.get(tx.config, changed))
            assert await kind.get(tx.config, gone) is None
        assert (new, changed) == (await kind.get(tenant.config, new), await kind.get(tenant.config, changed))
        assert await kind.get(tenant.config, gone) is None

    @each(ALL)
    async def test_a_block_that_raises_leaves_everything_as_it_was(
        self, tenant: TenantUnderTest, kind: Kind
    ) -> None:
        """New things, changes and deletions alike; the error is the block's own."""
        changed, gone = await kind.stored(tenant.config), await kind.stored(tenant.config)
        made: list[Any] = []
        with pytest.raises(Interrupted):
            async with tenant.transaction() as tx:
                made.append(await kind.stored(tx.config))
                await kind.save(tx.config, changed.evolve(**kind.change))
                await kind.delete(tx.config, gone)
                raise Interrupted
        assert await kind.get(tenant.config, made[0]) is None
        assert changed == await kind.get(tenant.config, changed)
        assert gone == await kind.get(tenant.config, gone)
        again = await kind.save(tenant.config, changed.evolve(**kind.change))
        assert again == await kind.get(tenant.config, changed)

    @each(PARTS)
    async def test_an_agent_and_its_parts_come_back_when_a_block_raises(
        self, tenant: TenantUnderTest, kind: Kind
    ) -> None:
        """From being deleted, and from being restored."""
        stored = await kind.stored(tenant.config)
        with pytest.raises(Interrupted):
            async with tenant.transaction() as tx:
                await tx.config.delete_agent(stored.agent_id)
                raise Interrupted
        assert stored == await kind.get(tenant.config, stored)
        await tenant.config.delete_agent(stored.agent_id)
        with pytest.raises(Interrupted):
            async with tenant.transaction() as tx:
                await tx.config.restore_agent(stored.agent_id)
                assert await kind.get(tx.config, stored) is not None
                raise Interrupted
        assert await kind.get(tenant.config, stored) is None
        assert await tenant.config.get_agent(stored.agent_id) is None

    async def test_nobody_sees_what_is_not_committed(self, tenant: TenantUnderTest) -> None:
        """Another task reads what was there before, and does not wait."""
        agent = await tenant.config.save_agent(an_agent())

        async def seen() -> tuple[Any, int]:
            return await tenant.config.get_agent(agent.id), (await tenant.config.get_agents())[1]

        async with tenant.transaction() as tx:
            changed = await tx.config.save_agent(agent.evolve(description="new"))
            await tx.config.save_agent(an_agent())
            assert (agent, 1) == await asyncio.create_task(seen())
        assert (changed, 2) == await seen()

    async def test_a_writer_waits_for_the_one_before(self, tenant: TenantUnderTest) -> None:
        """And is stale when that has committed, or wins when that has not."""
        agent = await tenant.config.save_agent(an_agent())

        async def write() -> Any:
            return await tenant.config.save_agent(agent.evolve(description="late"))

        with pytest.raises(Interrupted):
            async with tenant.transaction() as tx:
                await tx.config.save_agent(agent.evolve(description="early"))
                waiting = asyncio.create_task(write())
                await asyncio.sleep(0.05)
                assert not waiting.done()
                raise Interrupted
        agent = await waiting
        assert "late" == agent.description
        async with tenant.transaction() as tx:
            await tx.config.save_agent(agent.evolve(description="early"))
            waiting = asyncio.create_task(write())
            await asyncio.sleep(0.05)
        with pytest.raises(StaleRevisionError) as caught:
            await waiting
        assert 3 == caught.value.current_revision

    async def test_the_tenants_own_stores_are_refused_inside_of_it(
        self, tenant: TenantUnderTest, other: TenantUnderTest
    ) -> None:
        """The same task would wait for itself; it is told to use the transaction's, and nothing is written."""
        async with tenant.transaction() as tx:
            await tx.config.save_agent(an_agent())
            for outside in (tenant, other):
                with pytest.raises(UsageError, match="tx"):
                    await outside.config.get_agents()
                with pytest.raises(UsageError, match="tx"):
                    await outside.config.save_agent(an_agent())
                with pytest.raises(UsageError):
                    async with outside.transaction():
                        raise AssertionError
        assert 1 == (await tenant.config.get_agents())[1]
        assert 0 == (await other.config.get_agents())[1]

    async def test_its_stores_work_inside_of_it_only(self, tenant: TenantUnderTest) -> None:
        """Neither before it is entered nor after it is over, and it is entered once."""
        before = tenant.transaction()
        async with tenant.transaction() as tx:
            store: ConfigStore = tx.config
        for call in (store.get_agents, lambda: store.save_agent(an_agent())):
            with pytest.raises(UsageError):
                await call()
        with pytest.raises(UsageError):
            await before.config.get_agents()  # type: ignore[attr-defined]
        async with before:
            pass
        with pytest.raises(UsageError):
            async with before:
                raise AssertionError
        assert 0 == (await tenant.config.get_agents())[1]

    async def test_after_a_violated_constraint_it_can_not_go_on(self, tenant: TenantUnderTest) -> None:
        """Whoever catches the error is told so by the next call, and by the end; nothing is written."""
        await tenant.config.save_agent(an_agent(name="Ada"))
        with pytest.raises(StoreError, match="nothing was written"):
            async with tenant.transaction() as tx:
                await tx.config.save_agent(an_agent())
                with pytest.raises(DuplicateError):
                    await tx.config.save_agent(an_agent(name="Ada"))
                with pytest.raises(UsageError):
                    await tx.config.get_agents()
        assert 1 == (await tenant.config.get_agents())[1]

    async def test_an_error_before_it_leaves_no_trace(self, tenant: TenantUnderTest) -> None:
        """A constraint that a call of its own violated, or another transaction."""
        agent = await tenant.config.save_agent(an_agent(name="Ada"))
        with pytest.raises(DuplicateError):
            await tenant.config.save_agent(an_agent(name="Ada"))
        with pytest.raises(DuplicateError):
            async with tenant.transaction() as tx:
                await tx.config.save_agent(an_agent(name="Ada"))
        async with tenant.transaction() as tx:
            assert ([agent], 1) == await tx.config.get_agents()
            await tx.config.save_agent(an_agent())
        assert 2 == (await tenant.config.get_agents())[1]

    async def test_after_a_refusal_it_goes_on(self, tenant: TenantUnderTest) -> None:
        """Of stale or missing things and of bad data: the block decides what to do about it."""
        agent = await tenant.config.save_agent(an_agent())
        await tenant.config.save_agent(agent)
        async with tenant.transaction() as tx:
            with pytest.raises(StaleRevisionError):
                await tx.config.save_agent(agent)
            with pytest.raises(NotFoundError):
                await tx.config.save_agent(an_agent(revision=1))
            with pytest.raises(NotFoundError):
                await tx.config.save_rule(a_rule(new_id()))
            with pytest.raises(InvalidDataError):
                await tx.config.save_agent(agent.model_copy(update={"name": "a\0"}))
            with pytest.raises(InvalidDataError):
                await tx.config.get_variable_by_name(agent.id, "a\0")
            new = await tx.config.save_agent(an_agent())
        assert new == await tenant.config.get_agent(new.id)

    async def test_many_at_once_all_commit(self, tenant: TenantUnderTest) -> None:
        """Each with all of its writes."""

        async def write() -> None:
            async with tenant.transaction() as tx:
                agent = await tx.config.save_agent(an_agent())
                await asyncio.sleep(0)
                await tx.config.save_rule(a_rule(agent.id))

        await asyncio.gather(*(write() for _ in range(30)))
        agents, total = await tenant.config.get_agents(limit=1000)
        assert 30 == total
        assert [1] * 30 == [len(await tenant.config.get_rules(agent.id)) for agent in agents]

    async def test_a_cancelled_task_leaves_nothing(self, tenant: TenantUnderTest) -> None:
        """Neither data nor a lock, whether it was at work or waiting for another."""
        agent = await tenant.config.save_agent(an_agent())
        inside = asyncio.Event()

        async def work() -> None:
            async with tenant.transaction() as tx:
                await tx.config.save_agent(agent.evolve(description="lost"))
                inside.set()
                await asyncio.Event().wait()

        async def wait() -> None:
            await tenant.config.save_agent(agent.evolve(description="lost too"))

        working = asyncio.create_task(work())
        await inside.wait()
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.05)
        for task in (waiting, working):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert agent == await tenant.config.get_agent(agent.id)
        assert 2 == (await tenant.config.save_agent(agent)).revision

    async def test_work_in_a_transaction_gives_its_answer(self, tenant: TenantUnderTest) -> None:
        """Committed; and nothing of it stays when it raises."""

        async def work(tx: Stores) -> Any:
            return await tx.config.save_agent(an_agent())

        async def fail(tx: Stores) -> Any:
            await tx.config.save_agent(an_agent())
            raise Interrupted

        agent = await tenant.in_transaction(work)
        assert agent == await tenant.config.get_agent(agent.id)
        with pytest.raises(Interrupted):
            await tenant.in_transaction(fail)
        assert 1 == (await tenant.config.get_agents())[1]
