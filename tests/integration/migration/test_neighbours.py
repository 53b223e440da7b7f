"""A user's own migrations in the same database: neither touches the other's tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ENUM

from focal_data.migration import runner
from focal_data.tables import metadata as ours
from tests.integration.migration.changes import new_metadata, notes
from tests.integration.migration.conftest import Estate
from tests.integration.migration.project import Project, operations

PLAIN = """from alembic import context
from focal_data.migration.environment import autogenerate_options

given = context.config.attributes
context.configure(connection=given["connection"], target_metadata=given["metadata"], **autogenerate_options())
with context.begin_transaction():
    context.run_migrations()
"""


def _orders(*values: str) -> MetaData:
    metadata = new_metadata()
    Table(
        "orders",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("state", ENUM(*values, name="order_state")),
        Column("text", Text),
        Index("ix_orders_state", "state"),
    )
    return metadata


@pytest.mark.slow
async def test_an_environment_of_ones_own(estate: Estate, tmp_path: Path) -> None:
    """Two lines in anybody's env.py: it sees what ours sees of its tables, and nothing of ours; ours sees nothing of its."""
    project = Project(tmp_path / "migrations", estate, _orders("new", "paid"), PLAIN)
    before = await estate.catalogue()
    assert ["create_enum", "create_table", "create_index"] == operations(await project.generate("a"))
    await project.upgrade()
    await project.check()
    assert [] == await runner.check(estate.settings)

    project.metadata = _orders("new", "paid", "sent")
    assert ["change_enum"] == operations(await project.generate("b"))
    await project.upgrade()
    await project.check()
    assert [] == await runner.check(estate.settings)
    await runner.downgrade(estate.settings, "base")
    await runner.upgrade(estate.settings)
    await project.check()
    await project.downgrade("base")
    await estate.as_admin("DROP TABLE alembic_version")  # which Alembic leaves
    assert before == await estate.catalogue()


@pytest.mark.slow
async def test_tables_in_the_same_metadata(estate: Estate, tmp_path: Path) -> None:
    """A project that adds to our metadata migrates what it has added, and ours does not drop it."""
    project = Project(tmp_path / "migrations", estate, new_metadata())
    for table in ours.sorted_tables:
        table.to_metadata(project.metadata)
    notes()(project.metadata)
    found = operations(await project.generate("a"))
    assert ["create_table", "create_table"] == [name for name in found if name == "create_table"]
    assert not [name for name in found if name.startswith(("drop", "alter"))]
    await project.upgrade()
    await project.check()
    assert [] == await runner.check(estate.settings)


def _shop(*, ondelete: str, what: bool, other: bool) -> MetaData:
    metadata = MetaData()
    Table("order", metadata, Column("id", Integer, primary_key=True), Column("text", Text))
    lines = Table(
        "lines",
        metadata,
        Column("n", Integer, primary_key=True),
        Column("order_id", Integer, ForeignKey("order.id", ondelete=ondelete)),
        Column("what", Text, unique=what),
    )
    if other:
        lines.append_column(Column("other_id", Integer, ForeignKey("order.id")))
    return metadata


@pytest.mark.slow
async def test_what_has_no_name_goes_up_and_down(estate: Estate, tmp_path: Path) -> None:
    """A metadata without a naming convention: keys get the names that PostgreSQL gives, and can be validated and dropped."""
    before = _shop(ondelete="CASCADE", what=False, other=False)
    project = Project(tmp_path / "migrations", estate, before, PLAIN)
    await project.generate("a")
    await project.upgrade()
    was = await project.catalogue()
    project.metadata = _shop(ondelete="RESTRICT", what=True, other=True)
    await project.generate("b")
    await project.upgrade()
    await project.check()
    await project.downgrade("a")
    assert was == await project.catalogue()
    await project.upgrade()
    await project.check()
