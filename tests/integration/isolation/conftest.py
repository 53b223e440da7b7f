"""Tenant A with everything there is, and a look at what it keeps that needs no store."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import asyncpg
import pytest
from redis.asyncio import Redis

from focal_data.data_layer import DataLayer
from focal_data.database.tenancy import promised, tenant_tables
from focal_data.domain.base import ValueObject
from focal_data.domain.session import Session
from focal_data.ids import TenantId
from focal_data.settings import Settings
from focal_data.tables import metadata
from focal_data.testing.databases import driver_url
from tests.integration.isolation.attempts import repositories
from tests.integration.isolation.world import World, ideated, populated

_ROWS = " UNION ALL ".join(
    f"SELECT '{table}', md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t WHERE tenant_id = $1"
    for table in tenant_tables(metadata)
    if "SELECT" in promised(metadata.tables[table]).grants  # what only the owner reads, no service asks for
)


@pytest.fixture(scope="module")
async def world(focal_data_layer: DataLayer) -> World:
    """Tenant A; nothing in here may be changed by a test."""
    world = await populated(focal_data_layer)
    await ideated(world.tenant.ideation, world)
    return world


@pytest.fixture(scope="module")
async def owner(focal_settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees every tenant."""
    connection = await asyncpg.connect(driver_url(focal_settings.owner_url()))
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def redis(focal_settings: Settings) -> AsyncIterator[Redis]:
    """The run's Redis, bare."""
    async with Redis.from_url(focal_settings.sessions_url()) as client:
        yield client


@pytest.fixture(scope="module")
async def revisions(world: World, owner: asyncpg.Connection) -> dict[type[ValueObject], int]:
    """The revision of what tenant A keeps, by kind."""
    found: dict[type[ValueObject], int] = {Session: 1}
    for repository in repositories():
        if "revision" in repository.c:
            kind = repository.mapper.domain
            query = f"SELECT revision FROM {repository.table.name} WHERE tenant_id = $1 AND id = $2"
            found[kind] = await owner.fetchval(query, world.tenant.tenant_id, world.kept("any")[kind].id)
    return found


async def rows_of(connection: asyncpg.Connection, tenant_id: TenantId) -> dict[str, str]:
    """A digest of all of the tenant's rows, by table."""
    return dict(await connection.fetch(_ROWS, tenant_id))


async def keys_of(redis: Redis, tenant_id: TenantId) -> dict[bytes, str]:
    """A digest of every key that names the tenant."""
    found = {}
    async for key in redis.scan_iter(match=f"*{tenant_id}*", count=1000):
        found[key] = hashlib.md5(await redis.dump(key) or b"", usedforsecurity=False).hexdigest()
    return found
