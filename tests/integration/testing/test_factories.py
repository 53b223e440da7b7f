from __future__ import annotations

from typing import Any

import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.database.tenancy import promised
from focal_data.errors import UsageError
from focal_data.ids import TenantId, new_id
from focal_data.repositories.config import RuleRepository
from focal_data.testing import factories
from focal_data.testing.factories import (
    AgentFactory,
    AgentTableFactory,
    DomainFactory,
    IdeationSessionFactory,
    RuleFactory,
    RuleTableFactory,
    SessionFactory,
    TableFactory,
    seeded,
)

FACTORIES = [
    made_by
    for name in factories.__all__
    if isinstance(made_by := getattr(factories, name), type) and hasattr(made_by, "_meta")
    if not made_by._meta.abstract
]
ROWS = [
    made_by
    for made_by in FACTORIES
    if issubclass(made_by, TableFactory) and "INSERT" in promised(made_by._meta.model.__table__).grants
]
"""Of the tables that a service may write."""
STORED = [
    made_by for made_by in FACTORIES if issubclass(made_by, DomainFactory) and "_store" in vars(made_by)
]


@pytest.mark.parametrize("seeds", [range(20), pytest.param(range(20, 200), marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize("made_by", ROWS)
async def test_rows_keep_every_constraint(data: DataLayer, made_by: Any, seeds: range) -> None:
    """Whatever the seed, PostgreSQL takes what a table's factory makes, with the parents it makes for it."""
    tenant = data.tenant(new_id())
    traits = [{}, {"embedded": True}] if "embedding" in made_by._meta.model.model_fields else [{}]
    async with tenant.transaction() as tx:
        for run in seeds:
            with seeded(f"{made_by.__name__} {run}"):
                await made_by.create(tx, **traits[run % len(traits)])


@pytest.mark.parametrize("backend", ["focal_data_layer", "focal_in_memory"])
@pytest.mark.parametrize("made_by", STORED)
async def test_stores_take_what_factories_make(
    request: pytest.FixtureRequest, made_by: Any, backend: str
) -> None:
    """Whatever the seed, a store of any backend takes what an entity's factory makes, and gives it its tenant."""
    tenant = request.getfixturevalue(backend).tenant(new_id())
    for run in range(20):
        with seeded(f"{made_by.__name__} {run}"):
            stored = await made_by.create(tenant)
            assert tenant.tenant_id == stored.tenant_id


async def test_created_in_a_transaction(tenant: Tenant) -> None:
    """What is created in a transaction goes with it."""
    with pytest.raises(ZeroDivisionError):
        async with tenant.transaction() as tx:
            rule = await RuleFactory.create(tx)
            row = await RuleTableFactory.create(tx, agent_id=rule.agent_id)
            assert [rule.id, row.id] == [found.id for found in await RuleRepository(tx).list()]
            raise ZeroDivisionError
    assert await tenant.config.get_rule(rule.id) is None


async def test_what_is_given_is_not_made_again(tenant: Tenant) -> None:
    """Children of one parent share it."""
    agent = await AgentFactory.create(tenant)
    rules = await RuleFactory.create_batch(tenant, 3, agent=agent, priority=1)
    rows = await RuleTableFactory.create_batch(tenant, 2, agent=agent)

    assert ([agent], 1) == await tenant.config.get_agents()
    assert {agent.id} == {rule.agent_id for rule in (*rules, *rows)}
    assert 5 == len(await tenant.config.get_rules(agent.id))


async def test_another_tenants_parent_is_refused(tenant: Tenant) -> None:
    """A tenant stores what is its own, and nothing is written otherwise."""
    agent = AgentTableFactory.build(tenant_id=TenantId(new_id()))
    for made_by in (RuleFactory, RuleTableFactory):
        with pytest.raises(UsageError, match="another tenant's"):
            await made_by.create(tenant, agent=agent)
        with pytest.raises(UsageError, match="another tenant's"):
            await made_by.create(tenant, tenant_id=agent.tenant_id)


async def test_a_seeded_run_stores_the_same_ids(data: DataLayer) -> None:
    """Two tenants that are filled under one seed hold the same ids."""
    stored = []
    for _ in range(2):
        with seeded(1):
            stored.append((await RuleFactory.create(data.tenant(new_id()))).id)
    assert stored[0] == stored[1]


async def test_sessions_are_stored_on_redis(tenant: Tenant) -> None:
    """A session is created in the tenant, and found by all that it names."""
    session = await SessionFactory.create(tenant)

    assert session == await tenant.sessions.get_by_channel(session.channel, session.channel_user_id)
    assert [session] == await tenant.sessions.list_by_customer(session.customer_profile_id)
    async with tenant.transaction() as tx:
        with pytest.raises(UsageError, match="create them in the tenant"):
            await SessionFactory.create(tx)


async def test_what_has_no_store_says_so(tenant: Tenant) -> None:
    """An entity without a store is built, or created as a row."""
    with pytest.raises(UsageError, match="row by its table's factory"):
        await IdeationSessionFactory.create(tenant)


async def test_rows_are_not_created_in_memory(focal_in_memory: DataLayer) -> None:
    """There are none: the error says so."""
    with pytest.raises(UsageError, match="kept in memory"):
        await RuleTableFactory.create(focal_in_memory.tenant(new_id()))
