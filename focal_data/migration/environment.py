"""All of ``env.py``: ``run()`` is what it calls, with the tables to compare and the version table to keep.

Alembic must see an untouched connection: after any statement it takes the transaction for somebody else's, and nothing of
what it does is committed. So nothing is asked here before ``context.configure``.
What a command loads comes to more than what it does, where a database is at head: tables, comparisons and settings are
loaded by those who use them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from logging.config import fileConfig
from typing import TYPE_CHECKING, Any, TypeVar

from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, make_url

from focal_data.errors import FocalDataError, UsageError
from focal_data.migration import plain
from focal_data.migration.connection import (
    ERRORS,
    LOCK_TIMEOUT,
    alchemy_connected,
    beneath,
    migration_lock,
    refusal,
)
from focal_data.migration.glance import connected_to
from focal_data.migration.revisions import VERSION_TABLE, read_revisions, require_known, require_one

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import MetaData

T = TypeVar("T")


def run(metadata: MetaData | None = None, *, version_table: str = VERSION_TABLE) -> None:
    """Run what the command in progress asks for, online or offline.

    A project with tables of its own calls ``run(version_table="notes_version")`` in its ``env.py``: it then migrates what it
    has added to our metadata (``None``), beside our own tables, which ``focal-data db upgrade`` brings along.
    Uses ``config.attributes["connection"]`` where there is one (a caller inside an event loop must give it), or else
    connects to ``sqlalchemy.url`` or, where that is not set, to the owner's URL of the settings.
    """
    config = context.config
    _log_as_configured(config)
    try:
        if context.is_offline_mode():
            _offline(_options(config, metadata, version_table))
        elif (connection := config.attributes.get("connection")) is not None:
            migrate(connection, _options(config, metadata, version_table))
        else:
            _online(config, metadata, version_table)
    except (FocalDataError, *ERRORS) as error:
        told = error if isinstance(error, FocalDataError) else refusal(beneath(error))
        if config.cmd_opts is None or told is None:
            raise
        raise CommandError(str(told)) from told  # the command line shows a sentence, not a traceback


def autogenerate_options() -> dict[str, Any]:
    """What an ``env.py`` of one's own gives to ``context.configure``, beside its connection and its metadata.

    ``context.configure(connection=connection, target_metadata=metadata, **autogenerate_options())`` sees and writes what
    ours does, and leaves the tables of focal_data alone.
    """
    from focal_data.migration.configuration import comparing
    from focal_data.tables.base import package_tables

    others = package_tables() | {VERSION_TABLE}
    return comparing() | {"include_name": lambda name, kind, parents: kind != "table" or name not in others}


def migrate(connection: Connection, options: dict[str, Any]) -> None:
    """Run the command in progress on ``connection``."""
    from focal_data.migration.configuration import name_filter

    context.configure(connection=connection, **options, include_name=name_filter(connection, options))
    with context.begin_transaction():
        context.run_migrations()


def show(connection: Connection, version_table: str) -> None:
    """Run a command that only tells where the database is."""
    context.configure(connection=connection, version_table=version_table)
    with context.begin_transaction():
        context.run_migrations()


def _options(config: Config, metadata: MetaData | None, version_table: str) -> dict[str, Any]:
    from focal_data.migration.configuration import configuration
    from focal_data.migration.place import Services
    from focal_data.settings import Settings
    from focal_data.tables import metadata as ours

    services = config.attributes.get("services") or Services.of(Settings.load())
    return configuration(
        ours if metadata is None else metadata, version_table=version_table, services=services
    )


def _address(config: Config) -> str:
    """The database as asyncpg takes it. Raises ``SettingsError`` when any setting is wrong."""
    text = config.get_main_option("sqlalchemy.url")
    known = plain.settings()
    address = None if known is None else plain.address(known, text)
    if address is not None:
        return address
    from focal_data.settings import Settings, dsn, postgresql_url

    settings = Settings.load()
    return dsn(postgresql_url(text) if text else settings.owner_url())


def _offline(options: dict[str, Any]) -> None:
    limits = [*options["on_version_apply"], _limit_waiting]
    context.configure(
        dialect_name="postgresql",
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        **{**options, "on_version_apply": limits},
    )
    _limit_waiting(ctx=context.get_context())
    with context.begin_transaction():
        context.run_migrations()


def _limit_waiting(*, ctx: MigrationContext, **_: object) -> None:
    """In a script: at its beginning, and after each revision, which may have reset it to what the server has."""
    ctx.impl.static_output(f"SET lock_timeout = '{LOCK_TIMEOUT}';")


def _online(config: Config, metadata: MetaData | None, version_table: str) -> None:
    if _in_event_loop():
        raise UsageError(
            'inside an event loop, pass config.attributes["connection"], or use focal_data.migration.runner'
        )
    address = _address(config)
    url = make_url(address).set(drivername="postgresql+asyncpg")
    destination = _destination()
    if _only_shows(config):
        asyncio.run(_run(url, show, version_table))
    elif destination is None:
        asyncio.run(_run(url, migrate, _options(config, metadata, version_table)))
    else:
        found = asyncio.run(_found(address, version_table))
        if not destination or destination != set(found):
            _require_sound(config, found, version_table)
            asyncio.run(_run_alone(url, _options(config, metadata, version_table)))


def _only_shows(config: Config) -> bool:
    """Whether it is ``alembic current``, which compares nothing and runs no revision."""
    called = getattr(config.cmd_opts, "cmd", None)
    return called is not None and called[0] is command.current


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _run_alone(url: URL, options: dict[str, Any]) -> None:
    async with migration_lock(url, options["version_table"]):
        await _run(url, migrate, options)


async def _run(url: URL, work: Callable[[Connection, T], None], options: T) -> None:
    async with alchemy_connected(url) as connection:
        await connection.run_sync(work, options)


def _destination() -> set[str] | None:
    """Where the command in progress is to lead; upgrade, downgrade and stamp have such a place, empty at base."""
    try:
        named = context.get_revision_argument()
    except KeyError:
        return None
    return {named} if isinstance(named, str) else set(named or ())


async def _found(address: str, version_table: str) -> list[str]:
    """Where the database is. Asked on a connection of its own, before the lock, which nobody at head then waits for."""
    async with connected_to(address) as connection:
        return await read_revisions(connection, version_table)


def _require_sound(config: Config, found: list[str], version_table: str) -> None:
    """Raise ``SchemaError`` where Alembic would only say what it can't do; ``alembic stamp --purge`` repairs that."""
    if getattr(config.cmd_opts, "purge", config.cmd_opts is None):
        return
    ours = version_table == VERSION_TABLE
    if ours:
        require_one(found)
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    require_known(found, known, "this version of focal_data" if ours else "this project")


def _log_as_configured(config: Config) -> None:
    named = config.cmd_opts is not None and config.config_file_name is not None
    if named and config.file_config.has_section("loggers"):
        fileConfig(str(config.config_file_name), disable_existing_loggers=False)
