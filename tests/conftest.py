"""What all tests share: the servers of the run, and a tenant of one's own. The fixtures are the ones that users get."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.testing.engines import source
from tests.statements import watched


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


@pytest.fixture(scope="session", autouse=True)
def _statements_watched() -> Iterator[None]:
    """Every statement that the tests make a repository build keeps the rules for tables that are sharded by tenant."""
    with watched():
        yield
