"""The order of a revision's operations: one that runs, and whose reverse runs as well."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Final

from alembic.operations import MigrateOperation, ops
from sqlalchemy.schema import Computed

from focal_data.migration.changes import (
    AddUniqueOp,
    CreateStatisticsOp,
    DropStatisticsOp,
    RemoveUniqueOp,
)
from focal_data.migration.enumerations import ChangeEnumOp, CreateEnumOp, DropEnumOp
from focal_data.migration.functions import DropFunctionOp
from focal_data.migration.identity import SetIdentityOp
from focal_data.migration.operations import (
    CreateAppRoleOp,
    CreateVectorExtensionOp,
    FocalOperation,
    Implied,
    Restored,
)
from focal_data.migration.writing import DropDefaultOp, ReplaceColumnOp


def leaves(container: ops.OpContainer) -> Iterator[MigrateOperation]:
    """The single operations, in order."""
    for op in container.ops:
        if isinstance(op, ops.OpContainer) and not isinstance(op, Implied):
            yield from leaves(op)
        else:
            yield op


def in_order(upgrade: ops.UpgradeOps) -> None:
    """What others stand on first: types, tables, columns, then what is about them; what goes, the other way round."""
    found = list(leaves(upgrade))
    made = {op.table_name for op in found if isinstance(op, ops.CreateTableOp)}
    drops = [op for op in found if isinstance(op, ops.DropTableOp)]
    rest = [op for op in found if not isinstance(op, ops.DropTableOp)]
    last = [op for op in rest if isinstance(op, DropEnumOp)]
    rest = [op for op in rest if op not in last]
    upgrade.ops = [*sorted(rest, key=lambda op: _rank(op, made)), *_children_first(drops), *last]


_RANKS: Final[dict[type[MigrateOperation], int]] = {
    CreateVectorExtensionOp: 0,
    CreateAppRoleOp: 0,
    CreateEnumOp: 1,
    ops.DropConstraintOp: 3,
    ops.DropIndexOp: 3,
    DropStatisticsOp: 3,
    RemoveUniqueOp: 3,
    DropDefaultOp: 3,
    ChangeEnumOp: 4,
    Restored: 4,
    DropFunctionOp: 5,
    ops.CreateTableOp: 5,
    ops.AddColumnOp: 6,
    ops.AlterColumnOp: 7,
    ReplaceColumnOp: 7,
    AddUniqueOp: 9,
    CreateStatisticsOp: 9,
    ops.CreateForeignKeyOp: 10,
    FocalOperation: 11,
    ops.DropColumnOp: 12,
    Implied: 13,
}
_ABOUT_COLUMNS: Final = 9
"""Indexes, CHECKs and unique constraints, and whatever else there may be."""


def _rank(op: MigrateOperation, made: set[str]) -> int:
    rank = next((_RANKS[kind] for kind in type(op).__mro__ if kind in _RANKS), _ABOUT_COLUMNS)
    if isinstance(op, ops.CreateIndexOp) and op.table_name in made:
        return _RANKS[ops.CreateTableOp]
    if isinstance(op, ops.DropConstraintOp) and op.constraint_type == "foreignkey":
        return rank - 1
    if isinstance(op, ChangeEnumOp) and op.only_adds:
        return _RANKS[CreateEnumOp]
    if isinstance(op, SetIdentityOp):  # it has no default besides, and a type of number
        return _RANKS[ops.AlterColumnOp] + (-1 if op.definition is None else 1)
    if isinstance(op, ops.AddColumnOp) and isinstance(op.column.server_default, Computed):
        return rank + 2
    if isinstance(op, ops.DropColumnOp) and _computed(op):
        return _RANKS[ops.AddColumnOp]
    return rank


def _computed(op: ops.DropColumnOp) -> bool:
    """A computed column goes before the columns that it is computed of are dropped or get another type."""
    return op._reverse is not None and isinstance(op._reverse.column.server_default, Computed)


def _children_first(drops: list[ops.DropTableOp]) -> list[ops.DropTableOp]:
    """Tables after those that refer to them; Alembic drops them in any order."""
    by_name = {drop.table_name: drop for drop in drops}
    sorter = TopologicalSorter({name: set[str]() for name in sorted(by_name)})
    for name, drop in by_name.items():
        for key in drop.to_table().foreign_key_constraints:
            referred = key.elements[0].target_fullname.rpartition(".")[0]
            if referred in by_name and referred != name:
                sorter.add(referred, name)
    try:
        return [by_name[name] for name in sorter.static_order()]
    except CycleError:
        return list(drops)
