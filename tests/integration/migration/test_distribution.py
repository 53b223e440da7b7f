"""Sharding by tenant, driven against a stand-in for Citus: functions of its names that refuse what it refuses, and remember.

What Citus itself does with the schema is tested where ``FOCAL_DATA_TEST_CITUS_URL`` names one.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from focal_data.errors import SchemaError, StoreError, UsageError
from focal_data.migration import runner
from focal_data.migration.distribution import distribute
from tests.integration.migration.conftest import REPOSITORY, Estate, NewEstate

STAND_IN = """
    CREATE TABLE distributed_here (table_name regclass PRIMARY KEY, distribution_column text, number serial);
    CREATE VIEW citus_tables AS
        SELECT table_name, 'distributed'::text AS citus_table_type, distribution_column FROM distributed_here;
    CREATE FUNCTION create_distributed_table(name regclass, by_column text, colocate_with text) RETURNS void
    LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND conrelid = name AND confrelid <> name
                    AND confrelid NOT IN (SELECT table_name FROM distributed_here)) THEN
            RAISE EXCEPTION 'cannot create foreign key constraint' USING ERRCODE = '0A000';
        END IF;
        IF colocate_with <> 'none' AND colocate_with::regclass NOT IN (SELECT table_name FROM distributed_here) THEN
            RAISE EXCEPTION 'not a distributed table' USING ERRCODE = '42809';
        END IF;
        INSERT INTO distributed_here VALUES (name, by_column);
    END $$;
    GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
    GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC;
"""
CITUS = pytest.mark.skipif(
    "FOCAL_DATA_TEST_CITUS_URL" not in os.environ,
    reason="set FOCAL_DATA_TEST_CITUS_URL to the URL of an empty database of a Citus that has pgvector",
)
ORDER = "SELECT table_name::text, distribution_column FROM distributed_here ORDER BY number"


@pytest.fixture
async def sharded(new_estate: NewEstate) -> Estate:
    """A database at head, with the stand-in."""
    estate = await new_estate()
    await runner.upgrade(estate.settings)
    async with estate.connection() as connection:
        await connection.execute(STAND_IN)
    return estate


async def _order(estate: Estate) -> list[tuple[str, str]]:
    async with estate.connection() as connection:
        return [(row[0], row[1]) for row in await connection.fetch(ORDER)]


async def _tenant_tables(estate: Estate) -> set[str]:
    async with estate.connection() as connection:
        query = "SELECT polrelid::regclass::text FROM pg_policy WHERE polname = 'tenant_isolation'"
        return {row[0] for row in await connection.fetch(query)}


async def test_every_table_with_a_policy_is_distributed_by_its_tenant(sharded: Estate) -> None:
    """Parents first, or the stand-in would have refused; and nothing else is distributed."""
    await distribute(sharded.settings)
    assert {(name, "tenant_id") for name in await _tenant_tables(sharded)} == set(await _order(sharded))


async def test_they_lie_beside_the_first(sharded: Estate) -> None:
    """One begins a group of its own, and all others are co-located with it."""
    first, *rest = await distribute(sharded.settings)
    assert first.endswith("colocate_with => 'none')")
    name = (await _order(sharded))[0][0]
    assert all(statement.endswith(f"colocate_with => '{name}')") for statement in rest)


@pytest.mark.slow
async def test_it_can_be_repeated(sharded: Estate) -> None:
    """Nothing is left to do the second time."""
    await distribute(sharded.settings)
    assert [] == await distribute(sharded.settings)


@pytest.mark.slow
async def test_it_goes_on_where_it_was_broken_off(sharded: Estate) -> None:
    """What the first run left is done by the second, beside what the first has done."""
    async with sharded.connection() as connection:
        await connection.execute("SELECT create_distributed_table('agents', 'tenant_id', 'none')")
    statements = await distribute(sharded.settings)
    assert all(statement.endswith("colocate_with => 'agents')") for statement in statements)
    assert len(await _tenant_tables(sharded)) == len(await _order(sharded)) == len(statements) + 1


@pytest.mark.slow
async def test_a_dry_run_tells_the_statements_and_runs_none(sharded: Estate) -> None:
    """They are those that the run then has."""
    told = await distribute(sharded.settings, dry_run=True)
    assert [] == await _order(sharded)
    assert told == await distribute(sharded.settings)


@pytest.mark.slow
async def test_two_at_once_take_turns(sharded: Estate) -> None:
    """One does it all, the other finds nothing to do."""
    counts = [len(done) for done in await asyncio.gather(*(distribute(sharded.settings) for _ in range(2)))]
    assert [0, len(await _tenant_tables(sharded))] == sorted(counts)


@pytest.mark.slow
async def test_a_table_that_is_distributed_otherwise_is_named(sharded: Estate) -> None:
    """Before anything is changed."""
    async with sharded.connection() as connection:
        await connection.execute("SELECT create_distributed_table('agents', 'id', 'none')")
    with pytest.raises(SchemaError, match="agents is distributed by id"):
        await distribute(sharded.settings)
    assert 1 == len(await _order(sharded))


@pytest.mark.slow
async def test_what_the_server_refuses_is_our_error(sharded: Estate) -> None:
    """The driver's does not come through, and what came before it stays."""
    async with sharded.connection() as connection:
        await connection.execute("ALTER TABLE distributed_here ADD CHECK (table_name <> 'rules'::regclass)")
    with pytest.raises(StoreError):
        await distribute(sharded.settings)
    assert "agents" in {name for name, _ in await _order(sharded)}


async def test_without_citus_nothing_happens(estate: Estate) -> None:
    """It says that one PostgreSQL needs none."""
    with pytest.raises(UsageError, match="this database has no Citus"):
        await distribute(estate.settings)


async def test_behind_head_nothing_happens(new_estate: NewEstate) -> None:
    """It says what to do first."""
    estate = await new_estate()
    await runner.upgrade(estate.settings, "0001")
    async with estate.connection() as connection:
        await connection.execute(STAND_IN)
    with pytest.raises(SchemaError, match="at 0001: upgrade it to head first"):
        await distribute(estate.settings)
    assert [] == await _order(estate)


@pytest.mark.slow
@CITUS
async def test_a_citus_takes_it() -> None:
    """On a real one, twice; the second time nothing is left to do."""
    url = os.environ["FOCAL_DATA_TEST_CITUS_URL"]
    await runner.upgrade(url)
    await distribute(url)
    assert [] == await distribute(url)


@pytest.mark.slow
@CITUS
def test_the_contracts_hold_on_citus() -> None:
    """Every store's, as on one PostgreSQL; ``tests/contracts/conftest.py`` takes the URL."""
    line = [sys.executable, "-m", "pytest", "-q", "-m", "slow or not slow", "tests/contracts"]
    done = subprocess.run(line, cwd=REPOSITORY, check=False, capture_output=True, text=True)
    assert 0 == done.returncode, done.stdout[-5000:]
