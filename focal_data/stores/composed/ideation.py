"""Ideation on two backends, while one takes the place of the other: both are written, and the first is read.

- **What counts is the first.** A write that it refuses, or that fails there, is not tried on the second, and raises.
- **Then the second is given the same**, all of a transaction together, with the same times. When it answers anything else than
  the first did, because it lacks the session, say, or somebody else was faster there, it gets a copy of the whole session.
- **When it fails, the write stands**: the caller has the answer of the first, a warning is logged, and the session is among
  ``behind``. Its next write copies the session whole; so does ``repair``.
- **A process that dies in between** leaves a session of which nobody knows that the second is behind. The next write may see
  it; ``repair_all`` always does, and is what to run before the second becomes the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from focal_data.domain.clock import Clock, utc_now
from focal_data.domain.ideation_archive import IdeationArchive
from focal_data.errors import (
    ConflictError,
    CorruptDataError,
    FocalDataError,
    Outcome,
    StoreConnectionError,
    StoreTimeoutError,
)
from focal_data.ids import TenantId
from focal_data.stores.composed.ideation_stores import (
    BothIdeationMaturityStore,
    BothIdeationMessageStore,
    BothIdeationPRDStore,
    BothIdeationRequirementStore,
    BothIdeationSessionStore,
    BothScope,
    Call,
)
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
from focal_data.telemetry import log_failure

T = TypeVar("T")

_ROUNDS: Final = 5
_AT_ONCE: Final = 1000
_LOST: Final = (StoreConnectionError, StoreTimeoutError)

Place = tuple[UUID, str]
"""A tenant, and an ideation session of its."""


class SharedClock:
    """The clock that both backends are to go by, so that what one call writes has the same times in each."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock

    def __call__(self) -> datetime:
        return _held.get() or self._clock()

    @contextmanager
    def held(self, time: datetime | None = None) -> Iterator[datetime]:
        """It stands still in here, for this task: at ``time``, or as it is now."""
        now = time or self()
        token = _held.set(now)
        try:
            yield now
        finally:
            _held.reset(token)


_held: ContextVar[datetime | None] = ContextVar("focal_data_held_time", default=None)


class Archives(Protocol):
    """One tenant's sessions, put in and taken out whole, with their ids, times and versions."""

    async def get(self, session_id: str) -> IdeationArchive | None: ...

    async def replace(self, archive: IdeationArchive) -> None: ...

    async def ids(self, after: str = "", *, limit: int = 1000) -> list[str]: ...


@dataclass(frozen=True)
class IdeationSide:
    """One of the two: what makes its stores, and what copies its sessions whole."""

    factory: IdeationFactory
    archives: Callable[[UUID], Archives]


class BothIdeationFactory(IdeationFactory):
    """Ideation on ``first``, and on ``second`` as well. Both must go by ``clock``, or every write copies a whole session."""

    def __init__(self, first: IdeationSide, second: IdeationSide, *, clock: SharedClock) -> None:
        self.first = first
        self.second = second
        self.clock = clock
        self.late: set[Place] = set()
        self.locks: WeakValueDictionary[Place, asyncio.Lock] = WeakValueDictionary()

    @property
    def behind(self) -> frozenset[Place]:
        """The sessions of which this process knows that the second does not have all that the first has."""
        return frozenset(self.late)

    def tenant(self, tenant_id: UUID) -> BothIdeationTenant:
        return BothIdeationTenant(self, tenant_id)


class BothIdeationStores(IdeationStores):
    """The five over one scope: a tenant's, or one open transaction's."""

    def __init__(self, tenant_id: TenantId, scope: BothScope) -> None:
        self._tenant_id = tenant_id
        self._scope = scope

    @property
    def tenant_id(self) -> TenantId:
        return self._tenant_id

    @cached_property
    def sessions(self) -> IdeationSessionStore:
        return BothIdeationSessionStore(self._scope)

    @cached_property
    def messages(self) -> IdeationMessageStore:
        return BothIdeationMessageStore(self._scope)

    @cached_property
    def requirements(self) -> IdeationRequirementStore:
        return BothIdeationRequirementStore(self._scope)

    @cached_property
    def maturity(self) -> IdeationMaturityStore:
        return BothIdeationMaturityStore(self._scope)

    @cached_property
    def prd(self) -> IdeationPRDStore:
        return BothIdeationPRDStore(self._scope)


class BothIdeationTenant(BothIdeationStores, IdeationTenant):
    """The stores of one tenant, in both."""

    def __init__(self, factory: BothIdeationFactory, tenant_id: UUID) -> None:
        self._pair = _Pair(factory, tenant_id)
        super().__init__(self._pair.first.tenant_id, self._pair)

    def transaction(self) -> AbstractAsyncContextManager[IdeationStores]:
        return _Transaction(self._pair)

    async def repair(self, session_id: str) -> bool:
        """Make the second have of this session what the first has, also nothing; whether it had not.

        Raises ``ConflictError`` when the session is written all the time, and what either backend raises.
        """
        async with self._pair.lock(session_id):
            return await self._pair.repair(session_id)

    async def repair_all(self) -> int:
        """``repair`` every session that either has; of how many the second did not have the same."""
        return sum([await self.repair(session_id) async for session_id in self._pair.ids()])


@dataclass(frozen=True)
class _Step:
    """One write, as it went on the first."""

    call: Call[Any]
    time: datetime
    answer: object


class _Pair:
    """One tenant on both."""

    def __init__(self, factory: BothIdeationFactory, tenant_id: UUID) -> None:
        self.first = factory.first.factory.tenant(tenant_id)
        self.second = factory.second.factory.tenant(tenant_id)
        self.clock = factory.clock
        self._factory = factory
        self._archives = tuple(side.archives(tenant_id) for side in (factory.first, factory.second))

    async def write(self, session_id: object, call: Call[T]) -> T:
        """``call`` on the first, then on the second. In this process, those of one session go one after the other."""
        async with self.lock(session_id):
            step = await self.led(self.first, session_id, call)
            await self.follow(str(session_id), [step])
        return step.answer  # type: ignore[return-value]

    async def led(self, stores: IdeationStores, session_id: object, call: Call[T]) -> _Step:
        """``call`` on the first."""
        with self.clock.held() as time, self.doubting(session_id):
            return _Step(call, time, await call(stores))

    @contextmanager
    def doubting(self, *session_ids: object) -> Iterator[None]:
        """When nobody knows whether the first has written, the second may be behind."""
        try:
            yield
        except (*_LOST, asyncio.CancelledError) as error:
            if getattr(error, "outcome", Outcome.UNKNOWN) is Outcome.UNKNOWN:
                self._factory.late.update((self.first.tenant_id, str(each)) for each in session_ids)
            raise

    async def follow(self, session_id: str, steps: Sequence[_Step]) -> None:
        """Give the second what the first has written to one session. Whatever goes wrong, the write stands."""
        place = self.first.tenant_id, session_id
        was_late = place in self._factory.late
        self._factory.late.add(place)  # until it is done: whoever breaks off leaves it so
        try:
            if was_late or not await self._replayed(steps):
                await self.repair(session_id)
        except FocalDataError as error:
            log_failure("ideation", "second", error=type(error), tenant=self.first.tenant_id)
        else:
            self._factory.late.discard(place)

    async def repair(self, session_id: str) -> bool:
        """See ``BothIdeationTenant.repair``."""
        first, second = self._archives
        for number in range(_ROUNDS):
            mine = await first.get(session_id)
            if await _same(mine, second, session_id):
                self._factory.late.discard((self.first.tenant_id, session_id))
                return number > 0
            if mine is None:
                await self.second.sessions.delete(session_id)
            else:
                await second.replace(mine)
        raise ConflictError("this ideation session is being written: repair it again")

    async def ids(self) -> AsyncIterator[str]:
        """Every session that either has; one may come twice."""
        for archives in self._archives:
            after = ""
            while some := await archives.ids(after, limit=_AT_ONCE):
                for session_id in some:
                    yield session_id
                after = some[-1]

    def lock(self, session_id: object) -> asyncio.Lock:
        """What those who write to one session in this process hold in turn."""
        place = self.first.tenant_id, str(session_id)
        return self._factory.locks.setdefault(place, asyncio.Lock())

    async def _replayed(self, steps: Sequence[_Step]) -> bool:
        """Whether the second took the same steps and gave the same answers; nothing was written otherwise."""
        try:
            async with self.second.transaction() as stores:
                for step in steps:
                    with self.clock.held(step.time):
                        if await step.call(stores) != step.answer:
                            raise ConflictError("the second answers something else")
        except _LOST:
            raise
        except FocalDataError:
            return False
        return True


class _Transaction(AbstractAsyncContextManager[IdeationStores]):
    """A transaction of the first, and then, for each session, one of the second."""

    def __init__(self, pair: _Pair) -> None:
        self._pair = pair
        self._inner = pair.first.transaction()
        self._stores: IdeationStores | None = None
        self._steps: dict[str, list[_Step]] = {}

    @property
    def first(self) -> IdeationStores:
        """What the first made for the block."""
        assert self._stores is not None
        return self._stores

    async def write(self, session_id: object, call: Call[T]) -> T:
        """``call`` on the first; the second gets it when the first has committed."""
        step = await self._pair.led(self.first, session_id, call)
        self._steps.setdefault(str(session_id), []).append(step)
        return step.answer  # type: ignore[return-value]

    async def __aenter__(self) -> IdeationStores:
        self._stores = await self._inner.__aenter__()
        return BothIdeationStores(self._stores.tenant_id, self)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._pair.doubting(*self._steps):
            await self._inner.__aexit__(kind, error, trace)
        if error is None:
            for session_id, steps in self._steps.items():
                async with self._pair.lock(session_id):
                    await self._pair.follow(session_id, steps)


async def _same(mine: IdeationArchive | None, second: Archives, session_id: str) -> bool:
    try:
        theirs = await second.get(session_id)
    except CorruptDataError:
        return False
    if mine is None or theirs is None:
        return mine is theirs
    return not mine.differences(theirs)
