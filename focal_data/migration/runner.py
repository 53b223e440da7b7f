"""Upgrade, downgrade and tell where a database stands, from code: what the data layer, the command line and tests use.

A database that is at head is left alone: it is asked once, no lock is taken, and Alembic is not even loaded.
"""

from __future__ import annotations

from functools import partial

from focal_data.migration.connection import connected, migration_lock
from focal_data.migration.locks import Effect
from focal_data.migration.place import Place, Target
from focal_data.migration.revisions import (
    VERSION_TABLE,
    Status,
    head,
    is_behind,
    read_status,
    require_head,
    scripts_path,
)

__all__ = [
    "VERSION_TABLE",
    "Effect",
    "Status",
    "Target",
    "check",
    "downgrade",
    "effects",
    "head",
    "is_behind",
    "read_status",
    "require_head",
    "scripts_path",
    "sql",
    "stamp",
    "status",
    "upgrade",
]


async def upgrade(target: Target, revision: str = "head") -> Status:
    """Bring a database to ``revision``, and tell where it is then. Several at once wait for each other.

    ``SchemaError``: a revision failed and was rolled back, or is unknown, or pgvector is missing; ``AccessError``: the login
    may not; ``StoreConnectionError`` and ``StoreTimeoutError``: no connection, or no end to another migration.
    """
    place = Place.of(target)
    if done := await _at_head(place, revision):
        return done
    async with migration_lock(place.url, VERSION_TABLE):
        if done := await _at_head(place, revision):  # by somebody who was waited for
            return done
        from alembic import command

        from focal_data.migration import commands

        await commands.run(place, command.upgrade, revision)
        return await _status(place)


async def downgrade(target: Target, revision: str) -> Status:
    """Take a database back to ``revision``; at ``base`` nothing of ours is left. Raises as ``upgrade`` does."""
    from alembic import command

    from focal_data.migration import commands

    place = Place.of(target)
    async with migration_lock(place.url, VERSION_TABLE):
        await commands.run(place, command.downgrade, revision)
        return await _status(place)


async def status(target: Target) -> Status:
    """Where a database is, and what is pending."""
    return await _status(Place.of(target))


async def stamp(target: Target, revision: str) -> Status:
    """Say that a database is at ``revision``, whatever was said before, and change nothing else in it.

    Raises as ``upgrade`` does.
    """
    from alembic import command

    from focal_data.migration import commands

    place = Place.of(target)
    async with migration_lock(place.url, VERSION_TABLE):
        await commands.run(place, partial(command.stamp, purge=True), revision)
        return await _status(place)


def sql(target: Target, revisions: str = "head", *, down: bool = False) -> str:
    """The statements of an upgrade, or with ``down`` of a downgrade, as a script; ``from:to``, or ``to`` from nothing.

    No database is asked. Raises ``SchemaError`` for an unknown revision.
    """
    from focal_data.migration import commands

    return commands.script(Place.of(target).services, "downgrade" if down else "upgrade", revisions)


async def effects(target: Target) -> list[Effect]:
    """What an upgrade to head would lock, and whether it writes a table anew, a statement each; nothing is changed."""
    place = Place.of(target)
    found = await _status(place)
    if found.at_head:
        return []
    from focal_data.migration import commands
    from focal_data.migration.locks import effects as read_effects

    script = commands.script(place.services, "upgrade", f"{found.current or 'base'}:head")
    return read_effects(script, ours=VERSION_TABLE)


async def check(target: Target) -> list[str]:
    """What autogenerate would write to make the database like the tables, an operation each; empty when they agree."""
    from focal_data.migration import commands

    return await commands.differences(Place.of(target))


async def _at_head(place: Place, revision: str) -> Status | None:
    """Where the database is, if that is at head and nothing else is asked for."""
    found = await _status(place)
    return found if found.at_head and revision in ("head", found.head) else None


async def _status(place: Place) -> Status:
    async with connected(place.url) as connection:
        return await read_status(connection)
