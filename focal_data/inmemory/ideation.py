"""The ideation stores of a tenant in memory, and what makes them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import cached_property
from types import TracebackType
from uuid import UUID

from focal_data.ids import TenantId
from focal_data.inmemory.database import InMemoryDatabase, InMemoryScope, InMemoryTenantScope
from focal_data.inmemory.ideation_stores import (
    InMemoryIdeationMaturityStore,
    InMemoryIdeationMessageStore,
    InMemoryIdeationPRDStore,
    InMemoryIdeationRequirementStore,
    InMemoryIdeationSessionStore,
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


class InMemoryIdeationStores(IdeationStores):
    """The five over one scope: a tenant's, or one open transaction's."""

    def __init__(self, scope: InMemoryScope) -> None:
        self._scope = scope

    @property
    def tenant_id(self) -> TenantId:
        return self._scope.tenant_id

    @cached_property
    def sessions(self) -> IdeationSessionStore:
        return InMemoryIdeationSessionStore(self._scope)

    @cached_property
    def messages(self) -> IdeationMessageStore:
        return InMemoryIdeationMessageStore(self._scope)

    @cached_property
    def requirements(self) -> IdeationRequirementStore:
        return InMemoryIdeationRequirementStore(self._scope)

    @cached_property
    def maturity(self) -> IdeationMaturityStore:
        return InMemoryIdeationMaturityStore(self._scope)

    @cached_property
    def prd(self) -> IdeationPRDStore:
        return InMemoryIdeationPRDStore(self._scope)


class InMemoryIdeationTenant(InMemoryIdeationStores, IdeationTenant):
    """The stores of one tenant in memory."""

    def __init__(self, scope: InMemoryTenantScope) -> None:
        super().__init__(scope)
        self._tenant_scope = scope

    def transaction(self) -> AbstractAsyncContextManager[IdeationStores]:
        return _IdeationTransaction(self._tenant_scope)


class _IdeationTransaction(AbstractAsyncContextManager[IdeationStores]):
    """One transaction, of which its block gets the stores."""

    def __init__(self, scope: InMemoryTenantScope) -> None:
        self._transaction = scope.transaction()

    async def __aenter__(self) -> IdeationStores:
        return InMemoryIdeationStores(await self._transaction.__aenter__())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transaction.__aexit__(kind, error, trace)


class InMemoryIdeationFactory(IdeationFactory):
    """Ideation in the memory of this process."""

    def __init__(self, database: InMemoryDatabase) -> None:
        self._database = database

    def tenant(self, tenant_id: UUID) -> IdeationTenant:
        return InMemoryIdeationTenant(InMemoryTenantScope(self._database, tenant_id))
