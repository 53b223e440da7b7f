"""The revisions as generated: up, down to nothing and up again, by an owner who is no superuser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest
from alembic.config import Config
from sqlalchemy.engine import make_url

from focal_data.errors import AccessError, SchemaError, StoreConnectionError
from focal_data.migration import commands, runner
from focal_data.migration.connection import migration_lock
from focal_data.migration.locks import statements
from focal_data.migration.place import Place
from focal_data.settings import Settings
from focal_data.tables import metadata
from tests.integration.migration.conftest import REPOSITORY, Estate, NewEstate


async def _role_exists(estate: Estate) -> bool:
    async with estate.connection() as connection:
        return await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", estate.role
        )


@pytest.mark.slow
async def test_up_makes_every_table_and_leaves_nothing_to_generate(new_estate: NewEstate) -> None:
    """An upgrade of an empty database makes it like the tables."""
    estate = await new_estate()
    status = await runner.upgrade(estate.settings)
    assert (runner.head(), ()) == (status.current, status.pending)
    assert [] == await runner.check(estate.settings)
    relations = (await estate.catalogue())["relations"]
    tables = {relation.split()[1] for relation in relations if relation.startswith("r ")}
    assert {*metadata.tables, runner.VERSION_TABLE} == tables


@pytest.mark.slow
async def test_down_leaves_nothing_and_up_again_the_same(new_estate: NewEstate) -> None:
    """Down to base is the catalogue of an empty database, without the role; up again is that of the first time."""
    estate = await new_estate()
    empty = await estate.catalogue()
    await runner.upgrade(estate.settings)
    full = await estate.catalogue()
    assert await _role_exists(estate)

    status = await runner.downgrade(estate.settings, "base")
    assert None is status.current
    assert {**empty, "schemas": []} == {**await estate.catalogue(), "schemas": []}
    assert not await _role_exists(estate)

    await runner.upgrade(estate.settings)
    assert full == await estate.catalogue()


@pytest.mark.slow
async def test_alembic_goes_down_to_nothing(estate: Estate) -> None:
    """The command line does what the code does."""
    code, _, errors = await estate.alembic("downgrade", "base")
    assert 0 == code, errors
    assert None is (await runner.status(estate.settings)).current


@pytest.mark.slow
async def test_a_script_of_statements_does_the_same(new_estate: NewEstate) -> None:
    """What ``alembic upgrade head --sql`` prints makes the same database, run as psql does, one statement after the other."""
    estate, other = await new_estate(), await new_estate()
    await runner.upgrade(other.settings)
    code, script, errors = await estate.alembic("upgrade", "head", "--sql")
    assert 0 == code, errors
    async with estate.connection(estate.owner) as connection:
        for _, statement in statements(script):
            await connection.execute(statement)
    assert [] == await runner.check(estate.settings)


@pytest.mark.slow
async def test_an_owner_without_createrole_uses_the_role_that_is_there(new_estate: NewEstate) -> None:
    """Where an administrator made the role, the owner needs no right to; it stays on the way down."""
    estate = await new_estate(createrole=False)
    grant = f"GRANT {estate.role} TO {estate.service} WITH SET TRUE, INHERIT FALSE"
    await estate.as_admin(f"CREATE ROLE {estate.role} NOLOGIN", grant)
    await runner.upgrade(estate.settings)
    assert [] == await runner.check(estate.settings)
    async with estate.connection(estate.service, role=estate.role) as connection:
        assert not await runner.is_behind(connection)
    await runner.downgrade(estate.settings, "base")
    assert await _role_exists(estate)


async def test_a_missing_role_is_asked_of_the_administrator(new_estate: NewEstate) -> None:
    """Without the role and the right to make it, nothing is changed, and the message has the statement."""
    estate = await new_estate(createrole=False)
    before = await estate.catalogue()
    with pytest.raises(AccessError, match=f'CREATE ROLE "{estate.role}" NOLOGIN NOSUPERUSER NOBYPASSRLS'):
        await runner.upgrade(estate.settings)
    assert before == await estate.catalogue()


@pytest.mark.slow
async def test_a_missing_extension_is_asked_of_the_administrator(new_estate: NewEstate) -> None:
    """Without pgvector and the right to create it, nothing is changed, and the message has the statement."""
    estate = await new_estate(extension=False)
    before = await estate.catalogue()
    with pytest.raises(SchemaError, match="an administrator must run CREATE EXTENSION vector"):
        await runner.upgrade(estate.settings)
    assert before == await estate.catalogue()
    code, _, errors = await estate.alembic("upgrade", "head")
    assert (True, True, False) == (code != 0, "CREATE EXTENSION vector" in errors, "Traceback" in errors)


@pytest.mark.slow
async def test_a_superuser_creates_the_extension_and_leaves_it(new_estate: NewEstate) -> None:
    """A login that may creates pgvector; the way down leaves it in place."""
    estate = await new_estate(extension=False)
    values = {"database_url": estate.admin_url, "migration_url": None, "app_role": estate.role}
    settings = Settings.of(**values)
    await runner.upgrade(settings)
    await runner.downgrade(settings, "base")
    async with estate.connection() as connection:
        assert 1 == await connection.fetchval("SELECT count(*) FROM pg_extension WHERE extname = 'vector'")


@pytest.mark.slow
async def test_upgrades_at_once_wait_for_each_other(new_estate: NewEstate) -> None:
    """Of many that start on an empty database, each ends at head."""
    estate = await new_estate()
    ends = await asyncio.gather(
        *(runner.upgrade(estate.settings) for _ in range(4)), estate.alembic("upgrade", "head")
    )
    assert [True] * 4 == [end.at_head for end in ends[:4]]
    assert 0 == ends[4][0], ends[4][2]


@pytest.mark.slow
async def test_who_waited_finds_it_done(new_estate: NewEstate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many that start on an empty database one migrates, and the others need not even look for what there is to do."""
    estate, run = await new_estate(), commands.run
    ran: list[str] = []

    async def counted(place: Place, called: Callable[[Config, str], None], revision: str) -> None:
        ran.append(revision)
        await run(place, called, revision)

    monkeypatch.setattr(commands, "run", counted)
    ends = await asyncio.gather(*(runner.upgrade(estate.settings) for _ in range(4)))
    assert (["head"], {True}) == (ran, {end.at_head for end in ends})


@pytest.mark.slow
async def test_databases_of_one_cluster_share_the_role(new_estate: NewEstate) -> None:
    """Two that make it at once both succeed, and it is dropped by the last that goes down."""
    one, two = await new_estate(), await new_estate()
    await one.as_admin(f"GRANT {one.owner} TO {two.owner}")
    shared = two.settings.model_copy(update={"app_role": one.role})
    await asyncio.gather(runner.upgrade(one.settings), runner.upgrade(shared))
    await one.as_admin(f"GRANT {one.role} TO {one.owner}, {two.owner} WITH ADMIN TRUE")
    await runner.downgrade(one.settings, "base")
    assert await _role_exists(one)
    assert [] == await runner.check(shared)
    await runner.downgrade(shared, "base")
    assert not await _role_exists(one)


@pytest.mark.slow
async def test_one_migration_waits_for_another(new_estate: NewEstate) -> None:
    """While somebody holds the lock nothing is changed; the upgrade goes on when he lets go."""
    estate = await new_estate()
    async with migration_lock(make_url(estate.url(estate.owner)), runner.VERSION_TABLE):
        upgrade = asyncio.create_task(runner.upgrade(estate.settings))
        await _asked_often(estate)
        assert (False, None) == (upgrade.done(), (await runner.status(estate.settings)).current)
    assert (await upgrade).at_head


async def _asked_often(estate: Estate) -> None:
    asked: set[object] = set()
    async with asyncio.timeout(30), estate.connection() as connection:
        while len(asked) < 5:
            asked |= {row[0] for row in await connection.fetch(ASKED)}
            await asyncio.sleep(0.01)


ASKED = """SELECT query_start FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%advisory_lock%'"""


async def test_at_head_there_is_no_waiting(estate: Estate) -> None:
    """A database at head is not migrated, whoever holds the lock."""
    async with asyncio.timeout(10), migration_lock(make_url(estate.url(estate.owner)), runner.VERSION_TABLE):
        assert (await runner.upgrade(estate.settings)).at_head


COMMANDS = [("alembic", "upgrade", "head"), ("focal_data.cli.main", "db", "upgrade")]


@pytest.mark.slow
async def test_at_head_no_command_waits(estate: Estate) -> None:
    """While somebody holds the lock, both commands come back from a database at head, and leave it as it is."""
    before = await estate.catalogue()
    async with migration_lock(make_url(estate.url(estate.owner)), runner.VERSION_TABLE), asyncio.timeout(60):
        ends = await asyncio.gather(*(estate.program(*command) for command in COMMANDS))
    assert [0, 0] == [code for code, _, _ in ends], [errors for _, _, errors in ends]
    assert before == await estate.catalogue()


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=["alembic", "focal-data"])
async def test_behind_head_a_command_waits(new_estate: NewEstate, command: tuple[str, ...]) -> None:
    """It asks for the lock again and again, changes nothing, and goes on when it is free."""
    estate = await new_estate()
    async with migration_lock(make_url(estate.url(estate.owner)), runner.VERSION_TABLE):
        upgrade = asyncio.create_task(estate.program(*command))
        await _asked_often(estate)
        assert (False, None) == (upgrade.done(), (await runner.status(estate.settings)).current)
    code, _, errors = await upgrade
    assert 0 == code, errors
    assert (await runner.status(estate.settings)).at_head


@pytest.mark.slow
async def test_a_revision_that_fails_is_rolled_back(new_estate: NewEstate) -> None:
    """The error names the table that was in the way, and what was made before is gone."""
    estate = await new_estate()
    async with estate.connection(estate.owner) as connection:
        await connection.execute("CREATE TABLE rules (mine text)")
    before = await estate.catalogue()
    with pytest.raises(SchemaError, match="42P07"):
        await runner.upgrade(estate.settings)
    after = await estate.catalogue()
    assert before["constraints"] == after["constraints"]


async def test_an_unknown_revision_is_told(estate: Estate) -> None:
    """A database that a newer version migrated is left alone."""
    await estate.as_admin(f"UPDATE {runner.VERSION_TABLE} SET version_num = 'of_tomorrow'")
    with pytest.raises(SchemaError, match="of_tomorrow, which this version of focal_data doesn't know"):
        await runner.upgrade(estate.settings)


async def test_services_are_told_that_the_database_is_behind(new_estate: NewEstate, estate: Estate) -> None:
    """The application role may read the revision; behind head the message says what to run."""
    async with estate.connection(estate.service, role=estate.role) as connection:
        await runner.require_head(connection)
    empty = await new_estate()
    async with empty.connection(empty.service) as connection:
        with pytest.raises(SchemaError, match=r"revision none, behind .* run `focal-data db upgrade`"):
            await runner.require_head(connection)


async def test_no_server_is_a_connection_error() -> None:
    """A server that isn't there is told as such."""
    with pytest.raises(StoreConnectionError):
        await runner.upgrade("postgresql://nobody@127.0.0.1:1/nothing")


def test_revisions_name_no_role() -> None:
    """The role's name is a setting, so no revision has it, and none imports the package; a function's name begins alike.

    But for sign codes, whose bits never change: a test has their digest.
    """
    texts = [file.read_text(encoding="utf-8") for file in (REPOSITORY / "alembic/versions").glob("*.py")]
    assert texts
    known = re.compile("focal_match_episodes|from focal_data.domain.signs import sign_codes")
    assert [] == [text for text in texts if "focal_" in known.sub("", text)]
