"""A data layer with keys, its operator, and the owner's own connection, for what should not be done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from focal_data.data_layer import DataLayer, Tenant
from focal_data.operations.operator import Operator
from focal_data.settings import Settings
from focal_data.testing.databases import driver_url

KEYS = "first:" + "k" * 40
ROTATED = f"second:{'n' * 40},{KEYS}"


@pytest.fixture(scope="session")
def keyed(focal_settings: Settings) -> Settings:
    """The run's settings, with a key."""
    return focal_settings.model_copy(update={"audit_keys": SecretStr(KEYS)})


@pytest.fixture(scope="session")
async def chained(keyed: Settings) -> AsyncIterator[DataLayer]:
    """A data layer that chains what it writes."""
    async with DataLayer.open(keyed) as data:
        yield data


@pytest.fixture
def tenant(chained: DataLayer) -> Tenant:
    """A tenant of this test alone."""
    return chained.tenant(uuid4())


@pytest.fixture(scope="session")
async def op(keyed: Settings) -> AsyncIterator[Operator]:
    """The operator of the run's database, with the key."""
    async with Operator.open(keyed) as op:
        yield op


@pytest.fixture
async def owner(focal_settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """The owner of the tables, who may do what the application may not."""
    connection = await asyncpg.connect(driver_url(focal_settings.owner_url()))
    yield connection
    await connection.close()
