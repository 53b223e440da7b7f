"""``focal-data db``: up, down, and where it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable

import pytest

from focal_data.testing.databases import fresh_database
from focal_data.testing.engines import Engines

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
async def db(focal_engines: Engines) -> AsyncIterator[Command]:
    """The command, on an empty database of this test alone."""
    async with fresh_database(focal_engines.admin_url) as url:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("FOCAL_DATA_")
        }
        environment["FOCAL_DATA_MIGRATION_URL"] = url

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "focal_data.cli.main", "db", *arguments]
            return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

        yield run


async def test_up_to_head_and_down_to_nothing(db: Command) -> None:
    """Each tells where the database is; a check finds no difference in between."""
    before = json.loads(db("status", "--json").stdout)
    assert (None, before["head"]) == (before["current"], before["pending"][-1])
    assert {"current": before["head"], "head": before["head"], "pending": []} == json.loads(
        db("upgrade", "--json").stdout
    )
    assert 0 == db("check").returncode
    assert None is json.loads(db("downgrade", "base", "--json").stdout)["current"]


async def test_an_unknown_revision_is_one_line(db: Command) -> None:
    """And exit code 1."""
    result = db("upgrade", "no_such_revision")
    assert (1, 1) == (result.returncode, result.stderr.count("\n")), result.stderr
