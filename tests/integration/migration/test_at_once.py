"""Twelve processes that start to upgrade one empty database at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from focal_data.migration import runner
from focal_data.migration.commands import history
from focal_data.testing.engines import Engines
from tests.integration.migration.conftest import REPOSITORY, Estate, NewEstate, empty_estate
from tests.integration.migration.forked import ALEMBIC, FOCAL_DATA, End, forking
from tests.integration.migration.project import INI
from tests.integration.migration.test_running import two_generations

PROCESSES = 12
ROUNDS = 20
PATIENCE = 120.0
"""For one round, in seconds."""

pytestmark = pytest.mark.slow


async def test_twelve_command_lines(new_estate: NewEstate) -> None:
    """Each succeeds, each revision has run once, and the database is like the tables."""
    estate = await new_estate()
    arguments = FOCAL_DATA[1:]
    programs = (estate.program("focal_data.cli.main", *arguments) for _ in range(PROCESSES))
    ends = await asyncio.gather(*programs)
    _assert_once_each([(code, said) for code, _, said in ends], OURS)
    assert [] == await runner.check(estate.settings)


OURS = [one.revision for one in history()]


async def test_twelve_processes_twenty_times(new_estate: NewEstate, focal_engines: Engines) -> None:
    """The same on a database each time, all as one upgrade makes them; half of them are Alembic's command line."""
    alone = await new_estate()
    assert (await runner.upgrade(alone.settings)).at_head
    made = await _made(alone)
    async with forking() as forks:
        for _ in range(ROUNDS):
            async with empty_estate(focal_engines.admin_url) as estate, asyncio.timeout(PATIENCE):
                commands = [ALEMBIC, FOCAL_DATA] * (PROCESSES // 2)
                _assert_once_each(await forks.run(commands, estate.environment, cwd=REPOSITORY), OURS)
                assert made == await _made(estate)


async def test_an_index_is_built_concurrently_twenty_times(
    new_estate: NewEstate, focal_engines: Engines, tmp_path: Path
) -> None:
    """A revision outside a transaction doesn't wait for those who wait for it, and the index is valid."""
    project = await two_generations(tmp_path, await new_estate())
    (tmp_path / "alembic.ini").write_text(_ini(), encoding="utf-8")
    made = await _made(project.estate, "project_version")
    assert [] == made["invalid"]
    async with forking() as forks:
        for _ in range(ROUNDS):
            async with empty_estate(focal_engines.admin_url) as estate, asyncio.timeout(PATIENCE):
                ends = await forks.run([ALEMBIC] * PROCESSES, estate.environment, cwd=tmp_path)
                _assert_once_each(ends, ["a", "b", "b_online"])
                assert made == await _made(estate, "project_version")


def _ini() -> str:
    """With what makes Alembic say which revisions it runs."""
    _, loggers, logging = (REPOSITORY / "alembic.ini").read_text(encoding="utf-8").partition("[loggers]")
    return f"{INI}{loggers}{logging}"


def _assert_once_each(ends: Sequence[End], revisions: Sequence[str]) -> None:
    said = "".join(errors for _, errors in ends)
    assert [0] * PROCESSES == [code for code, _ in ends], said
    assert dict.fromkeys(revisions, 1) == {one: said.count(f"-> {one},") for one in revisions}


async def _made(estate: Estate, versions: str = runner.VERSION_TABLE) -> dict[str, list[str]]:
    """What the database is like, and which revision it is at, whatever the names of its roles."""
    made = await estate.catalogue()
    async with estate.connection() as admin:
        made["revision"] = [row[0] for row in await admin.fetch(f"SELECT version_num FROM {versions}")]
    for name, kind in ((estate.owner, "owner"), (estate.service, "service"), (estate.role, "app")):
        made = {key: [line.replace(name, kind) for line in lines] for key, lines in made.items()}
    return made
