from __future__ import annotations

import asyncio

import pytest

from focal_data.data_layer import DataLayer, PostgresDataLayer
from focal_data.domain.config import Agent
from focal_data.errors import DuplicateError, StoreError, UsageError
from focal_data.ids import TenantId, new_id
from focal_data.settings import Settings
from focal_data.testing.factories import AgentFactory, AgentTableFactory, RuleFactory
from focal_data.testing.rollback import rolled_back

TENANT = TenantId(new_id())


@pytest.mark.parametrize("run", [1, 2])
async def test_each_test_finds_it_as_it_was(
    focal_rolled_back: PostgresDataLayer, data: DataLayer, run: int
) -> None:
    """What a test stores, it reads; the next one does not, nor does anybody else meanwhile."""
    tenant = focal_rolled_back.tenant(TENANT)
    assert ([], 0) == await tenant.config.get_agents()

    rule = await RuleFactory.create(tenant)
    await AgentTableFactory.create(tenant)

    assert rule == await tenant.config.get_rule(rule.id)
    assert 2 == (await tenant.config.get_agents())[1]
    assert ([], 0) == await data.tenant(TENANT).config.get_agents()


async def test_its_transactions_commit_and_roll_back(focal_rolled_back: PostgresDataLayer) -> None:
    """A transaction that raises leaves nothing, one that ends leaves all, as anywhere."""
    tenant = focal_rolled_back.tenant(TENANT)
    async with tenant.transaction() as tx:
        kept = await tx.config.save_agent(Agent(name="kept"))
    with pytest.raises(ZeroDivisionError):
        async with tenant.transaction() as tx:
            await tx.config.save_agent(Agent(name="lost"))
            raise ZeroDivisionError
    assert ([kept], 1) == await tenant.config.get_agents()


async def test_errors_are_those_of_any_database(focal_rolled_back: PostgresDataLayer) -> None:
    """A constraint raises, what else the transaction wrote is gone, and the next one works."""
    tenant = focal_rolled_back.tenant(TENANT)
    first = await AgentFactory.create(tenant)
    with pytest.raises(DuplicateError):
        await tenant.config.save_agent(Agent(name=first.name))
    with pytest.raises(StoreError, match="nothing was written"):
        async with tenant.transaction() as tx:
            await tx.config.save_agent(Agent(name="before"))
            with pytest.raises(DuplicateError):
                await tx.config.save_agent(Agent(name=first.name))
    assert ([first], 1) == await tenant.config.get_agents()


async def test_tenants_are_apart(focal_rolled_back: PostgresDataLayer) -> None:
    """The policies hold on the one connection, transaction after transaction."""
    agent = await AgentFactory.create(focal_rolled_back.tenant(TENANT))
    other = focal_rolled_back.tenant(new_id())

    assert await other.config.get_agent(agent.id) is None
    assert not await other.config.delete_agent(agent.id)


async def test_tasks_take_turns(focal_rolled_back: PostgresDataLayer) -> None:
    """Any number of tasks may use it: one transaction waits for the end of another."""
    tenant = focal_rolled_back.tenant(TENANT)
    await asyncio.gather(*(AgentFactory.create(tenant) for _ in range(20)))
    assert 20 == (await tenant.config.get_agents())[1]


async def test_a_lost_connection_is_told(focal_settings: Settings) -> None:
    """When the one connection is gone, so is what was on it: that is an error, not an empty database."""
    async with rolled_back(focal_settings) as data:
        tenant = data.tenant(TENANT)
        await AgentFactory.create(tenant)
        data.database.drop_idle()
        with pytest.raises(UsageError, match="focal_fresh_database"):
            await tenant.config.get_agents()
