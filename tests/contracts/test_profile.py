"""The profile store, on each backend."""

from __future__ import annotations

import pytest

from focal_data.data_layer import DataLayer
from focal_data.testing.contracts.base import Tenants
from focal_data.testing.contracts.profile import ProfileStoreContract


class TestPostgresProfiles(ProfileStoreContract):
    """In PostgreSQL."""

    @pytest.fixture
    def tenants(self, data: DataLayer) -> Tenants:
        return data.tenant


class TestInMemoryProfiles(ProfileStoreContract):
    """In memory."""

    @pytest.fixture
    def tenants(self, in_memory: DataLayer) -> Tenants:
        return in_memory.tenant
