"""The audit store, on each backend."""

from __future__ import annotations

import pytest

from focal_data.data_layer import DataLayer
from focal_data.testing.contracts.audit import AuditStoreContract
from focal_data.testing.contracts.base import Tenants


class TestPostgresAudit(AuditStoreContract):
    """In PostgreSQL."""

    @pytest.fixture
    def tenants(self, data: DataLayer) -> Tenants:
        return data.tenant


class TestInMemoryAudit(AuditStoreContract):
    """In memory."""

    @pytest.fixture
    def tenants(self, in_memory: DataLayer) -> Tenants:
        return in_memory.tenant
