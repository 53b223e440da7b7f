"""The repository kit on both backends, by a table and a class of one's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest

from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope
from focal_data.ids import new_id
from focal_data.inmemory.database import InMemoryDatabase, InMemoryTenantScope
from focal_data.testing.contracts.base import Tenants
from focal_data.testing.contracts.repository import RepositoryContract
from focal_data.testing.contracts.repository.kit import MakeRepository
from focal_data.testing.engines import Engines
from tests.notes import (
    InMemoryMarkRepository,
    InMemoryNoteRepository,
    Mark,
    MarkRepository,
    NoteRepository,
    note_database,
)


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


@pytest.fixture(params=["postgres", "memory"])
def marks(request: pytest.FixtureRequest, database: Database) -> MarkRepository | InMemoryMarkRepository:
    """Of what is deleted softly, and has neither a revision nor times."""
    if request.param == "memory":
        return InMemoryMarkRepository(InMemoryTenantScope(InMemoryDatabase(), new_id()))
    return MarkRepository(TenantScope(database, new_id()))


async def test_to_be_deleted_softly_takes_no_revision(marks: MarkRepository | InMemoryMarkRepository) -> None:
    """Nor times: the mark is enough."""
    added = await marks.add(Mark(label="a"))
    assert (True, False, None) == (
        await marks.delete(added.id),
        await marks.delete(added.id),
        await marks.get(added.id),
    )
    deleted = await marks.get(added.id, include_deleted=True)
    assert deleted is not None
    assert deleted.deleted_at is not None
    assert (True, added) == (await marks.restore(added.id), await marks.get(added.id))
