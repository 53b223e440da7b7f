"""Native enumerations: made, changed and dropped.

Values are added in place. PostgreSQL takes none away: the type is made anew under its name, and every column gets the new one.
What names a column of it in an expression, or compares it with another (CHECKs, foreign keys, indexes, statistics), would then
compare the old type with the new one, so it is dropped before and made again after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from alembic.operations import MigrateOperation, Operations

from focal_data.database.tenancy import literal, quoted
from focal_data.migration.operations import FocalOperation, Subject

_MAX_NAME: Final = 63

_STEPS: Final = """
          WITH columns AS (
            SELECT attrelid, attnum, attinhcount, attgenerated, attrelid::regclass AS relation, attname,
                   pg_get_expr(adbin, adrelid) AS value, CASE atttypid WHEN t.oid THEN '' ELSE '[]' END AS suffix
              FROM pg_type t JOIN pg_attribute ON atttypid IN (t.oid, t.typarray) JOIN pg_class c ON c.oid = attrelid
              LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
             WHERE t.oid = {literal}::regtype AND relkind IN ('r', 'p', 'f') AND NOT attisdropped
          ), about AS (
            SELECT DISTINCT classid, objid FROM pg_depend JOIN columns
                ON refclassid = 'pg_class'::regclass AND refobjid = attrelid AND refobjsubid = attnum
          ), around (undo, redo) AS (
            SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
                   format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(o.oid))
              FROM about JOIN pg_constraint o ON classid = 'pg_constraint'::regclass AND o.oid = objid
             WHERE contype IN ('c', 'f', 'x') AND coninhcount = 0 AND conparentid = 0
            UNION ALL
            SELECT format('DROP INDEX %s', objid::regclass), regexp_replace(pg_get_indexdef(objid), ' ON ONLY ', ' ON ')
              FROM about JOIN pg_index ON classid = 'pg_class'::regclass AND indexrelid = objid
              JOIN pg_class i ON i.oid = objid
             WHERE NOT relispartition AND (indexprs IS NOT NULL OR indpred IS NOT NULL)
               AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = objid AND contype = 'x')
            UNION ALL
            SELECT format('DROP STATISTICS %s.%I', stxnamespace::regnamespace, stxname), pg_get_statisticsobjdef(s.oid)
              FROM about JOIN pg_statistic_ext s ON classid = 'pg_statistic_ext'::regclass AND s.oid = objid
             WHERE stxexprs IS NOT NULL
          ), told (place, statement) AS (
            SELECT 1, undo FROM around
            UNION ALL
            SELECT 2, format('ALTER TABLE ONLY %s ALTER %I DROP DEFAULT', relation, attname) FROM columns
             WHERE value IS NOT NULL AND attgenerated = ''
            UNION ALL
            SELECT 3, format('ALTER TABLE %1$s ALTER %2$I TYPE %3$s%4$s USING %2$I::text%4$s::%3$s%4$s',
                             relation, attname, {literal}, suffix) FROM columns WHERE attinhcount = 0
            UNION ALL
            SELECT 4, format('ALTER TABLE ONLY %s ALTER %I SET DEFAULT %s', relation, attname, value) FROM columns
             WHERE value IS NOT NULL AND attgenerated = ''
            UNION ALL
            SELECT 5, redo FROM around
          ) SELECT coalesce(array_agg(statement ORDER BY place), '{{}}') FROM told INTO steps"""
"""What is done with everything that has the type, found before it is renamed."""


@Operations.register_operation("create_enum", "run")
@dataclass
class CreateEnumOp(FocalOperation):
    """A native enumeration, before the columns that have it."""

    name = "create_enum"
    type_name: str
    values: list[str]

    @classmethod
    def run(cls, operations: Operations, type_name: str, values: Sequence[str]) -> None:
        operations.invoke(cls(type_name, list(values)))

    def statements(self, subject: Subject) -> Iterable[str]:
        return [f"CREATE TYPE {quoted(self.type_name)} AS ENUM ({_listed(self.values)})"]

    def inverse(self) -> MigrateOperation:
        return DropEnumOp(self.type_name, self.values)


@Operations.register_operation("drop_enum", "run")
@dataclass
class DropEnumOp(FocalOperation):
    """Away with a native enumeration that no column has any more."""

    name = "drop_enum"
    type_name: str
    values: list[str]

    @classmethod
    def run(cls, operations: Operations, type_name: str, values: Sequence[str]) -> None:
        operations.invoke(cls(type_name, list(values)))

    def statements(self, subject: Subject) -> Iterable[str]:
        return [f"DROP TYPE {quoted(self.type_name)}"]

    def inverse(self) -> MigrateOperation:
        return CreateEnumOp(self.type_name, self.values)


@Operations.register_operation("change_enum", "run")
@dataclass
class ChangeEnumOp(FocalOperation):
    """The values of a native enumeration. Values are added in place; to take one away writes every row anew.

    One that is added in place can't be used in the same transaction; ``anew``, it can.
    """

    name = "change_enum"
    columns = frozenset[tuple[str, str]]()
    """Those that have it, with their tables, where autogenerate has found it."""
    type_name: str
    values: list[str]
    existing: list[str] = field(kw_only=True)
    anew: bool = field(default=False, kw_only=True)

    @classmethod
    def run(
        cls,
        operations: Operations,
        type_name: str,
        values: Sequence[str],
        *,
        existing: Sequence[str],
        anew: bool = False,
    ) -> None:
        operations.invoke(cls(type_name, list(values), existing=list(existing), anew=anew))

    @property
    def only_adds(self) -> bool:
        """Whether the values there are stay, in their order, and the type itself."""
        return not self.anew and [v for v in self.values if v in self.existing] == self.existing

    def statements(self, subject: Subject) -> Iterable[str]:
        return self._additions() if self.only_adds else [self._replacement()]

    def _additions(self) -> Iterator[str]:
        """Each before the next of those there are, or at the end: in order, they fall in place."""
        for position, value in enumerate(self.values):
            if value not in self.existing:
                later = [known for known in self.values[position:] if known in self.existing]
                where = f" BEFORE {literal(later[0])}" if later else ""
                yield f"ALTER TYPE {quoted(self.type_name)} ADD VALUE IF NOT EXISTS {literal(value)}{where}"

    def _replacement(self) -> str:
        kind, old = quoted(self.type_name), quoted(f"{self.type_name[: _MAX_NAME - 5]}__old")
        return f"""
        DO $$ DECLARE steps text[]; step text; BEGIN
          {_STEPS.format(literal=literal(kind))};
          ALTER TYPE {kind} RENAME TO {old};
          CREATE TYPE {kind} AS ENUM ({_listed(self.values)});
          FOREACH step IN ARRAY steps LOOP
            EXECUTE step;
          END LOOP;
          DROP TYPE {old};
        END $$"""

    def inverse(self) -> MigrateOperation:
        return ChangeEnumOp(self.type_name, self.existing, existing=self.values, anew=not self.only_adds)


def _listed(values: Sequence[str]) -> str:
    return ", ".join(map(literal, values))
