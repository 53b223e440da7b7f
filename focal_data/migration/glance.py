"""A look at where a database stands. It loads the driver, and nothing that is larger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from focal_data.database.translation import DRIVER_ERRORS, translated
from focal_data.migration.revisions import Status, read_status

CONNECT_SECONDS: Final = 10.0
SERVER_SETTINGS: Final = {"application_name": "focal_data migration"}


@asynccontextmanager
async def connected_to(address: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the login of ``address``, taking no role. Raises our errors when there is none to be had."""
    try:
        connection = await asyncpg.connect(
            address, timeout=CONNECT_SECONDS, statement_cache_size=0, server_settings=SERVER_SETTINGS
        )
    except DRIVER_ERRORS as error:
        failure = translated(error)
    else:
        try:
            yield connection
        finally:
            await connection.close()
        return
    raise failure


async def status_at(address: str) -> Status:
    """Where the database at ``address`` is, and what is pending. Raises ``SchemaError`` when its revision is unknown here."""
    async with connected_to(address) as connection:
        return await read_status(connection)
