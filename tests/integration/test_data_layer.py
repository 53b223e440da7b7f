"""Opening a data layer: whom it lets in, and what it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from focal_data.data_layer import DataLayer
from focal_data.domain.config import Agent
from focal_data.domain.profile import Channel
from focal_data.domain.session import Session
from focal_data.errors import (
    AccessError,
    FocalDataError,
    RetryableError,
    SchemaError,
    SettingsError,
    StoreConnectionError,
)
from focal_data.settings import Settings, dsn
from focal_data.testing.databases import fresh_database, on_server
from focal_data.testing.engines import Engines
from focal_data.unit_of_work import UnitOfWork


class Login:
    """A login of its own on the run's server, until the test is over."""

    def __init__(self, settings: Settings, admin_url: str) -> None:
        self.name = f"focal_login_{uuid4().hex[:12]}"
        self._settings = settings
        self._admin_url = admin_url

    async def created(self, attributes: str, *grants: str) -> Settings:
        """The settings of a service that uses it."""
        database = str(self._settings.service_url().database)
        await on_server(self._admin_url, f"CREATE ROLE {self.name} LOGIN PASSWORD 'p' {attributes}")
        own = make_url(self._admin_url).set(database=database).render_as_string(hide_password=False)
        await on_server(own, *(statement.format(login=self.name) for statement in grants))
        url = self._settings.service_url().set(username=self.name, password="p")
        return self._settings.model_copy(
            update={"database_url": SecretStr(url.render_as_string(hide_password=False))}
        )

    async def dropped(self) -> None:
        """Nothing of it is left."""
        database = str(self._settings.service_url().database)
        own = make_url(self._admin_url).set(database=database).render_as_string(hide_password=False)
        me = make_url(self._admin_url).username
        await on_server(own, f'REASSIGN OWNED BY {self.name} TO "{me}"', f"DROP OWNED BY {self.name}")
        await on_server(own, f"DROP ROLE {self.name}")


@pytest.fixture
async def login(focal_settings: Settings, focal_engines: Engines) -> AsyncIterator[Login]:
    """A login that a test creates as it needs it."""
    login = Login(focal_settings, focal_engines.admin_url)
    yield login
    await login.dropped()


ACT = "GRANT focal_app TO {login} WITH SET TRUE, INHERIT FALSE"


async def see_only_their_own(settings: Settings) -> None:
    """Through this login a tenant reads what it wrote, and another doesn't."""
    async with DataLayer.open(settings) as data:
        mine, other = data.tenant(uuid4()), data.tenant(uuid4())
        agent = await mine.config.save_agent(Agent(name="Ada"))
        assert agent == await mine.config.get_agent(agent.id)
        assert await other.config.get_agent(agent.id) is None


def pooled(settings: Settings) -> Settings:
    """The same, behind a proxy that pools by transaction."""
    return settings.model_copy(update={"transaction_pooling": True})


async def test_a_superusers_login_is_bound(focal_settings: Settings) -> None:
    """It acts as the application role."""
    await see_only_their_own(focal_settings)


async def test_a_superusers_login_is_bound_behind_a_proxy(focal_settings: Settings) -> None:
    """There it takes the role in each transaction, the one that asks who it is among them."""
    await see_only_their_own(pooled(focal_settings))


async def test_a_plain_login_that_may_act_as_the_role_is_bound(login: Login) -> None:
    """It needs no other right."""
    await see_only_their_own(await login.created("", ACT))


async def test_a_plain_login_is_bound_behind_a_proxy(login: Login) -> None:
    """There too it needs no other right."""
    await see_only_their_own(pooled(await login.created("", ACT)))


async def test_the_owners_login_is_bound(login: Login) -> None:
    """One that owns a table acts as the application role all the same."""
    grants = (ACT, "CREATE TABLE {login}_table (a int)", "ALTER TABLE {login}_table OWNER TO {login}")
    await see_only_their_own(await login.created("", *grants))


async def test_a_login_with_bypassrls_is_bound(login: Login) -> None:
    """The attribute is the login's, not the role's."""
    await see_only_their_own(await login.created("BYPASSRLS", ACT))


async def test_a_login_that_may_not_act_as_the_role_is_refused(login: Login) -> None:
    """The error names the grant."""
    settings = await login.created("")
    with pytest.raises(AccessError, match="GRANT focal_app"):
        async with DataLayer.open(settings):
            pass


async def test_a_login_that_may_not_act_as_the_role_is_refused_behind_a_proxy(login: Login) -> None:
    """The error names the grant there, too."""
    settings = await login.created("")
    with pytest.raises(AccessError, match="GRANT focal_app"):
        async with DataLayer.open(pooled(settings)):
            pass


async def test_a_role_that_the_policies_would_not_bind_is_refused(login: Login) -> None:
    """Here the application role is set to one with BYPASSRLS."""
    settings = await login.created("BYPASSRLS", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {login}")
    with pytest.raises(AccessError, match="BYPASSRLS"):
        async with DataLayer.open(settings.model_copy(update={"app_role": login.name})):
            pass


async def test_a_role_that_does_not_exist_is_refused(focal_settings: Settings) -> None:
    """The database was not migrated for it."""
    with pytest.raises(SchemaError, match="no_such_role"):
        async with DataLayer.open(focal_settings.model_copy(update={"app_role": "no_such_role"})):
            pass


async def test_a_role_that_does_not_exist_is_refused_behind_a_proxy(focal_settings: Settings) -> None:
    """As it is without one."""
    with pytest.raises(SchemaError, match="no_such_role"):
        async with DataLayer.open(pooled(focal_settings.model_copy(update={"app_role": "no_such_role"}))):
            pass


async def test_an_empty_database_is_refused(focal_settings: Settings, focal_engines: Engines) -> None:
    """It is behind head; opening never migrates."""
    async with fresh_database(focal_engines.admin_url) as url:
        settings = focal_settings.model_copy(update={"database_url": SecretStr(url)})
        with pytest.raises(SchemaError, match="upgrade"):
            async with DataLayer.open(settings):
                pass
        connection = await asyncpg.connect(dsn(make_url(url)))
        tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        await connection.close()
    assert 0 == tables


@pytest.mark.parametrize("missing", ["database_url", "redis_url"])
async def test_a_missing_url_is_named(focal_settings: Settings, missing: str) -> None:
    """Before anything is touched."""
    with pytest.raises(SettingsError) as caught:
        async with DataLayer.open(focal_settings.model_copy(update={missing: None})):
            pass
    assert f"FOCAL_DATA_{missing.upper()}" == caught.value.variable


@pytest.mark.parametrize(
    ("field", "url"),
    [("database_url", "postgresql://u:p@127.0.0.1:1/x"), ("redis_url", "redis://127.0.0.1:1/0")],
)
async def test_an_unreachable_server_is_told(focal_settings: Settings, field: str, url: str) -> None:
    """Without the password."""
    settings = focal_settings.model_copy(update={field: SecretStr(url), "redis_timeout": 1.0})
    with pytest.raises(StoreConnectionError) as caught:
        async with DataLayer.open(settings):
            pass
    assert ":p@" not in str(caught.value)


async def test_stores_of_one_transaction_commit_together(data: DataLayer) -> None:
    """Or not at all."""
    tenant = data.tenant(uuid4())
    agent = Agent(name="Ada")
    with pytest.raises(FocalDataError):
        async with tenant.transaction() as tx:
            await tx.config.save_agent(agent)
            await tx.profiles.get_or_create(Channel.WEBCHAT, "u-1")
            await tx.config.save_agent(Agent(name="Ada"))
    assert await tenant.config.get_agent(agent.id) is None
    assert await tenant.profiles.get_by_channel_identity(Channel.WEBCHAT, "u-1") is None


async def test_work_in_a_transaction_is_run_again_after_a_deadlock(data: DataLayer) -> None:
    """From the start, in a new transaction."""
    tenant, runs = data.tenant(uuid4()), 0

    async def work(tx: UnitOfWork) -> Agent:
        nonlocal runs
        runs += 1
        agent = await tx.config.save_agent(Agent(name="Ada"))
        if runs == 1:
            raise RetryableError("a deadlock")
        return agent

    agent = await tenant.in_transaction(work)
    assert ([agent], 1) == await tenant.config.get_agents()


async def test_sessions_stand_outside_of_transactions(data: DataLayer) -> None:
    """What is saved on Redis stays when the transaction rolls back."""
    tenant = data.tenant(uuid4())
    session = Session(agent_id=uuid4(), channel=Channel.WEBCHAT, channel_user_id="u-1")
    with pytest.raises(ZeroDivisionError):
        async with tenant.transaction():
            await tenant.sessions.save(session)
            _ = 1 / 0
    assert await tenant.sessions.get(session.session_id) is not None


@pytest.mark.slow
async def test_embedded_engines_are_not_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set there is about other servers: nothing of it is migrated or used."""
    for name in ("DATABASE_URL", "MIGRATION_URL"):
        monkeypatch.setenv(f"FOCAL_DATA_{name}", "postgresql://u@127.0.0.1:1/other")
    monkeypatch.setenv("FOCAL_DATA_APP_ROLE", "another_role")
    async with DataLayer.embedded() as data:
        assert "focal_app" == data.settings.app_role
        assert ([], 0) == await data.tenant(uuid4()).config.get_agents()
