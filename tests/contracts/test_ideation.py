"""The ideation stores, on each backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

import pytest
from redis.asyncio import Redis

from focal_data.data_layer import PostgresDataLayer
from focal_data.database.engine import Database
from focal_data.domain.clock import Clock
from focal_data.inmemory.database import InMemoryDatabase
from focal_data.inmemory.ideation import InMemoryIdeationFactory
from focal_data.redis.client import RedisClient
from focal_data.redis.ideation import RedisIdeationFactory
from focal_data.repositories.ideation import PostgresIdeationFactory
from focal_data.settings import Settings
from focal_data.testing.contracts.ideation import IdeationClockContract, IdeationStoreContract
from focal_data.testing.contracts.ideation.base import IdeationTenants
from focal_data.testing.contracts.ideation.clock import TenantsByClock


class TestPostgresIdeation(IdeationStoreContract):
    """In the run's own PostgreSQL."""

    @pytest.fixture
    def tenants(self, data: PostgresDataLayer) -> IdeationTenants:
        return PostgresIdeationFactory(data.database).tenant


class TestPostgresIdeationByClock(IdeationClockContract):
    """In the run's own PostgreSQL, by a clock that is set by hand."""

    @pytest.fixture
    async def by_clock(self, focal_settings: Settings) -> AsyncIterator[TenantsByClock]:
        opened: list[Database] = []

        def tenants(clock: Clock) -> IdeationTenants:
            opened.append(Database(focal_settings, clock=clock))
            return PostgresIdeationFactory(opened[-1]).tenant

        yield tenants
        for database in opened:
            await database.close()


class TestInMemoryIdeation(IdeationStoreContract):
    """In memory."""

    @pytest.fixture
    def tenants(self) -> IdeationTenants:
        return InMemoryIdeationFactory(InMemoryDatabase()).tenant


class TestInMemoryIdeationByClock(IdeationClockContract):
    """In memory, by a clock that is set by hand."""

    @pytest.fixture
    def by_clock(self) -> TenantsByClock:
        def tenants(clock: Clock) -> IdeationTenants:
            return InMemoryIdeationFactory(InMemoryDatabase(clock=clock)).tenant

        return tenants


@pytest.fixture
async def client(focal_redis: Redis, focal_settings: Settings) -> AsyncIterator[RedisClient]:
    async with RedisClient(focal_settings) as client:
        yield client


class TestRedisIdeation(IdeationStoreContract):
    """On the run's own Redis."""

    one_session_per_transaction: ClassVar[bool] = True

    @pytest.fixture
    def tenants(self, client: RedisClient) -> IdeationTenants:
        return RedisIdeationFactory(client).tenant


class TestRedisIdeationByClock(IdeationClockContract):
    """On the run's own Redis, by a clock that is set by hand."""

    one_session_per_transaction: ClassVar[bool] = True

    @pytest.fixture
    def by_clock(self, client: RedisClient) -> TenantsByClock:
        def tenants(clock: Clock) -> IdeationTenants:
            return RedisIdeationFactory(client, clock=clock).tenant

        return tenants
