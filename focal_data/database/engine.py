"""Connections to PostgreSQL: SQLAlchemy's pool, with asyncpg's connections handed out bare.

A FIFO semaphore stands in front of the pool, so that the pool itself never waits (its queue lets newcomers overtake), and
asyncpg's own reset on return is not used: it costs 46 % of a point read, and ``scope.py`` leaves every connection clean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection
from sqlalchemy.util.concurrency import greenlet_spawn

from focal_data.database.statement import json_text
from focal_data.database.translation import DRIVER_ERRORS, translated
from focal_data.errors import StoreTimeoutError
from focal_data.settings import Settings

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time of this machine, in UTC."""
    return datetime.now(UTC)


class Lease:
    """One connection, out of the pool until it is released or discarded."""

    __slots__ = ("_entry", "driver")

    def __init__(self, entry: PoolProxiedConnection) -> None:
        self._entry = entry
        self.driver: asyncpg.Connection = entry.driver_connection

    def release(self) -> None:
        """Back to the pool, clean."""
        self._entry.close()

    def discard(self) -> None:
        """Closed at once, whatever it was doing; the server rolls back what was open."""
        self._entry.invalidate()


class Database:
    """A PostgreSQL as services use it: a bounded pool of connections that act as the application role."""

    def __init__(self, settings: Settings, *, clock: Clock = utc_now) -> None:
        self.clock = clock
        self.settings = settings
        self.engine = _engine(settings)
        self.transactions: dict[asyncio.Task[Any], object] = {}
        """The open transaction of each task that holds one."""
        self._slots = asyncio.Semaphore(settings.pool_size)
        self._wait = settings.pool_timeout

    async def lease(self) -> Lease:
        """A live connection. Raises ``StoreTimeoutError`` when none is free in time, ``StoreConnectionError`` otherwise."""
        await self._slot()
        try:
            lease = await self._connection()
            while lease.driver.is_closed():  # the server went away while it lay idle
                lease.discard()
                lease = await self._connection()
            return lease
        except DRIVER_ERRORS as error:
            self._slots.release()
            failure = translated(error)
        except BaseException:
            self._slots.release()
            raise
        raise failure

    def give_back(self, lease: Lease, *, clean: bool) -> None:
        """End a lease: back to the pool when the connection is ``clean``, closed otherwise."""
        try:
            if clean and not lease.driver.is_closed():
                lease.release()
            else:
                lease.discard()
        finally:
            self._slots.release()

    async def close(self) -> None:
        """Close every idle connection."""
        await self.engine.dispose()

    async def _slot(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(self._wait):
                await self._slots.acquire()
        except TimeoutError:
            raise StoreTimeoutError(
                f"no connection was free within {self._wait:g} s (FOCAL_DATA_POOL_SIZE, FOCAL_DATA_POOL_TIMEOUT)"
            ) from None

    async def _connection(self) -> Lease:
        return Lease(await greenlet_spawn(self.engine.sync_engine.pool.connect))


def _engine(settings: Settings) -> AsyncEngine:
    engine = create_async_engine(
        settings.service_url(),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_use_lifo=True,
        pool_reset_on_return=None,
        hide_parameters=True,
        json_serializer=json_text,
        json_deserializer=orjson.loads,
        connect_args=_connect_args(settings),
    )
    event.listen(engine.sync_engine, "connect", _teach_vectors)
    return engine


def _connect_args(settings: Settings) -> dict[str, Any]:
    args: dict[str, Any] = {
        "timeout": settings.connect_timeout,
        "command_timeout": settings.statement_timeout + 5.0,  # the server's own time-out comes first
    }
    if settings.transaction_pooling:  # a proxy keeps neither settings nor prepared statements
        return args | {
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: f"__focal_{uuid4()}__",
        }
    return args | {
        "statement_cache_size": 512,
        "server_settings": {
            "role": settings.app_role,
            "application_name": "focal_data",
            "statement_timeout": str(round(settings.statement_timeout * 1000)),
        },
    }


def _teach_vectors(connection: Any, record: object) -> None:
    connection.run_async(_set_vector_codec)


async def _set_vector_codec(driver: asyncpg.Connection) -> None:
    """Half vectors travel in pgvector's binary form; nothing to teach where the extension is absent."""
    schema = await driver.fetchval(
        "SELECT n.nspname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typname = 'halfvec'"
    )
    if schema is not None:
        await driver.set_type_codec("halfvec", schema=schema, encoder=bytes, decoder=bytes, format="binary")
