"""How our types are written in a revision: as plain ones, so that an old revision runs whatever becomes of the package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type
from pgvector.sqlalchemy import HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy import CheckConstraint, Enum, MetaData, Table
from sqlalchemy.dialects.postgresql import ENUM
from sqlalchemy.types import TypeDecorator, TypeEngine

from focal_data.tables.columns import TypedJSON


def render_item(kind: str, item: object, context: AutogenContext) -> str | Literal[False]:
    """The text for ``item``; ``False`` leaves it to Alembic."""
    if kind == "type" and isinstance(item, TypeEngine):
        return _type(item, context)
    if kind == "check" and isinstance(item, CheckConstraint) and item._type_bound:
        return _enumeration(item, context)
    return False


def _type(item: TypeEngine[object], context: AutogenContext) -> str | Literal[False]:
    if isinstance(item, HALFVEC | SPARSEVEC | VECTOR):
        return _vector(item, context)
    if isinstance(item, TypedJSON):
        context.imports.add("from sqlalchemy.dialects import postgresql")
        return "postgresql.JSONB(none_as_null=True)"
    if isinstance(item, TypeDecorator) and not type(item).__module__.startswith("sqlalchemy."):
        return _repr_type(item.load_dialect_impl(context.dialect), context)
    if isinstance(item, Enum) and (
        isinstance(item, ENUM) or item.native_enum
    ):  # its type is made by an operation of its own
        context.imports.add("from sqlalchemy.dialects import postgresql")
        return f"postgresql.ENUM({', '.join(map(repr, item.enums))}, name={item.name!r}, create_type=False)"
    if isinstance(item, Enum):  # its values are a CHECK of the table
        return f"{context.opts['sqlalchemy_module_prefix']}String(length={item.length})"
    return False


def _vector(item: HALFVEC | SPARSEVEC | VECTOR, context: AutogenContext) -> str:
    name = next(kind.__name__ for kind in (HALFVEC, SPARSEVEC, VECTOR) if isinstance(item, kind))
    context.imports.add(f"from pgvector.sqlalchemy import {name}")
    return f"{name}({item.dim or ''})"


def _enumeration(item: CheckConstraint, context: AutogenContext) -> str:
    """The CHECK of an enumeration's column, written out: Alembic leaves it to the type, which a revision doesn't name."""
    expression = context.migration_context.impl.render_ddl_sql_expr(item.sqltext)
    prefix, op = context.opts["sqlalchemy_module_prefix"], context.opts["alembic_module_prefix"]
    return f"{prefix}CheckConstraint({expression!r}, name={op}f({_final_name(item, context)!r}))"


def _final_name(item: CheckConstraint, context: AutogenContext) -> str | None:
    """The name that the convention of the metadata makes of it; Alembic's copy of the table knows none."""
    ours = context.migration_context.opts["target_metadata"]
    owner = next(m for m in (ours if isinstance(ours, Sequence) else [ours]) if item.table.key in m.tables)
    convention = MetaData(naming_convention=owner.naming_convention)
    named = CheckConstraint("true", name=item.name)
    Table(item.table.name, convention).append_constraint(named)
    return context.dialect.identifier_preparer.format_constraint(named)
