"""What the contracts have in common: two tenants that no other test knows."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar
from uuid import UUID, uuid4

import pytest

from focal_data.stores.audit import AuditStore
from focal_data.stores.config import ConfigStore
from focal_data.stores.memory import MemoryStore
from focal_data.stores.profile import ProfileStore
from focal_data.stores.session import SessionStore

T = TypeVar("T")


class Stores(Protocol):
    """The stores that a transaction spans, of one tenant."""

    @property
    def tenant_id(self) -> UUID: ...

    @property
    def config(self) -> ConfigStore: ...

    @property
    def memory(self) -> MemoryStore: ...

    @property
    def audit(self) -> AuditStore: ...

    @property
    def profiles(self) -> ProfileStore: ...


class TenantUnderTest(Stores, Protocol):
    """What a suite works with. An implementation of one store needs only what that store's suite uses."""

    @property
    def sessions(self) -> SessionStore: ...

    def transaction(self) -> AbstractAsyncContextManager[Stores]: ...

    async def in_transaction(self, work: Callable[[Stores], Awaitable[T]]) -> T: ...


Tenants = Callable[[UUID], TenantUnderTest]


def all_told(error: BaseException) -> str:
    """Every word of ``error``, of what it was caused by, and of what it was raised in, hidden from a traceback or not."""
    lines = [repr(error), *traceback.format_exception(error, chain=False)]
    above = [found for found in (error.__cause__, error.__context__) if found is not None]
    return "".join(lines + [all_told(found) for found in above])


class StoreContract:
    """The fixtures of every suite. A subclass of a suite overrides ``tenants``, and nothing else."""

    @pytest.fixture
    def tenants(self) -> Tenants:
        """The implementation under test: a tenant's id to its stores."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a fixture `tenants`: a tenant's id to its stores"
        )

    @pytest.fixture
    def tenant(self, tenants: Tenants) -> TenantUnderTest:
        """A tenant of this test alone."""
        return tenants(uuid4())

    @pytest.fixture
    def other(self, tenants: Tenants) -> TenantUnderTest:
        """Another tenant of this test alone, which must see nothing of the first."""
        return tenants(uuid4())
