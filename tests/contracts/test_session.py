"""The promises of the session store, kept on Redis and in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from redis.asyncio import Redis

from focal_data.data_layer import DataLayer, InMemoryDataLayer
from focal_data.ids import TenantId
from focal_data.redis.client import RedisClient
from focal_data.redis.session import RedisSessionMaintenance, RedisSessionStore
from focal_data.settings import Settings
from focal_data.stores.session import SessionMaintenance, SessionStore
from focal_data.testing.contracts.base import Tenants
from focal_data.testing.contracts.session import MovedClock, SessionStoreContract


@dataclass
class OnRedis:
    """What the suite uses of a tenant."""

    tenant_id: UUID
    sessions: SessionStore


class TestRedisSessions(SessionStoreContract):
    """On the run's own Redis, emptied for each test, since maintenance is for all tenants."""

    @pytest.fixture
    async def client(self, focal_redis: Redis, focal_settings: Settings) -> AsyncIterator[RedisClient]:
        async with RedisClient(focal_settings) as client:
            yield client

    @pytest.fixture
    def tenants(self, client: RedisClient, clock: MovedClock) -> Tenants:
        def tenant(tenant_id: UUID) -> OnRedis:
            return OnRedis(tenant_id, RedisSessionStore(client, TenantId(tenant_id), clock=clock))

        return tenant

    @pytest.fixture
    def maintenance(self, client: RedisClient, clock: MovedClock) -> SessionMaintenance:
        return RedisSessionMaintenance(client, clock=clock)


class TestInMemorySessions(SessionStoreContract):
    """In the memory of this process."""

    @pytest.fixture
    def moved(self, clock: MovedClock) -> InMemoryDataLayer:
        return DataLayer.in_memory(clock=clock)

    @pytest.fixture
    def tenants(self, moved: InMemoryDataLayer) -> Tenants:
        return moved.tenant

    @pytest.fixture
    def maintenance(self, moved: InMemoryDataLayer) -> SessionMaintenance:
        return moved.session_maintenance
