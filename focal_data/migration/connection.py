"""The owner's connections, and the lock that lets one migration run at a time."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from focal_data.database.translation import DRIVER_ERRORS, translated
from focal_data.errors import StoreTimeoutError

logger = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 10.0
LOCK_SECONDS: Final = 600.0
"""How long one migration waits for another."""

_POLL_SECONDS: Final = 0.05


def migration_engine(url: URL) -> AsyncEngine:
    """Connections that remember nothing, since the schema changes under them, and know no vectors, which may be missing."""
    return create_async_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "server_settings": {"application_name": "focal_data migration"},
        },
    )


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection of its own. Raises our errors when there is none to be had."""
    connection = engine.connect()
    try:
        await connection.start()
    except DRIVER_ERRORS as error:
        failure = translated(error)
    else:
        try:
            yield connection
        finally:
            await connection.close()
        return
    raise failure


@asynccontextmanager
async def migration_lock(engine: AsyncEngine, version_table: str) -> AsyncIterator[None]:
    """Held by one migration at a time of those that share a version table; the end of its connection frees it.

    The lock is polled on a connection without a transaction: one that waits inside a transaction would keep
    CREATE INDEX CONCURRENTLY waiting in turn. Raises ``StoreTimeoutError`` after ten minutes.
    """
    async with connected(engine) as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            async with asyncio.timeout(LOCK_SECONDS):
                await _acquire(connection, _key(version_table))
        except TimeoutError:
            raise StoreTimeoutError("another migration holds the lock, and does not end") from None
        yield


async def _acquire(connection: AsyncConnection, key: int) -> None:
    waited = False
    while not (await connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({key})")).scalar():
        if not waited:
            logger.info("another migration is running: waiting for it")
        waited = True
        await asyncio.sleep(_POLL_SECONDS)


def _key(version_table: str) -> int:
    digest = hashlib.sha256(f"focal_data migration {version_table}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
