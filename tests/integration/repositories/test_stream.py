"""Streams in PostgreSQL: a million rows in little memory, and no connection held in between. Counts by the planner."""

from __future__ import annotations

import resource
import sys
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope
from focal_data.domain.answers import CountMode
from focal_data.domain.conditions import field
from focal_data.testing.contracts.notes import Note
from focal_data.testing.engines import Engines
from tests.notes import NoteRepository, note_settings, owner

MILLION = 1_000_000


async def test_no_connection_is_held_between_batches(database: Database, scope: TenantScope) -> None:
    """While the consumer works, and after it has gone away, every connection of the pool is free."""
    notes = NoteRepository(scope)
    await notes.add_many(Note(title=str(n)) for n in range(10))
    stream = notes.stream(batch_size=3)
    async for note in stream:
        leases = [await database.lease() for _ in range(database.settings.pool_size)]
        for connection in leases:
            database.give_back(connection, clean=True)
        if note.title == "4":
            break


@pytest.fixture(scope="module")
async def million(focal_engines: Engines) -> AsyncIterator[tuple[Database, UUID]]:
    """A tenant with a million notes, made by the owner, and many tenants with a hundred."""
    async with note_settings(focal_engines) as settings:
        tenant = uuid4()
        async with owner(settings) as connection:
            columns = "tenant_id, id, revision, created_at, updated_at, title, mood, stars, pinned, tags, reader_ids,"
            columns += "attributes"
            values = "1, now(), now(), 'note', 'calm', n % 10, false, '{}', '{}', '{}' FROM generate_series(1, $1) AS n"
            await connection.execute(
                f"INSERT INTO notes ({columns}) SELECT $2, gen_random_uuid(), {values}",
                MILLION,
                tenant,
                timeout=300,
            )
            for _ in range(20):
                await connection.execute(
                    f"INSERT INTO notes ({columns}) SELECT $2, gen_random_uuid(), {values}", 100, uuid4()
                )
            await connection.execute("ANALYZE notes", timeout=300)
        database = Database(settings)
        yield database, tenant
        await database.close()


@pytest.mark.slow
async def test_a_million_rows_take_no_memory(million: tuple[Database, UUID]) -> None:
    """After the first tenth the process grows no more, and each row comes once, in order."""
    database, tenant = million
    seen, last, early = 0, UUID(int=0), 0
    async for note in NoteRepository(TenantScope(database, tenant)).stream():
        assert last < note.id
        last, seen = note.id, seen + 1
        if seen == MILLION // 10:
            early = most_memory()
    assert MILLION == seen
    assert most_memory() - early < 16 * 2**20


def most_memory() -> int:
    """The most memory that this process has had so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.slow
async def test_an_estimate_is_near_for_a_large_tenant(million: tuple[Database, UUID]) -> None:
    """As the application, under its policy: within a tenth of the rows, under a plain condition too."""
    database, tenant = million
    notes = NoteRepository(TenantScope(database, tenant))
    assert pytest.approx(MILLION, rel=0.1) == await notes.count(mode=CountMode.ESTIMATED)
    stars = field("stars").one_of(1, 2)
    assert pytest.approx(MILLION / 5, rel=0.1) == await notes.count(stars, mode=CountMode.ESTIMATED)
