"""Asking the server who one is, and what one may do there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from focal_data.database.engine import Database
from focal_data.database.tenancy import identity, read_access
from focal_data.errors import DriverError, StoreConnectionError

if TYPE_CHECKING:
    from conftest import Wire


async def test_a_connection_lost_while_asking_is_no_drivers_error(database: Database, wire: Wire) -> None:
    """It is one of ours, for both questions."""
    for question in (identity(connection := await database.lease()), read_access(connection, "focal_app")):
        wire.cut()
        with pytest.raises(StoreConnectionError) as caught:
            await question
        assert isinstance(caught.value.__cause__, DriverError)
    database.give_back(connection, clean=False)
