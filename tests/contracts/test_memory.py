"""Both of our stores of memory keep what ``MemoryStore`` promises."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from focal_data.data_layer import DataLayer
from focal_data.testing.contracts.base import Tenants
from focal_data.testing.contracts.memory import MemoryClockContract, MemoryStoreContract
from focal_data.testing.contracts.memory.clock import ManualClock


class TestPostgresMemory(MemoryStoreContract):
    """In PostgreSQL."""

    @pytest.fixture
    def tenants(self, data: DataLayer) -> Tenants:
        return data.tenant


class TestInMemoryMemory(MemoryStoreContract):
    """In memory."""

    @pytest.fixture
    def tenants(self, in_memory: DataLayer) -> Tenants:
        return in_memory.tenant


class TestPostgresMemoryByItsClock(MemoryClockContract):
    """In PostgreSQL."""

    @pytest.fixture
    async def tenants(self, data: DataLayer, clock: ManualClock) -> AsyncIterator[Tenants]:
        async with DataLayer.open(data.settings, clock=clock) as timed:
            yield timed.tenant


class TestInMemoryMemoryByItsClock(MemoryClockContract):
    """In memory."""

    @pytest.fixture
    def tenants(self, clock: ManualClock) -> Tenants:
        return DataLayer.in_memory(clock=clock).tenant
