"""What the contracts run on: the run's engines as ``data`` (from the conftest above), and memory."""

from __future__ import annotations

import pytest

from focal_data.data_layer import DataLayer


@pytest.fixture
def in_memory() -> DataLayer:
    """A data layer of this test alone, in memory."""
    return DataLayer.in_memory()
