"""A table of one's own, as a user has one: notes, their repositories, and a database that holds them.

Its metadata is its own, so that no other test takes it for one of the package's tables.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import Float, MetaData, Text
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import Field

from focal_data.database.engine import Database
from focal_data.database.statement import DIALECT
from focal_data.database.tenancy import DEFAULT_GRANTS, enable_policy, grant
from focal_data.domain.base import Entity, Name, UtcDatetime
from focal_data.inmemory.repository import InMemoryRepository, Parent, Unique, alive
from focal_data.migration import runner
from focal_data.repositories.base import TenantRepository
from focal_data.settings import Settings, dsn
from focal_data.tables.base import SoftDeletableTable, SoftDeleteMixin, TenantTable, metadata
from focal_data.tables.columns import (
    JsonDict,
    TypedJSON,
    refers_to,
    string_enum,
    texts,
    unique_among,
    utc,
    uuids,
)
from focal_data.testing.contracts.notes import Mood, Note
from focal_data.testing.databases import fresh_database
from focal_data.testing.engines import Engines

UNIQUE = "uq_notes_code"
PARENT = "fk_notes_about_id"


_OWN = MetaData(naming_convention=metadata.naming_convention)


class _OwnTable(SoftDeletableTable):
    metadata = _OWN


class _OwnMarkedTable(SoftDeleteMixin, TenantTable):
    metadata = _OWN


class MarkTable(_OwnMarkedTable, table=True):
    """Deleted softly, and nothing more: no revision, no times."""

    __tablename__ = "marks"

    label: str = Field(max_length=255)


class Mark(Entity):
    """What ``MarkTable`` keeps."""

    label: Name
    deleted_at: UtcDatetime | None = None


class MarkRepository(TenantRepository[MarkTable, Mark]):
    """Marks."""


class InMemoryMarkRepository(InMemoryRepository[Mark]):
    """Marks, in memory."""

    kind = "marks"
    domain = Mark


class NoteTable(_OwnTable, table=True):
    """Notes."""

    __tablename__ = "notes"
    __table_args__ = (
        refers_to("notes", "about_id"),
        unique_among("deleted_at IS NULL", "code", name=UNIQUE),
    )

    title: str = Field(max_length=255)
    body: str | None = Field(default=None, sa_type=Text)
    code: str | None = Field(default=None, max_length=255)
    about_id: UUID | None = None
    mood: Mood = Field(sa_type=string_enum(Mood, "mood"))
    stars: int = 0
    weight: float | None = Field(default=None, sa_type=Float)
    pinned: bool = False
    due_at: datetime | None = Field(default=None, sa_type=utc())
    tags: list[str] = Field(sa_type=texts())
    reader_ids: list[UUID] = Field(sa_type=uuids())
    attributes: JsonDict = Field(sa_type=TypedJSON(JsonDict))


class NoteRepository(TenantRepository[NoteTable, Note]):
    """Notes, without a line more."""


class InMemoryNoteRepository(InMemoryRepository[Note]):
    """Notes, in memory."""

    kind = "notes"
    domain = Note
    unique = (Unique(UNIQUE, ("code",), among=alive),)
    parents = (Parent(PARENT, "about_id", "notes", "Note"),)


@asynccontextmanager
async def note_settings(engines: Engines) -> AsyncIterator[Settings]:
    """Settings for a database at head that has the tables of notes and of marks too."""
    async with fresh_database(engines.admin_url) as url:
        settings = Settings.of(database_url=url, redis_url=engines.redis_url)
        await runner.upgrade(settings)
        async with owner(settings) as connection:
            for table in _OWN.sorted_tables:
                for clause in (CreateTable(table), *(CreateIndex(index) for index in table.indexes)):
                    await connection.execute(str(clause.compile(dialect=DIALECT)))
                for text in enable_policy(table.name, settings.app_role, "tests"):
                    await connection.execute(text)
                await connection.execute(grant(table.name, DEFAULT_GRANTS, settings.app_role))
        yield settings


@asynccontextmanager
async def owner(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the owner, whom no policy binds."""
    connection = await asyncpg.connect(dsn(settings.owner_url()))
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def note_database(engines: Engines) -> AsyncIterator[Database]:
    """A database that holds notes, open for the application."""
    async with note_settings(engines) as settings:
        database = Database(settings)
        yield database
        await database.close()
