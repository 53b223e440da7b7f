"""What the policies and grants made by migrations do, and who is told that they would not bind him."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import pytest

from focal_data.database.tenancy import identity, promised, read_access, refuse_unbound, tenant_tables
from focal_data.errors import AccessError
from focal_data.tables import metadata
from tests.integration.migration.conftest import Estate

TENANTS = (UUID(int=1), UUID(int=2))
ADD = """INSERT INTO agents (tenant_id, id, revision, created_at, updated_at, name, enabled, current_version, settings)
    VALUES ($1, $2, 1, now(), now(), 'Ada', true, 1, '{}')"""
TABLES = tenant_tables(metadata)


async def _with_two_tenants(estate: Estate) -> None:
    async with estate.connection(estate.owner) as owner:
        for tenant in TENANTS:
            await owner.execute(ADD, tenant, uuid4())


async def test_the_owner_sees_every_row(estate: Estate) -> None:
    """Row-level security is enabled and not forced."""
    await _with_two_tenants(estate)
    async with estate.connection(estate.owner) as owner:
        assert 2 == await owner.fetchval("SELECT count(*) FROM agents")


async def test_the_application_role_sees_its_tenant_only(estate: Estate) -> None:
    """A tenant's rows are its own: none without a tenant, none of another to read, write or make."""
    await _with_two_tenants(estate)
    async with estate.connection(estate.service, role=estate.role) as service:
        assert 0 == await service.fetchval("SELECT count(*) FROM agents")
        async with service.transaction():
            await service.execute(f"SET LOCAL focal.tenant_id = '{TENANTS[0]}'")
            assert [TENANTS[0]] == [row[0] for row in await service.fetch("SELECT tenant_id FROM agents")]
            assert "UPDATE 1" == await service.execute("UPDATE agents SET name = 'Bea'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with service.transaction():
                await service.execute(f"SET LOCAL focal.tenant_id = '{TENANTS[0]}'")
                await service.execute(ADD, TENANTS[1], uuid4())
        assert 0 == await service.fetchval("SELECT count(*) FROM agents")


async def test_a_login_without_the_role_may_do_nothing(estate: Estate) -> None:
    """The role's grants are not inherited."""
    async with estate.connection(estate.service) as service:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.fetch("SELECT 1 FROM agents")


async def test_what_happened_can_not_be_changed(estate: Estate) -> None:
    """The application role may neither update nor delete an audit row, nor empty a table."""
    async with estate.connection(estate.service, role=estate.role) as service:
        for statement in (
            "UPDATE audit_events SET event_type = 'x'",
            "DELETE FROM turn_records",
            "TRUNCATE agents",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.execute(statement)


async def test_every_table_is_as_promised(estate: Estate) -> None:
    """After an upgrade no table has a flaw."""
    async with estate.connection(estate.service, role=estate.role) as service:
        access = await read_access(service, estate.role)
    flaws = {table.name: access[table.name].flaws(promised(table)) for table in metadata.sorted_tables}
    assert {} == {name: found for name, found in flaws.items() if found}


@pytest.mark.parametrize(
    ("statement", "flaw"),
    [
        ("DROP POLICY tenant_isolation ON agents", "no policy"),
        (
            "ALTER TABLE agents DISABLE ROW LEVEL SECURITY",
            "the tenant's policy is altered or not in force",
        ),
        ("CREATE POLICY open ON agents USING (true)", "an unknown policy, open"),
        ("GRANT TRUNCATE ON agents TO PUBLIC", "a grant too many, to TRUNCATE"),
        ("GRANT REFERENCES (name) ON agents TO {role}", "a grant too many, to REFERENCES"),
        ("REVOKE DELETE ON agents FROM {role}", "no grant to DELETE"),
    ],
)
async def test_flaws_are_told(estate: Estate, statement: str, flaw: str) -> None:
    """A table that is not as promised says what is wrong."""
    await estate.as_admin(statement.format(role=estate.role))
    async with estate.connection() as connection:
        access = await read_access(connection, estate.role)
    assert [flaw] == access["agents"].flaws(promised(metadata.tables["agents"]))


async def test_a_service_is_bound(estate: Estate) -> None:
    """The application role is bound by every policy, and its login is no stronger."""
    async with estate.connection(estate.service, role=estate.role) as service:
        who = await identity(service, TABLES)
    refuse_unbound(who)
    assert (estate.service, estate.role, False) == (who.login, who.role, who.login_is_stronger)
    assert (True, True) == (who.server_version >= 160000, who.extension_version is not None)


async def test_a_superuser_who_takes_the_role_is_bound_and_told(estate: Estate) -> None:
    """As the role it is bound; that the login could leave the role is known."""
    async with estate.connection(role=estate.role) as connection:
        who = await identity(connection, TABLES)
    refuse_unbound(who)
    assert who.login_is_stronger


async def test_those_who_are_not_bound_are_refused(estate: Estate) -> None:
    """A superuser, an owner, and a role that bypasses policies."""
    async with estate.connection() as superuser, estate.connection(estate.owner) as owner:
        with pytest.raises(AccessError, match="is a superuser"):
            refuse_unbound(await identity(superuser, TABLES))
        with pytest.raises(AccessError, match=f"{estate.owner} owns the tables"):
            refuse_unbound(await identity(owner, TABLES))
    await estate.as_admin(f"ALTER ROLE {estate.service} BYPASSRLS")
    try:
        async with estate.connection(estate.service) as service:
            with pytest.raises(AccessError, match="has BYPASSRLS"):
                refuse_unbound(await identity(service, TABLES))
    finally:
        await estate.as_admin(f"ALTER ROLE {estate.service} NOBYPASSRLS")


async def test_a_table_without_its_lock_is_refused(estate: Estate) -> None:
    """A table whose row-level security is off, or that never had a policy, is named."""
    await estate.as_admin(
        "DROP POLICY tenant_isolation ON agents", "ALTER TABLE agents DISABLE ROW LEVEL SECURITY"
    )
    async with estate.connection(estate.service, role=estate.role) as service:
        with pytest.raises(AccessError, match="no policy is in force on agents"):
            refuse_unbound(await identity(service, TABLES))
