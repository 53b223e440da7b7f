"""What all tests share: the servers of the run, and a tenant of one's own. The fixtures are the ones that users get."""

from __future__ import annotations

import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.testing.engines import source


def pytest_report_header() -> str:
    """Say which servers the run is on."""
    return f"focal_data engines: {source().value}"


@pytest.fixture
def data(focal_data_layer: DataLayer) -> DataLayer:
    """The run's data layer."""
    return focal_data_layer


@pytest.fixture
def tenant(focal_tenant: Tenant) -> Tenant:
    """A tenant of this test alone."""
    return focal_tenant
