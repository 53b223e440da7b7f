"""Connections to PostgreSQL, bare: asyncpg's own, in a pool that is a semaphore and a stack.

Handing out an idle connection is a ``list.pop``. SQLAlchemy's pool would take a greenlet to do it, asyncpg's wraps every
connection and resets it on return; both cost more than a point read's own work (docs/decisions/0006). ``scope.py`` returns
every connection clean, or not at all. The semaphore is first in, first out: nobody overtakes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import asyncpg
import orjson

from focal_data.database.chaining import Chaining
from focal_data.database.translation import DRIVER_ERRORS, refused
from focal_data.domain.chain import AuditKeys
from focal_data.domain.clock import Clock, utc_now
from focal_data.errors import StoreTimeoutError, UsageError
from focal_data.settings import Settings, dsn

Answer = Coroutine[asyncio.Future[Any], None, object]
"""A call of the driver, which waits on the loop's futures and on nothing else."""

STATEMENT_CACHE: Final = 512
"""Prepared statements kept per connection: more than all that the repositories of this package build."""


class Database:
    """A PostgreSQL as services use it: at most ``pool_size`` connections, which act as the application role."""

    def __init__(self, settings: Settings, *, clock: Clock = utc_now) -> None:
        self.clock = clock
        self.settings = settings
        self.transactions: dict[asyncio.Task[Any], object] = {}
        """The open transaction of each task that holds one."""
        self.citus = False
        """Whether the server passes a transaction's settings on to workers, when told to; known once it was asked."""
        keys = settings.chain_keys()
        self.chaining = Chaining(AuditKeys(keys) if keys else None)
        """The keys of the audit chain, and where its chains end."""
        self._slots = asyncio.Semaphore(settings.pool_size)
        self._idle: list[asyncpg.Connection] = []
        self._behind: dict[asyncpg.Connection, asyncio.Future[Any]] = {}
        """What the connections wait for that are on their way back, their callers having gone on."""
        self._connect_args = _connect_args(settings)
        self._closed = False

    async def lease(self) -> asyncpg.Connection:
        """A live connection, for the caller alone until it is given back.

        Raises ``StoreTimeoutError`` when none is free in time, and as PostgreSQL refuses a new one.
        """
        await self._slot()
        try:
            if self._closed:
                raise UsageError("this data layer is closed")
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():  # the server may have gone away while it lay idle
                    return connection
            return await self._connected()
        except DRIVER_ERRORS as error:
            self._slots.release()
            failure = refused(error, self.settings.app_role)
        except BaseException:
            self._slots.release()
            raise
        raise failure

    def give_back(self, connection: asyncpg.Connection, *, clean: bool) -> None:
        """End a lease. One that is not ``clean`` is closed at once, and the server rolls back what was open."""
        if clean and not self._closed:
            self._idle.append(connection)
        else:
            connection.terminate()
        self._slots.release()

    def give_back_after(self, connection: asyncpg.Connection, answer: Answer) -> None:
        """End a lease when ``answer`` has come: nobody waits for it but ``close``. Not ``clean`` when that fails.

        It is driven as a task would, from one future to the next, since a task itself costs a tenth of a point read. What is
        sent is sent at once.
        """
        self._behind.pop(connection, None)
        waiter, clean = None, False
        try:
            waiter = answer.send(None)
        except StopIteration:
            clean = True
        except (*DRIVER_ERRORS, asyncio.CancelledError):
            clean = False
        finally:
            if waiter is None:
                self.give_back(connection, clean=clean)
        if waiter is not None:
            waiter._asyncio_future_blocking = False  # as a task tells a future that it waits for it
            waiter.add_done_callback(lambda _: self.give_back_after(connection, answer))
            self._behind[connection] = waiter

    def drop_idle(self) -> None:
        """Close the idle connections at once: where one has died, a restart took the others too."""
        while self._idle:
            self._idle.pop().terminate()

    async def settled(self) -> None:
        """Wait until the connections are back whose callers have gone on."""
        while self._behind:
            await asyncio.wait(self._behind.values())

    async def close(self) -> None:
        """Close every idle connection, and those in use when they come back."""
        self._closed = True
        await self.settled()
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.close(timeout=self.settings.connect_timeout)
            except DRIVER_ERRORS:
                connection.terminate()

    async def _slot(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        wait = self.settings.pool_timeout
        try:
            async with asyncio.timeout(wait):
                await self._slots.acquire()
        except TimeoutError:
            reason = (
                f"no connection was free within {wait:g} s (FOCAL_DATA_POOL_SIZE, FOCAL_DATA_POOL_TIMEOUT)"
            )
            raise StoreTimeoutError(reason) from None

    async def _connected(self) -> asyncpg.Connection:
        connection = await asyncpg.connect(**self._connect_args)
        try:
            await _set_codecs(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection


def _connect_args(settings: Settings) -> dict[str, Any]:
    args: dict[str, Any] = {
        "dsn": dsn(settings.service_url()),
        "timeout": settings.connect_timeout,
        "command_timeout": settings.statement_timeout + 5.0,  # the server's own time-out comes first
    }
    if (
        settings.transaction_pooling
    ):  # such a proxy keeps neither a connection's settings nor its prepared statements
        return args | {"statement_cache_size": 0}
    return args | {
        "statement_cache_size": STATEMENT_CACHE,
        "server_settings": {
            "role": settings.app_role,
            "application_name": "focal_data",
            "statement_timeout": str(round(settings.statement_timeout * 1000)),
        },
    }


async def _set_codecs(connection: asyncpg.Connection) -> None:
    """JSONB as text in and objects out; half vectors in pgvector's binary form, where the extension is there."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda text: b"\x01" + text.encode(),
        decoder=lambda data: orjson.loads(data[1:]),
        format="binary",
    )
    schema = await connection.fetchval(_SCHEMA_OF_HALFVEC)
    if schema is not None:
        await connection.set_type_codec(
            "halfvec", schema=schema, encoder=bytes, decoder=bytes, format="binary"
        )


_SCHEMA_OF_HALFVEC: Final = """
    SELECT n.nspname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typname = 'halfvec'
"""
