"""The guide is a project of its own: its files are written, and its commands run, against the built wheel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from focal_data.testing.databases import fresh_database
from focal_data.testing.engines import Engines
from tests.docs.pages import ROOT

GUIDE = ROOT / "docs/your-own-table.md"
_STEP = re.compile(
    r"^(?:`(?P<file>[\w./]+)`\n\n)?```(?P<kind>\w+)\b(?! not run: tests/)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_ELSEWHERE = re.compile(r"^```\w+ not run: (tests/\S+)", re.MULTILINE)
"""What is no part of the project, and tested by the file that is named."""
_PROGRAMS = {
    "focal-data": "focal_data.cli.main:run",
    "alembic": "alembic.config:main",
    "pytest": "pytest:main",
}

pytestmark = pytest.mark.slow


class Step(NamedTuple):
    """A file to write, or, without a name, commands to run."""

    file: str | None
    kind: str
    text: str


def steps() -> list[Step]:
    """What the guide tells, in its order."""
    return [Step(found["file"], found["kind"], found["text"]) for found in _STEP.finditer(GUIDE.read_text())]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == result.returncode, result.stdout + result.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture
def python(wheel: Path, tmp_path: Path) -> Path:
    """The Python of an environment with the wheel in it, and this one's packages behind: nothing is downloaded."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv/bin/python"
    packages = next((tmp_path / "venv/lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (packages / "behind.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    for name, place in _PROGRAMS.items():
        module, function = place.split(":")
        program = python.parent / name
        program.write_text(
            f"#!{python}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
        )
        program.chmod(0o755)
    return python


@pytest.fixture
async def environment(python: Path, focal_engines: Engines) -> AsyncIterator[dict[str, str]]:
    """What a user has in the environment: the programs, an empty database, a Redis, and nothing of this checkout."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    async with fresh_database(focal_engines.admin_url) as url:
        urls = {"FOCAL_DATA_DATABASE_URL": url, "FOCAL_DATA_MIGRATION_URL": url}
        path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
        yield kept | urls | {"FOCAL_DATA_REDIS_URL": focal_engines.redis_url, "PATH": path}


async def test_the_guide_works(environment: dict[str, str], tmp_path: Path) -> None:
    """From the table to its tests, which pass; and what is imported is the wheel."""
    project = tmp_path / "project"
    project.mkdir()
    said = [_taken(step, project, environment) for step in steps()]
    assert "7 passed" in said[-1]
    (revision,) = (project / "migrations/versions").glob("*.py")
    made = re.findall(
        r"op\.(\w+)\(", revision.read_text().partition("def upgrade")[2].partition("def downgrade")[0]
    )
    assert [
        "create_app_role",
        "create_table",
        "f",
        "f",
        "create_index",
        "f",
        "create_tenant_policy",
        "grant_app",
    ] == made
    where = _run('python -c "import focal_data; print(focal_data.__file__)"', project, environment)
    assert str(tmp_path / "venv") in where


def test_every_file_of_the_guide_is_taken() -> None:
    """No block is left out, for want of a name or by an unknown kind; what is tested elsewhere names its test."""
    elsewhere = _ELSEWHERE.findall(GUIDE.read_text())
    assert all((ROOT / name).is_file() for name in elsewhere)
    fences = len(re.findall(r"^```\w", GUIDE.read_text(), re.MULTILINE))
    assert fences == len(steps()) + len(elsewhere)
    assert {"sh"} == {step.kind for step in steps() if step.file is None}


def _taken(step: Step, project: Path, environment: dict[str, str]) -> str:
    if step.file is None:
        return _run(step.text, project, environment)
    file = project / step.file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(step.text)
    return ""


def _run(commands: str, project: Path, environment: dict[str, str]) -> str:
    """What the commands print; each must succeed."""
    result = subprocess.run(
        ["sh", "-e", "-c", commands],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == result.returncode, f"{commands}\n{result.stdout}{result.stderr}"
    return result.stdout
