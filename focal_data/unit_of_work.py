"""The PostgreSQL stores over one scope: a tenant's, or one open transaction's."""

from __future__ import annotations

from functools import cached_property
from types import TracebackType
from typing import Self

from focal_data.database.scope import Scope, Transaction
from focal_data.ids import TenantId
from focal_data.repositories.audit import PostgresAuditStore
from focal_data.repositories.config import PostgresConfigStore
from focal_data.repositories.memory import PostgresMemoryStore
from focal_data.repositories.profile import PostgresProfileStore
from focal_data.stores.audit import AuditStore
from focal_data.stores.config import ConfigStore
from focal_data.stores.memory import MemoryStore
from focal_data.stores.profile import ProfileStore


class PostgresStores:
    """The stores of one tenant that live in PostgreSQL, each made when it is first asked for."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    @property
    def scope(self) -> Scope:
        """What repositories are made from."""
        return self._scope

    @property
    def tenant_id(self) -> TenantId:
        """The tenant that all of it belongs to."""
        return self._scope.tenant_id

    @cached_property
    def config(self) -> ConfigStore:
        """What the tenant's agents are told to do."""
        return PostgresConfigStore(self._scope)

    @cached_property
    def memory(self) -> MemoryStore:
        """What the tenant's agents remember."""
        return PostgresMemoryStore(self._scope)

    @cached_property
    def audit(self) -> AuditStore:
        """What happened, for good."""
        return PostgresAuditStore(self._scope)

    @cached_property
    def profiles(self) -> ProfileStore:
        """Who the tenant's customers are."""
        return PostgresProfileStore(self._scope)


class UnitOfWork(PostgresStores):
    """One transaction of one tenant: entered, it is open; left, it commits, or rolls back when the block raised.

    Its stores and the repositories made from it share the transaction, and are over when it is. It belongs to one task.
    """

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self._transaction = transaction

    async def __aenter__(self) -> Self:
        await self._transaction.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transaction.__aexit__(kind, error, trace)
