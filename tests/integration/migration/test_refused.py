"""What migrations refuse: a sentence that says what to do, by whichever command, and nothing changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy.engine import URL, make_url

from focal_data.errors import SchemaError, StoreTimeoutError, UsageError
from focal_data.migration import connection as connections
from focal_data.migration import runner
from focal_data.migration.connection import migration_lock
from focal_data.settings import Settings, dsn
from tests.integration.isolation import bouncer
from tests.integration.migration.conftest import REPOSITORY, Estate, NewEstate
from tests.integration.migration.forked import ALEMBIC, Forks, forking

VERSIONS = runner.VERSION_TABLE
BOTH = [ALEMBIC, ("focal-data", "db", "upgrade")]


@pytest.fixture(scope="module")
async def forks() -> AsyncIterator[Forks]:
    """Command lines in processes of their own."""
    async with forking() as running:
        yield running


async def _assert_refused(forks: Forks, estate: Estate, sentence: str, **environment: str) -> None:
    """Both commands say that, and nothing of what was thrown."""
    before = await estate.catalogue()
    for code, said in await forks.run(BOTH, estate.environment | environment, cwd=REPOSITORY):
        assert (True, True, False) == (code != 0, sentence in said, "Traceback" in said), said
    assert before == await estate.catalogue()


AT_HEAD = {
    f"UPDATE {VERSIONS} SET version_num = 'of_tomorrow'": (
        "at revision of_tomorrow, which this version of focal_data doesn't know: use the version that migrated it"
    ),
    f"INSERT INTO {VERSIONS} VALUES ('0001')": "and must have one: restore it, or `focal-data db stamp`",
    f"INSERT INTO {VERSIONS} VALUES ('of_another')": "and must have one: restore it, or `focal-data db stamp`",
    f"ALTER TABLE {VERSIONS} OWNER TO CURRENT_USER": (
        f"this login may not read {VERSIONS}: it must be the owner of the tables"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("statement", AT_HEAD)
async def test_a_database_that_is_not_as_it_should_be(forks: Forks, estate: Estate, statement: str) -> None:
    """Ahead of the code, of two lines, or another's."""
    await estate.as_admin(statement)
    await _assert_refused(forks, estate, AT_HEAD[statement])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lacking", "sentence"),
    [
        ("extension", "an administrator must run CREATE EXTENSION vector"),
        ("createrole", "an administrator must run CREATE ROLE"),
    ],
)
async def test_a_server_that_lacks_something(
    forks: Forks, new_estate: NewEstate, lacking: str, sentence: str
) -> None:
    """The statement is for somebody who may run it."""
    await _assert_refused(forks, await new_estate(**{lacking: False}), sentence)


@pytest.mark.slow
async def test_a_schema_that_others_own(forks: Forks, new_estate: NewEstate) -> None:
    """Not a table can be made in it."""
    estate = await new_estate()
    database = make_url(estate.admin_url).database
    await estate.as_admin(
        f'ALTER DATABASE "{database}" OWNER TO CURRENT_USER', "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    )
    await _assert_refused(forks, estate, "this login may not migrate: it must own the tables, and may CREATE")


@pytest.mark.slow
async def test_a_table_that_others_own(forks: Forks, new_estate: NewEstate) -> None:
    """It is not changed, nor are those before it in its revision."""
    estate = await new_estate()
    await runner.upgrade(estate.settings, "0002")
    await estate.as_admin("ALTER TABLE scenarios OWNER TO CURRENT_USER")
    await _assert_refused(forks, estate, "this login may not migrate: it must own the tables")


async def test_a_server_that_is_too_old(new_estate: NewEstate, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which it is, and which is needed."""
    estate = await new_estate()
    monkeypatch.setattr(connections, "MIN_SERVER", 990000)
    with pytest.raises(SchemaError, match=r"this is PostgreSQL \d+, and focal_data needs 99 or later"):
        await runner.upgrade(estate.settings)
    assert None is (await runner.status(estate.settings)).current


async def test_a_stamp_repairs_two_heads(estate: Estate) -> None:
    """A database that two lines of migrations claim is left alone, until somebody says what it is."""
    await estate.as_admin(f"INSERT INTO {VERSIONS} VALUES ('of_another')")
    with pytest.raises(SchemaError, match=r"two heads, 0\d+, of_another, and must have one"):
        await runner.upgrade(estate.settings)
    assert (await runner.stamp(estate.settings, "head")).at_head


@pytest.mark.slow
async def test_alembic_repairs_what_it_refuses(forks: Forks, estate: Estate) -> None:
    """By a stamp that purges."""
    await estate.as_admin(f"UPDATE {VERSIONS} SET version_num = 'of_tomorrow'")
    stamp = ("alembic", "stamp", "--purge", "head")
    ends = await forks.run([stamp], estate.environment, cwd=REPOSITORY)
    assert [0] == [code for code, _ in ends], ends
    assert (await runner.status(estate.settings)).at_head


async def test_a_table_in_use(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits behind a migration for long; it can be run again."""
    monkeypatch.setattr(connections, "LOCK_TIMEOUT", "50ms")
    await estate.as_admin(f"UPDATE {VERSIONS} SET version_num = '0005'")
    async with estate.connection(estate.owner) as reader:
        async with reader.transaction():
            await reader.execute("SELECT FROM staged_embeddings")
            with pytest.raises(StoreTimeoutError, match=r"somebody uses a table .* run it again"):
                await runner.downgrade(estate.settings, "0004_online")
        assert "0005" == (await runner.status(estate.settings)).current
    assert "0004_online" == (await runner.downgrade(estate.settings, "0004_online")).current


with_proxy = pytest.mark.skipif(
    bouncer.PROGRAM is None, reason="pgbouncer is not installed (Debian has it as a package of that name)"
)
BETWEEN = "a transaction-pooling proxy is in between, which would give the migration's lock to somebody else"


@pytest.fixture
def proxy(empty: Estate) -> Iterator[URL]:
    """In front of an empty database, pooling by transaction."""
    with bouncer.pooling_by_transaction(make_url(empty.admin_url), servers=3) as url:
        yield url


@pytest.fixture
async def empty(new_estate: NewEstate) -> Estate:
    """An empty database."""
    return await new_estate()


@with_proxy
async def test_a_pooling_proxy(empty: Estate, proxy: URL) -> None:
    """With the reason, and nothing changed; where the database is can be asked."""
    before = await empty.catalogue()
    settings = Settings.of(migration_url=proxy.render_as_string(hide_password=False), app_role=empty.role)
    with pytest.raises(UsageError, match=BETWEEN):
        await runner.upgrade(settings)
    assert None is (await runner.status(settings)).current
    with pytest.raises(UsageError, match="let FOCAL_DATA_MIGRATION_URL name the server itself"):
        await runner.check(settings)
    assert before == await empty.catalogue()


@with_proxy
@pytest.mark.slow
async def test_a_pooling_proxy_by_command(forks: Forks, empty: Estate, proxy: URL) -> None:
    """The same sentence."""
    url = proxy.render_as_string(hide_password=False)
    await _assert_refused(forks, empty, BETWEEN, FOCAL_DATA_MIGRATION_URL=url)


@with_proxy
async def test_a_pooling_proxy_that_others_use(proxy: URL) -> None:
    """It is seen though they take the sessions in between, so that two may well have different ones."""
    async with _in_use(proxy):
        for _ in range(10):
            with pytest.raises(UsageError, match=BETWEEN):
                async with migration_lock(proxy, "any"):
                    pass


@asynccontextmanager
async def _in_use(proxy: URL) -> AsyncIterator[None]:
    async def work() -> None:
        connection = await asyncpg.connect(dsn(proxy), statement_cache_size=0)
        try:
            while True:
                await connection.execute("SELECT pg_sleep(0.002)")
        finally:
            connection.terminate()

    async with asyncio.TaskGroup() as group:
        others = [group.create_task(work()) for _ in range(6)]
        yield
        for other in others:
            other.cancel()
