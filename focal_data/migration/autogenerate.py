"""The plugin ``focal_data.access``: what ``alembic revision --autogenerate`` must see of who may do what, and of storage.

It compares tables with the catalogue for row-level security, policies, grants, functions, column storage and storage
parameters, and puts the extension and the role in front. Enabled by ``autogenerate_plugins=PLUGINS``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, ops
from alembic.runtime.plugins import Plugin
from alembic.util import PriorityDispatchResult
from pgvector.sqlalchemy import HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy import Column, Table

from focal_data.database.tenancy import promised
from focal_data.errors import UsageError
from focal_data.migration import plugin
from focal_data.migration.catalogue import DEFAULT, Catalogue, TableState, read_catalogue
from focal_data.migration.functions import function_changes
from focal_data.migration.operations import (
    CreateAppRoleOp,
    CreateTenantPolicyOp,
    CreateVectorExtensionOp,
    DropTenantPolicyOp,
    FocalOperation,
    GrantAppOp,
    Implied,
    Restored,
    RevokeAppOp,
    SetColumnStorageOp,
    SetStorageParametersOp,
    Subject,
)
from focal_data.migration.order import in_order, leaves
from focal_data.migration.plugin import ACCESS, AUTOGENERATE
from focal_data.migration.writing import ReplaceColumnOp
from focal_data.tables import metadata

PLUGINS: Final = ("alembic.autogenerate.*", AUTOGENERATE, ACCESS)
"""Alembic's own, and ours: what PostgreSQL makes of the tables, and who may do what to them."""


def register() -> None:
    """Make the plugins known to Alembic, where their entry point is not installed; once is enough."""
    try:
        Plugin.setup_plugin_from_module(plugin, AUTOGENERATE)
    except ValueError:
        return  # they are known


def compare(
    context: AutogenContext, upgrade: ops.UpgradeOps, schemas: set[str | None]
) -> PriorityDispatchResult:
    """Add what access, storage and the extension take."""
    tables = [
        table
        for table in context.sorted_tables
        if context.run_object_filters(table, table.name, "table", False, None)
    ]
    _refuse_schemas(tables)
    subject = Subject.of(context.migration_context)
    assert context.connection is not None
    catalogue = read_catalogue(context.connection, role=subject.role, keeper=subject.keeper)
    first = not context.migration_context.get_current_heads()

    found = list(leaves(upgrade))
    drops = [op for op in found if isinstance(op, ops.DropTableOp)]
    gone = {place for op in found for place in _dropped_columns(op)}
    upgrade.ops = [
        *prerequisites(tables, catalogue, first=first),
        *map(_without_info, found),
        *_lost_storage(gone, catalogue),
        *(op for table in tables for op in changes(table, catalogue, subject)),
        *function_changes(context.connection, tables, subject),
        *(Implied(op) for drop in drops for op in belongings(drop.table_name, catalogue)),
    ]
    in_order(upgrade)
    return PriorityDispatchResult.CONTINUE


def _dropped_columns(op: MigrateOperation) -> Iterator[tuple[str, str]]:
    """Those that are dropped, and those of another type, which PostgreSQL stores as it does by default."""
    drop = op.drop if isinstance(op, ReplaceColumnOp) else op
    stays = isinstance(drop, ops.AlterColumnOp) and drop.modify_type is None
    if isinstance(drop, ops.DropColumnOp | ops.AlterColumnOp) and not stays:
        yield drop.table_name, drop.column_name


def _lost_storage(gone: set[tuple[str, str]], catalogue: Catalogue) -> Iterator[MigrateOperation]:
    """What goes with columns that are dropped, and must come back with them; one in its place is made like a new one."""
    for table, column in sorted(gone):
        state = catalogue.tables[table]
        if (storage := state.storage_of(column)) != DEFAULT:
            yield Restored(SetColumnStorageOp(table, column, storage, existing=DEFAULT))
        state.storage.pop(column, None)


def prerequisites(tables: list[Table], catalogue: Catalogue, *, first: bool) -> Iterator[FocalOperation]:
    """The extension and the role, where they are missing; the first revision makes sure of both on every server."""
    if any(_holds_vectors(column) for table in tables for column in table.columns) and (
        first or catalogue.extension_version is None
    ):
        yield CreateVectorExtensionOp()
    if any(map(_is_for_services, tables)) and (first or not catalogue.role_is_ready):
        yield CreateAppRoleOp()


def changes(table: Table, catalogue: Catalogue, subject: Subject) -> Iterator[FocalOperation]:
    """What it takes to make ``table`` as promised."""
    state = catalogue.tables.get(table.name)
    made_here = state is None
    state = state or TableState()
    access = [*_isolation(table, state, subject), *_grants(table, state)] if _is_for_services(table) else []
    for op in [*access, *_parameters(table, state, made_here=made_here)]:
        yield op.with_table() if made_here else op
    yield from _storage(table, state)


def _is_for_services(table: Table) -> bool:
    """Whether the application role is to use it: one of our metadata, or one that has a tenant, or says what it grants."""
    return table.metadata is metadata or "tenant_id" in table.columns or "grants" in table.info


def belongings(name: str, catalogue: Catalogue) -> Iterator[FocalOperation]:
    """What goes with a table that is dropped, and must come back with it."""
    state = catalogue.tables[name]
    if state.access and state.access.policy:
        yield CreateTenantPolicyOp(name)
    if state.access and state.access.grants:
        yield GrantAppOp(name, _in_order(state.access.grants))
    if state.parameters:
        yield SetStorageParametersOp(name, dict(state.parameters), existing=dict.fromkeys(state.parameters))
    for column in state.storage:
        if (storage := state.storage_of(column)) != DEFAULT:
            yield SetColumnStorageOp(name, column, storage, existing=DEFAULT)


def _isolation(table: Table, state: TableState, subject: Subject) -> Iterator[FocalOperation]:
    access = state.access
    if promised(table).isolated:
        if not (access and access.isolated and access.keeper == subject.keeper):
            yield CreateTenantPolicyOp(table.name)
    elif access and access.policy:
        yield DropTenantPolicyOp(table.name)


def _grants(table: Table, state: TableState) -> Iterator[FocalOperation]:
    wanted = promised(table).grants
    granted = state.access.grants if state.access else frozenset()
    by_column = state.access.column_grants if state.access else frozenset()
    if missing := wanted - granted:
        yield GrantAppOp(table.name, _in_order(missing))
    if excess := (granted | by_column) - wanted:
        yield RevokeAppOp(table.name, _in_order(excess))


def _parameters(table: Table, state: TableState, *, made_here: bool) -> Iterator[FocalOperation]:
    given = {} if made_here else dict(table.dialect_options["postgresql"]["with"] or {})
    given |= table.info.get("storage_parameters", {})
    wanted = {name: str(value) for name, value in given.items()}
    names = sorted(
        name
        for name in wanted.keys() | state.parameters.keys()
        if wanted.get(name) != state.parameters.get(name)
    )
    if names:
        yield SetStorageParametersOp(
            table.name,
            {name: wanted.get(name) for name in names},
            existing={name: state.parameters.get(name) for name in names},
        )


def _storage(table: Table, state: TableState) -> Iterator[FocalOperation]:
    for column in table.columns:
        wanted, existing = column.info.get("storage", DEFAULT).upper(), state.storage_of(column.name)
        _, default = state.storage.get(column.name, (DEFAULT, DEFAULT))
        if wanted not in (existing, default if existing == DEFAULT else existing):
            op = SetColumnStorageOp(table.name, column.name, wanted, existing=existing)
            yield op if column.name in state.storage else op.with_table()


def _without_info(op: MigrateOperation) -> MigrateOperation:
    """What a table's ``info`` says is written as operations; Alembic would repeat it as an argument."""
    if isinstance(op, ops.CreateTableOp):
        op.info = {}
    return op


def _holds_vectors(column: Column[object]) -> bool:
    return isinstance(column.type, HALFVEC | SPARSEVEC | VECTOR)


def _in_order(privileges: frozenset[str]) -> list[str]:
    usual = ("SELECT", "INSERT", "UPDATE", "DELETE")
    return [p for p in usual if p in privileges] + sorted(privileges.difference(usual))


def _refuse_schemas(tables: list[Table]) -> None:
    for table in tables:
        if table.schema is not None:
            raise UsageError(
                f"table {table.name} names a schema: ours lie in the one that the search path names"
            )
