"""The operator's door: who is let in, and what is told to the others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from focal_data.data_layer import DataLayer
from focal_data.domain.audit import TurnRecord
from focal_data.domain.profile import Channel
from focal_data.domain.session import Session
from focal_data.errors import AccessError, SchemaError, SettingsError, UsageError
from focal_data.ids import NO_TENANT
from focal_data.migration import runner
from focal_data.operations.operator import Operator
from focal_data.settings import Settings
from focal_data.testing.databases import fresh_database, on_server
from focal_data.testing.engines import Engines


@pytest.fixture
async def login(focal_engines: Engines) -> AsyncIterator[str]:
    """A login of this test alone, with no rights."""
    name = f"focal_login_{uuid4().hex[:12]}"
    await on_server(focal_engines.admin_url, f"CREATE ROLE {name} LOGIN PASSWORD 'p'")
    yield name
    await on_server(focal_engines.admin_url, f"DROP ROLE {name}")


@pytest.fixture
async def own(focal_engines: Engines, login: str) -> AsyncIterator[Settings]:
    """Settings for a database of this test alone, at head; it goes before the login, which may own its tables."""
    async with fresh_database(focal_engines.admin_url) as url:
        settings = Settings.of(database_url=url, redis_url=focal_engines.redis_url)
        await runner.upgrade(settings)
        yield settings


def as_login(settings: Settings, login: str) -> Settings:
    """The same, with this login as the owner's."""
    url = make_url(settings.owner_url()).set(username=login, password="p")
    secret = SecretStr(url.render_as_string(hide_password=False))
    return settings.model_copy(update={"migration_url": secret})


async def on_own(settings: Settings, *statements: str) -> None:
    await on_server(settings.service_url().render_as_string(hide_password=False), *statements)


def tables_to(login: str) -> str:
    """SQL that gives every table of the schema to ``login``."""
    return (
        "DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        f" LOOP EXECUTE format('ALTER TABLE %I OWNER TO {login}', t); END LOOP; END $$"
    )


async def test_a_superuser_may_open(op: Operator) -> None:
    """It has the rights of the owner."""
    assert await op.sessions.health_check()


@pytest.mark.slow
async def test_an_owner_who_is_no_superuser_may_open(own: Settings, login: str) -> None:
    """And sees and erases what a service wrote, which a service's own role couldn't."""
    await on_own(own, tables_to(login), f"GRANT ALL ON SCHEMA public TO {login}")
    tenant_id, agent_id, session_id = uuid4(), uuid4(), uuid4()
    async with DataLayer.open(own) as data:
        tenant = data.tenant(tenant_id)
        profile = await tenant.profiles.get_or_create(Channel.WEBCHAT, "u-1")
        turn = TurnRecord(session_id=session_id, agent_id=agent_id, turn_number=1, user_message="hello")
        await tenant.audit.save_turn(turn.evolve(customer_profile_id=profile.id))
    async with Operator.open(as_login(own, login)) as op:
        async with op.tenant(tenant_id).scope.transaction() as tx:
            assert login == await tx.connection.fetchval("SELECT current_user::text")
        counts = {"channel_identities": 1, "customer_profiles": 1, "turn_records": 1}
        assert counts == (await op.tenant(tenant_id).erase_customer(profile.id)).counts
        assert {"turn_records": 1} == (await op.tenant(tenant_id).delete_everything()).counts


@pytest.mark.slow
@pytest.mark.parametrize("grants", [(), ("GRANT focal_app TO {} WITH SET TRUE, INHERIT TRUE",)])
async def test_a_login_that_does_not_own_the_tables_is_refused(
    own: Settings, login: str, grants: tuple[str, ...]
) -> None:
    """The application role's rights don't make an operator."""
    await on_own(own, f"GRANT SELECT ON focal_data_version TO {login}", *(g.format(login) for g in grants))
    with pytest.raises(AccessError, match="does not own the tables"):
        async with Operator.open(as_login(own, login)):
            pass


async def test_an_owner_whom_a_policy_binds_is_refused(own: Settings, login: str) -> None:
    """Under FORCE it would see nothing, and erase nothing."""
    await on_own(own, tables_to(login), "ALTER TABLE episodes FORCE ROW LEVEL SECURITY")
    with pytest.raises(AccessError, match=f"policies bind {login} on episodes:"):
        async with Operator.open(as_login(own, login)):
            pass


async def test_a_database_behind_head_is_refused(focal_engines: Engines) -> None:
    """And stays as it is."""
    async with fresh_database(focal_engines.admin_url) as url:
        with pytest.raises(SchemaError, match="behind"):
            async with Operator.open(Settings.of(migration_url=url)):
                pass


async def test_a_missing_url_is_named() -> None:
    """Before anything is touched."""
    with pytest.raises(SettingsError) as caught:
        async with Operator.open(Settings.of()):
            pass
    assert "FOCAL_DATA_MIGRATION_URL" == caught.value.variable


async def test_redis_is_asked_for_when_it_is_needed(focal_settings: Settings) -> None:
    """What concerns PostgreSQL alone works without it."""
    async with Operator.open(focal_settings.model_copy(update={"redis_url": None})) as op:
        with pytest.raises(SettingsError, match="REDIS_URL"):
            _ = op.sessions


async def test_no_tenant_is_refused(op: Operator) -> None:
    """As by a data layer."""
    with pytest.raises(UsageError, match="nil UUID"):
        op.tenant(NO_TENANT)


async def test_behind_a_pooling_proxy_it_stays_the_owner(focal_settings: Settings) -> None:
    """No transaction takes the role of services."""
    settings = focal_settings.model_copy(update={"transaction_pooling": True})
    async with Operator.open(settings) as op, op.tenant(uuid4()).scope.transaction() as tx:
        same = "SELECT current_user = session_user AND current_user <> $1"
        assert await tx.connection.fetchval(same, settings.app_role)


async def test_it_sweeps_sessions_of_every_tenant(op: Operator, data: DataLayer) -> None:
    """Of those that are young none goes."""
    tenant = data.tenant(uuid4())
    saved = await tenant.sessions.save(
        Session(agent_id=uuid4(), channel=Channel.WEBCHAT, channel_user_id="u-1")
    )
    await op.sessions.cleanup()
    assert saved == await tenant.sessions.get(saved.session_id)
