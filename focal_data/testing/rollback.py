"""A database on which every transaction works, and none stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import asyncpg

from focal_data.data_layer import PostgresDataLayer
from focal_data.database.engine import Database
from focal_data.domain.clock import Clock, utc_now
from focal_data.errors import UsageError
from focal_data.settings import Settings

_BEGIN: Final = "SAVEPOINT focal_test;SET LOCAL plan_cache_mode TO DEFAULT"
_RELEASE: Final = "RELEASE SAVEPOINT focal_test"
_ROLL_BACK: Final = f"ROLLBACK TO SAVEPOINT focal_test;{_RELEASE}"


class RolledBackDatabase(Database):
    """One connection, in one transaction that is rolled back when it is closed; transactions are savepoints in it.

    So there is one of them at a time: another task waits for its end, and what two connections do to each other can't be
    seen. Locks are held, and other connections see nothing, until the end.
    """

    def __init__(self, settings: Settings, *, clock: Clock = utc_now) -> None:
        super().__init__(settings.model_copy(update={"pool_size": 1}), clock=clock)
        self._begun = False

    async def _connected(self) -> asyncpg.Connection:
        if self._begun:
            raise UsageError(
                "the connection of this test was closed, and what it had written is gone: a transaction was cancelled or"
                " timed out midway; test that on focal_fresh_database"
            )
        connection = await super()._connected()
        await connection.execute("BEGIN")
        self._begun = True
        return cast("asyncpg.Connection", _Nested(connection))


@asynccontextmanager
async def rolled_back(settings: Settings, *, clock: Clock = utc_now) -> AsyncIterator[PostgresDataLayer]:
    """A data layer over such a database, and over the Redis of ``settings`` as it is."""
    data = PostgresDataLayer(settings, clock=clock)
    data.database = RolledBackDatabase(settings, clock=clock)
    try:
        await data.check()
        yield data
    finally:
        await data.close()


class _Nested:
    """The connection, with a savepoint where the caller means a transaction."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, query: str, *arguments: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109
        execute = self._connection.execute
        if query == "COMMIT":
            return await self._commit(timeout=timeout)
        if query == "ROLLBACK":
            query = _ROLL_BACK
        elif query.startswith("BEGIN"):
            query = query.replace("BEGIN", _BEGIN, 1)
        return cast("str", await execute(query, *arguments, timeout=timeout))

    async def _commit(self, **options: Any) -> str:
        try:
            await self._connection.execute(_RELEASE, **options)
        except asyncpg.InFailedSQLTransactionError:  # COMMIT would roll back, and say so in its tag
            await self._connection.execute(_ROLL_BACK, **options)
            return "ROLLBACK"
        return "COMMIT"
