"""Databases whose owner is no superuser, and what the catalogue says of them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from focal_data.migration import runner
from focal_data.settings import Settings, dsn
from focal_data.testing.databases import fresh_database, on_server
from focal_data.testing.engines import Engines

REPOSITORY = Path(__file__).parents[3]
PASSWORD = "correct horse"


@dataclass(frozen=True)
class Estate:
    """A database, with an owner, a login for services and a name for their role that no other test has."""

    admin_url: str
    owner: str
    service: str
    role: str

    @property
    def settings(self) -> Settings:
        values = {"migration_url": self.url(self.owner), "database_url": self.url(self.service)}
        return Settings.of(**values, app_role=self.role)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a program that migrates as the owner."""
        return {
            "FOCAL_DATA_MIGRATION_URL": self.url(self.owner),
            "FOCAL_DATA_DATABASE_URL": self.url(self.service),
            "FOCAL_DATA_APP_ROLE": self.role,
        }

    def url(self, login: str) -> str:
        url = make_url(self.admin_url).set(username=login, password=PASSWORD)
        return url.render_as_string(hide_password=False)

    @asynccontextmanager
    async def connection(self, login: str | None = None, **options: str) -> AsyncIterator[asyncpg.Connection]:
        """As ``login``, or else as the administrator."""
        url = make_url(self.url(login) if login else self.admin_url)
        connection = await asyncpg.connect(dsn(url), server_settings=options)
        try:
            yield connection
        finally:
            await connection.close()

    async def as_admin(self, *statements: str) -> None:
        await on_server(self.admin_url, *statements)

    async def catalogue(self) -> dict[str, list[str]]:
        async with self.connection() as connection:
            return {
                kind: [row[0] for row in await connection.fetch(query)] for kind, query in CATALOGUE.items()
            }

    async def alembic(self, *arguments: str, cwd: Path = REPOSITORY) -> tuple[int, str, str]:
        """The exit code, output and errors of Alembic's command line, run in ``cwd`` by the owner."""
        return await self.program("alembic", *arguments, cwd=cwd)

    async def program(self, module: str, *arguments: str, cwd: Path = REPOSITORY) -> tuple[int, str, str]:
        """The same of any module that is a program."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            cwd=cwd,
            env=os.environ | self.environment | {"PYTHONPATH": str(cwd)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode(), errors.decode()


_OURS = "n.nspname = 'public' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = {} AND d.deptype = 'e')"
CATALOGUE = {
    "relations": f"""SELECT concat_ws(' ', relkind, relname, relrowsecurity, relforcerowsecurity, reloptions, relacl)
        FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE {_OURS.format("c.oid")} ORDER BY 1""",
    "columns": f"""SELECT concat_ws(' ', relname, attnum, attname, format_type(atttypid, atttypmod), attnotnull,
          attstorage, attacl, pg_get_expr(adbin, adrelid))
        FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attnum > 0 AND NOT attisdropped AND {_OURS.format("c.oid")} ORDER BY relname, attnum""",
    "constraints": f"""SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(o.oid))
        FROM pg_constraint o JOIN pg_namespace n ON n.oid = connamespace WHERE {_OURS.format("o.oid")} ORDER BY 1""",
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
    "invalid": "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1",
    "statistics": "SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext ORDER BY 1",
    "comments": """SELECT concat_ws(' ', objoid::regclass, attname, description)
        FROM pg_description JOIN pg_class c ON c.oid = objoid AND classoid = 'pg_class'::regclass
        LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid AND attnum > 0
        WHERE relnamespace = 'public'::regnamespace ORDER BY 1""",
    "policies": "SELECT pg_policies::text FROM pg_policies ORDER BY 1",
    "types": f"""SELECT concat_ws(' ', typname,
          ARRAY(SELECT enumlabel FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder))
        FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
        WHERE {_OURS.format("coalesce(nullif(typelem, 0), t.oid)")} ORDER BY 1""",
    "functions": f"""SELECT concat_ws(' ', pg_get_functiondef(p.oid), obj_description(p.oid),
          ARRAY(SELECT coalesce(rolname, 'PUBLIC') FROM aclexplode(coalesce(proacl, acldefault('f', proowner)))
                  LEFT JOIN pg_roles r ON r.oid = grantee ORDER BY 1))
        FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE {_OURS.format("p.oid")} ORDER BY 1""",
    "schemas": "SELECT concat_ws(' ', nspname, nspacl) FROM pg_namespace WHERE nspname = 'public'",
}
"""Queries that describe a database; equal answers are equal schemas."""

NewEstate = Callable[..., Awaitable[Estate]]


@asynccontextmanager
async def empty_estate(
    admin_url: str, *, createrole: bool = True, extension: bool = True
) -> AsyncIterator[Estate]:
    """An empty database; ``createrole``: the owner may create roles, ``extension``: pgvector is there."""
    mark = uuid4().hex[:12]
    owner, service = f"owner_{mark}", f"service_{mark}"
    right = "CREATEROLE" if createrole else "NOCREATEROLE"
    await on_server(
        admin_url,
        f"CREATE ROLE {owner} LOGIN {right} PASSWORD '{PASSWORD}'",
        f"CREATE ROLE {service} LOGIN PASSWORD '{PASSWORD}'",
    )
    try:
        async with fresh_database(admin_url) as url:
            estate = Estate(url, owner, service, role=f"app_{mark}")
            database = make_url(url).database
            await on_server(admin_url, f"ALTER DATABASE {database} OWNER TO {owner}")
            if extension:
                await estate.as_admin("CREATE EXTENSION vector")
            yield estate
    finally:
        await on_server(
            admin_url, *(f"DROP ROLE IF EXISTS {name}" for name in (f"app_{mark}", service, owner))
        )


@pytest.fixture
async def new_estate(focal_engines: Engines) -> AsyncIterator[NewEstate]:
    """Makes empty databases, as ``empty_estate`` does."""
    async with AsyncExitStack() as stack:

        async def make(*, createrole: bool = True, extension: bool = True) -> Estate:
            made = empty_estate(focal_engines.admin_url, createrole=createrole, extension=extension)
            return await stack.enter_async_context(made)

        yield make


@pytest.fixture(scope="session")
async def template_estate(focal_engines: Engines) -> AsyncIterator[Estate]:
    """A database at head, to be copied and left alone."""
    async with empty_estate(focal_engines.admin_url) as estate:
        await runner.upgrade(estate.settings)
        yield estate


@pytest.fixture
async def estate(template_estate: Estate, focal_engines: Engines) -> AsyncIterator[Estate]:
    """A database at head, of this test alone."""
    original = template_estate
    template = make_url(original.admin_url).database
    async with fresh_database(focal_engines.admin_url, template=template) as url:
        await on_server(url, f"ALTER DATABASE {make_url(url).database} OWNER TO {original.owner}")
        yield Estate(url, original.owner, original.service, original.role)
