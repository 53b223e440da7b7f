"""Foreign keys that lean on a key or a column that is made anew: dropped before it, and made again after, where they stay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import count
from typing import Final

from alembic.operations import MigrateOperation, ops
from sqlalchemy import ForeignKeyConstraint, Table
from sqlalchemy.sql.elements import conv

from focal_data.migration.definitions import LEANING, Definitions
from focal_data.tables.shape import name_of

MAX_BYTES: Final = 63
"""Of a name."""


@dataclass(frozen=True)
class ForeignKeys:
    """Those of the database, and whether they stay."""

    found: Definitions
    tables: Mapping[str, Table]
    """As they should be."""
    reflected: Mapping[str, Table]
    """As they are."""

    def leaning(self, table: str, key: str) -> tuple[list[ForeignKeyConstraint], frozenset[str]]:
        """The foreign keys that need the index of ``key``: those of our tables, and the names of the others."""
        real = self.found.real
        names = {name for (kind, t, name), on in real.items() if (kind, t, on) == (LEANING, table, key)}
        ours = {
            f"{foreign.parent.name}.{foreign.name}": foreign
            for t in self.reflected.values()
            for foreign in t.foreign_key_constraints
        }
        return [ours[name] for name in sorted(names & ours.keys())], frozenset(names - ours.keys())

    def set_aside(self, keys: Iterable[ForeignKeyConstraint]) -> Iterator[MigrateOperation]:
        """Without ``keys``, and with those of them again that stay."""
        for key in sorted(keys, key=lambda key: str(key.name)):
            yield ops.DropConstraintOp(
                conv(str(key.name)), key.parent.name, type_="foreignkey", _reverse=_made_again(key)
            )
            if self._stays(key):
                yield _made_again(key)

    def in_circles(self, dropped: Sequence[ops.DropTableOp]) -> Iterator[MigrateOperation]:
        """Without those between tables that all go, where none of them can go first."""
        tables = [self.reflected[drop.table_name] for drop in dropped if drop.table_name in self.reflected]
        names = {table.name for table in tables}
        between = {
            table.name: [
                key for key in table.foreign_key_constraints if _referred(key) in names - {table.name}
            ]
            for table in tables
        }
        try:
            TopologicalSorter({name: map(_referred, keys) for name, keys in between.items()}).prepare()
        except CycleError:
            yield from self.set_aside(key for keys in between.values() for key in keys)

    def _stays(self, key: ForeignKeyConstraint) -> bool:
        table = self.tables.get(key.parent.name)
        kept = table.foreign_key_constraints if table is not None else ()
        return any(_ends(other) == _ends(key) for other in kept)


def _ends(key: ForeignKeyConstraint) -> list[tuple[str, str]]:
    return sorted((element.parent.name, element.target_fullname) for element in key.elements)


def made_later(create: ops.CreateTableOp) -> Iterator[MigrateOperation]:
    """The foreign keys of a new table that ``use_alter`` keeps out of it: they come when all tables are there."""
    keys = (item for item in create.columns if isinstance(item, ForeignKeyConstraint))
    later = [key for key in keys if getattr(key, "use_alter", False)]
    create.columns = [item for item in create.columns if all(item is not key for key in later)]
    for key in later:
        op = _made_again(key)
        op.source_table, op.constraint_name = (
            create.table_name,
            conv(name) if (name := name_of(key)) else None,
        )
        yield op


def name_as_postgresql(op: MigrateOperation, reflected: Mapping[str, Table]) -> None:
    """Name a constraint that has no name, by PostgreSQL's own way: what is unnamed can be neither validated nor dropped."""
    if isinstance(op, ops.CreateForeignKeyOp) and op.constraint_name is None:
        place, columns, suffix = op.source_table, op.local_cols, "fkey"
    elif isinstance(op, ops.CreateUniqueConstraintOp) and op.constraint_name is None:
        place, columns, suffix = op.table_name, list(op.columns), "key"
    else:
        return
    name = "_".join((place, *columns))[: MAX_BYTES - len(suffix) - 3]
    table = reflected.get(place)
    taken: set[str] = set() if table is None else {str(constraint.name) for constraint in table.constraints}
    free = (f"{name}_{suffix}{number or ''}" for number in count())
    op.constraint_name = conv(next(one for one in free if one not in taken))


def _referred(key: ForeignKeyConstraint) -> str:
    return _place(key.elements[0].target_fullname)[0]


def _made_again(key: ForeignKeyConstraint) -> ops.CreateForeignKeyOp:
    """As it is; what it refers to is a name only, where its table is dropped."""
    (referred, *_), columns = zip(*(_place(element.target_fullname) for element in key.elements), strict=True)
    given = {name: getattr(key, name) for name in _OPTIONS if getattr(key, name) is not None}
    return ops.CreateForeignKeyOp(
        conv(str(key.name)), key.parent.name, referred, list(key.column_keys), list(columns), **given
    )


_OPTIONS: Final = ("onupdate", "ondelete", "initially", "deferrable", "match")


def _place(column: str) -> tuple[str, str]:
    table, _, name = column.rpartition(".")
    return table, name


def dropped_once(operations: Sequence[MigrateOperation]) -> list[MigrateOperation]:
    """Without a foreign key that goes a second time: Alembic drops it anyway, or drops its table."""
    kept: dict[object, MigrateOperation] = {}
    drops = [op for op in operations if isinstance(op, ops.DropTableOp)]
    for number, op in enumerate(operations):
        key: object = number
        if isinstance(op, ops.DropConstraintOp) and op.constraint_type == "foreignkey":
            key = ("-", op.table_name, op.constraint_name)
            for drop in drops:
                _take_out(op, drop)
        elif isinstance(op, ops.CreateForeignKeyOp):
            key = ("+", op.source_table, op.constraint_name)
        kept.setdefault(key, op)
    return list(kept.values())


def _take_out(op: ops.DropConstraintOp, drop: ops.DropTableOp) -> None:
    """What goes before its table must not come back with it."""
    if drop.table_name == op.table_name and drop._reverse is not None:
        drop._reverse.columns = [
            item
            for item in drop._reverse.columns
            if not isinstance(item, ForeignKeyConstraint) or item.name != op.constraint_name
        ]
