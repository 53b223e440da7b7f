"""Every kind of change to tables: seen, written, run up and down on a database with rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.migration.changes import CHANGES, Change, new_metadata
from tests.integration.migration.conftest import NewEstate
from tests.integration.migration.project import Project, operations


@pytest.fixture
async def project(new_estate: NewEstate, tmp_path: Path) -> Project:
    """A project without tables, and a database of its own."""
    return Project(tmp_path / "migrations", await new_estate(), new_metadata())


QUICK = {
    *(
        "table dropped",
        "column that is not null added",
        "vector's dimension removed",
    ),
    *(
        "HNSW options",
        "CHECK changed",
        "many at once",
    ),
    "index of partitions added",
}
"""The others are slow, all together."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CHANGES]
)
async def test_a_change_is_seen_and_made(project: Project, name: str) -> None:
    """The revision has just that, leaves nothing to generate, and goes down to what was and up again."""
    await make_and_take_back(project, CHANGES[name])


async def make_and_take_back(project: Project, change: Change) -> None:
    change.before(project.metadata)
    await project.generate("a")
    await project.upgrade()
    await project.check()
    await fill(project, change)
    before = await project.catalogue()

    project.metadata = new_metadata()
    change.after(project.metadata)
    texts = await project.generate("b")
    assert change.operations == operations(texts), "\n".join(texts)
    await project.upgrade()
    await project.check()
    after = await project.catalogue()
    assert before != after
    await project.downgrade("a")
    assert before == await project.catalogue()
    assert [("first", 3)] == await _rows(project)
    await project.upgrade()
    assert after == await project.catalogue()
    assert [("first", 3)] == await _rows(project)


async def _rows(project: Project) -> list[tuple[str, int]]:
    async with project.estate.connection(project.estate.owner) as connection:
        return [tuple(row) for row in await connection.fetch("SELECT title, stars FROM notes")]


async def fill(project: Project, change: Change) -> None:
    """A row of notes, and its partitions."""
    columns = {
        "tenant_id": "gen_random_uuid()",
        "id": "gen_random_uuid()",
        "title": "'first'",
        "stars": "3",
        **change.row,
    }
    insert = f"INSERT INTO notes ({', '.join(columns)}) SELECT {', '.join(columns.values())}"
    async with project.estate.connection(project.estate.owner) as connection:
        await connection.execute(";".join((*change.partitions, insert)))
