"""All of ``env.py``: ``run()`` is what it calls, with the tables to compare and the version table to keep.

Alembic must see an untouched connection: after any statement it takes the transaction for somebody else's, and nothing of
what it does is committed. So nothing is asked here before ``context.configure``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from logging.config import fileConfig
from typing import Any

from alembic import context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import URL, Connection, MetaData

from focal_data.errors import FocalDataError, UsageError
from focal_data.migration.autogenerate import PLUGINS, register
from focal_data.migration.catalogue import read_access
from focal_data.migration.connection import LOCK_TIMEOUT, alchemy_connected, connected, migration_lock
from focal_data.migration.place import Services
from focal_data.migration.rendering import render_item
from focal_data.migration.revisions import VERSION_TABLE, read_revisions
from focal_data.migration.safely import write_safely
from focal_data.settings import Settings, postgresql_url
from focal_data.tables import metadata as our_metadata
from focal_data.tables.base import package_tables


def run(metadata: MetaData = our_metadata, *, version_table: str = VERSION_TABLE) -> None:
    """Run what the command in progress asks for, online or offline.

    A project with tables of its own calls ``run(version_table="notes_version")`` in its ``env.py``: it then migrates what it
    has added to our metadata, beside our own tables, which ``focal-data db upgrade`` brings along.
    Uses ``config.attributes["connection"]`` where there is one (a caller inside an event loop must give it), or else
    connects to ``sqlalchemy.url`` or, where that is not set, to the owner's URL of the settings.
    """
    config = context.config
    _log_as_configured(config)
    try:
        options = _options(config, metadata, version_table)
        if context.is_offline_mode():
            _offline(options)
        elif (connection := config.attributes.get("connection")) is not None:
            migrate(connection, options)
        else:
            _online(_url(config), options)
    except FocalDataError as error:
        if config.cmd_opts is None:
            raise
        raise CommandError(str(error)) from error  # the command line shows a sentence, not a traceback


def autogenerate_options() -> dict[str, Any]:
    """What an ``env.py`` of one's own gives to ``context.configure``, beside its connection and its metadata.

    ``context.configure(connection=connection, target_metadata=metadata, **autogenerate_options())`` sees and writes what
    ours does, and leaves the tables of focal_data alone.
    """
    others = package_tables() | {VERSION_TABLE}
    return _comparing() | {"include_name": lambda name, kind, parents: kind != "table" or name not in others}


def _comparing() -> dict[str, Any]:
    register()
    return {
        "transaction_per_migration": True,
        "compare_type": True,
        "compare_server_default": True,
        "render_item": render_item,
        "process_revision_directives": write_safely,
        "autogenerate_plugins": list(PLUGINS),
    }


def configuration(metadata: MetaData, *, version_table: str, services: Services) -> dict[str, Any]:
    """What Alembic must know to compare and to migrate."""
    return {
        **_comparing(),
        "target_metadata": metadata,
        "version_table": version_table,
        "include_object": object_filter(version_table),
        "on_version_apply": [_drop_version_table_at_base],
        "services": services,
    }


def migrate(connection: Connection, options: dict[str, Any]) -> None:
    """Run the command in progress on ``connection``."""
    context.configure(connection=connection, **options, include_name=name_filter(connection, options))
    with context.begin_transaction():
        context.run_migrations()


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


def _foreign(version_table: str) -> frozenset[str]:
    return frozenset() if version_table == VERSION_TABLE else package_tables()


def _options(config: Config, metadata: MetaData, version_table: str) -> dict[str, Any]:
    services = config.attributes.get("services") or Services.of(Settings.load())
    return configuration(metadata, version_table=version_table, services=services)


def _url(config: Config) -> URL:
    text = config.get_main_option("sqlalchemy.url")
    return postgresql_url(text) if text else Settings.load().owner_url()


def _offline(options: dict[str, Any]) -> None:
    context.configure(
        dialect_name="postgresql", literal_binds=True, dialect_opts={"paramstyle": "named"}, **options
    )
    context.get_context().impl.static_output(f"SET lock_timeout = '{LOCK_TIMEOUT}';")
    with context.begin_transaction():
        context.run_migrations()


def _online(url: URL, options: dict[str, Any]) -> None:
    if _in_event_loop():
        raise UsageError(
            'inside an event loop, pass config.attributes["connection"], or use focal_data.migration.runner'
        )
    asyncio.run(_migrate_alone(url, options))


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _migrate_alone(url: URL, options: dict[str, Any]) -> None:
    destination = _destination()
    if destination and await _is_at(url, options["version_table"], destination):
        return
    lock = nullcontext() if destination is None else migration_lock(url, options["version_table"])
    async with lock, alchemy_connected(url) as connection:
        await connection.run_sync(migrate, options)


def _destination() -> set[str] | None:
    """Where the command in progress is to lead; upgrade, downgrade and stamp have such a place, empty at base."""
    try:
        named = context.get_revision_argument()
    except KeyError:
        return None
    return {named} if isinstance(named, str) else set(named or ())


async def _is_at(url: URL, version_table: str, revisions: set[str]) -> bool:
    """Whether there is nothing to do. Asked on a connection of its own, before the lock, which nobody then waits for."""
    async with connected(url) as connection:
        return revisions == set(await read_revisions(connection, version_table))


def _drop_version_table_at_base(*, ctx: MigrationContext, heads: set[str], **_: object) -> None:
    if not heads:
        ctx.execute(f"DROP TABLE {ctx.version_table}")


def _log_as_configured(config: Config) -> None:
    named = config.cmd_opts is not None and config.config_file_name is not None
    if named and config.file_config.has_section("loggers"):
        fileConfig(str(config.config_file_name), disable_existing_loggers=False)
