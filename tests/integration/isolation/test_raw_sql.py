"""The same through raw SQL, as the role that services run as: what the database itself lets a tenant see and write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from focal_data.data_layer import DataLayer
from focal_data.database.tenancy import promised, read_access, tenant_tables
from focal_data.domain.config import Agent
from focal_data.errors import DuplicateError
from focal_data.settings import Settings
from focal_data.tables import metadata
from focal_data.testing.databases import driver_url
from tests.integration.isolation.conftest import rows_of
from tests.integration.isolation.world import World

OWNERS = [table.name for table in metadata.sorted_tables if not promised(table).grants]
"""Which the application role may do nothing to."""
TABLES = [name for name in tenant_tables(metadata) if name not in OWNERS]


@pytest.fixture(scope="module")
async def service(focal_settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the application role, with no tenant set."""
    settings = {"role": focal_settings.app_role}
    connection = await asyncpg.connect(driver_url(focal_settings.service_url()), server_settings=settings)
    yield connection
    await connection.close()


async def _set(connection: asyncpg.Connection, tenant_id: UUID) -> None:
    await connection.execute(f"SET LOCAL focal.tenant_id = '{tenant_id}'")


async def _copied(owner: asyncpg.Connection, table: str, tenant_id: UUID) -> tuple[str, list[object]]:
    """An INSERT of one of the tenant's own rows, and its values; generated columns left out."""
    query = """SELECT quote_ident(attname), format_type(atttypid, atttypmod) FROM pg_attribute
        WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"""
    columns = await owner.fetch(query, table)
    shown = ", ".join(f"{name}::text" for name, _ in columns)
    row = await owner.fetchrow(f"SELECT {shown} FROM {table} WHERE tenant_id = $1 LIMIT 1", tenant_id)
    values = ", ".join(f"${i}::text::{kind}" for i, (_, kind) in enumerate(columns, 1))
    names = ", ".join(name for name, _ in columns)
    given = dict(zip((name for name, _ in columns), row or [None] * len(columns), strict=True))
    return f"INSERT INTO {table} ({names}) VALUES ({values})", [
        *(given | {"tenant_id": str(tenant_id)}).values()
    ]


@pytest.mark.parametrize("table", OWNERS)
async def test_what_is_the_operators_is_not_even_read(table: str, service: asyncpg.Connection) -> None:
    """Not by who names a tenant either."""
    async with service.transaction():
        await _set(service, uuid4())
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(f"SELECT FROM {table}")


@pytest.mark.parametrize("table", TABLES)
async def test_without_a_tenant_nothing_is_visible(
    table: str, service: asyncpg.Connection, world: World
) -> None:
    """Every table looks empty."""
    assert 0 == await service.fetchval(f"SELECT count(*) FROM {table}")


@pytest.mark.parametrize("table", TABLES)
async def test_another_tenant_sees_none(table: str, service: asyncpg.Connection, world: World) -> None:
    """Not even when the statement names the other tenant."""
    async with service.transaction():
        await _set(service, uuid4())
        query = f"SELECT count(*) FROM {table} WHERE tenant_id = $1"
        assert 0 == await service.fetchval(query, world.tenant.tenant_id)


@pytest.mark.parametrize("tenant", [None, uuid4()], ids=["no tenant", "another tenant"])
@pytest.mark.parametrize("table", TABLES)
async def test_nothing_is_changed_or_removed(
    table: str, tenant: UUID | None, service: asyncpg.Connection, owner: asyncpg.Connection, world: World
) -> None:
    """UPDATE and DELETE meet no row, or may not be said at all."""
    before = await rows_of(owner, world.tenant.tenant_id)
    for statement in (f"UPDATE {table} SET tenant_id = tenant_id", f"DELETE FROM {table}"):
        try:
            async with service.transaction():
                if tenant:
                    await _set(service, tenant)
                tag = await service.execute(statement)
        except asyncpg.InsufficientPrivilegeError:
            continue
        assert tag in ("UPDATE 0", "DELETE 0")
    assert before == await rows_of(owner, world.tenant.tenant_id)


@pytest.mark.parametrize("tenant", [None, uuid4()], ids=["no tenant", "another tenant"])
@pytest.mark.parametrize("table", TABLES)
async def test_nothing_is_written_for_a_tenant(
    table: str, tenant: UUID | None, service: asyncpg.Connection, owner: asyncpg.Connection, world: World
) -> None:
    """A row that names the other tenant is refused by the policy, whatever the statement says of conflicts."""
    insert, values = await _copied(owner, table, world.tenant.tenant_id)
    for ending in ("", " ON CONFLICT DO NOTHING"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with service.transaction():
                if tenant:
                    await _set(service, tenant)
                await service.execute(insert + ending, *values)


@pytest.mark.parametrize("table", TABLES)
async def test_no_table_can_be_emptied_or_copied_into(table: str, service: asyncpg.Connection) -> None:
    """TRUNCATE goes past policies, and is granted for no table; COPY FROM is refused under them."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(f"TRUNCATE {table} CASCADE")
    with pytest.raises((asyncpg.FeatureNotSupportedError, asyncpg.InsufficientPrivilegeError)):
        await service.copy_records_to_table(table, records=[], columns=["tenant_id"])


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
async def test_the_tenant_ends_with_its_transaction(
    end: str, service: asyncpg.Connection, world: World
) -> None:
    """What comes next on the connection sees nothing."""
    await service.execute("BEGIN")
    await _set(service, world.tenant.tenant_id)
    assert 0 < await service.fetchval("SELECT count(*) FROM agents")
    await service.execute(end)
    assert 0 == await service.fetchval("SELECT count(*) FROM agents")


async def test_the_tenant_ends_with_an_error(service: asyncpg.Connection, world: World) -> None:
    """A transaction that failed leaves no tenant behind."""
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with service.transaction():
            await _set(service, world.tenant.tenant_id)
            await service.execute("SELECT 1/0")
    assert 0 == await service.fetchval("SELECT count(*) FROM agents")


async def test_a_recycled_connection_knows_no_tenant(focal_settings: Settings) -> None:
    """After a commit, a rollback and a database error the one connection of a pool serves another tenant, and none."""
    async with DataLayer.open(focal_settings.model_copy(update={"pool_size": 1})) as data:
        first, second = data.tenant(uuid4()), data.tenant(uuid4())
        await first.config.save_agent(Agent(name="Ada"))
        with pytest.raises(DuplicateError):
            await first.config.save_agent(Agent(name="Ada"))
        with pytest.raises(ZeroDivisionError):
            async with first.transaction():
                raise ZeroDivisionError
        assert ([], 0) == await second.config.get_agents()
        connection = await data.database.lease()
        try:
            assert 0 == await connection.fetchval("SELECT count(*) FROM agents")
        finally:
            data.database.give_back(connection, clean=True)


async def test_tenants_that_share_a_pool_see_their_own(focal_settings: Settings) -> None:
    """500 tasks of 50 tenants on five connections, some of which fail or are cancelled: nobody sees another's row."""
    async with DataLayer.open(focal_settings.model_copy(update={"pool_size": 5})) as data:
        tenants = [data.tenant(uuid4()) for _ in range(50)]
        for tenant in tenants:
            await tenant.config.save_agent(Agent(name=str(tenant.tenant_id)))

        async def visit(number: int) -> None:
            tenant = tenants[number % 50]
            async with tenant.transaction() as tx:
                agents, _ = await tx.config.get_agents()
                assert [str(tenant.tenant_id)] == [agent.name for agent in agents]
                await asyncio.sleep(number % 5 / 2000)
                if number % 7 == 0:
                    raise ZeroDivisionError
            agents, _ = await tenant.config.get_agents()
            assert [str(tenant.tenant_id)] == [agent.name for agent in agents]

        tasks = [asyncio.create_task(visit(number)) for number in range(500)]
        await asyncio.sleep(0.05)
        for task in tasks[::11]:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert {None, ZeroDivisionError, asyncio.CancelledError} >= {end and type(end) for end in ends}


async def test_every_table_of_the_database_is_isolated(
    owner: asyncpg.Connection, focal_settings: Settings
) -> None:
    """By the database's own catalogue: a table that the code doesn't know has no grant, all others what they promise."""
    access = await read_access(owner, focal_settings.app_role)
    known = {table.name: table for table in metadata.sorted_tables}
    flaws = {name: found.flaws(promised(known[name])) for name, found in access.items() if name in known}
    assert {} == {name: flaw for name, flaw in flaws.items() if flaw}
    strangers = {name: found.effective for name, found in access.items() if name not in known}
    assert {"focal_data_version": frozenset({"SELECT"})} == strangers


async def test_nothing_else_is_granted(owner: asyncpg.Connection, focal_settings: Settings) -> None:
    """The role owns nothing, is a member of nothing, and may use one function of the owner's, see ``test_matching``."""
    role = focal_settings.app_role
    attributes = "rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication"
    assert not await owner.fetchval(f"SELECT {attributes} FROM pg_roles WHERE rolname = $1", role)
    assert [] == await owner.fetch("SELECT 1 FROM pg_class WHERE pg_get_userbyid(relowner) = $1", role)
    assert [] == await owner.fetch("SELECT 1 FROM pg_auth_members WHERE pg_get_userbyid(member) = $1", role)
    definers = """SELECT proname::text FROM pg_proc p
        WHERE prosecdef AND pronamespace = 'public'::regnamespace AND has_function_privilege($1, p.oid, 'EXECUTE')"""
    assert ["focal_match_episodes"] == [row["proname"] for row in await owner.fetch(definers, role)]
