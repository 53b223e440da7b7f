"""The one place that begins, commits and rolls back. What it opens is bound to one tenant and can't leave it.

The tenant travels in the same message as BEGIN, so a transaction of n statements takes n + 2 round trips.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar
from uuid import UUID

import asyncpg

from focal_data.database.chaining import Chaining, TransactionChaining
from focal_data.database.engine import Database
from focal_data.database.statement import Statement
from focal_data.database.translation import DRIVER_ERRORS, READ_ERRORS, refused, translated
from focal_data.errors import (
    Outcome,
    RetryableError,
    StoreConnectionError,
    StoreError,
    UsageError,
)
from focal_data.ids import NO_TENANT, TenantId
from focal_data.telemetry import TransactionMark

T = TypeVar("T")
Values = Mapping[str, Any]
Row = Mapping[str, Any]

RETRIES: Final = 3
"""How often work is run again after a deadlock or a serialization failure."""


class Scope(Protocol):
    """What a repository works on: a tenant, whose calls are transactions of their own, or one open transaction."""

    @property
    def tenant_id(self) -> TenantId: ...

    @property
    def chaining(self) -> Chaining: ...

    def now(self) -> datetime: ...

    async def fetch(
        self, statement: Statement, values: Values, *, custom_plan: bool = False
    ) -> list[Row]: ...

    async def fetch_row(self, statement: Statement, values: Values) -> Row | None: ...

    async def execute(self, statement: Statement, values: Values) -> int: ...

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T: ...


class HasScope(Protocol):
    """A tenant or a unit of work: what carries a scope for the repositories made from it."""

    @property
    def scope(self) -> Scope: ...


class TenantScope:
    """One tenant of a database. Cheap: one per request. Each call is one short transaction, retried after a deadlock."""

    __slots__ = ("_database", "tenant_id")

    def __init__(self, database: Database, tenant_id: UUID) -> None:
        self._database = database
        self.tenant_id = checked_tenant(tenant_id)

    @property
    def chaining(self) -> Chaining:
        """The keys of the audit chain, and where this process last saw the chains end."""
        return self._database.chaining

    def now(self) -> datetime:
        """The store's clock, in UTC."""
        return self._database.clock()

    def transaction(self, *, custom_plan: bool = False) -> Transaction:
        """A transaction to enter: it commits when the block ends, and rolls back when the block raises."""
        return Transaction(self._database, self.tenant_id, custom_plan=custom_plan)

    async def run(self, work: Callable[[Transaction], Awaitable[T]], *, custom_plan: bool = False) -> T:
        """``work`` in a transaction of its own, run again after a deadlock or a serialization failure."""
        return await self._run(work, custom_plan=custom_plan)

    async def fetch(self, statement: Statement, values: Values, *, custom_plan: bool = False) -> list[Row]:
        """All rows of ``statement``."""
        return await self._run(
            lambda tx: tx.fetch(statement, values), custom_plan=custom_plan, reads=statement.reads
        )

    async def fetch_row(self, statement: Statement, values: Values) -> Row | None:
        """The first row of ``statement``, or ``None``."""
        return await self._run(lambda tx: tx.fetch_row(statement, values), reads=statement.reads)

    async def execute(self, statement: Statement, values: Values) -> int:
        """How many rows ``statement`` changed."""
        return await self.run(lambda tx: tx.execute(statement, values))

    async def _run(self, work: Callable[[Transaction], Awaitable[T]], **options: bool) -> T:
        attempt = 0
        while True:
            try:
                async with Transaction(self._database, self.tenant_id, **options) as transaction:
                    return await work(transaction)
            except RetryableError:
                if attempt == RETRIES:
                    raise
                await asyncio.sleep(random.uniform(0.005, 0.02) * 2**attempt)  # noqa: S311  (jitter)
                attempt += 1


class Transaction:
    """One open transaction of one tenant, on one connection. Not for two tasks at once.

    One that only ``reads`` is left while its COMMIT is under way, since nobody needs to know how that ends.
    """

    __slots__ = (
        "_begin",
        "_chaining",
        "_connection",
        "_custom_plans",
        "_database",
        "_mark",
        "_reads",
        "_task",
        "tenant_id",
    )

    def __init__(
        self, database: Database, tenant_id: TenantId, *, custom_plan: bool = False, reads: bool = False
    ) -> None:
        self.tenant_id = tenant_id
        self._reads = reads
        self._database = database
        self._custom_plans = custom_plan
        self._chaining: TransactionChaining | None = None
        self._begin = _begin(database, tenant_id, custom_plan=custom_plan)
        self._connection: asyncpg.Connection | None = None
        self._task: asyncio.Task[Any] | None = None
        self._mark: TransactionMark | None = None

    @property
    def chaining(self) -> TransactionChaining:
        """The keys of the audit chain, and what this transaction has written to its chains."""
        if self._chaining is None:
            self._chaining = TransactionChaining(self._database.chaining)
        return self._chaining

    def now(self) -> datetime:
        """The store's clock, in UTC."""
        return self._database.clock()

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """``work`` in this very transaction."""
        return await work(self)

    async def fetch(self, statement: Statement, values: Values, *, custom_plan: bool = False) -> list[Row]:
        """All rows of ``statement``. The first that wants a custom plan costs one more message."""
        driver = self._driver()
        arguments = statement.arguments(values)
        try:
            if custom_plan and not self._custom_plans:
                await driver.execute(_CUSTOM_PLANS)
                self._custom_plans = True
            rows: list[Row] = await driver.fetch(statement.sql, *arguments)
            return rows
        except READ_ERRORS as error:
            failure = translated(error, statement)
        raise failure

    async def fetch_row(self, statement: Statement, values: Values) -> Row | None:
        """The first row of ``statement``, or ``None``."""
        driver = self._driver()
        arguments = statement.arguments(values)
        try:
            row: Row | None = await driver.fetchrow(statement.sql, *arguments)
            return row
        except READ_ERRORS as error:
            failure = translated(error, statement)
        raise failure

    async def execute(self, statement: Statement, values: Values) -> int:
        """How many rows ``statement`` changed."""
        driver = self._driver()
        arguments = statement.arguments(values)
        try:
            tag: str = await driver.execute(statement.sql, *arguments)
            return int(tag.rpartition(" ")[2])
        except DRIVER_ERRORS as error:
            failure = translated(error, statement)
        raise failure

    async def execute_many(self, statement: Statement, rows: Iterable[Values]) -> None:
        """``statement`` once for each of ``rows``, pipelined; all of them or none."""
        driver = self._driver()
        arguments = [statement.arguments(row) for row in rows]
        try:
            await driver.executemany(statement.sql, arguments)
            return
        except DRIVER_ERRORS as error:
            failure = translated(error, statement)
        raise failure

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """A block that is undone when it raises a ``StoreError``, and after which this transaction can still go on."""
        await self._say("SAVEPOINT attempt")
        try:
            yield
        except StoreError:
            await self._say("ROLLBACK TO attempt")
            raise

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        if task in self._database.transactions:
            raise UsageError(
                "this task holds a transaction (tx) and would wait for a second connection: use the stores of tx"
            )
        if self._task is not None:
            raise UsageError("a transaction is entered once: begin another one")
        self._task = task
        self._connection = await self._opened()
        self._database.transactions[task] = self
        if self._database.settings.debug:
            self._mark = TransactionMark()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        assert connection is not None
        assert self._task is not None
        del self._database.transactions[self._task]
        if self._mark is not None:
            self._mark.end()
        if error is not None:
            await self._roll_back(connection)
        elif self._reads:
            self._database.give_back_after(connection, connection.execute("COMMIT", timeout=_END_TIMEOUT))
        else:
            await self._commit(connection)
            if self._chaining is not None:
                self._chaining.committed()

    @property
    def connection(self) -> asyncpg.Connection:
        """The driver's own connection, for asking the server about itself."""
        return self._driver()

    async def _say(self, command: str) -> None:
        driver = self._driver()
        try:
            await driver.execute(command)
            return
        except DRIVER_ERRORS as error:
            failure = translated(error)
        raise failure

    def _driver(self) -> asyncpg.Connection:
        if self._connection is None:
            raise UsageError("this transaction is not open: what is made from it works inside its block only")
        return self._connection

    async def _opened(self) -> asyncpg.Connection:
        try:
            return await self._try_to_open()
        except StoreConnectionError:  # idle connections may have died unnoticed; nothing has been done yet
            self._database.drop_idle()
            return await self._try_to_open()

    async def _try_to_open(self) -> asyncpg.Connection:
        connection = await self._database.lease()
        try:
            await connection.execute(self._begin)
            return connection
        except DRIVER_ERRORS as error:
            self._database.give_back(connection, clean=False)
            failure = refused(error, self._database.settings.app_role)
        except BaseException:
            self._database.give_back(connection, clean=False)
            raise
        raise failure

    async def _commit(self, connection: asyncpg.Connection) -> None:
        tag: str | None = None
        failure = None
        try:
            tag = await connection.execute("COMMIT")
        except DRIVER_ERRORS as error:
            failure = translated(error, outcome=Outcome.UNKNOWN)
        finally:
            self._database.give_back(connection, clean=tag is not None)
        if tag != "COMMIT":  # PostgreSQL answers ROLLBACK, without an error, when a statement had failed
            raise failure or StoreError(
                "nothing was written: a statement of this transaction had failed, and its error was caught"
            )

    async def _roll_back(self, connection: asyncpg.Connection) -> None:
        """Never hides the error that is under way: a connection that can't roll back is closed, and the server does."""
        clean = False
        try:
            if not connection.is_closed():
                await connection.execute("ROLLBACK", timeout=_END_TIMEOUT)
                clean = True
        except DRIVER_ERRORS:
            clean = False
        finally:
            self._database.give_back(connection, clean=clean)


_CUSTOM_PLANS: Final = "SET LOCAL plan_cache_mode = force_custom_plan"
_CITUS: Final = "SET LOCAL citus.propagate_set_commands='local'"
_END_TIMEOUT: Final = 5.0


def _begin(database: Database, tenant_id: TenantId, *, custom_plan: bool) -> str:
    """BEGIN and the tenant in one message. The tenant is a UUID, formatted by us: nothing else ever gets in here."""
    settings = database.settings
    begin = f"BEGIN;{_CITUS}" if database.citus else "BEGIN"
    message = f"{begin};SET LOCAL focal.tenant_id='{tenant_id}'"
    if settings.transaction_pooling:  # the proxy dropped the connection's own settings
        timeout = round(settings.statement_timeout * 1000)
        message += f";SET LOCAL ROLE {settings.app_role};SET LOCAL statement_timeout={timeout}"
    return f"{message};{_CUSTOM_PLANS}" if custom_plan else message


def checked_tenant(tenant_id: UUID) -> TenantId:
    """``tenant_id`` if it is a UUID and not the nil one. Raises ``UsageError`` otherwise."""
    if not isinstance(tenant_id, UUID):
        raise UsageError("a tenant is named by a uuid.UUID")
    if tenant_id == NO_TENANT:
        raise UsageError("the nil UUID is no tenant")
    return TenantId(UUID(int=tenant_id.int))
