"""Ideation on two backends at once: it keeps the whole contract, and what is then in the second is what is in the first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar
from uuid import UUID

import pytest

from focal_data.data_layer import DataLayer, PostgresDataLayer
from focal_data.database.scope import TenantScope
from focal_data.redis.ideation_archive import RedisIdeationArchives
from focal_data.repositories.ideation_archive import IdeationArchives
from focal_data.settings import Settings
from focal_data.stores.composed.ideation import (
    BothIdeationFactory,
    BothIdeationTenant,
    IdeationSide,
    SharedClock,
)
from focal_data.testing.contracts.ideation import IdeationStoreContract
from focal_data.testing.contracts.ideation.base import IdeationTenants

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared() -> SharedClock:
    return SharedClock()


@pytest.fixture(scope="module")
async def layer(focal_settings: Settings, shared: SharedClock) -> AsyncIterator[PostgresDataLayer]:
    async with DataLayer.open(focal_settings, clock=shared) as data:
        yield data


@pytest.fixture
def on_redis(layer: PostgresDataLayer) -> IdeationSide:
    return IdeationSide(
        layer.ideation_factories["redis"], lambda tenant_id: RedisIdeationArchives(layer.redis, tenant_id)
    )


@pytest.fixture
def on_postgres(layer: PostgresDataLayer) -> IdeationSide:
    return IdeationSide(
        layer.ideation_factories["postgres"],
        lambda tenant_id: IdeationArchives(TenantScope(layer.database, tenant_id)),
    )


async def in_line(both: BothIdeationFactory) -> AsyncIterator[IdeationTenants]:
    """What makes tenants; at the end, of each of them the second has what the first has."""
    made: list[BothIdeationTenant] = []

    def tenant(tenant_id: UUID) -> BothIdeationTenant:
        made.append(both.tenant(tenant_id))
        return made[-1]

    yield tenant
    assert frozenset() == both.behind
    for one in made:
        assert 0 == await one.repair_all()


class TestFromRedisToPostgres(IdeationStoreContract):
    """As during the changeover."""

    one_session_per_transaction: ClassVar[bool] = True

    @pytest.fixture
    async def tenants(
        self, on_redis: IdeationSide, on_postgres: IdeationSide, shared: SharedClock
    ) -> AsyncIterator[IdeationTenants]:
        async for tenants in in_line(BothIdeationFactory(on_redis, on_postgres, clock=shared)):
            yield tenants


class TestFromPostgresToRedis(IdeationStoreContract):
    """As after it, while the way back is to stay open."""

    @pytest.fixture
    async def tenants(
        self, on_redis: IdeationSide, on_postgres: IdeationSide, shared: SharedClock
    ) -> AsyncIterator[IdeationTenants]:
        async for tenants in in_line(BothIdeationFactory(on_postgres, on_redis, clock=shared)):
            yield tenants
