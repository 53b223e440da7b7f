"""What a table is, in PostgreSQL's own words: the one that exists, and the one that the metadata describes.

Two texts that mean the same are not always written the same, so nothing is parsed here. The metadata's table is made as a
temporary one, in a savepoint that is rolled back, and both are read from the catalogue.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, Enum, Index, Table
from sqlalchemy.dialects.postgresql import ENUM
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import ARRAY, TypeDecorator, TypeEngine

from focal_data.database.tenancy import literal, quoted
from focal_data.errors import AccessError, FocalDataError, UsageError
from focal_data.migration.connection import beneath

CHECK, UNIQUE, INDEX, STATISTICS = "check", "unique", "index", "statistics"
TYPE, DEFAULT, COMPUTED, USES, EXPRESSION = "type", "default", "computed", "uses", "expression"
COMPUTES: Final = "computes"
PRIMARY: Final = "primary"
EXCLUSION: Final = "exclusion"
IDENTITY: Final = "identity"
LEANING: Final = "leaning"
"""A foreign key, with its table in front, and the key that it needs the index of."""
UNPROVEN: Final = "unproven"
"""A foreign key that was added NOT VALID, and never validated."""

Name = tuple[str, str, str]
"""A kind, a table, and what of it."""

_PROBE: Final = "focal_data_probe"
_CREATE: Final = re.compile(r"CREATE\s+(\w+\s+)*?TABLE\b")
_FILE: Final = f"SELECT pg_relation_filenode('{_PROBE}')"

_QUERY: Final = """
    WITH ours AS (SELECT oid, relname::text AS name FROM pg_class
                   WHERE relkind IN ('r', 'p') AND pg_table_is_visible(oid) AND relname = ANY (ARRAY[{names}]::text[])),
         columns AS (SELECT ours.name AS table_name, ours.oid, a.* FROM ours JOIN pg_attribute a ON attrelid = ours.oid
                      WHERE attnum > 0 AND NOT attisdropped)
    SELECT 'type', table_name, attname::text, format_type(atttypid, atttypmod)
           || coalesce((SELECT ' COLLATE ' || attcollation::regcollation FROM pg_type t
                         WHERE t.oid = atttypid AND attcollation NOT IN (0, typcollation)), '')
      FROM columns
    UNION ALL
    SELECT 'identity', table_name, attname::text,
           concat('GENERATED ', CASE attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, ' AS IDENTITY (START WITH ',
             seqstart, ' INCREMENT BY ', seqincrement,
             CASE seqmin WHEN CASE WHEN seqincrement > 0 THEN 1 ELSE -most - 1 END THEN ' NO' ELSE '' END, ' MINVALUE',
             CASE seqmin WHEN CASE WHEN seqincrement > 0 THEN 1 ELSE -most - 1 END THEN '' ELSE ' ' || seqmin END,
             CASE seqmax WHEN CASE WHEN seqincrement > 0 THEN most ELSE -1 END THEN ' NO' ELSE '' END, ' MAXVALUE',
             CASE seqmax WHEN CASE WHEN seqincrement > 0 THEN most ELSE -1 END THEN '' ELSE ' ' || seqmax END,
             ' CACHE ', seqcache, CASE WHEN seqcycle THEN '' ELSE ' NO' END, ' CYCLE)')
      FROM columns JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = columns.oid AND refobjsubid = attnum
      JOIN pg_sequence ON classid = 'pg_class'::regclass AND objid = seqrelid,
           LATERAL (SELECT 2::numeric ^ (8 * (SELECT typlen FROM pg_type t WHERE t.oid = seqtypid) - 1) - 1 AS most) bound
     WHERE attidentity <> ''
    UNION ALL
    SELECT CASE attgenerated WHEN '' THEN 'default' ELSE 'computed' END, table_name, attname::text,
           pg_get_expr(adbin, adrelid) || CASE attgenerated WHEN 'v' THEN ' VIRTUAL' ELSE '' END
      FROM columns JOIN pg_attrdef ON adrelid = columns.oid AND adnum = attnum
    UNION ALL
    SELECT CASE contype WHEN 'c' THEN 'check' WHEN 'p' THEN 'primary' WHEN 'x' THEN 'exclusion' ELSE 'unique' END, name,
           conname::text, pg_get_constraintdef(c.oid)
      FROM ours JOIN pg_constraint c ON conrelid = ours.oid WHERE contype IN ('c', 'p', 'u', 'x')
    UNION ALL
    SELECT 'leaning', name, concat(f.conrelid::regclass, '.', f.conname), p.conname::text
      FROM ours JOIN pg_constraint p ON p.conrelid = ours.oid AND p.contype IN ('p', 'u')
      JOIN pg_constraint f ON f.conindid = p.conindid AND f.contype = 'f' AND f.conparentid = 0
    UNION ALL
    SELECT 'unproven', name, conname::text, pg_get_constraintdef(c.oid)
      FROM ours JOIN pg_constraint c ON conrelid = ours.oid WHERE contype = 'f' AND NOT convalidated
    UNION ALL
    SELECT 'expression', name, conname::text, pg_get_expr(conbin, conrelid)
      FROM ours JOIN pg_constraint c ON conrelid = ours.oid WHERE contype = 'c'
    UNION ALL
    SELECT 'index', name, relname::text,
           pg_get_indexdef(indexrelid, 0, true) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
      FROM ours JOIN pg_index i ON indrelid = ours.oid JOIN pg_class c ON c.oid = indexrelid
     WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 'statistics', name, stxname::text, regexp_replace(pg_get_statisticsobjdef(s.oid),
           '^CREATE STATISTICS ("([^"]|"")+"|[^".]+)\\.("([^"]|"")+"|[^" ]+) | FROM ("([^"]|"")+"|[^" ]+)$', '', 'g')
      FROM ours JOIN pg_statistic_ext s ON stxrelid = ours.oid
    UNION ALL
    SELECT DISTINCT 'computes', table_name,
           (SELECT attname::text FROM pg_attribute WHERE attrelid = adrelid AND attnum = adnum), attname::text
      FROM columns JOIN pg_depend d ON refclassid = 'pg_class'::regclass AND refobjid = columns.oid AND refobjsubid = attnum
      JOIN pg_attrdef f ON classid = 'pg_attrdef'::regclass AND f.oid = objid AND adrelid = columns.oid AND adnum <> attnum
    UNION ALL
    SELECT DISTINCT 'uses', table_name, coalesce(relname, conname, stxname)::text, attname::text
      FROM columns JOIN pg_depend d ON refclassid = 'pg_class'::regclass AND refobjid = columns.oid AND refobjsubid = attnum
      LEFT JOIN pg_class i ON classid = 'pg_class'::regclass AND i.oid = objid AND i.relkind IN ('i', 'I')
      LEFT JOIN pg_constraint o ON classid = 'pg_constraint'::regclass AND o.oid = objid
      LEFT JOIN pg_statistic_ext s ON classid = 'pg_statistic_ext'::regclass AND s.oid = objid
     WHERE coalesce(i.oid, o.oid, s.oid) IS NOT NULL"""

_ENUMS: Final = """
    SELECT t.typname::text, array_agg(enumlabel::text ORDER BY enumsortorder),
           ARRAY(SELECT DISTINCT relname::text FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
                  WHERE NOT attisdropped AND relkind IN ('r', 'p', 'v', 'm', 'f') AND atttypid IN (t.oid, t.typarray))
      FROM pg_type t JOIN pg_enum ON enumtypid = t.oid WHERE pg_type_is_visible(t.oid) GROUP BY t.oid"""


@dataclass(frozen=True, slots=True)
class TypeChange:
    """What PostgreSQL does to change a column's type."""

    rewrites: bool
    """Whether every row is written anew."""
    using: str | None
    """What to cast to, where it does not do that by itself: the type, or text and then the type."""


@dataclass(slots=True)
class Enumeration:
    """A native enumeration of the database: its values in order, and the relations with a column of it."""

    values: list[str]
    users: frozenset[str]


@dataclass
class Definitions:
    """The tables that exist and are also in the metadata, both ways."""

    real: dict[Name, str] = field(default_factory=dict)
    wanted: dict[Name, str] = field(default_factory=dict)
    uses: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """The columns that an index, a constraint or statistics of a table is about, or, behind a dot, that a column is computed
    of, as it exists."""
    enumerations: dict[str, Enumeration] = field(default_factory=dict)
    types: dict[tuple[str, str], tuple[TypeChange, TypeChange]] = field(default_factory=dict)
    """For each column whose type differs, the way there and the way back."""
    existing: frozenset[str] = frozenset()

    def of(self, kind: str, table: str) -> set[str]:
        """The names of this kind that ``table`` has, or should have."""
        return {name for place in (self.real, self.wanted) for k, t, name in place if (k, t) == (kind, table)}

    def remade(self, table: str) -> set[str]:
        """The columns that can't be altered: what they are computed of differs, or has another type."""
        columns = {
            name for kind, t, name in self.real.keys() & self.wanted.keys() if (kind, t) == (TYPE, table)
        }
        retyped = {name for name in columns if self.differ(TYPE, table, name)}
        return {
            name
            for name in columns
            if self.differ(COMPUTED, table, name) or self.uses.get((table, f".{name}"), set()) & retyped
        }

    def affected(self, table: str) -> set[str]:
        """The indexes, constraints and statistics of ``table`` that go with columns that are made anew."""
        remade = self.remade(table)
        return {item for (place, item), columns in self.uses.items() if place == table and columns & remade}

    def differ(self, kind: str, table: str, name: str) -> bool:
        """Whether the two are not the same; also when one of them isn't there."""
        return self.real.get((kind, table, name)) != self.wanted.get((kind, table, name))


def read_definitions(connection: Connection, tables: Sequence[Table]) -> Definitions:
    """Both ways of those ``tables`` that exist. Needs the right to make temporary tables; leaves nothing behind."""
    found = Definitions()
    names = [table.name for table in tables]
    found.real, found.uses = _read(connection, names)
    found.existing = frozenset(table for kind, table, _ in found.real if kind == TYPE)
    for name, values, users in connection.exec_driver_sql(_ENUMS).all():
        found.enumerations[name] = Enumeration(list(values), frozenset(users))
    with undone(connection):
        described = [table for table in tables if table.name in found.existing]
        _describe(connection, described)
        found.wanted, _ = _read(connection, [table.name for table in described])
        _settle(connection, found)
        _probe(connection, found)
    return found


def read_existing(connection: Connection, tables: list[str]) -> dict[Name, str]:
    """What exists of ``tables``."""
    return _read(connection, tables)[0]


def enumerations(tables: Iterable[Table]) -> dict[str, list[str]]:
    """The values of every native enumeration of ``tables``, by the name of its type."""
    columns = (column.type for table in tables for column in table.columns)
    return {kind.name: list(kind.enums) for given in columns if (kind := native_enum(given)) and kind.name}


def native_enum(given: TypeEngine[object]) -> Enum | None:
    """The native enumeration of a column's type, in an array or not."""
    kind: object = given
    while isinstance(kind, TypeDecorator | ARRAY):
        kind = kind.impl_instance if isinstance(kind, TypeDecorator) else kind.item_type
    native = isinstance(kind, ENUM) or (isinstance(kind, Enum) and kind.native_enum)
    return kind if native and isinstance(kind, Enum) else None


def index_name(index: Index, connection: Connection) -> str:
    """The name that the convention makes of it."""
    return _bare(connection.dialect.identifier_preparer.format_index(index))


def _bare(name: str | None) -> str:
    return (name or "").removeprefix('"').removesuffix('"').replace('""', '"')


def _read(
    connection: Connection, names: list[str]
) -> tuple[dict[Name, str], dict[tuple[str, str], set[str]]]:
    found: dict[Name, str] = {}
    uses: dict[tuple[str, str], set[str]] = defaultdict(set)
    for kind, table, name, text in connection.exec_driver_sql(
        _QUERY.format(names=", ".join(map(literal, names)))
    ):
        if kind in (USES, COMPUTES):
            uses[table, name if kind == USES else f".{name}"].add(text)
        else:
            found[kind, table, name] = text
    return found, uses


def _describe(connection: Connection, tables: Sequence[Table]) -> None:
    """Make them as temporary ones, without their foreign keys; what is unqualified means them from now on."""
    for name, values in enumerations(tables).items():
        connection.exec_driver_sql(
            f"CREATE TYPE pg_temp.{quoted(name)} AS ENUM ({', '.join(map(literal, values))})"
        )
    for table in tables:
        try:
            _make(connection, table)
        except DBAPIError as error:
            failure = _unmade(table.name, getattr(beneath(error), "sqlstate", ""))
        else:
            continue
        raise failure


def _unmade(table: str, code: str) -> FocalDataError:
    if code == "42501":
        return AccessError(
            "autogenerate needs the right to make temporary tables: GRANT TEMPORARY ON DATABASE …"
        )
    return UsageError(
        f"table {table} can't be made as it is declared ({code}): a type, function or operator class that it names must"
        " be in the database first, and its expressions must be PostgreSQL's"
    )


def _make(connection: Connection, table: Table) -> None:
    create = str(CreateTable(table, include_foreign_key_constraints=[]).compile(dialect=connection.dialect))
    connection.exec_driver_sql(_CREATE.sub("CREATE TEMPORARY TABLE", create, count=1))
    for index in table.indexes:
        text = str(CreateIndex(index).compile(dialect=connection.dialect))
        connection.exec_driver_sql(text.replace("INDEX CONCURRENTLY ", "INDEX ", 1))
    for name, definition in statistics(table).items():
        connection.exec_driver_sql(
            f"CREATE STATISTICS pg_temp.{quoted(name)} {definition} FROM {quoted(table.name)}"
        )


def statistics(table: Table) -> dict[str, str]:
    """The extended statistics that ``info["statistics"]`` asks for: ``{"st_name": "(ndistinct) ON a, b"}``."""
    return dict(table.info.get("statistics", {}))


def _settle(connection: Connection, found: Definitions) -> None:
    """Take a difference back that is one of writing: what exists, said once more of the table as it should be, is the same."""
    for (kind, table, name), text in found.wanted.items():
        old = found.real.get((kind, table, name))
        if kind not in (CHECK, EXCLUSION, INDEX) or old is None or old == text:
            continue
        again = _read_back(connection, kind, table, name, old)
        if again is not None and again in (text, _read_back(connection, kind, table, name, text)):
            found.real[kind, table, name] = text


def _read_back(connection: Connection, kind: str, table: str, name: str, text: str) -> str | None:
    """How PostgreSQL prints ``text`` when it reads it; ``None`` when it makes no sense of it, or there is more to do."""
    make, drop = text, "DROP INDEX"
    if kind != INDEX:
        make = f"ALTER TABLE {quoted(table)} ADD CONSTRAINT {quoted(name)} {text}"
        drop = f"ALTER TABLE {quoted(table)} DROP CONSTRAINT"
    if text.endswith((" INVALID", " NOT VALID")):
        return None
    try:
        with undone(connection):
            connection.exec_driver_sql(f"{drop} {quoted(name)}")
            connection.exec_driver_sql(make)
            return _read(connection, [table])[0].get((kind, table, name))
    except DBAPIError:
        return None


def _probe(connection: Connection, found: Definitions) -> None:
    for (kind, table, name), text in found.wanted.items():
        old = found.real.get((kind, table, name))
        if kind == TYPE and old is not None and old != text:
            found.types[table, name] = _change(connection, old, text), _change(connection, text, old)


def _change(connection: Connection, before: str, after: str) -> TypeChange:
    """Found by doing it to an empty table: PostgreSQL gives it another file when it would write its rows."""
    by_text = "text[]" if after.endswith("[]") else "text"
    for using in (None, after, f"{by_text}::{after}"):
        try:
            with undone(connection):
                connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {_PROBE} (it {before})")
                file = connection.exec_driver_sql(_FILE).scalar()
                cast = f" USING it::{using}" if using else ""
                connection.exec_driver_sql(f"ALTER TABLE {_PROBE} ALTER it TYPE {after}{cast}")
                return TypeChange(file != connection.exec_driver_sql(_FILE).scalar(), using)
        except DBAPIError:
            continue
    return TypeChange(True, None)


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """What is done in the block, for as long as it lasts."""
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()


_IN_LIST: Final = re.compile(
    r"\(\(\"?(\w+)\"?\)::text (= ANY|<> ALL) "
    r"\(\(ARRAY\[((?:'(?:[^']|'')*'::character varying(?:, )?)+)\]\)::text\[\]\)\)"
)


def as_written(expression: str) -> str:
    """``expression`` as somebody would write it whom PostgreSQL prints like that: a list of texts is printed in other words."""

    def listed(match: re.Match[str]) -> str:
        column, operator, values = match.groups()
        words = "IN" if operator == "= ANY" else "NOT IN"
        return f"({column} {words} ({values.replace('::character varying', '')}))"

    return _IN_LIST.sub(listed, expression)
