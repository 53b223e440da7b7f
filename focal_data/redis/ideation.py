"""The ideation studio on Redis: all of one session lies in one slot, and is written by one script, or not at all.

There is no TTL: a project is kept until somebody deletes it.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from functools import cached_property
from types import TracebackType
from typing import Any, Final, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from focal_data.domain.clock import Clock, utc_now
from focal_data.domain.ideation import IdeationSession
from focal_data.errors import DuplicateError, RetryableError, StoreError, UsageError
from focal_data.ids import NO_TENANT, TenantId
from focal_data.redis.client import RedisClient
from focal_data.redis.ideation_index import IdeationIndex, place_of
from focal_data.redis.ideation_stores import (
    Call,
    IdeationScope,
    RedisIdeationMaturityStore,
    RedisIdeationMessageStore,
    RedisIdeationPRDStore,
    RedisIdeationRequirementStore,
    RedisIdeationSessionStore,
)
from focal_data.redis.ideation_work import IdeationWork
from focal_data.stores.ideation import (
    IdeationFactory,
    IdeationMaturityStore,
    IdeationMessageStore,
    IdeationPRDStore,
    IdeationRequirementStore,
    IdeationSessionStore,
    IdeationStores,
    IdeationTenant,
)
from focal_data.telemetry import TransactionMark

T = TypeVar("T")

_ATTEMPTS: Final = 100
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05  # seconds


class _Process:
    """What the tenants of one factory share."""

    def __init__(self) -> None:
        self.transactions: dict[asyncio.Task[Any], _Transaction] = {}
        """The open transaction of each task that holds one."""
        self.turns: WeakValueDictionary[tuple[TenantId, str], asyncio.Lock] = WeakValueDictionary()
        """In which those wait who lost a session to another."""


class RedisIdeationFactory(IdeationFactory):
    """Ideation on a server or a cluster. The ``client`` stays open; ``clock`` is that of every time that a store sets."""

    def __init__(self, client: RedisClient, *, clock: Clock = utc_now) -> None:
        self._client = client
        self._clock = clock
        self._process = _Process()

    def tenant(self, tenant_id: UUID) -> IdeationTenant:
        scope = RedisIdeationScope(self._client, tenant_id, clock=self._clock, process=self._process)
        return RedisIdeationTenant(scope)


class RedisIdeationStores(IdeationStores):
    """The five over one scope: a tenant's, or one open transaction's."""

    def __init__(self, scope: IdeationScope) -> None:
        self._scope = scope

    @property
    def tenant_id(self) -> TenantId:
        return self._scope.tenant_id

    @cached_property
    def sessions(self) -> IdeationSessionStore:
        return RedisIdeationSessionStore(self._scope)

    @cached_property
    def messages(self) -> IdeationMessageStore:
        return RedisIdeationMessageStore(self._scope)

    @cached_property
    def requirements(self) -> IdeationRequirementStore:
        return RedisIdeationRequirementStore(self._scope)

    @cached_property
    def maturity(self) -> IdeationMaturityStore:
        return RedisIdeationMaturityStore(self._scope)

    @cached_property
    def prd(self) -> IdeationPRDStore:
        return RedisIdeationPRDStore(self._scope)


class RedisIdeationTenant(RedisIdeationStores, IdeationTenant):
    """The stores of one tenant on Redis."""

    def __init__(self, tenant: RedisIdeationScope) -> None:
        super().__init__(tenant)
        self._tenant = tenant

    def transaction(self) -> AbstractAsyncContextManager[IdeationStores]:
        return _Transaction(self._tenant)


class RedisIdeationScope:
    """One tenant, each of whose calls is committed by itself."""

    def __init__(
        self,
        client: RedisClient,
        tenant_id: UUID,
        *,
        clock: Clock = utc_now,
        process: _Process | None = None,
    ) -> None:
        self.tenant_id = _checked_tenant(tenant_id)
        self._process = process or _Process()
        self.transactions = self._process.transactions
        self.debug = client.settings.debug
        self._client = client
        self._clock = clock
        self.index = IdeationIndex(client, self.tenant_id, self.now)

    def now(self) -> datetime:
        """The store's clock, in UTC."""
        return self._clock().astimezone(UTC)

    def work(self, session_id: str) -> IdeationWork:
        """What is to be done to one session."""
        return IdeationWork(self._client, self.tenant_id, session_id)

    async def run(self, session_id: str, call: Call[T]) -> T:
        """``call``, and what it writes; again when another wrote to the session in between."""
        self.refuse_second()
        try:
            return await self._once(session_id, call)
        except RetryableError:
            pass
        turn = self._process.turns.setdefault((self.tenant_id, session_id), asyncio.Lock())
        async with (
            turn
        ):  # in this process one after the other, so that they do not come in each other's way again
            for attempt in range(_ATTEMPTS):
                try:
                    return await self._once(session_id, call)
                except RetryableError:
                    if attempt == _ATTEMPTS - 1:
                        raise
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt)
                await asyncio.sleep(random.uniform(0, pause))  # noqa: S311  (jitter)
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, session_id: str, call: Call[T]) -> T:
        work = self.work(session_id)
        answer = await call(work)
        await self.store(work)
        return answer

    async def first(self, user_id: str, count: int) -> list[IdeationSession]:
        """The user's first sessions, the last updated first."""
        self.refuse_second()
        return await self.index.first(user_id, count)

    async def store(self, work: IdeationWork) -> None:
        """What leads to the session, then all that is to be written to it, then what leads to it no more."""
        before, after = work.before, work.after
        if after is not None:
            await self.index.enter(after)
        try:
            await work.write()
        except RetryableError:
            if after is not None:
                await self.index.undo(after)
            raise
        if before is not None and (work.removed or after is not None) and _user(after) != before.user_id:
            await self.index.leave(before)

    def refuse_second(self) -> None:
        """``UsageError`` when this task holds a transaction, whose session it would change under it."""
        if asyncio.current_task() in self.transactions:
            raise UsageError("this task holds a transaction of ideation: use the stores that it gave")


class _Transaction(AbstractAsyncContextManager[IdeationStores]):
    """One transaction over one session, which is the first that is named in it. What it writes is kept here until it ends."""

    def __init__(self, tenant: RedisIdeationScope) -> None:
        self.tenant_id = tenant.tenant_id
        self._tenant = tenant
        self._task: asyncio.Task[Any] | None = None
        self._mark: TransactionMark | None = None
        self._work: IdeationWork | None = None
        self._open = self._busy = self._failed = False

    def now(self) -> datetime:
        """The store's clock, in UTC."""
        return self._tenant.now()

    async def run(self, session_id: str, call: Call[T]) -> T:
        """``call``, on what this transaction sees."""
        self._use(session_id)
        assert self._work is not None
        try:
            return await call(self._work)
        except DuplicateError:
            self._failed = True
            raise
        finally:
            self._busy = False

    async def first(self, user_id: str, count: int) -> list[IdeationSession]:
        """The user's first sessions, as they are committed, but for the transaction's own."""
        self._use(None)
        try:
            work = self._work
            found = await self._tenant.index.first(user_id, count + 1)
            if work is None or not (work.removed or work.after):
                return found[:count]
            found = [session for session in found if session.id != work.session_id]
            if work.after is not None and work.after.user_id == user_id:
                found.append(work.after)
            return sorted(found, key=place_of)[:count]
        finally:
            self._busy = False

    def _use(self, session_id: str | None) -> None:
        if not self._open:
            raise UsageError("this transaction is not open: what is made from it works inside its block only")
        if self._busy:
            raise UsageError("two tasks used one transaction at once: a transaction belongs to one task")
        if self._failed:
            raise UsageError("an earlier call of this transaction failed: leave its block and begin again")
        if session_id is not None:
            if self._work is None:
                self._work = self._tenant.work(session_id)
            if self._work.session_id != session_id:
                raise UsageError(
                    "on Redis, a transaction spans one ideation session: begin another one for this"
                )
        self._busy = True

    async def __aenter__(self) -> IdeationStores:
        self._tenant.refuse_second()
        if self._task is not None:
            raise UsageError("a transaction is entered once: begin another one")
        self._task = asyncio.current_task()
        assert self._task is not None
        self._tenant.transactions[self._task] = self
        self._open = True
        if self._tenant.debug:
            self._mark = TransactionMark()
        return RedisIdeationStores(self)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        del self._tenant.transactions[self._task]
        self._open = False
        if self._mark is not None:
            self._mark.end()
        if error is not None:
            return
        if self._failed:
            raise StoreError(
                "nothing was written: a call of this transaction had failed, and its error was caught"
            )
        if self._work is not None:
            await self._tenant.store(self._work)


def _user(session: IdeationSession | None) -> str | None:
    return None if session is None else session.user_id


def _checked_tenant(tenant_id: UUID) -> TenantId:
    if not isinstance(tenant_id, UUID):
        raise UsageError("a tenant is named by a uuid.UUID")
    if tenant_id == NO_TENANT:
        raise UsageError("the nil UUID is no tenant")
    return TenantId(UUID(int=tenant_id.int))
