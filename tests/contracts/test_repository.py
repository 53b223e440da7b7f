"""The repository kit on both backends, by a table and a class of one's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest

from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope
from focal_data.inmemory.database import InMemoryDatabase, InMemoryTenantScope
from focal_data.testing.contracts.base import Tenants
from focal_data.testing.contracts.repository import RepositoryContract
from focal_data.testing.contracts.repository.kit import MakeRepository
from focal_data.testing.engines import Engines
from tests.notes import InMemoryNoteRepository, NoteRepository, note_database


@pytest.fixture(scope="module")
async def database(focal_engines: Engines) -> AsyncIterator[Database]:
    """A database that holds notes."""
    async with note_database(focal_engines) as database:
        yield database


class TestPostgresRepository(RepositoryContract):
    """A repository in PostgreSQL."""

    @pytest.fixture
    def tenants(self, database: Database) -> Tenants:
        return partial(TenantScope, database)  # type: ignore[return-value]  # it has no stores, and needs none

    @pytest.fixture
    def repository(self) -> MakeRepository:
        return NoteRepository


class TestInMemoryRepository(RepositoryContract):
    """A repository in memory."""

    @pytest.fixture
    def tenants(self) -> Tenants:
        return partial(InMemoryTenantScope, InMemoryDatabase())  # type: ignore[return-value]

    @pytest.fixture
    def repository(self) -> MakeRepository:
        return InMemoryNoteRepository
