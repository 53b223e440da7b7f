"""``focal-data db``: up, down, and where it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from focal_data.testing.databases import fresh_database
from focal_data.testing.engines import Engines
from tests.integration.migration.project import operations

REPOSITORY = Path(__file__).parents[3]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
async def db(focal_engines: Engines) -> AsyncIterator[Command]:
    """The command, on an empty database of this test alone."""
    async with fresh_database(focal_engines.admin_url) as url:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("FOCAL_DATA_")
        }
        environment["FOCAL_DATA_MIGRATION_URL"] = url

        def run(*arguments: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "focal_data.cli.main", "db", *arguments]
            return subprocess.run(
                command, capture_output=True, text=True, check=False, env=environment, cwd=cwd
            )

        yield run


@pytest.mark.slow
async def test_up_to_head_and_down_to_nothing(db: Command) -> None:
    """Each tells where the database is; a check finds no difference in between."""
    before = json.loads(db("status", "--json").stdout)
    assert (None, before["head"]) == (before["current"], before["pending"][-1])
    assert {"current": before["head"], "head": before["head"], "pending": []} == json.loads(
        db("upgrade", "--json").stdout
    )
    assert 0 == db("check").returncode
    assert None is json.loads(db("downgrade", "base", "--json").stdout)["current"]


@pytest.mark.slow
async def test_an_unknown_revision_is_one_line(db: Command) -> None:
    """And exit code 1."""
    result = db("upgrade", "no_such_revision")
    assert (1, 1) == (result.returncode, result.stderr.count("\n")), result.stderr


@pytest.mark.slow
async def test_where_it_is_and_what_is_to_come(db: Command) -> None:
    """The history, the statements, what they would lock, and a stamp that changes nothing else."""
    known = json.loads(db("history", "--json").stdout)["revisions"]
    head = known[0]["revision"]
    assert ["0001"] == [one["revision"] for one in known if not one["after"]]
    assert "CREATE TABLE agents" in db("sql").stdout
    assert 0 == db("upgrade", "0001").returncode

    assert {"current": "0001"} == json.loads(db("current", "--json").stdout)
    told = json.loads(db("status", "--json").stdout)
    assert ("0001", head, head) == (told["current"], told["head"], told["pending"][-1])
    assert {"audit_events", "turn_records"} <= {effect["table"] for effect in told["effects"]}
    assert "0002: audit_events: ACCESS EXCLUSIVE" in db("status").stdout

    assert head == json.loads(db("stamp", head, "--json").stdout)["current"]
    assert "op.add_column" in "".join(json.loads(db("check", "--json").stdout)["differences"])


@pytest.mark.slow
async def test_a_revision_is_made_where_a_project_is(db: Command, tmp_path: Path) -> None:
    """Elsewhere it says so, with exit code 2; there, it names the file that it has written."""
    result = db("revision", "-m", "notes", cwd=tmp_path)
    assert (2, True) == (result.returncode, "alembic.ini" in result.stderr)

    shutil.copy(REPOSITORY / "alembic.ini", tmp_path)
    shutil.copytree(REPOSITORY / "alembic", tmp_path / "alembic")
    assert 0 == db("upgrade").returncode
    (file,) = json.loads(db("revision", "-m", "notes", "--json", cwd=tmp_path).stdout)["files"]
    assert [] == operations([_text(file)])


def _text(file: str) -> str:
    return Path(file).read_text(encoding="utf-8")
