"""The stores that a transaction spans, over one scope: a tenant's, or one open transaction's. In PostgreSQL, or in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from types import TracebackType
from typing import NoReturn, Self

from focal_data.database.scope import Scope, Transaction
from focal_data.errors import UsageError
from focal_data.ids import TenantId
from focal_data.inmemory.audit import InMemoryAuditStore
from focal_data.inmemory.config import InMemoryConfigStore
from focal_data.inmemory.database import InMemoryScope, InMemoryTransaction
from focal_data.inmemory.ideation import InMemoryIdeationStores
from focal_data.inmemory.memory import InMemoryMemoryStore
from focal_data.inmemory.profile import InMemoryProfileStore
from focal_data.repositories.audit import PostgresAuditStore
from focal_data.repositories.config import PostgresConfigStore
from focal_data.repositories.ideation import PostgresIdeationStores
from focal_data.repositories.memory import PostgresMemoryStore
from focal_data.repositories.profile import PostgresProfileStore
from focal_data.settings import IDEATION_BACKEND, IdeationBackend
from focal_data.stores.audit import AuditStore
from focal_data.stores.config import ConfigStore
from focal_data.stores.ideation import IdeationStores
from focal_data.stores.memory import MemoryStore
from focal_data.stores.profile import ProfileStore


class Stores(ABC):
    """The stores of one tenant that a transaction spans, each made when it is first asked for."""

    @property
    @abstractmethod
    def tenant_id(self) -> TenantId:
        """The tenant that all of it belongs to."""

    @property
    @abstractmethod
    def scope(self) -> Scope:
        """What repositories over PostgreSQL are made from. ``UsageError`` where things are kept in memory."""

    @property
    @abstractmethod
    def config(self) -> ConfigStore:
        """What the tenant's agents are told to do."""

    @property
    @abstractmethod
    def memory(self) -> MemoryStore:
        """What the tenant's agents remember."""

    @property
    @abstractmethod
    def audit(self) -> AuditStore:
        """What happened, for good."""

    @property
    @abstractmethod
    def profiles(self) -> ProfileStore:
        """Who the tenant's customers are."""

    @property
    @abstractmethod
    def ideation(self) -> IdeationStores:
        """What the tenant's users think up. ``UsageError`` in a transaction that does not reach what keeps it."""


class UnitOfWork(Stores):
    """One transaction of one tenant: entered, it is open; left, it commits, or rolls back when the block raised.

    Its stores and the repositories made from it share the transaction, and are over when it is. It belongs to one task.
    """

    _transaction: Transaction | InMemoryTransaction

    async def __aenter__(self) -> Self:
        await self._transaction.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transaction.__aexit__(kind, error, trace)


class PostgresStores(Stores):
    """The stores that live in PostgreSQL."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    @property
    def tenant_id(self) -> TenantId:
        return self._scope.tenant_id

    @property
    def scope(self) -> Scope:
        return self._scope

    @cached_property
    def config(self) -> ConfigStore:
        return PostgresConfigStore(self._scope)

    @cached_property
    def memory(self) -> MemoryStore:
        return PostgresMemoryStore(self._scope)

    @cached_property
    def audit(self) -> AuditStore:
        return PostgresAuditStore(self._scope)

    @cached_property
    def profiles(self) -> ProfileStore:
        return PostgresProfileStore(self._scope)


class PostgresUnitOfWork(PostgresStores, UnitOfWork):
    """One transaction of one tenant in PostgreSQL."""

    def __init__(
        self, transaction: Transaction, *, ideation: IdeationBackend = IdeationBackend.POSTGRES
    ) -> None:
        super().__init__(transaction)
        self._transaction = transaction
        self._ideation = ideation

    @cached_property
    def ideation(self) -> IdeationStores:
        if self._ideation is not IdeationBackend.POSTGRES:
            raise UsageError(
                f"ideation is kept on {self._ideation.value} ({IDEATION_BACKEND}), where a transaction of PostgreSQL "
                "does not reach: use `async with tenant.ideation.transaction() as stores`"
            )
        return PostgresIdeationStores(self._scope)


class InMemoryStores(Stores):
    """The stores that are kept in memory."""

    def __init__(self, scope: InMemoryScope) -> None:
        self._scope = scope

    @property
    def tenant_id(self) -> TenantId:
        return self._scope.tenant_id

    @property
    def scope(self) -> NoReturn:
        raise UsageError(
            "this is kept in memory, and the repository is PostgreSQL's: make an InMemoryRepository"
        )

    @property
    def memory_scope(self) -> InMemoryScope:
        """What repositories in memory are made from."""
        return self._scope

    @cached_property
    def config(self) -> ConfigStore:
        return InMemoryConfigStore(self._scope)

    @cached_property
    def memory(self) -> MemoryStore:
        return InMemoryMemoryStore(self._scope)

    @cached_property
    def audit(self) -> AuditStore:
        return InMemoryAuditStore(self._scope)

    @cached_property
    def profiles(self) -> ProfileStore:
        return InMemoryProfileStore(self._scope)


class InMemoryUnitOfWork(InMemoryStores, UnitOfWork):
    """One transaction of one tenant in memory."""

    def __init__(self, transaction: InMemoryTransaction) -> None:
        super().__init__(transaction)
        self._transaction = transaction

    @cached_property
    def ideation(self) -> IdeationStores:
        return InMemoryIdeationStores(self._scope)
