"""Fixtures for pytest, found by it when focal_data is installed; all of their names begin with ``focal_``.

``focal_engines`` (the servers), ``focal_settings`` (a database of its own, at head), ``focal_data_layer`` and ``focal_tenant``.
Importing this loads pytest and nothing else: what a fixture needs is imported when it is used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from focal_data.data_layer import DataLayer, Tenant
    from focal_data.settings import Settings
    from focal_data.testing.engines import Engines


@pytest.fixture(scope="session")
def focal_engines() -> Iterator[Engines]:
    """The PostgreSQL and the Redis of this run."""
    from focal_data.testing.engines import running

    with running() as engines:
        yield engines


@pytest.fixture(scope="session")
async def focal_settings(focal_engines: Engines) -> AsyncIterator[Settings]:
    """Settings for a database of this run alone, migrated to head, and the run's Redis."""
    from focal_data.migration import runner
    from focal_data.settings import Settings
    from focal_data.testing.databases import fresh_database

    async with fresh_database(focal_engines.admin_url) as url:
        settings = Settings.of(database_url=url, redis_url=focal_engines.redis_url)
        await runner.upgrade(settings)
        yield settings


@pytest.fixture(scope="session")
async def focal_data_layer(focal_settings: Settings) -> AsyncIterator[DataLayer]:
    """A data layer over the run's own database and Redis."""
    from focal_data.data_layer import DataLayer

    async with DataLayer.open(focal_settings) as data:
        yield data


@pytest.fixture
def focal_tenant(focal_data_layer: DataLayer) -> Tenant:
    """A tenant that no other test knows: what it keeps, no other test sees."""
    return focal_data_layer.tenant(uuid4())
