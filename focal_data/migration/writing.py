"""How operations are written: a change of type with its cast, a column in place of another, remarks, and what runs online."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op
from alembic.operations import MigrateOperation, ops

from focal_data.database.tenancy import quoted
from focal_data.migration.changes import DropNotNullOp, SetNotNullOp
from focal_data.migration.definitions import TypeChange
from focal_data.migration.partitions import CreatePartitionedIndexOp, DropPartitionedIndexOp


class ChangeTypeOp(ops.AlterColumnOp):
    """Another type. ``kw`` has what PostgreSQL does for it, ``modify_change``, and for the way back, ``existing_change``."""

    @property
    def rewrites(self) -> bool:
        """Whether every row is written anew."""
        change: TypeChange = self.kw["modify_change"]
        return change.rewrites

    @property
    def using(self) -> str | None:
        """The expression of ``USING``, where one is needed."""
        change: TypeChange = self.kw["modify_change"]
        return f"{quoted(self.column_name)}::{change.using}" if change.using else None


class DropDefaultOp(ops.AlterColumnOp):
    """A default away that would be wrong in between: before a type changes, which gives the column another one after."""


@renderers.dispatch_for(ChangeTypeOp)
def _render_type(context: AutogenContext, op: ChangeTypeOp) -> str:
    render: Any = renderers.dispatch(ops.AlterColumnOp(op.table_name, op.column_name))
    text: str = render(context, op)
    return text if op.using is None else f"{text[:-1]},\n{' ' * 11}postgresql_using={op.using!r})"


class ReplaceColumnOp(MigrateOperation):
    """A column away, and another one in its place: what is computed for a column can't be altered."""

    def __init__(self, drop: ops.DropColumnOp, add: ops.AddColumnOp) -> None:
        self.drop, self.add = drop, add
        self.table_name = drop.table_name

    def reverse(self) -> ReplaceColumnOp:
        return ReplaceColumnOp(self.add.reverse(), self.drop.reverse())

    def to_diff_tuple(self) -> tuple[object, ...]:
        return ("replace_column", self.drop.to_diff_tuple(), self.add.to_diff_tuple())


@renderers.dispatch_for(ReplaceColumnOp)
def _render_replacement(context: AutogenContext, op: ReplaceColumnOp) -> list[str]:
    return [*render_op(context, op.drop), *render_op(context, op.add)]


class Flagged(ops.OpContainer):
    """Operations with a word of warning above them."""

    def __init__(self, remark: str, operations: Sequence[MigrateOperation]) -> None:
        super().__init__(operations)
        self.remark = remark


@renderers.dispatch_for(Flagged)
def _render_flagged(context: AutogenContext, op: Flagged) -> list[str]:
    return [f"# {op.remark}", *(line for inner in op.ops for line in render_op(context, inner))]


class OnlineOps(ops.OpContainer):
    """Outside a transaction, each statement on its own; all of it can be run again after it was cut off."""


@renderers.dispatch_for(OnlineOps)
def _render_online(context: AutogenContext, op: OnlineOps) -> list[str]:
    prefix = context.opts["alembic_module_prefix"]
    brief = [inner for inner in op.ops if isinstance(inner, _BRIEF)]
    patient = [inner for inner in op.ops if inner not in brief]
    lines = [line for inner in brief for line in render_op(context, inner)]
    if patient:  # they hold nobody up, and wait for every older transaction
        lines.append(f'{prefix}execute("SET lock_timeout = 0")')
        lines += [line for inner in _repeatable(patient) for line in _render_concurrent(context, inner)]
        lines.append(f'{prefix}execute("RESET lock_timeout")')
    return [f"with {prefix}get_context().autocommit_block():", *lines, ""]


_BRIEF: Final = (SetNotNullOp, DropNotNullOp, CreatePartitionedIndexOp, DropPartitionedIndexOp)
"""Each waits for its locks as it should, by itself."""


def _repeatable(operations: Sequence[MigrateOperation]) -> Iterator[MigrateOperation]:
    """With an index dropped before it is made: a build that was cut off leaves one that is INVALID."""
    dropped = {op.index_name for op in operations if isinstance(op, ops.DropIndexOp)}
    for op in operations:
        if isinstance(op, ops.CreateIndexOp) and op.index_name not in dropped:
            yield ops.DropIndexOp.from_index(op.to_index())
        yield op


def _render_concurrent(context: AutogenContext, op: MigrateOperation) -> list[str]:
    if isinstance(op, ops.DropIndexOp):
        drop = ops.DropIndexOp(op.index_name, op.table_name, if_exists=True, postgresql_concurrently=True)
        return render_op(context, drop)
    if isinstance(op, ops.CreateIndexOp):
        op.kw["postgresql_concurrently"] = True
    return render_op(context, op)
