"""What the suite of the config store has in common: the store under test, and what spoils a copy."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from focal_data.stores.config import ConfigStore
from focal_data.testing.contracts.base import StoreContract, TenantUnderTest


class ConfigContract(StoreContract):
    """The store under test, and another tenant's."""

    @pytest.fixture
    def config(self, tenant: TenantUnderTest) -> ConfigStore:
        """The store of a tenant of this test alone."""
        return tenant.config

    @pytest.fixture
    def others(self, other: TenantUnderTest) -> ConfigStore:
        """The store of another tenant."""
        return other.config


def spoil(value: Any) -> None:
    """Empty and overfill every list and mapping inside ``value``."""
    if isinstance(value, BaseModel):
        for inner in value.__dict__.values():
            spoil(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            spoil(inner)
        value["spoilt"] = "spoilt"
    elif isinstance(value, list):
        for inner in value:
            spoil(inner)
        value.append("spoilt")
