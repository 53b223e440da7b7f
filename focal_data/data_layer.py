"""What a service holds: everything, open. And what a request holds: every store, bound to one tenant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from uuid import UUID

from focal_data.backends import get_repository_factory
from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope, Transaction
from focal_data.database.tenancy import identity, refuse_unbound, tenant_tables
from focal_data.domain.clock import Clock, utc_now
from focal_data.embedded import EmbeddedEngines
from focal_data.ids import NO_TENANT
from focal_data.inmemory.database import InMemoryDatabase, InMemoryTenantScope
from focal_data.inmemory.ideation import InMemoryIdeationFactory
from focal_data.inmemory.session import (
    InMemorySessionMaintenance,
    InMemorySessions,
    InMemorySessionStore,
)
from focal_data.migration import runner
from focal_data.redis.cluster_client import client_of
from focal_data.redis.ideation import RedisIdeationFactory
from focal_data.redis.session import RedisSessionMaintenance, RedisSessionStore
from focal_data.repositories.ideation import PostgresIdeationFactory
from focal_data.settings import IdeationBackend, Settings
from focal_data.stores.ideation import IdeationFactory, IdeationTenant
from focal_data.stores.session import SessionMaintenance, SessionStore
from focal_data.tables import metadata
from focal_data.unit_of_work import (
    InMemoryStores,
    InMemoryUnitOfWork,
    PostgresStores,
    PostgresUnitOfWork,
    Stores,
    UnitOfWork,
)

T = TypeVar("T")


class Tenant(Stores):
    """Every store, bound to one tenant. Cheap: one per request; nothing below it can name another tenant.

    Each call of a store is one short transaction of its own. Whatever keeps the data, it is used alike.
    """

    @property
    @abstractmethod
    def sessions(self) -> SessionStore:
        """The live sessions; they stand outside of transactions."""

    @property
    @abstractmethod
    def ideation(self) -> IdeationTenant:
        """What the tenant's users think up, on the backend of the settings."""

    @abstractmethod
    def transaction(self) -> UnitOfWork:
        """One commit over the stores but ``sessions``: ``async with tenant.transaction() as tx``. Never run again by itself.

        It has ``ideation`` where that is kept beside them.
        """

    @abstractmethod
    async def in_transaction(self, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """``work(tx)`` in a transaction, from the start again after a deadlock or a serialization failure.

        Raises ``RetryableError`` when that goes on; then nothing was written.
        """


class DataLayer(ABC):
    """Everything that a service keeps, open. Made by ``DataLayer.open()``, ``.embedded()`` or ``.in_memory()``."""

    @abstractmethod
    def tenant(self, tenant_id: UUID) -> Tenant:
        """Every store, bound to this tenant. ``UsageError`` for the nil UUID, and for what is no UUID."""

    @property
    @abstractmethod
    def session_maintenance(self) -> SessionMaintenance:
        """Cleaning up and checking the live sessions of all tenants."""

    @property
    @abstractmethod
    def ideation_backend(self) -> IdeationBackend:
        """What keeps ideation when nobody says."""

    @property
    @abstractmethod
    def ideation_factories(self) -> Mapping[IdeationBackend, IdeationFactory]:
        """What can keep ideation; see ``get_repository_factory``."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings | None = None, *, clock: Clock = utc_now
    ) -> AsyncIterator[PostgresDataLayer]:
        """PostgreSQL and Redis from ``settings`` (read from the environment when left out), until the block ends.

        Never migrates. Raises ``SettingsError`` for a missing or wrong variable, ``StoreConnectionError``, ``AccessError`` for
        a login that the policies would not bind, ``SchemaError`` when the database is behind head or ahead of this version.
        """
        settings = settings or Settings.load()
        settings.service_url(), settings.sessions_url()  # a missing one is told before anything is touched
        data = PostgresDataLayer(settings, clock=clock)
        try:
            await data.check()
            yield data
        finally:
            await data.close()

    @classmethod
    @asynccontextmanager
    async def embedded(
        cls, data_dir: Path | str | None = None, *, clock: Clock = utc_now
    ) -> AsyncIterator[PostgresDataLayer]:
        """Engines of its own, started and migrated to head: for demos, notebooks and tests. Needs the extra ``embedded``.

        Everything is kept in ``data_dir``, and gone at the end without one. Raises ``UsageError`` when the extra is missing.
        """
        async with AsyncExitStack() as stack:
            engines = await stack.enter_async_context(await EmbeddedEngines.start_async(data_dir))
            urls = {"database_url": engines.database_url, "redis_url": engines.redis_url}
            settings = Settings.of(**urls)  # the environment is about other engines
            await runner.upgrade(settings)
            yield await stack.enter_async_context(cls.open(settings, clock=clock))

    @classmethod
    def in_memory(cls, *, clock: Clock = utc_now) -> InMemoryDataLayer:
        """Everything in the memory of this process, gone with it. Needs no settings and no server.

        It keeps every promise, transactions included. There is nothing to close; ``async with`` around it is allowed.
        """
        return InMemoryDataLayer(clock=clock)


class PostgresTenant(PostgresStores, Tenant):
    """A tenant of PostgreSQL and Redis."""

    def __init__(self, data: PostgresDataLayer, tenant_id: UUID) -> None:
        self._data = data
        self._tenant_scope = TenantScope(data.database, tenant_id)
        super().__init__(self._tenant_scope)

    @cached_property
    def sessions(self) -> SessionStore:
        data = self._data
        return RedisSessionStore(data.redis, self.tenant_id, clock=data.database.clock)

    @cached_property
    def ideation(self) -> IdeationTenant:
        return get_repository_factory(self._data).tenant(self.tenant_id)

    def transaction(self) -> PostgresUnitOfWork:
        return self._over(self._tenant_scope.transaction())

    async def in_transaction(self, work: Callable[[PostgresUnitOfWork], Awaitable[T]]) -> T:
        return await self._tenant_scope.run(lambda transaction: work(self._over(transaction)))

    def _over(self, transaction: Transaction) -> PostgresUnitOfWork:
        return PostgresUnitOfWork(transaction, ideation=self._data.ideation_backend)


class PostgresDataLayer(DataLayer):
    """PostgreSQL and Redis, open."""

    def __init__(self, settings: Settings, *, clock: Clock = utc_now) -> None:
        self.settings = settings
        self.database = Database(settings, clock=clock)
        self.redis = client_of(settings)

    def tenant(self, tenant_id: UUID) -> PostgresTenant:
        return PostgresTenant(self, tenant_id)

    @property
    def session_maintenance(self) -> SessionMaintenance:
        return RedisSessionMaintenance(self.redis, clock=self.database.clock)

    @property
    def ideation_backend(self) -> IdeationBackend:
        return self.settings.ideation_persistence_backend

    @cached_property
    def ideation_factories(self) -> Mapping[IdeationBackend, IdeationFactory]:
        clock = self.database.clock
        return {
            IdeationBackend.POSTGRES: PostgresIdeationFactory(self.database),
            IdeationBackend.REDIS: RedisIdeationFactory(self.redis, clock=clock),
            IdeationBackend.MEMORY: InMemoryIdeationFactory(InMemoryDatabase(clock=clock)),
        }

    async def check(self) -> None:
        """Ask both servers who they are. Raises as ``open`` does."""
        # in a transaction, since behind a proxy a connection has its role nowhere else
        async with Transaction(self.database, NO_TENANT) as tx:
            await runner.require_head(tx.connection)
            who = await identity(tx.connection, tenant_tables(metadata))
            refuse_unbound(who)
            self.database.citus = who.citus
        await self.redis.check()

    async def close(self) -> None:
        """Close every connection."""
        await self.redis.close()
        await self.database.close()


class InMemoryTenant(InMemoryStores, Tenant):
    """A tenant kept in memory."""

    def __init__(self, data: InMemoryDataLayer, tenant_id: UUID) -> None:
        self._data = data
        self._tenant_scope = InMemoryTenantScope(data.database, tenant_id)
        super().__init__(self._tenant_scope)

    @cached_property
    def sessions(self) -> SessionStore:
        return InMemorySessionStore(self._data.sessions, self.tenant_id)

    @cached_property
    def ideation(self) -> IdeationTenant:
        return get_repository_factory(self._data).tenant(self.tenant_id)

    def transaction(self) -> InMemoryUnitOfWork:
        return InMemoryUnitOfWork(self._tenant_scope.transaction())

    async def in_transaction(self, work: Callable[[InMemoryUnitOfWork], Awaitable[T]]) -> T:
        async with self.transaction() as tx:  # writers take turns: there is nothing to run again
            return await work(tx)


class InMemoryDataLayer(DataLayer):
    """The memory of this process."""

    def __init__(self, *, clock: Clock = utc_now) -> None:
        self.database = InMemoryDatabase(clock=clock)
        self.sessions = InMemorySessions(clock=clock)

    def tenant(self, tenant_id: UUID) -> InMemoryTenant:
        return InMemoryTenant(self, tenant_id)

    @property
    def session_maintenance(self) -> SessionMaintenance:
        return InMemorySessionMaintenance(self.sessions)

    @property
    def ideation_backend(self) -> IdeationBackend:
        return IdeationBackend.MEMORY

    @cached_property
    def ideation_factories(self) -> Mapping[IdeationBackend, IdeationFactory]:
        return {IdeationBackend.MEMORY: InMemoryIdeationFactory(self.database)}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is nothing to close."""
