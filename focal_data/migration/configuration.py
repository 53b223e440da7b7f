"""What Alembic must know to compare and to migrate: what is ours, what is seen besides, and how it is written."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData

from focal_data.migration.autogenerate import PLUGINS, register
from focal_data.migration.catalogue import read_access
from focal_data.migration.place import Services
from focal_data.migration.rendering import render_item
from focal_data.migration.revisions import VERSION_TABLE
from focal_data.migration.safely import write_safely
from focal_data.tables.base import package_tables


def configuration(metadata: MetaData, *, version_table: str, services: Services) -> dict[str, Any]:
    """What Alembic must know to compare and to migrate."""
    return {
        **comparing(),
        "target_metadata": metadata,
        "version_table": version_table,
        "include_object": object_filter(version_table),
        "on_version_apply": [_drop_version_table_at_base],
        "services": services,
    }


def name_filter(connection: Connection, options: dict[str, Any]) -> Callable[[str | None, str, Any], bool]:
    """Which tables of the database are ours to compare: those of the metadata, and those that our revisions made."""
    metadata, keeper = options["target_metadata"], options["version_table"]
    foreign = _foreign(keeper)

    @cache
    def kept() -> set[str]:
        access = read_access(connection, options["services"].role)
        return {name for name, table in access.items() if table.keeper == keeper}

    def include(name: str | None, kind: str, parents: object) -> bool:
        return kind != "table" or (name in metadata.tables and name not in foreign) or name in kept()

    return include


def object_filter(version_table: str) -> Callable[[Any, str | None, str, bool, Any], bool]:
    """Which tables of the metadata are to be compared: all, but in another project's migrations ours are not."""
    foreign = _foreign(version_table)
    return lambda item, name, kind, *_: kind != "table" or name not in foreign


def comparing() -> dict[str, Any]:
    """What makes autogenerate see all and write it safely, whoever's tables are compared."""
    register()
    return {
        "transaction_per_migration": True,
        "compare_type": True,
        "compare_server_default": True,
        "render_item": render_item,
        "process_revision_directives": write_safely,
        "autogenerate_plugins": list(PLUGINS),
    }


def _foreign(version_table: str) -> frozenset[str]:
    return frozenset() if version_table == VERSION_TABLE else package_tables()


def _drop_version_table_at_base(*, ctx: MigrationContext, heads: set[str], **_: object) -> None:
    if not heads:
        ctx.execute(f"DROP TABLE {ctx.version_table}")
