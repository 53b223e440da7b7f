"""The owner's connections, and the lock that lets one migration run at a time."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final

import asyncpg
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from focal_data.database.translation import DRIVER_ERRORS, translated
from focal_data.errors import (
    AccessError,
    DriverError,
    FocalDataError,
    SchemaError,
    StoreTimeoutError,
    UsageError,
)
from focal_data.migration.glance import CONNECT_SECONDS, SERVER_SETTINGS, connected_to

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

logger = logging.getLogger(__name__)

LOCK_SECONDS: Final = 600.0
"""How long one migration waits for another."""

ERRORS: Final = (*DRIVER_ERRORS, DBAPIError)
"""What may be raised by a connection that Alembic uses; ``beneath`` takes SQLAlchemy's wrapping off."""

LOCK_TIMEOUT: Final = "5s"
"""How long a statement waits for a table: whoever comes after it waits behind it."""
MIN_SERVER: Final = 160000
_SERVER: Final = "SELECT pg_backend_pid(), current_setting('server_version_num')::int"
_BACKEND: Final = "SELECT pg_backend_pid()"
_LOOKS: Final = 20
"""How often two who are both connected through a proxy are asked for their sessions: others may be in between."""
_DIRECTLY: Final = "let FOCAL_DATA_MIGRATION_URL name the server itself"
_POLL_SECONDS: Final = 0.05


def connected(url: URL) -> AbstractAsyncContextManager[asyncpg.Connection]:
    """A connection as the login of ``url``, taking no role. Raises our errors when there is none to be had."""
    from focal_data.settings import dsn  # which loads pydantic: `alembic current` does without

    return connected_to(dsn(url))


@asynccontextmanager
async def alchemy_connected(url: URL) -> AsyncIterator[AsyncConnection]:
    """The same for Alembic: untouched, remembering no statement, since the schema changes under it."""
    # Here, since it takes a fifth of a second, which a database at head is spared.
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "server_settings": {**SERVER_SETTINGS, "lock_timeout": LOCK_TIMEOUT},
        },
    )
    connection = engine.connect()
    try:
        await connection.start()
    except ERRORS as error:
        failure = refusal(beneath(error)) or translated(beneath(error))
    else:
        try:
            yield connection
        finally:
            await connection.close()
        return
    raise failure


_NO_SETTINGS: Final = "08P01"
"""What pgbouncer says to settings that it would not keep for one client."""


def refusal(error: BaseException) -> FocalDataError | None:
    """Our error for one of the driver's where no revision is to blame: who migrates, through what, and beside whom."""
    code: str = getattr(error, "sqlstate", None) or ""
    failure: FocalDataError
    if code == "42501":
        failure = AccessError(
            "this login may not migrate: it must own the tables, and may CREATE in their schema"
        )
    elif code == "55P03":
        failure = StoreTimeoutError(
            f"somebody uses a table that is to be changed, and a statement waits {LOCK_TIMEOUT} for it:"
            " the revision was rolled back, run it again when there is less to do"
        )
    elif code == _NO_SETTINGS:
        failure = UsageError(f"a proxy does not let migrations choose their settings: {_DIRECTLY}")
    else:
        return None
    failure.__cause__ = DriverError.of(error, code=code)
    return failure


def beneath(error: BaseException) -> BaseException:
    """What the driver itself raised."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


@asynccontextmanager
async def migration_lock(url: URL, version_table: str) -> AsyncIterator[None]:
    """Held by one migration at a time of those that share a version table; the end of its connection frees it.

    It is polled, on a connection without a transaction: CREATE INDEX CONCURRENTLY would wait for one that waits in a
    statement or a transaction. Raises ``StoreTimeoutError`` after ten minutes; ``UsageError`` behind a proxy that gives a
    connection away between transactions, the lock with it, and ``SchemaError`` on a server that is too old.
    """
    async with connected(url) as connection:
        await _refuse(url, connection)
        await _acquire(connection, _key(version_table))
        yield


async def _refuse(url: URL, connection: asyncpg.Connection) -> None:
    backend, version = await connection.fetchrow(_SERVER)
    if version < MIN_SERVER:
        raise SchemaError(
            f"this is PostgreSQL {version // 10000}, and focal_data needs {MIN_SERVER // 10000} or later: upgrade the server"
        )
    if backend == connection.get_server_pid():
        return
    async with connected(url) as another:  # a proxy
        for _ in range(_LOOKS):
            if await another.fetchval(_BACKEND) == backend or await connection.fetchval(_BACKEND) != backend:
                raise UsageError(
                    "a transaction-pooling proxy is in between, which would give the migration's lock to somebody"
                    f" else: {_DIRECTLY}"
                )


async def _acquire(connection: asyncpg.Connection, key: int) -> None:
    for attempt in range(round(LOCK_SECONDS / _POLL_SECONDS)):
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
            return
        if attempt == 0:
            logger.info("another migration is running: waiting for it")
        await asyncio.sleep(_POLL_SECONDS)
    raise StoreTimeoutError(f"another migration did not end within {LOCK_SECONDS:g} s")


def _key(version_table: str) -> int:
    digest = hashlib.sha256(f"focal_data migration {version_table}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
