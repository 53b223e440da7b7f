"""A database with a table of one's own, and repositories over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope
from focal_data.testing.engines import Engines
from tests.notes import NoteRepository, note_database


@pytest.fixture(scope="session")
async def database(focal_engines: Engines) -> AsyncIterator[Database]:
    """A database that holds notes."""
    async with note_database(focal_engines) as database:
        yield database


@pytest.fixture
def scope(database: Database) -> TenantScope:
    """A tenant of this test alone."""
    return TenantScope(database, uuid4())


@pytest.fixture
def notes(scope: TenantScope) -> NoteRepository:
    """The tenant's notes."""
    return NoteRepository(scope)
