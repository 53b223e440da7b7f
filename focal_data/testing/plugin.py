"""Fixtures for pytest, found by it when focal_data is installed; all of their names begin with ``focal_``.

| fixture                  | lives    | is                                                                            |
|--------------------------|----------|-------------------------------------------------------------------------------|
| ``focal_engines``        | the run  | a PostgreSQL and a Redis: those of the environment, Docker's, or embedded ones |
| ``focal_settings``       | the run  | settings for a database at head and a database of that Redis, both the run's own |
| ``focal_data_layer``     | the run  | a ``DataLayer`` over them                                                      |
| ``focal_tenant``         | a test   | a tenant of it that no other test knows                                        |
| ``focal_rolled_back``    | a test   | a ``DataLayer`` over one connection whose transactions all are rolled back      |
| ``focal_fresh_database`` | a test   | settings for a database at head of the test's own, a copy of a template         |
| ``focal_redis``          | a test   | the run's database of Redis, emptied before and after                          |
| ``focal_in_memory``      | a test   | a ``DataLayer`` without a server                                               |
| ``focal_provider_server``| a test   | a server that speaks the APIs of Anthropic and OpenAI as the test tells it to   |

The run's are made once for each worker of pytest-xdist. Most are asynchronous: ``asyncio_mode = "auto"``, and both of
``asyncio_default_fixture_loop_scope`` and ``asyncio_default_test_loop_scope`` set to ``session``.

The factories begin anew with each test, from ``--focal-seed`` and the test's id: what they make is the same whatever ran
before it, and in whichever worker. Importing this loads pytest and nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from focal_data.data_layer import DataLayer, InMemoryDataLayer, PostgresDataLayer, Tenant
    from focal_data.settings import Settings
    from focal_data.testing.engines import Engines
    from focal_data.testing.provider_server import ProviderServer

_CHANCE: Final = "focal_data.testing.factories.chance"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--focal-seed``."""
    group = parser.getgroup("focal_data")
    group.addoption(
        "--focal-seed", help="what the factories make is decided by this; another one each run otherwise"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose a seed for the run where none is given; the workers of pytest-xdist take their options from here."""
    if config.option.focal_seed is None:
        config.option.focal_seed = os.urandom(4).hex()


def pytest_report_header(config: pytest.Config) -> str:
    """Say how to get the same objects again."""
    return f"focal_data factories: --focal-seed={config.option.focal_seed}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin the factories' stream of this test, if anybody has loaded them."""
    if (chance := sys.modules.get(_CHANCE)) is not None:
        chance.seed(f"{item.config.option.focal_seed} {item.nodeid}")


@pytest.fixture(scope="session")
def focal_engines() -> Iterator[Engines]:
    """The PostgreSQL and the Redis of this run."""
    from focal_data.testing.engines import running

    with running() as engines:
        yield engines


@pytest.fixture(scope="session")
async def focal_template(focal_engines: Engines) -> AsyncIterator[str]:
    """The name of a database at head that nobody is connected to: ``CREATE DATABASE … TEMPLATE …`` copies it."""
    from focal_data.testing.databases import template

    async with template(focal_engines.admin_url) as name:
        yield name


@pytest.fixture(scope="session")
async def focal_redis_url(focal_engines: Engines) -> AsyncIterator[str]:
    """A database of the run's Redis that nobody else uses, emptied at the end."""
    from focal_data.testing.keyspaces import own_database

    async with own_database(focal_engines.redis_url) as url:
        yield url


@pytest.fixture(scope="session")
async def focal_settings(
    focal_engines: Engines, focal_template: str, focal_redis_url: str
) -> AsyncIterator[Settings]:
    """Settings for a database of this run alone, at head, and a database of Redis of its own."""
    from focal_data.testing.databases import copied

    async with copied(focal_engines, focal_template, focal_redis_url) as settings:
        yield settings


@pytest.fixture(scope="session")
async def focal_data_layer(focal_settings: Settings) -> AsyncIterator[PostgresDataLayer]:
    """A data layer over the run's own database and Redis."""
    from focal_data.data_layer import DataLayer

    async with DataLayer.open(focal_settings) as data:
        yield data


@pytest.fixture
def focal_tenant(focal_data_layer: DataLayer) -> Tenant:
    """A tenant that no other test knows: what it keeps, no other test sees."""
    return focal_data_layer.tenant(uuid4())


@pytest.fixture
async def focal_rolled_back(focal_settings: Settings) -> AsyncIterator[PostgresDataLayer]:
    """A data layer that finds PostgreSQL as the test before left it, and leaves it so: nothing of it is ever committed.

    All of it runs on one connection, a transaction at a time. Sessions are on Redis, and are not rolled back.
    """
    from focal_data.testing.rollback import rolled_back

    async with rolled_back(focal_settings) as data:
        yield data


@pytest.fixture
async def focal_fresh_database(
    focal_engines: Engines, focal_template: str, focal_redis_url: str
) -> AsyncIterator[Settings]:
    """Settings for a database at head that this test alone has, as its owner: for whatever must commit, or break."""
    from focal_data.testing.databases import copied

    async with copied(focal_engines, focal_template, focal_redis_url) as settings:
        yield settings


@pytest.fixture
async def focal_redis(focal_redis_url: str) -> AsyncIterator[Redis]:
    """A client of the run's own database of Redis, which is empty when the test begins, and emptied when it ends."""
    from redis.asyncio import Redis

    async with Redis.from_url(focal_redis_url) as client:
        await client.flushdb()
        yield client
        await client.flushdb()


@pytest.fixture
def focal_in_memory() -> InMemoryDataLayer:
    """A data layer of this test alone, without a server."""
    from focal_data.data_layer import DataLayer

    return DataLayer.in_memory()


@pytest.fixture
async def focal_provider_server() -> AsyncIterator[ProviderServer]:
    """A server on 127.0.0.1 that speaks the APIs of Anthropic and OpenAI; its key is ``test-key``."""
    from focal_data.testing.provider_server import ProviderServer

    async with ProviderServer() as server:
        yield server
