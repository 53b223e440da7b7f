"""A table of one's own with a vector: searched by the same piece, as the guide shows it."""

from collections.abc import AsyncIterator
from functools import cache
from uuid import uuid4

import pytest
from sqlalchemy import MetaData
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import Field

from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope
from focal_data.database.statement import DIALECT, Statement
from focal_data.database.tenancy import DEFAULT_GRANTS, enable_policy, grant
from focal_data.domain.answers import Scored
from focal_data.domain.base import Entity, Name
from focal_data.domain.embedding import Embedding
from focal_data.migration import runner
from focal_data.repositories import vector
from focal_data.repositories.base import TenantRepository
from focal_data.settings import Settings
from focal_data.tables.base import EmbeddingMixin, TenantTable, metadata
from focal_data.tables.columns import index_codes, whole_embedding
from focal_data.testing.databases import fresh_database
from focal_data.testing.engines import Engines
from tests.integration.search.conftest import MODEL, vectors
from tests.notes import owner

_OWN = MetaData(naming_convention=metadata.naming_convention)


class _OwnTable(TenantTable):
    metadata = _OWN


class PictureTable(EmbeddingMixin, _OwnTable, table=True):
    """Pictures, of no agent."""

    __tablename__ = "pictures"
    __table_args__ = (whole_embedding(), index_codes(include=("title",)))

    title: str = Field(max_length=255)


class Picture(Entity):
    """What ``PictureTable`` keeps."""

    title: Name
    embedding: Embedding | None = None


class PictureRepository(TenantRepository[PictureTable, Picture]):
    """Pictures, and which of them are like another."""

    async def nearest(self, query: Embedding, *, limit: int = 10) -> list[Scored[Picture]]:
        return await vector.search(self, self._nearest(), query, values={}, limit=limit, min_score=None)

    @classmethod
    @cache
    def _nearest(cls) -> Statement:
        return vector.nearest(cls)


@pytest.fixture(scope="module")
async def database(focal_engines: Engines) -> AsyncIterator[Database]:
    """A database that holds pictures."""
    async with fresh_database(focal_engines.admin_url) as url:
        settings = Settings.of(database_url=url, redis_url=focal_engines.redis_url)
        await runner.upgrade(settings)
        table = _OWN.tables["pictures"]
        clauses = (CreateTable(table), *(CreateIndex(index) for index in table.indexes))
        async with owner(settings) as connection:
            for clause in clauses:
                await connection.execute(str(clause.compile(dialect=DIALECT)))
            for text in enable_policy(table.name, settings.app_role, "tests"):
                await connection.execute(text)
            await connection.execute(grant(table.name, DEFAULT_GRANTS, settings.app_role))
        database = Database(settings)
        yield database
        await database.close()


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 5, 1100])
async def test_pictures_are_found(database: Database, count: int) -> None:
    """As many as there are, the likest first; another tenant's never."""
    here, there = TenantScope(database, uuid4()), TenantScope(database, uuid4())
    kept = [Embedding(one, model=MODEL) for one in vectors(count + 1, seed=8)]
    made = [Picture(title=f"p{number}", embedding=embedding) for number, embedding in enumerate(kept[:count])]
    stored = await PictureRepository(here).add_many([*made, Picture(title="bare")])
    await PictureRepository(there).add(Picture(title="theirs", embedding=kept[-1]))
    hits = await PictureRepository(here).nearest(kept[-1])
    assert min(count, 10) == len(hits)
    assert {hit.item.id for hit in hits} <= {picture.id for picture in stored}
    if count:
        (likest,) = await PictureRepository(here).nearest(kept[2], limit=1)
        assert (stored[2], pytest.approx(1.0)) == (likest.item, likest.score)
