"""Alembic's commands on a connection of their own, inside a running event loop."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from alembic import command
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.config import Config
from alembic.operations import MigrateOperation, ops
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from focal_data.database.translation import translated
from focal_data.errors import DriverError, FocalDataError, SchemaError
from focal_data.migration.configuration import configuration, name_filter
from focal_data.migration.connection import ERRORS, alchemy_connected, beneath, refusal
from focal_data.migration.operations import Implied
from focal_data.migration.order import leaves
from focal_data.migration.place import Place, Services
from focal_data.migration.rendering import render_item
from focal_data.migration.revisions import VERSION_TABLE, scripts_path
from focal_data.tables import metadata

_alembic: Final = threading.Lock()
"""Alembic keeps the command in progress in its modules: of two at once, one would write to the other's database."""


async def run(place: Place, called: Callable[[Config, str], None], revision: str) -> None:
    """``called``, a command of Alembic's, which moves the database to ``revision``. Whoever calls it holds the lock."""

    def work(connection: Connection) -> None:
        config = _config(place.services)
        config.attributes["connection"] = connection
        called(config, revision)

    with _explained():
        async with _alone(), alchemy_connected(place.url) as connection:
            await connection.run_sync(work)


def script(services: Services, way: str, revisions: str) -> str:
    """The SQL of ``way``, ``upgrade`` or ``downgrade``, through ``revisions``, as ``from:to`` or ``to``; no database is asked.

    Raises ``SchemaError`` for a revision that is unknown here.
    """
    text = io.StringIO()
    config = _config(services)
    config.output_buffer = text
    with _explained():
        while not _alembic.acquire(timeout=0.1):
            pass
        try:
            getattr(command, way)(config, revisions, sql=True)
        finally:
            _alembic.release()
    return text.getvalue()


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of ours, newest first in a history."""

    revision: str
    after: tuple[str, ...]
    title: str


def history() -> list[Revision]:
    """Every revision that this version of focal_data knows, the newest first."""
    found = ScriptDirectory.from_config(_config(None)).walk_revisions()
    return [Revision(one.revision, _names(one.down_revision), one.doc) for one in found]


def _names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given or ())


def _config(services: Services | None) -> Config:
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(scripts_path()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["services"] = services
    return config


@asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    while not _alembic.acquire(blocking=False):  # noqa: ASYNC110  (event loops of other threads wait for it as well)
        await asyncio.sleep(0.02)
    try:
        yield
    finally:
        _alembic.release()


async def differences(place: Place) -> list[str]:
    """What autogenerate would write, an operation each."""
    with _explained():
        async with alchemy_connected(place.url) as connection:
            return await connection.run_sync(_differences, place.services)


def _differences(connection: Connection, services: Services) -> list[str]:
    options = configuration(metadata, version_table=VERSION_TABLE, services=services)
    options["include_name"] = name_filter(connection, options)
    context = MigrationContext.configure(connection, opts=options)
    upgrade = produce_migrations(context, metadata).upgrade_ops
    assert upgrade is not None
    return [_written(op, context) for op in leaves(upgrade) if not isinstance(op, Implied)]


def _written(op: MigrateOperation, context: MigrationContext) -> str:
    text = render_python_code(ops.UpgradeOps([op]), migration_context=context, render_item=render_item)
    return "\n".join(line.strip() for line in text.splitlines() if not line.strip().startswith("#"))


@contextmanager
def _explained() -> Iterator[None]:
    """Our errors for what Alembic and the driver raise."""
    try:
        yield
        return
    except CommandError as error:  # in Alembic's own words: revisions, and what is wrong with them
        failure: FocalDataError = SchemaError(str(error))
    except ERRORS as error:
        failure = _failure(beneath(error))
    raise failure


def _failure(error: BaseException) -> FocalDataError:
    code: str = getattr(error, "sqlstate", None) or ""
    if refused := refusal(error):
        return refused
    if code[:2] in ("", "08", "28", "3D", "53", "57"):
        return translated(error)
    failure = SchemaError(
        f"a revision failed and was rolled back ({_where(error, code)}): see `alembic upgrade`"
    )
    failure.__cause__ = DriverError.of(error, code=code)
    return failure


def _where(error: BaseException, code: str) -> str:
    """The names that the server sent, and none of the values."""
    names = (getattr(error, f"{kind}_name", None) for kind in ("table", "column", "constraint"))
    return ", ".join([type(error).__name__, code, *(name for name in names if name)])
