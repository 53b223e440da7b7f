"""``DataLayer.in_memory()``: nothing is needed, and a service can't tell it from the others."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.config import Agent
from focal_data.domain.profile import CustomerProfile
from focal_data.errors import UsageError
from focal_data.ids import NO_TENANT
from focal_data.repositories.config import RuleRepository
from focal_data.telemetry import refuse_in_transaction

THEN = datetime(2020, 1, 2, tzinfo=UTC)


async def test_it_is_made_at_once_or_for_a_block() -> None:
    """There is nothing to wait for, and nothing to close."""
    async with DataLayer.in_memory() as data:
        tenant = data.tenant(uuid4())
    agent = await tenant.config.save_agent(Agent(name="Ada"))
    assert agent == await data.tenant(tenant.tenant_id).config.get_agent(agent.id)


async def test_each_has_data_of_its_own() -> None:
    """Also of the same tenant."""
    one, two = [DataLayer.in_memory().tenant(uuid4()) for _ in range(2)]
    await one.config.save_agent(Agent(name="Ada"))
    assert ([], 0) == await two.config.get_agents()


async def test_its_clock_is_the_stores() -> None:
    """Every time that a store sets comes from there."""
    tenant = DataLayer.in_memory(clock=lambda: THEN).tenant(uuid4())
    agent = await tenant.config.save_agent(Agent(name="Ada"))
    await tenant.config.delete_agent(agent.id)
    deleted = await tenant.config.get_agent(agent.id, include_deleted=True)
    assert deleted is not None
    assert [THEN] * 3 == [deleted.created_at, deleted.updated_at, deleted.deleted_at]


async def test_one_transaction_spans_its_stores() -> None:
    """All of it goes when the block raises."""
    tenant: Tenant = DataLayer.in_memory().tenant(uuid4())
    with pytest.raises(LookupError):
        async with tenant.transaction() as tx:
            agent = await tx.config.save_agent(Agent(name="Ada"))
            profile = await tx.profiles.save(CustomerProfile())
            raise LookupError
    assert await tenant.config.get_agent(agent.id) is None
    assert await tenant.profiles.get_by_id(profile.id) is None


@pytest.mark.parametrize("wrong", [NO_TENANT, str(uuid4()), None], ids=["nil", "text", "none"])
def test_a_tenant_is_a_uuid_and_not_nil(wrong: object) -> None:
    """As everywhere."""
    with pytest.raises(UsageError):
        DataLayer.in_memory().tenant(wrong)  # type: ignore[arg-type]


async def test_a_repository_of_postgresql_is_refused() -> None:
    """With a word about what to make instead."""
    tenant = DataLayer.in_memory().tenant(uuid4())
    with pytest.raises(UsageError, match="InMemoryRepository"):
        RuleRepository(tenant)
    async with tenant.transaction() as tx:
        with pytest.raises(UsageError, match="InMemoryRepository"):
            RuleRepository(tx)


async def test_what_waits_for_others_is_refused_in_its_transactions() -> None:
    """As in debug mode on PostgreSQL: the message says where the transaction was begun."""
    async with DataLayer.in_memory().tenant(uuid4()).transaction():
        with pytest.raises(UsageError, match=r"test_data_layer\.py:\d+"):
            refuse_in_transaction("a model")
    refuse_in_transaction("a model")
