"""The schema keeps the rules of the ground; each rule bites on a bad example of its own."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import pytest
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Enum,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, ENUM, JSONB

from focal_data.tables import metadata as ours
from focal_data.tables.columns import (
    check,
    index,
    index_present,
    refers_to,
    string_enum,
    unique,
    unique_among,
)
from focal_data.tables.lint import MAX_NAME, RULES, violations


class Mood(StrEnum):
    """An enumeration whose names and values differ."""

    GOOD = "good"


def schema(*items: Any, **options: Any) -> MetaData:
    """A table of notes, beside one of books that they may refer to."""
    metadata = MetaData(naming_convention=ours.naming_convention)
    Table("books", metadata, *key())
    Table("notes", metadata, *key(), *items, **options)
    return metadata


def key() -> list[Any]:
    return [Column("tenant_id", Uuid, primary_key=True), Column("id", Uuid, primary_key=True)]


def book_id(kind: Any = Uuid) -> Column[Any]:
    return Column("book_id", kind)


def to_books(**options: Any) -> ForeignKeyConstraint:
    columns, targets = ["tenant_id", "book_id"], ["books.tenant_id", "books.id"]
    return ForeignKeyConstraint(columns, targets, **({"ondelete": "RESTRICT"} | options))


def alone(*items: Any, **options: Any) -> MetaData:
    """A table of notes with nothing but these items."""
    metadata = MetaData(naming_convention=ours.naming_convention)
    Table("notes", metadata, *items, **options)
    return metadata


def nameless(*items: Any) -> MetaData:
    """The same where no convention gives names."""
    metadata = MetaData()
    Table("notes", metadata, *(column for column in key()), *items)
    return metadata


def text_column(name: str = "label") -> Column[Any]:
    return Column(name, String(20))


BAD: list[tuple[str, str, Callable[[], MetaData]]] = [
    ("tenant-column", "no column tenant_id", lambda: alone(Column("id", Uuid, primary_key=True))),
    (
        "tenant-column",
        "must be a UUID",
        lambda: alone(
            Column("tenant_id", String(36), primary_key=True), Column("id", Uuid, primary_key=True)
        ),
    ),
    ("tenant-first", "no primary key", lambda: alone(Column("tenant_id", Uuid, nullable=False))),
    (
        "tenant-first",
        "primary key pk_notes",
        lambda: alone(Column("tenant_id", Uuid), Column("id", Uuid), PrimaryKeyConstraint("id", "tenant_id")),
    ),
    (
        "tenant-first",
        "unique constraint uq_notes_tenant_id",
        lambda: schema(text_column(), UniqueConstraint("label", "tenant_id")),
    ),
    ("tenant-first", "index ix_x", lambda: schema(text_column(), Index("ix_x", "label", "tenant_id"))),
    (
        "tenant-first",
        "index ix_x",
        lambda: schema(text_column(), Index("ix_x", text("lower(label)"), "tenant_id")),
    ),
    (
        "tenant-in-foreign-key",
        "foreign key fk_x does not start",
        lambda: schema(
            book_id(),
            ForeignKeyConstraint(["book_id"], ["books.id"], ondelete="CASCADE", name="fk_x"),
        ),
    ),
    (
        "tenant-in-foreign-key",
        "foreign key fk_x does not lead",
        lambda: schema(
            book_id(),
            ForeignKeyConstraint(
                ["tenant_id", "book_id"], ["books.id", "books.tenant_id"], ondelete="CASCADE", name="fk_x"
            ),
        ),
    ),
    ("foreign-key-action", "ON DELETE", lambda: schema(book_id(), to_books(ondelete=None), index("book_id"))),
    (
        "foreign-key-action",
        "ON DELETE",
        lambda: schema(book_id(), to_books(ondelete="SET NULL"), index("book_id")),
    ),
    (
        "foreign-key-action",
        "ON UPDATE",
        lambda: schema(book_id(), to_books(onupdate="CASCADE"), index("book_id")),
    ),
    ("foreign-key-type", "VARCHAR(20)", lambda: schema(book_id(String(20)), to_books(), index("book_id"))),
    ("foreign-key-index", "fk_notes_book_id", lambda: schema(book_id(), to_books())),
    (
        "foreign-key-index",
        "fk_notes_book_id",
        lambda: schema(
            book_id(),
            Column("deleted_at", DateTime(True)),
            to_books(),
            Index("ix_x", "tenant_id", "book_id", postgresql_where=text("deleted_at IS NULL")),
        ),
    ),
    (
        "record-reference",
        "fk_notes_book_id",
        lambda: schema(
            book_id(), to_books(), index("book_id"), info={"grants": ("SELECT", "INSERT", "DELETE")}
        ),
    ),
    (
        "record-reference",
        "fk_notes_book_id",
        lambda: schema(
            book_id(), to_books(), index("book_id"), Column("superseded_at", DateTime(timezone=True))
        ),
    ),
    ("named", "primary key of tenant_id, id", nameless),
    ("named", "unique constraint", lambda: nameless(text_column(), unique("label"))),
    ("named", "check of label <> ''", lambda: nameless(text_column(), CheckConstraint("label <> ''"))),
    (
        "name-length",
        "ck_notes_",
        lambda: schema(text_column(), check("label <> ''", "x" * (MAX_NAME - len("ck_notes_") + 1))),
    ),
    (
        "name-length",
        "ix_notes_",
        lambda: schema(text_column("y" * MAX_NAME), index("y" * MAX_NAME)),
    ),
    (
        "name-length",
        "z" * 60,
        lambda: schema(text_column(), unique("label", name="z" * 100)),
    ),
    (
        "name-taken",
        "uq_notes_label",
        lambda: schema(
            text_column(), text_column("b"), text_column("c"), unique("label", "b"), unique("label", "c")
        ),
    ),
    ("name-taken", "books", lambda: schema(text_column(), Index("books", "tenant_id", "label"))),
    (
        "name-taken",
        "pk_books",
        lambda: schema(text_column(), Index("pk_books", "tenant_id", "label")),
    ),
    (
        "name-taken",
        "ck_notes_a",
        lambda: schema(text_column(), check("label <> ''", "a"), check("label <> 'x'", "a")),
    ),
    ("no-sequence", "number is an identity", lambda: schema(Column("number", BigInteger, Identity()))),
    ("no-sequence", "number takes", lambda: schema(Column("number", BigInteger, Sequence("numbers")))),
    (
        "no-sequence",
        "number takes",
        lambda: schema(Column("number", BigInteger, server_default=text("nextval('numbers')"))),
    ),
    ("no-sequence", "id would become SERIAL", lambda: alone(Column("id", Integer, primary_key=True))),
    ("string-enum", "native", lambda: schema(Column("mood", Enum(Mood, name="mood")))),
    ("string-enum", "native", lambda: schema(Column("mood", ENUM(Mood, name="mood")))),
    ("string-enum", "native", lambda: schema(Column("moods", ARRAY(Enum(Mood, name="mood"))))),
    ("string-enum", "without a CHECK", lambda: schema(Column("mood", Enum(Mood, native_enum=False)))),
    (
        "string-enum",
        "stores the names",
        lambda: schema(Column("mood", Enum(Mood, native_enum=False, create_constraint=True, name="mood"))),
    ),
    ("time-zone", "seen_at", lambda: schema(Column("seen_at", DateTime))),
    ("json-null", "data", lambda: schema(Column("data", JSONB))),
    ("json-null", "data", lambda: schema(Column("data", JSON(none_as_null=True)))),
    ("whole-vector", "vector_model", lambda: schema(Column("vector", HALFVEC(3)))),
    (
        "whole-vector",
        "vector_dimensions",
        lambda: schema(Column("vector", HALFVEC(3)), text_column("vector_model")),
    ),
    ("whole-vector", "without a width", lambda: schema(Column("vector", VECTOR))),
    (
        "soft-delete-unique",
        "unique constraint uq_notes_label",
        lambda: schema(text_column(), Column("deleted_at", DateTime(True)), unique("label")),
    ),
    (
        "soft-delete-unique",
        "index uq_x",
        lambda: schema(
            text_column(),
            Column("deleted_at", DateTime(True)),
            unique_among("label IS NOT NULL", "label", name="uq_x"),
        ),
    ),
    (
        "redundant-index",
        "ix_notes_label",
        lambda: schema(text_column(), text_column("b"), index("label"), unique("label", "b")),
    ),
    (
        "redundant-index",
        "ix_x",
        lambda: schema(
            text_column(),
            text_column("b"),
            Index("ix_x", "tenant_id", "label", postgresql_where=text("label IS NOT NULL")),
            index("label", "b"),
        ),
    ),
    (
        "redundant-index",
        "ix_x",
        lambda: schema(
            text_column(),
            text_column("b"),
            Index("ix_x", "tenant_id", "label", postgresql_where=text("b IS NULL")),
            Index("ix_y", "tenant_id", "label", "b", postgresql_where=text("b IS NULL")),
        ),
    ),
]


def good() -> MetaData:
    """One of everything, as it should be."""
    return schema(
        book_id(),
        text_column(),
        Column("mood", string_enum(Mood, "mood")),
        Column("seen_at", DateTime(timezone=True)),
        Column("deleted_at", DateTime(timezone=True)),
        Column("data", JSONB(none_as_null=True)),
        Column("size", Integer, Computed("length(label)", persisted=True)),
        Column("vector", HALFVEC(3)),
        text_column("vector_model"),
        Column("vector_dimensions", Integer),
        refers_to("books", "book_id"),
        index_present("book_id"),
        index("label"),
        Index("ix_notes_covering", "tenant_id", "mood", postgresql_include=["label"]),
        Index("ix_notes_mood", "tenant_id", "mood", "seen_at"),
        unique_among("deleted_at IS NULL", "label", name="uq_notes_label"),
        check("label <> ''", "label_given"),
        Index("ix_notes_vector", "vector", postgresql_using="hnsw"),
    )


def test_our_tables_keep_every_rule() -> None:
    """Nothing is wrong with the tables of the package."""
    assert [] == violations(ours)


def test_good_tables_pass() -> None:
    """A table with one of everything, as it should be, is not complained of."""
    assert [] == violations(good())


@pytest.mark.parametrize(("rule", "words", "make"), BAD, ids=[f"{r}-{i}" for i, (r, _, _) in enumerate(BAD)])
def test_a_bad_example_is_named(rule: str, words: str, make: Callable[[], MetaData]) -> None:
    """A finding names the table, the rule, and what is wrong."""
    found = violations(make())
    assert [line for line in found if line.startswith(f"notes: {rule}: ") and words in line]


def test_every_rule_has_a_bad_example() -> None:
    """No rule goes untried."""
    assert set(RULES) == {rule for rule, _, _ in BAD}


def test_our_tables_leave_defaults_to_the_application() -> None:
    """The server fills in nothing by itself, generated columns excepted."""
    filled = [
        str(column)
        for table in ours.tables.values()
        for column in table.columns
        if column.server_default is not None and not isinstance(column.server_default, Computed)
    ]
    assert [] == filled
