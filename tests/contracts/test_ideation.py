"""The ideation stores, on each backend."""

from __future__ import annotations

import pytest

from focal_data.domain.clock import Clock
from focal_data.inmemory.database import InMemoryDatabase
from focal_data.inmemory.ideation import InMemoryIdeationFactory
from focal_data.testing.contracts.ideation import IdeationClockContract, IdeationStoreContract
from focal_data.testing.contracts.ideation.base import IdeationTenants
from focal_data.testing.contracts.ideation.clock import TenantsByClock


class TestInMemoryIdeation(IdeationStoreContract):
    """In memory."""

    @pytest.fixture
    def tenants(self) -> IdeationTenants:
        return InMemoryIdeationFactory(InMemoryDatabase()).tenant


class TestInMemoryIdeationByClock(IdeationClockContract):
    """In memory, by a clock that is set by hand."""

    @pytest.fixture
    def by_clock(self) -> TenantsByClock:
        def tenants(clock: Clock) -> IdeationTenants:
            return InMemoryIdeationFactory(InMemoryDatabase(clock=clock)).tenant

        return tenants
