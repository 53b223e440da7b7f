"""All that the store promises, on every kind of server that this machine has."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from uuid import UUID

import pytest

from focal_data.ids import TenantId
from focal_data.redis.client import RedisClient
from focal_data.redis.session import RedisSessionMaintenance, RedisSessionStore
from focal_data.stores.session import SessionMaintenance, SessionStore
from focal_data.testing.contracts.base import Tenants
from focal_data.testing.contracts.session import MovedClock, SessionStoreContract
from tests.integration.redis.server import executables


@dataclass
class OnServer:
    """What the suite uses of a tenant."""

    tenant_id: UUID
    sessions: SessionStore


@pytest.mark.skipif(
    sys.version_info >= (3, 13) or platform.machine() != "x86_64",
    reason="Redis 6.2 has no wheel for this one",
)
def test_there_is_more_than_one_kind() -> None:
    """What holds on one server only is not seen where there is only one."""
    assert 2 <= len(executables())


class TestSessionsOnEveryServer(SessionStoreContract):
    """Redis 6.2, the system's, the embedded one."""

    @pytest.fixture
    def tenants(self, client: RedisClient, clock: MovedClock) -> Tenants:
        def tenant(tenant_id: UUID) -> OnServer:
            return OnServer(tenant_id, RedisSessionStore(client, TenantId(tenant_id), clock=clock))

        return tenant

    @pytest.fixture
    def maintenance(self, client: RedisClient, clock: MovedClock) -> SessionMaintenance:
        return RedisSessionMaintenance(client, clock=clock)
