"""Kinds of change to tables: what they were, what they become, and the operations that should be written for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Enum,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Interval,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import (
    ARRAY,
    BIT,
    ENUM,
    INET,
    INT4RANGE,
    INTERVAL,
    JSONB,
    TSVECTOR,
    ExcludeConstraint,
)

from focal_data.tables import metadata as ours
from focal_data.tables.functions import Function

Declare = Callable[[MetaData], object]


@dataclass(frozen=True)
class Change:
    """``row`` is what a row of notes has besides, as SQL; ``partitions`` are made before it."""

    before: Declare
    after: Declare
    operations: list[str]
    row: dict[str, str] = field(default_factory=dict)
    partitions: tuple[str, ...] = ()


def new_metadata() -> MetaData:
    return MetaData(naming_convention=ours.naming_convention)


def notes(
    *make: Callable[[], Any],
    title: Callable[[], Column[Any]] | None = None,
    stars: Callable[[], Column[Any]] | None = None,
    without: tuple[str, ...] = (),
    **options: Any,
) -> Declare:
    """Declares authors and their notes; ``make`` gives further columns, constraints and indexes, new ones each time."""

    def declare(metadata: MetaData) -> None:
        Table("authors", metadata, *_key(), Column("name", Text, nullable=False))
        columns = [
            Column("author_id", Uuid),
            title() if title else Column("title", String(50), nullable=False),
            stars() if stars else Column("stars", Integer),
            Column("body", Text),
        ]
        kept = [column for column in columns if column.name not in without]
        Table("notes", metadata, *_key(), *kept, *(item() for item in make), **options)

    return declare


def also(declare: Declare, name: str, *make: Callable[[], Any], **options: Any) -> Declare:
    """Declares another table besides."""

    def both(metadata: MetaData) -> None:
        declare(metadata)
        Table(name, metadata, *_key(), *(item() for item in make), **options)

    return both


def keyed(*key: str, name: str | None = None, more: tuple[Callable[[], Any], ...] = ()) -> Declare:
    """Declares notes and pages with this primary key, or without any."""

    def declare(metadata: MetaData) -> None:
        notes()(metadata)
        columns = [Column("tenant_id", Uuid, nullable=False), Column("id", Uuid, nullable=False)]
        primary = [PrimaryKeyConstraint(*key, name=name)] if key else []
        Table("pages", metadata, *columns, Column("number", Integer), *primary, *(item() for item in more))

    return declare


def lines(declare: Declare, **options: Any) -> Declare:
    """Declares lines besides, which refer to pages."""

    def key() -> ForeignKeyConstraint:
        return ForeignKeyConstraint(["tenant_id", "page_id"], ["pages.tenant_id", "pages.id"], **options)

    return also(declare, "lines", column("page_id", Uuid), key)


def _key() -> list[Column[Any]]:
    return [Column("tenant_id", Uuid, primary_key=True), Column("id", Uuid, primary_key=True)]


def column(*arguments: Any, **options: Any) -> Callable[[], Column[Any]]:
    return lambda: Column(*arguments, **options)


def ix(name: str, *columns: str, **options: Any) -> Callable[[], Index]:
    return lambda: Index(name, *(text(c) if "(" in c or " " in c else c for c in columns), **options)


def ck(expression: str, name: str) -> Callable[[], CheckConstraint]:
    return lambda: CheckConstraint(expression, name=name)


def uq(*columns: str, **options: Any) -> Callable[[], UniqueConstraint]:
    return lambda: UniqueConstraint(*columns, **options)


def fk(**options: Any) -> Callable[[], ForeignKeyConstraint]:
    return lambda: ForeignKeyConstraint(
        ["tenant_id", "author_id"], ["authors.tenant_id", "authors.id"], **options
    )


def mood(*values: str, native: bool = False, **options: Any) -> Callable[[], Column[Any]]:
    if native:
        return lambda: Column("mood", ENUM(*values, name="mood"), **options)
    return lambda: Column(
        "mood", Enum(*values, native_enum=False, length=32, create_constraint=True, name="mood")
    )


def hnsw(ops: str = "vector_cosine_ops", using: str = "hnsw", **parameters: int) -> Callable[[], Index]:
    return ix(
        "ix_notes_v",
        "v",
        postgresql_using=using,
        postgresql_with=parameters,
        postgresql_ops={"v": ops},
    )


def bits(ops: str) -> Index:
    """As the manual of pgvector has it: an expression and its operator class."""
    return Index("ix_notes_bits", text(f"(binary_quantize(v)::bit(3)) {ops}"), postgresql_using="hnsw")


def words(language: str = "english") -> Callable[[], Column[Any]]:
    return column(
        "words", TSVECTOR, Computed(f"to_tsvector('{language}', coalesce(title, ''))", persisted=True)
    )


def apart(name: str, **options: Any) -> Callable[[], ExcludeConstraint]:
    return lambda: ExcludeConstraint(("during", "&&"), using="gist", name=name, **options)


def kinds(*make: Callable[[], Any], declare: Declare) -> Declare:
    """Declares kinds besides, which refer to the titles of notes."""

    def key() -> ForeignKeyConstraint:
        return ForeignKeyConstraint(
            ["tenant_id", "title"], ["notes.tenant_id", "notes.title"], name="fk_kinds_title"
        )

    return also(declare, "kinds", column("title", String(50)), key, *make)


def circle(declare: Declare) -> Declare:
    """Declares chapters and verses besides, which refer to each other."""

    def key(mine: str, other: str, **options: Any) -> Callable[[], ForeignKeyConstraint]:
        there = [f"{other}.tenant_id", f"{other}.id"]
        return lambda: ForeignKeyConstraint(["tenant_id", mine], there, name=f"fk_{mine}", **options)

    chapters = also(declare, "chapters", column("verse_id", Uuid), key("verse_id", "verses", use_alter=True))
    return also(chapters, "verses", column("chapter_id", Uuid), key("chapter_id", "chapters"))


def starred(body: str = "stars > 0", *, least: str = "", returns: str = "bigint", **options: Any) -> Function:
    """Counts the notes that have stars, as its owner."""
    return Function(
        "starred",
        f"""
        (p_tenant uuid{least}) RETURNS {returns}
        LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
        BEGIN
          RETURN (SELECT count(*) FROM {{schema}}.notes WHERE tenant_id = p_tenant AND {body});  -- it's :here::text
        END $$
        """,
        **options,
    )


def having(*functions: Function) -> Declare:
    """Declares notes with these functions."""
    return notes(info={"functions": functions})


def parted(*make: Callable[[], Any], **options: Any) -> Declare:
    """Declares notes in partitions."""
    return notes(*make, postgresql_partition_by="HASH (tenant_id)", **options)


PARTITIONS = (
    "CREATE TABLE notes_0 PARTITION OF notes FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
    "CREATE TABLE notes_1 PARTITION OF notes FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY HASH (id)",
    "CREATE TABLE notes_1_0 PARTITION OF notes_1 FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
    (
        'CREATE TABLE "Notes-of-whose-partition-the-name-is-quite-long" PARTITION OF notes_1'
        " FOR VALUES WITH (MODULUS 2, REMAINDER 1)"
    ),
)
"""One of which has partitions of its own."""
BY_PARTITION = ["drop_index_by_partition", "create_index_by_partition"]
during = column("during", INT4RANGE)
v3, v, h3 = column("v", VECTOR(3)), column("v", VECTOR), column("v", HALFVEC(3))
by_words = ix("ix_notes_words", "words", postgresql_using="gin")
REBUILT = ["drop_index", "create_index"]
NEW_INDEX = ["drop_index", "create_index"]  # what a failed build has left goes first
RECHECKED = ["drop_constraint", "create_check_constraint", "validate_constraint"]

CHANGES: dict[str, Change] = {
    # tables
    "table added": Change(
        notes(),
        also(notes(), "tags", column("tag", Text)),
        ["create_table", "create_tenant_policy", "grant_app"],
    ),
    "table dropped": Change(
        also(
            notes(),
            "tags",
            column("tag", String(9)),
            during,
            apart("ex_tags"),
            ix("ix_tags_tag", "tenant_id", "tag"),
            ck("tag IN ('a', 'b')", "known"),
            mood("x", "y", native=True),
            info={
                "statistics": {"st_tags": "(ndistinct) ON tag, mood"},
                "storage_parameters": {"fillfactor": 70},
            },
        ),
        notes(),
        ["drop_index", "drop_table", "drop_enum"],
    ),
    "parent and child added": Change(
        notes(),
        also(
            also(notes(), "parents"),
            "children",
            column("parent_id", Uuid),
            lambda: ForeignKeyConstraint(
                ["tenant_id", "parent_id"], ["parents.tenant_id", "parents.id"], ondelete="CASCADE"
            ),
        ),
        ["create_table", "create_table", *["create_tenant_policy", "grant_app"] * 2],
    ),
    "parent and child dropped": Change(
        also(
            also(notes(), "parents"),
            "children",
            column("parent_id", Uuid),
            lambda: ForeignKeyConstraint(["tenant_id", "parent_id"], ["parents.tenant_id", "parents.id"]),
        ),
        notes(),
        ["drop_table", "drop_table"],
    ),
    "tables in a circle added": Change(
        notes(),
        circle(notes()),
        ["create_table", "create_table", "create_foreign_key", *["create_tenant_policy", "grant_app"] * 2],
    ),
    "tables in a circle dropped": Change(
        circle(notes()), notes(), ["drop_constraint", "drop_constraint", "drop_table", "drop_table"]
    ),
    "comment on a table": Change(notes(), notes(comment="what 's written"), ["create_table_comment"]),
    # columns
    "column added": Change(notes(), notes(column("link", Text)), ["add_column"]),
    "column dropped": Change(notes(column("link", Text)), notes(), ["drop_column"], {"link": "'x'"}),
    "column that is not null added": Change(
        notes(), notes(column("link", Text, nullable=False)), ["add_column", "alter_column"]
    ),
    "column with a default added": Change(
        notes(), notes(column("link", Text, nullable=False, server_default="it's")), ["add_column"]
    ),
    "column with Python's default added": Change(
        notes(), notes(column("rank", Integer, nullable=False, default=7)), ["add_column", "alter_column"]
    ),
    "column that was not null dropped": Change(
        notes(column("flag", Boolean, nullable=False)), notes(), ["drop_column"], {"flag": "true"}
    ),
    "vector that is not null added": Change(
        notes(), notes(column("v", HALFVEC(3), nullable=False)), ["add_column", "alter_column"]
    ),
    "not null": Change(
        notes(stars=column("stars", Integer)),
        notes(stars=column("stars", Integer, nullable=False)),
        ["set_not_null"],
    ),
    "null": Change(notes(), notes(title=column("title", String(50))), ["alter_column"]),
    "comment on a column": Change(notes(), notes(column("link", Text, comment="where")), ["add_column"]),
    "comment changed": Change(
        notes(column("link", Text, comment="a")), notes(column("link", Text, comment="b")), ["alter_column"]
    ),
    "columns that need a value added": Change(
        notes(),
        notes(
            column("bits", BIT(3), nullable=False),
            column("span", INTERVAL, nullable=False),
            column("pause", Interval, nullable=False),
            column("address", INET, nullable=False),
            column("during", INT4RANGE, nullable=False),
            column("words", TSVECTOR, nullable=False),
        ),
        ["add_column", "alter_column"] * 6,
    ),
    "unlogged table with parameters": Change(
        also(notes(), "drafts", prefixes=["UNLOGGED"], postgresql_with={"fillfactor": 70}),
        also(
            notes(), "drafts", column("n", Integer), prefixes=["UNLOGGED"], postgresql_with={"fillfactor": 80}
        ),
        ["add_column", "set_storage_parameters"],
    ),
    # numbers
    "identity": Change(
        notes(
            column("given", Integer),
            column("changed", Integer, Identity(always=True)),
            column("taken", Integer, Identity(start=10)),
            column("valued", Integer, Identity()),
            column("widened", Integer, Identity(minvalue=0, start=0)),
        ),
        notes(
            column("given", BigInteger, Identity(always=True, start=-5, increment=-1)),
            column("changed", Integer, Identity(always=False, increment=10, cycle=True)),
            column("taken", Integer),
            column("valued", Integer, server_default="5"),
            column("widened", BigInteger, Identity(minvalue=0, start=0)),
        ),
        ["set_identity"] * 2 + ["alter_column"] * 4 + ["set_identity"] * 2,
        {"given": "7"},
    ),
    # types
    "collation under an index": Change(
        notes(column("n", Text), ix("ix_notes_n", "n")),
        notes(column("n", Text(collation="C")), ix("ix_notes_n", "n")),
        ["alter_column"],
        {"n": "'a'"},
    ),
    "longer text": Change(
        notes(), notes(title=column("title", String(80), nullable=False)), ["alter_column"]
    ),
    "text without a limit": Change(
        notes(), notes(title=column("title", Text, nullable=False)), ["alter_column"]
    ),
    "larger number": Change(
        notes(stars=column("stars", SmallInteger)), notes(stars=column("stars", Integer)), ["alter_column"]
    ),
    "text to number": Change(
        notes(column("n", Text)), notes(column("n", Integer)), ["alter_column"], {"n": "'12'"}
    ),
    "text to number with a default": Change(
        notes(column("n", Text, server_default="7")),
        notes(column("n", Integer, server_default="7")),
        ["alter_column", "alter_column", "alter_column"],
    ),
    "text to JSON": Change(
        notes(column("n", Text)), notes(column("n", JSONB)), ["alter_column"], {"n": "'{}'"}
    ),
    "precision": Change(
        notes(column("n", Numeric(8, 2))), notes(column("n", Numeric(10, 3))), ["alter_column"], {"n": "1.25"}
    ),
    "array's element": Change(
        notes(column("n", ARRAY(Integer))), notes(column("n", ARRAY(Text))), ["alter_column"], {"n": "'{1}'"}
    ),
    "time zone": Change(
        notes(column("n", DateTime)),
        notes(column("n", DateTime(timezone=True))),
        ["alter_column"],
        {"n": "now()"},
    ),
    "type under a CHECK": Change(
        notes(ck("title <> ''", "titled")),
        notes(ck("title <> ''", "titled"), title=column("title", Text, nullable=False)),
        ["alter_column"],
    ),
    "type under an index": Change(
        notes(ix("ix_notes_title", "tenant_id", "title")),
        notes(ix("ix_notes_title", "tenant_id", "title"), title=column("title", Text, nullable=False)),
        ["alter_column"],
    ),
    # vectors
    "vector's dimension removed": Change(notes(v3), notes(v), ["alter_column"], {"v": "'[1,2,3]'"}),
    "vector's dimension given": Change(notes(v), notes(v3), ["alter_column"], {"v": "'[1,2,3]'"}),
    "vector to half": Change(notes(v3), notes(h3), ["alter_column"], {"v": "'[1,2,3]'"}),
    "vector to half under an index": Change(
        notes(v3, hnsw()),
        notes(h3, hnsw("halfvec_cosine_ops")),
        ["drop_index", "alter_column", *NEW_INDEX],
        {"v": "'[1,2,3]'"},
    ),
    # defaults
    "default given": Change(
        notes(), notes(stars=column("stars", Integer, server_default="0")), ["alter_column"]
    ),
    "default taken": Change(
        notes(stars=column("stars", Integer, server_default="0")), notes(), ["alter_column"]
    ),
    "default with a quote": Change(
        notes(column("n", Text, server_default="it's")),
        notes(column("n", Text, server_default=text("'it''s not'"))),
        ["alter_column"],
    ),
    "default that is a function": Change(
        notes(column("n", Uuid, server_default=text("gen_random_uuid()"))),
        notes(column("n", Uuid)),
        ["alter_column"],
    ),
    # indexes
    "index added": Change(notes(), notes(ix("ix_notes_stars", "tenant_id", "stars")), NEW_INDEX),
    "index dropped": Change(notes(ix("ix_notes_stars", "tenant_id", "stars")), notes(), ["drop_index"]),
    "index columns": Change(
        notes(ix("ix_notes_a", "tenant_id", "stars")), notes(ix("ix_notes_a", "tenant_id", "title")), REBUILT
    ),
    "index unique": Change(
        notes(ix("uq_notes_a", "tenant_id", "stars")),
        notes(ix("uq_notes_a", "tenant_id", "stars", unique=True)),
        REBUILT,
    ),
    "index order": Change(
        notes(lambda: Index("ix_notes_a", "tenant_id", "stars")),
        notes(lambda: Index("ix_notes_a", "tenant_id", text("stars DESC"))),
        REBUILT,
    ),
    "index expression": Change(
        notes(lambda: Index("ix_notes_a", "tenant_id", text("lower(title)"))),
        notes(lambda: Index("ix_notes_a", "tenant_id", text("upper(title)"))),
        REBUILT,
    ),
    "index condition added": Change(
        notes(ix("ix_notes_a", "tenant_id", "stars")),
        notes(ix("ix_notes_a", "tenant_id", "stars", postgresql_where=text("stars IS NOT NULL"))),
        REBUILT,
    ),
    "index condition changed": Change(
        notes(ix("ix_notes_a", "tenant_id", postgresql_where=text("title IN ('a', 'b')"))),
        notes(ix("ix_notes_a", "tenant_id", postgresql_where=text("title IN ('a', 'c')"))),
        REBUILT,
    ),
    "index include": Change(
        notes(ix("ix_notes_a", "tenant_id", "stars")),
        notes(ix("ix_notes_a", "tenant_id", "stars", postgresql_include=["title"])),
        REBUILT,
    ),
    "index nulls not distinct": Change(
        notes(ix("uq_notes_a", "tenant_id", "stars", unique=True)),
        notes(ix("uq_notes_a", "tenant_id", "stars", unique=True, postgresql_nulls_not_distinct=True)),
        REBUILT,
    ),
    "index method": Change(
        notes(ix("ix_notes_a", "stars")), notes(ix("ix_notes_a", "stars", postgresql_using="hash")), REBUILT
    ),
    "index operator class": Change(
        notes(ix("ix_notes_a", "title")),
        notes(ix("ix_notes_a", "title", postgresql_ops={"title": "varchar_pattern_ops"})),
        REBUILT,
    ),
    "index fill factor": Change(
        notes(ix("ix_notes_a", "title")),
        notes(ix("ix_notes_a", "title", postgresql_with={"fillfactor": 50})),
        REBUILT,
    ),
    "HNSW added": Change(notes(v3), notes(v3, hnsw(m=8)), NEW_INDEX, {"v": "'[1,2,3]'"}),
    "HNSW options": Change(
        notes(v3, hnsw(m=8)), notes(v3, hnsw(m=12, ef_construction=40)), REBUILT, {"v": "'[1,2,3]'"}
    ),
    "HNSW operator class": Change(
        notes(v3, hnsw()), notes(v3, hnsw("vector_l2_ops")), REBUILT, {"v": "'[1,2,3]'"}
    ),
    "HNSW to IVFFlat": Change(
        notes(v3, hnsw()), notes(v3, hnsw(using="ivfflat", lists=2)), REBUILT, {"v": "'[1,2,3]'"}
    ),
    "IVFFlat options": Change(
        notes(v3, hnsw(using="ivfflat", lists=2)),
        notes(v3, hnsw(using="ivfflat", lists=3)),
        REBUILT,
        {"v": "'[1,2,3]'"},
    ),
    "index of bits": Change(
        notes(v3, lambda: bits("bit_hamming_ops")),
        notes(v3, lambda: bits("bit_jaccard_ops")),
        REBUILT,
        {"v": "'[1,2,3]'"},
    ),
    "index on a column that goes": Change(
        notes(column("n", Integer), ix("ix_notes_n", "tenant_id", "n")),
        notes(),
        ["drop_index", "drop_column"],
    ),
    "index on a column that comes": Change(
        notes(), notes(column("n", Integer), ix("ix_notes_n", "tenant_id", "n")), ["add_column", *NEW_INDEX]
    ),
    # partitions
    "index of partitions added": Change(
        parted(),
        parted(ix("ix_notes_a", "tenant_id", "lower(title)", postgresql_where=text("title <> '50%::text'"))),
        ["create_index_by_partition"],
        partitions=PARTITIONS,
    ),
    "unique index of partitions added": Change(
        parted(),
        parted(ix("uq_notes_a", "tenant_id", "id", "stars", unique=True, postgresql_include=["title"])),
        ["create_index_by_partition"],
        partitions=PARTITIONS,
    ),
    "index of partitions dropped": Change(
        parted(ix("ix_notes_a", "tenant_id", "stars")),
        parted(),
        ["drop_index_by_partition"],
        partitions=PARTITIONS,
    ),
    "index of partitions changed": Change(
        parted(v3, hnsw(m=8)),
        parted(v3, hnsw(m=12)),
        BY_PARTITION,
        {"v": "'[1,2,3]'"},
        partitions=PARTITIONS,
    ),
    "index of partitions on a column that goes": Change(
        parted(column("n", Integer), ix("ix_notes_n", "tenant_id", "n")),
        parted(),
        ["drop_index", "drop_column"],
        partitions=PARTITIONS,
    ),
    "partitions' constraints": Change(
        parted(stars=column("stars", Integer)),
        parted(
            ck("stars >= 0", "starred"),
            fk(ondelete="CASCADE"),
            stars=column("stars", Integer, nullable=False),
        ),
        ["create_check_constraint", "create_foreign_key", "set_not_null", "validate_constraint"],
        partitions=PARTITIONS,
    ),
    # CHECKs and enumerations
    "CHECK added": Change(
        notes(), notes(ck("stars >= 0", "starred")), ["create_check_constraint", "validate_constraint"]
    ),
    "CHECK dropped": Change(notes(ck("stars >= 0", "starred")), notes(), ["drop_constraint"]),
    "CHECK changed": Change(
        notes(ck("stars >= 0", "starred")), notes(ck("stars >= 1", "starred")), RECHECKED
    ),
    "CHECK with a list changed": Change(
        notes(ck("title IN ('a', 'b', 'first')", "one_of")),
        notes(ck("title NOT IN ('b', 'c')", "one_of")),
        RECHECKED,
    ),
    "enumeration's value added": Change(
        notes(mood("a", "b")), notes(mood("a", "b", "c")), RECHECKED, {"mood": "'a'"}
    ),
    "enumeration's value taken": Change(notes(mood("a", "b")), notes(mood("a")), RECHECKED, {"mood": "'a'"}),
    "enumeration added": Change(
        notes(), notes(mood("a", "b")), ["add_column", "create_check_constraint", "validate_constraint"]
    ),
    "native enumeration added": Change(
        notes(), notes(mood("a", "b", native=True)), ["create_enum", "add_column"]
    ),
    "native enumeration dropped": Change(
        notes(mood("a", "b", native=True)), notes(), ["drop_column", "drop_enum"], {"mood": "'a'"}
    ),
    "native enumeration's value added": Change(
        notes(mood("a", "c", native=True)),
        notes(mood("a", "b", "c", "d", native=True)),
        ["change_enum"],
        {"mood": "'a'"},
    ),
    "native enumeration's value taken": Change(
        notes(mood("a", "b", native=True)), notes(mood("a", native=True)), ["change_enum"], {"mood": "'a'"}
    ),
    "native enumeration's values under all that names them": Change(
        notes(
            mood("a", "b", " :b", native=True, server_default="b"),
            column("moods", ARRAY(ENUM("a", "b", " :b", name="mood"))),
            ck("mood <> 'a' OR stars > 0", "kept"),
            ck("mood <> 'b'", "gone"),
            ix("ix_notes_kept", "stars", postgresql_where=text("mood = 'a'")),
            ix("ix_notes_changed", "stars", postgresql_where=text("mood = 'b'")),
            info={"statistics": {"st_notes": "ON (mood = 'a'), stars"}},
        ),
        notes(
            mood("c", "a", " :c", native=True, server_default="c"),
            column("moods", ARRAY(ENUM("c", "a", " :c", name="mood"))),
            ck("mood <> 'a' OR stars > 0", "kept"),
            ix("ix_notes_kept", "stars", postgresql_where=text("mood = 'a'")),
            ix("ix_notes_changed", "stars", postgresql_where=text("mood = 'c'")),
            info={"statistics": {"st_notes": "ON (mood = 'a'), stars"}},
        ),
        ["alter_column", "drop_index", "drop_constraint", "change_enum", "alter_column", *NEW_INDEX],
        {"mood": "'a'", "moods": "'{a}'"},
    ),
    "native enumeration's value added under a CHECK": Change(
        notes(mood("a", native=True), ck("mood = 'a'", "known")),
        notes(mood("a", "b", native=True), ck("mood IN ('a', 'b')", "known")),
        ["change_enum", *RECHECKED],
        {"mood": "'a'"},
    ),
    "native enumeration's value taken from partitions": Change(
        parted(
            mood("a", "b", native=True), ix("ix_notes_a", "tenant_id", postgresql_where=text("mood = 'a'"))
        ),
        parted(mood("a", native=True), ix("ix_notes_a", "tenant_id", postgresql_where=text("mood = 'a'"))),
        ["change_enum"],
        {"mood": "'a'"},
        partitions=PARTITIONS,
    ),
    "native enumeration of another name": Change(
        notes(
            mood("a", native=True, server_default="a"), column("moods", ARRAY(ENUM("a", "b", name="moods")))
        ),
        notes(
            lambda: Column("mood", ENUM("a", name="feeling"), server_default="a"),
            column("moods", ARRAY(ENUM("a", "b", name="feelings"))),
        ),
        ["create_enum", "create_enum", *["alter_column"] * 4, "drop_enum", "drop_enum"],
        {"mood": "'a'", "moods": "'{b,a}'"},
    ),
    "native enumeration's value added and used": Change(
        notes(mood("a", native=True)),
        notes(lambda: Column("mood", ENUM("a", "b", name="mood"), server_default="b")),
        ["change_enum", "alter_column"],
        {"mood": "'a'"},
    ),
    "text to a native enumeration": Change(
        notes(column("mood", Text)),
        notes(mood("a", "b", native=True)),
        ["create_enum", "alter_column"],
        {"mood": "'a'"},
    ),
    # other constraints
    "unique added": Change(notes(), notes(uq("tenant_id", "title")), ["create_unique_constraint"]),
    "unique dropped": Change(notes(uq("tenant_id", "title")), notes(), ["drop_constraint"]),
    "unique includes": Change(
        notes(uq("tenant_id", "title", name="uq_notes_title")),
        notes(uq("tenant_id", "title", name="uq_notes_title", postgresql_include=["stars"])),
        ["remove_unique", "add_unique"],
    ),
    "unique is deferred, and in another order": Change(
        notes(uq("tenant_id", "title", name="uq_notes_a"), uq("tenant_id", "stars", name="uq_notes_b")),
        notes(
            uq("tenant_id", "title", name="uq_notes_a", deferrable=True, initially="DEFERRED"),
            uq("stars", "tenant_id", name="uq_notes_b"),
        ),
        ["remove_unique", "remove_unique", "add_unique", "add_unique"],
    ),
    "unique under a foreign key": Change(
        kinds(declare=notes(uq("tenant_id", "title", name="uq_notes_title"))),
        kinds(declare=notes(uq("title", "tenant_id", name="uq_notes_title"))),
        [
            *("drop_constraint", "remove_unique", "add_unique", "create_foreign_key"),
            "validate_constraint",
        ],
    ),
    "exclusions": Change(
        notes(during, apart("ex_gone", where=text("stars < 9")), apart("ex_changed")),
        notes(during, apart("ex_changed", where=text("stars > 0")), apart("ex_new")),
        ["remove_exclusion", "remove_exclusion", "add_exclusion", "add_exclusion"],
    ),
    "foreign key added": Change(
        notes(), notes(fk(ondelete="CASCADE")), ["create_foreign_key", "validate_constraint"]
    ),
    "foreign key's action": Change(
        notes(fk(ondelete="CASCADE")),
        notes(fk(ondelete="RESTRICT")),
        ["drop_constraint", "create_foreign_key", "validate_constraint"],
    ),
    "foreign key dropped": Change(notes(fk()), notes(), ["drop_constraint"]),
    # primary keys
    "primary key's columns": Change(
        keyed("tenant_id", "id"),
        keyed("tenant_id", "number"),
        ["remove_primary_key", "alter_column", "add_primary_key"],
    ),
    "primary key's order": Change(
        keyed("tenant_id", "id"), keyed("id", "tenant_id"), ["remove_primary_key", "add_primary_key"]
    ),
    "primary key's name": Change(
        keyed("tenant_id", "id"), keyed("tenant_id", "id", name="pk_of_pages"), ["rename_constraint"]
    ),
    "primary key added": Change(keyed(), keyed("tenant_id", "id"), ["add_primary_key"]),
    "primary key dropped": Change(keyed("tenant_id", "id"), keyed(), ["remove_primary_key"]),
    "primary key with a new column": Change(
        notes(),
        notes(column("part", Integer, primary_key=True)),
        ["remove_primary_key", "add_column", "alter_column", "add_primary_key"],
    ),
    "primary key under a foreign key": Change(
        lines(keyed("tenant_id", "id"), ondelete="CASCADE"),
        lines(keyed("tenant_id", "number", more=(uq("tenant_id", "id"),)), ondelete="CASCADE"),
        [
            *("drop_constraint", "remove_primary_key", "alter_column", "create_unique_constraint"),
            *("add_primary_key", "create_foreign_key", "validate_constraint"),
        ],
    ),
    "primary key under a foreign key that changes": Change(
        lines(keyed("tenant_id", "id"), ondelete="CASCADE"),
        lines(keyed("id", "tenant_id"), ondelete="RESTRICT"),
        [
            *("drop_constraint", "remove_primary_key", "add_primary_key", "create_foreign_key"),
            "validate_constraint",
        ],
    ),
    "primary key under a foreign key whose table goes": Change(
        lines(keyed("tenant_id", "id")),
        keyed("id", "tenant_id"),
        ["drop_constraint", "remove_primary_key", "add_primary_key", "drop_table"],
    ),
    "primary key under a foreign key that goes": Change(
        lines(keyed("tenant_id", "id")),
        also(keyed("id", "tenant_id"), "lines", column("page_id", Uuid)),
        ["drop_constraint", "remove_primary_key", "add_primary_key"],
    ),
    "primary key of partitions": Change(
        parted(),
        parted(column("part", Integer, primary_key=True)),
        ["remove_primary_key", "add_column", "alter_column", "add_primary_key"],
        partitions=PARTITIONS,
    ),
    # what is computed
    "computed column added": Change(notes(), notes(words()), ["add_column"]),
    "computed expression": Change(notes(words()), notes(words("simple")), ["drop_column", "add_column"]),
    "computed expression under an index": Change(
        notes(words(), by_words),
        notes(words("simple"), by_words),
        ["drop_index", "drop_column", "add_column", *NEW_INDEX],
    ),
    "computed expression with all it has": Change(
        notes(
            column("n", Text, Computed("title || 'a'", persisted=True), info={"storage": "EXTERNAL"}),
            column("m", Uuid, Computed("author_id", persisted=True), comment="whose"),
            uq("tenant_id", "n"),
            lambda: ForeignKeyConstraint(["tenant_id", "m"], ["authors.tenant_id", "authors.id"]),
        ),
        notes(
            column("n", Text, Computed("title || 'b'", persisted=True), info={"storage": "EXTERNAL"}),
            column("m", Uuid, Computed("nullif(author_id, id)", persisted=True), comment="whose"),
            uq("tenant_id", "n"),
            lambda: ForeignKeyConstraint(["tenant_id", "m"], ["authors.tenant_id", "authors.id"]),
        ),
        [
            *("drop_constraint", "remove_unique", "drop_column", "drop_column", "add_column", "add_column"),
            *("add_unique", "create_foreign_key", "set_column_storage", "validate_constraint"),
        ],
    ),
    "computed to plain": Change(
        notes(words()), notes(column("words", TSVECTOR)), ["drop_column", "add_column"]
    ),
    "computed and its column dropped": Change(
        notes(column("n", Integer), column("m", Integer, Computed("n + 1", persisted=True))),
        notes(),
        ["drop_column", "drop_column"],
    ),
    # storage and statistics
    "statistics added": Change(
        notes(),
        notes(info={"statistics": {"st_notes": "(ndistinct, dependencies) ON title, stars"}}),
        ["create_statistics"],
    ),
    "statistics changed": Change(
        notes(info={"statistics": {"st_notes": "(ndistinct) ON title, stars"}}),
        notes(info={"statistics": {"st_notes": "(mcv) ON title, stars, lower(body)"}}),
        ["drop_statistics", "create_statistics"],
    ),
    "statistics dropped": Change(
        notes(info={"statistics": {"st_notes": "(ndistinct) ON title, stars"}}), notes(), ["drop_statistics"]
    ),
    "column storage": Change(
        notes(column("n", Text)),
        notes(column("n", Text, info={"storage": "EXTERNAL"})),
        ["set_column_storage"],
    ),
    "storage of columns that go, and of another type": Change(
        notes(
            column("n", Text, info={"storage": "EXTERNAL"}), column("m", Text, info={"storage": "EXTERNAL"})
        ),
        notes(column("m", JSONB, info={"storage": "EXTERNAL"})),
        ["alter_column", "set_column_storage", "drop_column"],
    ),
    "storage parameters": Change(
        notes(info={"storage_parameters": {"fillfactor": 70, "autovacuum_enabled": "false"}}),
        notes(info={"storage_parameters": {"fillfactor": 80}}),
        ["set_storage_parameters"],
    ),
    # functions
    "function added": Change(notes(), having(starred()), ["create_function"]),
    "function's body changed": Change(having(starred()), having(starred("stars > 1")), ["replace_function"]),
    "function for everybody": Change(
        having(starred()), having(starred(execute="everybody")), ["replace_function"]
    ),
    "function for nobody": Change(having(starred()), having(starred(execute="nobody")), ["replace_function"]),
    "function's arguments changed": Change(
        having(starred()),
        having(starred("stars > p_least", least=", p_least integer")),
        ["drop_function", "create_function"],
    ),
    "function's default removed": Change(
        having(starred(least=", p_least integer DEFAULT 1")),
        having(starred(least=", p_least integer")),
        ["drop_function", "create_function"],
    ),
    "function's result changed": Change(
        having(starred()), having(starred(returns="integer")), ["drop_function", "create_function"]
    ),
    "function in SQL of a new column": Change(
        notes(),
        notes(
            column("n", Integer),
            info={
                "functions": (
                    Function(
                        "counted",
                        "() RETURNS bigint BEGIN ATOMIC SELECT count(n) FROM {schema}.notes; END",
                    ),
                )
            },
        ),
        ["add_column", "create_function"],
    ),
    "function dropped": Change(having(starred()), notes(), ["drop_function"]),
    "function's table dropped": Change(
        also(notes(), "drafts", info={"functions": (starred(),)}), notes(), ["drop_function", "drop_table"]
    ),
    # access
    "grants": Change(
        notes(), notes(info={"grants": ("SELECT", "INSERT", "TRUNCATE")}), ["grant_app", "revoke_app"]
    ),
    "many at once": Change(
        notes(column("n", Text), mood("a"), ck("stars >= 0", "starred"), words(), by_words),
        notes(
            column("m", Integer, nullable=False),
            mood("a", "b"),
            fk(ondelete="CASCADE"),
            words("simple"),
            by_words,
            title=column("title", String(99)),
            stars=column("stars", Integer, nullable=False, server_default=func.abs(-1)),
        ),
        [
            *(
                "drop_index",
                "drop_constraint",
                "drop_constraint",
                "add_column",
                "alter_column",
                "drop_column",
            ),
            *("alter_column", "alter_column", "add_column", "create_check_constraint", "create_foreign_key"),
            *("drop_column",),
            *("set_not_null", *NEW_INDEX, "validate_constraint", "validate_constraint"),
        ],
        {"mood": "'a'"},
    ),
}
