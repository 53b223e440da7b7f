"""The optimistic lock, as the ORM keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, create_engine
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from sqlmodel import SQLModel

from focal_data.ids import new_id
from focal_data.tables import config, memory, profile
from focal_data.tables import metadata as ours
from focal_data.tables.base import MutableTable

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class PostcardTable(MutableTable, table=True):
    """A table outside our metadata, plain enough for SQLite."""

    metadata = MetaData()

    words: str


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An empty database in memory."""
    engine = create_engine("sqlite://")
    PostcardTable.metadata.create_all(engine)
    yield engine
    engine.dispose()


def stored(engine: Engine) -> dict[str, Any]:
    """The key of a new postcard."""
    key = {"tenant_id": new_id(), "id": new_id()}
    with Session(engine) as session:
        session.add(PostcardTable(**key, words="hello", created_at=NOW, updated_at=NOW))
        session.commit()
    return key


def test_a_row_starts_at_one_and_counts_its_changes(engine: Engine) -> None:
    """An insertion is revision 1, and each change makes it one more."""
    key = stored(engine)
    revisions = []
    for words in ("one", "two"):
        with Session(engine) as session:
            card = session.get_one(PostcardTable, key)
            revisions.append(card.revision)
            card.words = words
            session.commit()
            revisions.append(card.revision)
    assert [1, 2, 2, 3] == revisions


def test_a_stale_change_is_refused(engine: Engine) -> None:
    """Who changes a row that another has changed meanwhile changes nothing."""
    key = stored(engine)
    with Session(engine) as late, Session(engine) as early:
        mine, theirs = late.get_one(PostcardTable, key), early.get_one(PostcardTable, key)
        theirs.words = "first"
        early.commit()
        mine.words = "second"
        with pytest.raises(StaleDataError):
            late.flush()


def test_a_stale_deletion_is_refused(engine: Engine) -> None:
    """Who deletes a row that another has changed meanwhile deletes nothing."""
    key = stored(engine)
    with Session(engine) as late, Session(engine) as early:
        mine = late.get_one(PostcardTable, key)
        early.get_one(PostcardTable, key).words = "first"
        early.commit()
        late.delete(mine)
        with pytest.raises(StaleDataError):
            late.flush()


def locked() -> dict[str, str | None]:
    """The column that locks each of our tables."""
    found = {}
    for table in SQLModel._sa_registry.mappers:
        if table.local_table.metadata is ours:
            column = table.version_id_col
            found[table.local_table.name] = None if column is None else str(column.name)
    return found


def test_every_mutable_table_is_locked_by_its_own_column() -> None:
    """The lock is the revision; a studio session's is its version. Written-once rows and history have none."""
    unlocked = {"episodes", "entity_history", "relationship_history", "scenario_archives"}
    unlocked |= {"turn_records", "audit_events", "audit_heads", "staged_embeddings"}
    unlocked |= {name for name in ours.tables if name.startswith("ideation_")} - {"ideation_sessions"}
    expected = dict.fromkeys(ours.tables, "revision") | dict.fromkeys(unlocked)
    assert expected | {"ideation_sessions": "version"} == locked()


def test_the_lock_belongs_to_its_own_table() -> None:
    """Tables that share the mixin don't share the column."""
    tables = (config.RuleTable, memory.EntityTable, profile.CustomerProfileTable)
    assert [table.__table__.name for table in tables] == [  # type: ignore[attr-defined]
        table.__mapper__.version_id_col.table.name  # type: ignore[attr-defined]
        for table in tables
    ]
