from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from focal_data.operations.operator import Operator
from focal_data.settings import Settings


@pytest.fixture
async def op(focal_settings: Settings) -> AsyncIterator[Operator]:
    """The operator of the run's database and Redis."""
    async with Operator.open(focal_settings) as op:
        yield op
