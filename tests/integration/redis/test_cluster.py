"""Sessions on a Redis Cluster of six processes."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from focal_data.ids import TenantId
from focal_data.redis.cluster_client import ClusterClient
from focal_data.redis.session import RedisSessionMaintenance, RedisSessionStore
from focal_data.settings import Settings
from focal_data.stores.session import SessionMaintenance, SessionStore
from focal_data.testing.contracts.base import Tenants
from focal_data.testing.contracts.session import MovedClock, SessionStoreContract
from tests.integration.redis.cluster import RunningCluster, running_cluster
from tests.integration.redis.server import executables

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def started() -> Iterator[RunningCluster]:
    programs = list(executables().values())
    if not programs:
        pytest.skip("no redis-server with cluster support was found")
    with (
        tempfile.TemporaryDirectory(prefix="focal-") as folder,
        running_cluster(programs[0], Path(folder)) as found,
    ):
        yield found


@pytest.fixture
def cluster(started: RunningCluster) -> RunningCluster:
    started.flush()
    return started


@dataclass
class InCluster:
    """What the suite uses of a tenant."""

    tenant_id: UUID
    sessions: SessionStore


@pytest.fixture
async def client(cluster: RunningCluster) -> AsyncIterator[ClusterClient]:
    async with ClusterClient(Settings.of(redis_url=cluster.url, redis_cluster=True)) as client:
        yield client


class TestClusterSessions(SessionStoreContract):
    """All that the store promises."""

    @pytest.fixture
    def tenants(self, client: ClusterClient, clock: MovedClock) -> Tenants:
        def tenant(tenant_id: UUID) -> InCluster:
            return InCluster(tenant_id, RedisSessionStore(client, TenantId(tenant_id), clock=clock))

        return tenant

    @pytest.fixture
    def maintenance(self, client: ClusterClient, clock: MovedClock) -> SessionMaintenance:
        return RedisSessionMaintenance(client, clock=clock)
