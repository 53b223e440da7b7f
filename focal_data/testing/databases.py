"""Databases of a test run: each has a name of its own, and goes when the run does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
from sqlalchemy.engine import URL, make_url

from focal_data.migration import runner
from focal_data.settings import Settings
from focal_data.testing.engines import Engines


@asynccontextmanager
async def fresh_database(admin_url: str, *, template: str | None = None) -> AsyncIterator[str]:
    """The URL of a new database on the server of ``admin_url``, empty or a copy of ``template``; dropped at the end."""
    name = f"focal_test_{uuid4().hex[:16]}"
    copied = f' TEMPLATE "{template}"' if template else ""
    await on_server(admin_url, f'CREATE DATABASE "{name}"{copied}')
    try:
        yield make_url(admin_url).set(database=name).render_as_string(hide_password=False)
    finally:
        await on_server(admin_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@asynccontextmanager
async def template(admin_url: str) -> AsyncIterator[str]:
    """The name of a new database at head that nobody is connected to, as a copy's template must be."""
    async with fresh_database(admin_url) as url:
        await runner.upgrade(Settings.of(database_url=url))
        yield make_url(url).database or ""


@asynccontextmanager
async def copied(engines: Engines, name: str, redis_url: str) -> AsyncIterator[Settings]:
    """Settings for a copy of the database ``name``, dropped at the end, and a database of Redis."""
    async with fresh_database(engines.admin_url, template=name) as url:
        yield Settings.of(database_url=url, redis_url=redis_url)


async def on_server(admin_url: str, *statements: str) -> None:
    """Run ``statements``, each outside a transaction, as the login of ``admin_url``."""
    connection = await asyncpg.connect(driver_url(make_url(admin_url)))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def driver_url(url: URL) -> str:
    """``url`` as asyncpg itself takes it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
