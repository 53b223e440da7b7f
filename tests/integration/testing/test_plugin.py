from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from sqlalchemy.engine import make_url

from focal_data.errors import UsageError
from focal_data.settings import Settings
from focal_data.testing.databases import driver_url
from focal_data.testing.engines import Engines
from focal_data.testing.keyspaces import own_database

PROJECT = Path(__file__).parent / "project"


def run(folder: Path, *options: str, module: str = "test_orders.py", **environment: str) -> str:
    """The output of pytest over a user's little project, in a process of its own."""
    for name in ("pytest.ini", module):
        (folder / name).write_text((PROJECT / f"{name}.txt").read_text())
    outside = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    } | environment
    command = [sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", *options]
    done = subprocess.run(
        command, cwd=folder, env=outside, capture_output=True, text=True, timeout=120, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def made(output: str) -> set[str]:
    return {line.partition("made ")[2] for line in output.splitlines() if "made " in line}


@pytest.mark.slow
def test_a_users_project(tmp_path: Path) -> None:
    """Every fixture works in a project that has installed us, with its own settings and nothing of ours around it."""
    output = run(tmp_path, "-s", "--focal-seed=7")

    assert "focal_data factories: --focal-seed=7" in output
    assert "12 passed" in output
    assert made(output) == made(run(tmp_path, "-s", "--focal-seed=7", "-k", "made"))
    assert made(output).isdisjoint(made(run(tmp_path, "-s", "-k", "made")))


async def left_over(engines: Engines) -> tuple[set[str], set[bytes]]:
    """The databases of test runs on a server, and what they hold in database 0 of Redis."""
    connection = await asyncpg.connect(driver_url(make_url(engines.admin_url)))
    names = await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'focal_test_%'")
    await connection.close()
    async with Redis.from_url(engines.redis_url) as server:
        return {name["datname"] for name in names}, set(await server.keys("focal:testing:*"))


@pytest.mark.slow
async def test_a_users_project_in_parallel(tmp_path: Path, focal_engines: Engines) -> None:
    """Two workers of pytest-xdist on one server, given by its URLs, share it with us and leave nothing behind."""
    urls = {
        "FOCAL_DATA_DATABASE_URL": focal_engines.admin_url,
        "FOCAL_DATA_REDIS_URL": focal_engines.redis_url,
    }
    before = await left_over(focal_engines)

    assert "12 passed" in await asyncio.to_thread(run, tmp_path, "-n", "2", **urls)

    assert before == await left_over(focal_engines)


@pytest.mark.slow
def test_a_user_certifies_a_store(tmp_path: Path) -> None:
    """A suite runs in a user's project, over an implementation of theirs; one that is wrong is told by a plain assertion."""
    output = run(tmp_path, module="test_suite.py")

    assert " passed" in output
    assert "1 xfailed" in output
    assert "skipped" not in output


def test_the_plugin_loads_pytest_alone() -> None:
    """Whoever has us installed and tests something else waits for none of our imports."""
    code = "import sys, pytest; before = set(sys.modules); import focal_data.testing.plugin; print(*set(sys.modules) - before)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {name for name in output.split() if name.partition(".")[0] not in sys.stdlib_module_names}

    assert {"focal_data", "focal_data.testing", "focal_data.testing.plugin"} == loaded


async def test_a_fresh_database_is_at_head_and_ones_own(
    focal_fresh_database: Settings, focal_settings: Settings
) -> None:
    """A copy of the template needs no migration, and is another database than the run's."""
    from focal_data.migration import runner

    assert (await runner.status(focal_fresh_database)).at_head
    assert focal_fresh_database.service_url().database != focal_settings.service_url().database


async def test_redis_is_empty(focal_redis: Redis) -> None:
    """A test finds no keys, and leaves none to the next."""
    assert [] == await focal_redis.keys()
    await focal_redis.set("key", "value")


async def test_redis_is_empty_again(focal_redis: Redis) -> None:
    """What the test before has left is gone."""
    assert [] == await focal_redis.keys()


async def test_two_runs_have_two_databases_of_one_redis(focal_engines: Engines) -> None:
    """A database is claimed, emptied and given back; one that holds somebody's keys is never taken."""
    async with own_database(focal_engines.redis_url) as one:
        async with own_database(focal_engines.redis_url) as two, Redis.from_url(two) as second:
            assert one != two
            await second.set("key", "value")
        async with Redis.from_url(two) as others:
            assert [] == await others.keys()
            await others.set("somebody's", "value")
            async with own_database(focal_engines.redis_url) as three:
                assert len({one, two, three}) == 3
            assert [b"somebody's"] == await others.keys()
            await others.flushdb()


async def test_no_database_is_left(focal_engines: Engines) -> None:
    """When every database is taken, the error says so, and no claim is left behind."""
    async with Redis.from_url(focal_engines.redis_url) as server:
        free = [f"focal:testing:database:{number}" for number in range(1, 16)]
        taken = [name for name in free if await server.set(name, "by somebody", nx=True)]
        with pytest.raises(UsageError, match="is free"):
            async with own_database(focal_engines.redis_url):
                pass
        await server.delete(*taken)
