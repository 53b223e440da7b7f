"""What the contracts run on: the run's engines as ``data`` (from the conftest above), and memory.

Where FOCAL_DATA_TEST_CITUS_URL names an empty database of a Citus with pgvector, ``data`` is that one, distributed by tenant.
"""

from __future__ import annotations

import os

import pytest

from focal_data.data_layer import DataLayer
from focal_data.migration import runner
from focal_data.migration.distribution import distribute
from focal_data.settings import Settings


@pytest.fixture
def in_memory() -> DataLayer:
    """A data layer of this test alone, in memory."""
    return DataLayer.in_memory()


if (url := os.environ.get("FOCAL_DATA_TEST_CITUS_URL")) is not None:

    @pytest.fixture(scope="session")
    async def focal_settings(focal_redis_url: str) -> Settings:
        """The Citus, at head and distributed."""
        settings = Settings.of(database_url=url, redis_url=focal_redis_url)
        await runner.upgrade(settings)
        await distribute(settings)
        return settings
