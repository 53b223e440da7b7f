"""Deleting a whole tenant: every table and every key, and those of no other tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from focal_data.backends import get_repository_factory
from focal_data.data_layer import DataLayer
from focal_data.domain.config import Agent
from focal_data.domain.profile import Channel
from focal_data.operations.operator import Operator
from focal_data.redis import keys
from focal_data.settings import Settings
from focal_data.tables import metadata
from focal_data.testing.contracts.ideation.base import a_session, filled
from tests.integration.operations.world import World, naming, on_redis, rows, with_mark
from tests.integration.test_tables import PARENTS, row_of


@pytest.fixture
async def engine(focal_settings: Settings) -> AsyncIterator[AsyncEngine]:
    """As the owner."""
    engine = create_async_engine(focal_settings.owner_url())
    yield engine
    await engine.dispose()


async def a_row_of_everything(engine: AsyncEngine, tenant_id: UUID) -> None:
    """One row in every table that has a tenant."""
    known = dict(PARENTS)
    async with engine.begin() as connection:
        for table in metadata.sorted_tables:
            row = row_of(table, **(known.get(table.name, {}) | {"tenant_id": tenant_id}))
            await connection.execute(insert(table).values(row))


def of_tenant(found: dict[str, list[str]], tenant_id: UUID) -> dict[str, list[str]]:
    return with_mark(found, str(tenant_id))


@pytest.mark.slow
async def test_every_table_is_emptied_of_the_tenant_and_of_no_other(
    op: Operator, engine: AsyncEngine, focal_settings: Settings
) -> None:
    """What another tenant has, under the same ids too, stays byte for byte."""
    mine, other = uuid4(), uuid4()
    for tenant_id in (mine, other):
        await a_row_of_everything(engine, tenant_id)
    before = await rows(focal_settings)
    every = {table.name: 1 for table in metadata.tables.values()}
    planned = await op.tenant(mine).delete_everything(dry_run=True)
    assert before == await rows(focal_settings)
    done = await op.tenant(mine).delete_everything()
    assert (every, every) == (planned.counts, done.counts)
    after = await rows(focal_settings)
    assert {} == of_tenant(after, mine)
    assert of_tenant(before, other) == of_tenant(after, other)
    kept = {table: [row for row in texts if str(mine) not in row] for table, texts in before.items()}
    assert kept == after


@pytest.mark.slow
async def test_customers_and_their_sessions_go(
    op: Operator, data: DataLayer, focal_settings: Settings
) -> None:
    """Merged profiles before those that they are part of; keys on Redis with the places that lead to them."""
    worlds = []
    for _ in range(2):
        tenant = data.tenant(uuid4())
        agent = await tenant.config.save_agent(Agent(name="Ada"))
        worlds.append(World(tenant, agent.id))
    customers = [await world.customer() for world in worlds]
    mine, other = (world.tenant.tenant_id for world in worlds)
    before, live = await rows(focal_settings), on_redis(focal_settings)
    receipt = await op.tenant(mine).delete_everything()
    assert (3, 2, 2) == tuple(
        receipt.counts[kind] for kind in ("sessions", "customer_profiles", "channel_identities")
    )
    after, alive = await rows(focal_settings), on_redis(focal_settings)
    assert {} == of_tenant(after, mine)
    assert {} == naming(alive, mine.hex, customers[0].mark)
    assert of_tenant(before, other) == of_tenant(after, other)
    assert naming(live, other.hex) == naming(alive, other.hex)


@pytest.mark.slow
async def test_ideation_on_redis_goes(
    op: Operator, data: DataLayer, focal_settings: Settings, focal_redis: Redis
) -> None:
    """Sessions, readable or not, with all that hangs on them and their users' lists; what other tenants have stays."""
    mine, other = uuid4(), uuid4()
    sessions = [a_session(user_id=user) for user in ("ada", "ada", "bob")]
    for tenant_id in (mine, other):
        studio = get_repository_factory(data, "redis").tenant(tenant_id)
        for session in sessions:
            await filled(studio, session)
    session, *parts = keys.ideation(mine.hex.encode(), sessions[0].id)
    await focal_redis.set(session, b"damaged")
    await focal_redis.delete(
        keys.ideation(mine.hex.encode(), sessions[1].id)[0]
    )  # what hangs on it stays behind
    before = on_redis(focal_settings)
    assert {session, *parts} <= naming(before, mine.hex).keys()
    planned = await op.tenant(mine).delete_everything(dry_run=True)
    assert before == on_redis(focal_settings)
    done = await op.tenant(mine).delete_everything()
    assert ({"ideation": 2}, {"ideation": 2}) == (planned.counts, done.counts)
    after = on_redis(focal_settings)
    assert {} == naming(after, mine.hex)
    assert naming(before, other.hex) == naming(after, other.hex)
    again = await op.tenant(mine).delete_everything()
    assert {} == again.counts


async def test_a_person_who_is_erased_keeps_ideation(
    op: Operator, data: DataLayer, focal_settings: Settings
) -> None:
    """It is a user's of the studio, whom no profile names: by the same text, too."""
    tenant = data.tenant(uuid4())
    profile = await tenant.profiles.get_or_create(Channel.WEBCHAT, "ada")
    studio = get_repository_factory(data, "redis").tenant(tenant.tenant_id)
    for user in ("ada", str(profile.id)):
        await filled(studio, a_session(user_id=user))
    before = naming(on_redis(focal_settings), tenant.tenant_id.hex)
    receipt = await op.tenant(tenant.tenant_id).erase_customer(profile.id)
    assert "ideation" not in receipt.counts
    assert before == naming(on_redis(focal_settings), tenant.tenant_id.hex)


async def test_a_tenant_that_has_nothing_gives_an_empty_receipt(op: Operator) -> None:
    """A tenant is not stored anywhere, so there is none that is missing."""
    receipt = await op.tenant(uuid4()).delete_everything()
    assert ({}, (), False) == (receipt.counts, receipt.profile_ids, receipt.dry_run)
