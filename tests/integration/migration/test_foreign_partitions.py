"""Partitions that are foreign tables: none has an index, and the parent's is valid without.

No foreign-data wrapper comes with the embedded servers, and none is needed: a wrapper without a handler has tables that can be
declared and can't be read.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, Uuid, text

from focal_data.errors import SchemaError
from tests.integration.migration.changes import ck, ix, new_metadata
from tests.integration.migration.conftest import NewEstate
from tests.integration.migration.project import Project, operations

WRAPPER = ("CREATE FOREIGN DATA WRAPPER nowhere", "CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere")
PARTITIONS = """
    CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);
    CREATE TABLE events_3 PARTITION OF events FOR VALUES IN (3, 4) PARTITION BY LIST (at);
    CREATE TABLE events_3_3 PARTITION OF events_3 FOR VALUES IN (3);
    CREATE TABLE events_3_d PARTITION OF events_3 DEFAULT;
    CREATE TABLE events_5 PARTITION OF events FOR VALUES IN (5, 6) PARTITION BY LIST (at);
    CREATE FOREIGN TABLE events_5_5 PARTITION OF events_5 FOR VALUES IN (5) SERVER nowhere;
    CREATE TABLE events_5_d PARTITION OF events_5 DEFAULT;
    INSERT INTO events (at, text) VALUES (1, 'a'), (3, 'a'), (6, 'a')"""
AT_THE_TOP = "CREATE FOREIGN TABLE events_2 PARTITION OF events FOR VALUES IN (2) SERVER nowhere"
INDEXED = """SELECT DISTINCT indrelid::regclass::text FROM pg_index WHERE indisvalid
    AND indrelid IN (SELECT relid FROM pg_partition_tree('events')) ORDER BY 1"""
ALL = ["events", "events_1", "events_3", "events_3_3", "events_3_d", "events_5", "events_5_d"]
BY_TEXT = ix("ix_events_text", "tenant_id", "text", postgresql_where=text("text <> 'a:b'"))


def _events(*make: object) -> MetaData:
    metadata = new_metadata()
    columns = [Column("tenant_id", Uuid), Column("at", Integer), Column("text", Text)]
    made = [item() for item in make]  # type: ignore[operator]
    Table("events", metadata, *columns, *made, postgresql_partition_by="LIST (at)")
    return metadata


@pytest.fixture
async def project(new_estate: NewEstate, tmp_path: Path) -> Project:
    """Events in partitions, of which one below is a foreign table."""
    estate = await new_estate()
    await estate.as_admin(*WRAPPER, f"GRANT USAGE ON FOREIGN SERVER nowhere TO {estate.owner}")
    project = Project(tmp_path / "migrations", estate, _events())
    await project.generate("a")
    await project.upgrade()
    await _run(project, PARTITIONS)
    return project


async def _run(project: Project, statements: str) -> None:
    async with project.estate.connection(project.estate.owner) as connection:
        await connection.execute(statements)


async def _indexed(project: Project) -> list[str]:
    async with project.estate.connection() as connection:
        return [row[0] for row in await connection.fetch(INDEXED)]


@pytest.mark.slow
@pytest.mark.parametrize("more", ["SELECT 1", AT_THE_TOP], ids=["below", "at the top too"])
async def test_every_other_partition_gets_the_index(project: Project, more: str) -> None:
    """The parent's is valid; it changes, goes down to what was, and up again, beside NOT NULL and a CHECK."""
    await _run(project, more)
    before = await project.catalogue()
    project.metadata = _events(BY_TEXT, ck("at > 0", "placed"))
    assert "create_index_by_partition" in operations(await project.generate("b"))
    await project.upgrade()
    await project.check()
    assert ALL == await _indexed(project)
    after = await project.catalogue()
    project.metadata = _events(ix("ix_events_text", "text"), ck("at > 0", "placed"))
    await project.generate("c")
    await project.upgrade()
    await project.check()
    await project.downgrade("b_online")
    assert after == await project.catalogue()
    await project.downgrade("a")
    assert before == await project.catalogue()


@pytest.mark.slow
async def test_what_was_cut_off_goes_on(project: Project) -> None:
    """An index of the parent that was made of nothing, and some of the partitions, are no hindrance."""
    project.metadata = _events(BY_TEXT)
    await project.generate("b")
    await _run(
        project,
        f"""{AT_THE_TOP}; CREATE INDEX ix_events_text ON ONLY events (tenant_id, text) WHERE text <> 'a:b';
        CREATE INDEX ix_events_text_events_1 ON events_1 (text);
        CREATE INDEX ix_events_text_events_5_d ON events_5_d (tenant_id, text) WHERE text <> 'a:b'""",
    )
    await project.upgrade()
    assert ALL == await _indexed(project)
    await project.check()


@pytest.mark.slow
async def test_a_unique_index_is_refused(project: Project) -> None:
    """By a sentence that names the foreign tables, before anything is made."""
    before = await project.catalogue()
    project.metadata = _events(ix("uq_events_at", "at", unique=True))
    await project.generate("b")
    with pytest.raises(SchemaError, match=r"uq_events_at can't be unique: events has .*\(events_5_5\)"):
        await project.upgrade()
    assert before == await project.catalogue()
