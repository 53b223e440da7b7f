from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from focal_data.ids import TenantId, new_id
from focal_data.redis.client import RedisClient
from focal_data.redis.session import RedisSessionMaintenance, RedisSessionStore
from focal_data.settings import Settings
from focal_data.testing.contracts.session import MovedClock
from tests.integration.redis.server import Proxy, RedisServer, every_server


@pytest.fixture(scope="session", params=every_server())
def running_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """Each kind of server that this machine has; all but the oldest where slow tests run."""
    with tempfile.TemporaryDirectory(prefix="focal-") as folder:  # a socket's path must be short
        server = RedisServer(Path(folder), request.param)
        server.start()
        yield server
        server.kill()


@pytest.fixture
def server(running_server: RedisServer) -> RedisServer:
    """The tests' own server, empty."""
    with running_server.direct() as connection:
        connection.flushall()
    return running_server


@pytest.fixture
def direct(server: RedisServer) -> Iterator[redis.Redis]:
    with server.direct() as connection:
        yield connection


@pytest.fixture
def settings(server: RedisServer) -> Settings:
    return Settings.of(redis_url=server.url, redis_timeout=5)


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[RedisClient]:
    async with RedisClient(settings) as client:
        yield client


@pytest.fixture
async def proxy(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Proxy]:
    with tempfile.TemporaryDirectory(prefix="focal-") as folder:
        async with Proxy(server, Path(folder) / "proxy.sock") as proxy:
            yield proxy


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def tenant_id() -> TenantId:
    return TenantId(new_id())


@pytest.fixture
def store(client: RedisClient, tenant_id: TenantId, clock: MovedClock) -> RedisSessionStore:
    return RedisSessionStore(client, tenant_id, clock=clock)


@pytest.fixture
def maintenance(client: RedisClient, clock: MovedClock) -> RedisSessionMaintenance:
    return RedisSessionMaintenance(client, clock=clock)
