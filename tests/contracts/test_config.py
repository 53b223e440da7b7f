"""Both of our backends keep what the config store promises."""

from __future__ import annotations

import pytest

from focal_data.data_layer import DataLayer
from focal_data.testing.contracts.base import Tenants
from focal_data.testing.contracts.config import ConfigStoreContract


class TestPostgresConfig(ConfigStoreContract):
    """PostgreSQL."""

    @pytest.fixture
    def tenants(self, data: DataLayer) -> Tenants:
        return data.tenant


class TestInMemoryConfig(ConfigStoreContract):
    """Memory."""

    @pytest.fixture
    def tenants(self, in_memory: DataLayer) -> Tenants:
        return in_memory.tenant
