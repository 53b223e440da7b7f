"""A database of dictionaries. Writers of one tenant take turns, and what a transaction does nobody else sees until it commits.

Work on it is plain functions without an ``await``, so that a call outside of a transaction is seen whole or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar
from uuid import UUID

from focal_data.domain.clock import Clock, utc_now
from focal_data.errors import StoreError, StoreTimeoutError, UsageError
from focal_data.ids import NO_TENANT, TenantId
from focal_data.telemetry import TransactionMark

T = TypeVar("T")

LOCK_TIMEOUT: Final = 30.0
"""Seconds that a write waits for another transaction of its tenant."""


class Tables:
    """What one tenant keeps: by kind, then by key. The values are never changed, only replaced."""

    __slots__ = ("_borrowed", "_kinds", "_undo", "failed")

    def __init__(self, kinds: Mapping[str, dict[Any, Any]] | None = None) -> None:
        self._kinds: dict[str, dict[Any, Any]] = dict(kinds or {})
        self._borrowed = set(self._kinds)
        self._undo: list[Callable[[], object]] = []
        self.failed = False
        """Whether a constraint was violated: a transaction can't go on from there."""

    def rows(self, kind: str) -> Mapping[Any, Any]:
        """Everything of one kind, by key."""
        return self._kinds.get(kind, _EMPTY)

    def put(self, kind: str, key: object, value: object) -> None:
        """Keep ``value`` under ``key``, whatever was there."""
        rows = self._own(kind)
        self._remember(rows, key)
        rows[key] = value

    def remove(self, kind: str, key: object) -> None:
        """Keep nothing under ``key``."""
        rows = self._own(kind)
        if key in rows:
            self._remember(rows, key)
            del rows[key]

    def apply(self, work: Callable[[Tables], T]) -> T:
        """``work`` on these tables; when it raises, they are as they were."""
        self._undo.clear()
        try:
            return work(self)
        except BaseException:
            for undo in reversed(self._undo):
                undo()
            raise

    def fork(self) -> Tables:
        """These tables as they are now, to be changed by themselves: a kind is copied when it is first written."""
        return Tables(self._kinds)

    def adopt(self, fork: Tables) -> None:
        """Become what ``fork`` is."""
        self._kinds = fork._kinds

    def _own(self, kind: str) -> dict[Any, Any]:
        if kind in self._borrowed:
            self._kinds[kind] = dict(self._kinds[kind])
            self._borrowed.discard(kind)
        return self._kinds.setdefault(kind, {})

    def _remember(self, rows: dict[Any, Any], key: object) -> None:
        if key in rows:
            value = rows[key]
            self._undo.append(lambda: rows.__setitem__(key, value))
        else:
            self._undo.append(lambda: rows.pop(key))


_EMPTY: Final[Mapping[Any, Any]] = {}


class InMemoryScope(Protocol):
    """What an in-memory store works on: a tenant, or one open transaction."""

    @property
    def tenant_id(self) -> TenantId: ...

    def now(self) -> datetime: ...

    def tables(self) -> Tables: ...

    async def write(self, work: Callable[[Tables], T]) -> T: ...


class HasInMemoryScope(Protocol):
    """A tenant or a unit of work over memory: what carries a scope for the repositories made from it."""

    @property
    def memory_scope(self) -> InMemoryScope: ...


class InMemoryDatabase:
    """The tables of every tenant, and who writes to them."""

    def __init__(self, *, clock: Clock = utc_now) -> None:
        self.clock = clock
        self.transactions: dict[asyncio.Task[Any], InMemoryTransaction] = {}
        """The open transaction of each task that holds one."""
        self._tables: dict[TenantId, Tables] = {}
        self._locks: dict[TenantId, asyncio.Lock] = {}

    def tables(self, tenant_id: TenantId) -> Tables:
        """What is committed for this tenant."""
        return self._tables.setdefault(tenant_id, Tables())

    async def lock(self, tenant_id: TenantId) -> asyncio.Lock:
        """The tenant's lock, acquired. Raises ``StoreTimeoutError`` when it is not free in time."""
        lock = self._locks.setdefault(tenant_id, asyncio.Lock())
        try:
            async with asyncio.timeout(LOCK_TIMEOUT):
                await lock.acquire()
        except TimeoutError:
            raise StoreTimeoutError("another transaction of this tenant did not end in time") from None
        return lock


class InMemoryTenantScope:
    """One tenant of a database. Each call is one short transaction."""

    def __init__(self, database: InMemoryDatabase, tenant_id: UUID) -> None:
        self._database = database
        self.tenant_id = _checked_tenant(tenant_id)

    def now(self) -> datetime:
        """The store's clock, in UTC."""
        return self._database.clock()

    def tables(self) -> Tables:
        """What is committed, for reading. Raises ``UsageError`` while this task holds a transaction."""
        refuse_second(self._database)
        return self._database.tables(self.tenant_id)

    async def write(self, work: Callable[[Tables], T]) -> T:
        """``work`` on what is committed, when no transaction is in the way; undone when it raises."""
        refuse_second(self._database)
        lock = await self._database.lock(self.tenant_id)
        tables = self._database.tables(self.tenant_id)
        try:
            return tables.apply(work)
        finally:
            tables.failed = False
            lock.release()

    def transaction(self) -> InMemoryTransaction:
        """A transaction to enter: it commits when the block ends, and rolls back when the block raises."""
        return InMemoryTransaction(self._database, self.tenant_id)


class InMemoryTransaction:
    """One open transaction of one tenant. It reads what is committed until its first write, and its own tables from there."""

    def __init__(self, database: InMemoryDatabase, tenant_id: TenantId) -> None:
        self.tenant_id = tenant_id
        self._database = database
        self._task: asyncio.Task[Any] | None = None
        self._mark: TransactionMark | None = None
        self._lock: asyncio.Lock | None = None
        self._tables: Tables | None = None
        self._busy = False
        """Whether a write is under way."""

    def now(self) -> datetime:
        """The store's clock, in UTC."""
        return self._database.clock()

    def tables(self) -> Tables:
        """What this transaction sees."""
        tables = self._tables or self._database.tables(self.tenant_id)
        if self._mark is None:
            raise UsageError("this transaction is not open: what is made from it works inside its block only")
        if self._busy:
            raise UsageError("two tasks used one transaction at once: a transaction belongs to one task")
        if tables.failed:
            raise UsageError(
                "an earlier statement of this transaction failed: leave its block and begin again"
            )
        return tables

    async def write(self, work: Callable[[Tables], T]) -> T:
        """``work`` on this transaction's tables; undone when it raises."""
        self.tables()
        await self._begin()
        assert self._tables is not None
        return self._tables.apply(work)

    async def _begin(self) -> None:
        """Let others run, as a connection would: a second task that uses this transaction meanwhile is told."""
        self._busy = True
        try:
            await asyncio.sleep(0)
            if self._tables is None:
                self._lock = await self._database.lock(self.tenant_id)
                self._tables = self._database.tables(self.tenant_id).fork()
        finally:
            self._busy = False

    async def __aenter__(self) -> Self:
        refuse_second(self._database)
        if self._task is not None:
            raise UsageError("a transaction is entered once: begin another one")
        self._task = asyncio.current_task()
        assert self._task is not None
        self._database.transactions[self._task] = self
        self._mark = TransactionMark()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        assert self._mark is not None
        del self._database.transactions[self._task]
        self._mark.end()
        self._mark = None
        try:
            if error is None and self._tables is not None:
                self._commit(self._tables)
        finally:
            if self._lock is not None:
                self._lock.release()

    def _commit(self, tables: Tables) -> None:
        if tables.failed:
            raise StoreError(
                "nothing was written: a statement of this transaction had failed, and its error was caught"
            )
        self._database.tables(self.tenant_id).adopt(tables)


def refuse_second(database: InMemoryDatabase) -> None:
    """Raise ``UsageError`` when this task holds a transaction, as a database of connections would have it wait for itself."""
    if asyncio.current_task() in database.transactions:
        raise UsageError(
            "this task holds a transaction (tx) and would wait for a second connection: use the stores of tx"
        )


def _checked_tenant(tenant_id: UUID) -> TenantId:
    if not isinstance(tenant_id, UUID):
        raise UsageError("a tenant is named by a uuid.UUID")
    if tenant_id == NO_TENANT:
        raise UsageError("the nil UUID is no tenant")
    return TenantId(UUID(int=tenant_id.int))
