"""Databases of a test run: each has a name of its own, and goes when the run does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
from sqlalchemy.engine import URL, make_url


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
