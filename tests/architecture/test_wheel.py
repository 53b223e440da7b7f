"""What a user installs: the wheel, and the source distribution that it can be built from."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both distributions; the wheel is built from the unpacked source distribution, as a packager does."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == result.returncode, result.stdout + result.stderr
    return folder


@pytest.fixture
def wheel(dist: Path) -> Iterator[zipfile.ZipFile]:
    """The wheel, opened."""
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as archive:
        yield archive


def _metadata(wheel: zipfile.ZipFile) -> Message:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def test_the_wheel_carries_the_whole_package(wheel: zipfile.ZipFile) -> None:
    """Every file of the package is in it: modules, scripts for Redis, the marker of types."""
    files = (
        path
        for path in (ROOT / "focal_data").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    assert set() == {path.relative_to(ROOT).as_posix() for path in files} - set(wheel.namelist())
    assert "focal_data/py.typed" in wheel.namelist()


@pytest.mark.parametrize(
    ("folder", "inside"), [("alembic", "focal_data/migration/alembic"), ("examples", "focal_data/examples")]
)
def test_the_wheel_carries_migrations_and_examples(wheel: zipfile.ZipFile, folder: str, inside: str) -> None:
    """An installed package can migrate, and has something to show."""
    files = (
        path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    expected = {f"{inside}/{path.relative_to(ROOT / folder).as_posix()}" for path in files}
    assert expected
    assert set() == expected - set(wheel.namelist())


def test_the_wheel_carries_nothing_else(wheel: zipfile.ZipFile) -> None:
    """One package at the top and nothing beside it: no tests, no ``alembic`` that would hide the library."""
    assert {"focal_data"} == {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" not in name}


def test_the_metadata_names_versions_licence_and_extras(wheel: zipfile.ZipFile) -> None:
    """Name, version, licence, Python and extras are those of pyproject.toml, and ``all`` has every other extra in it."""
    metadata = _metadata(wheel)
    expected = (PROJECT["name"], PROJECT["version"], PROJECT["license"], PROJECT["requires-python"])
    assert expected == tuple(
        metadata[key] for key in ("Name", "Version", "License-Expression", "Requires-Python")
    )
    extras = PROJECT["optional-dependencies"]
    assert set(extras) == set(metadata.get_all("Provides-Extra", []))
    assert [f"focal-data[{','.join(sorted(set(extras) - {'all'}))}]"] == extras["all"]


def test_the_source_distribution_has_what_a_checkout_has(dist: Path) -> None:
    """Tests, documentation, commands and the compose file come along."""
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        "alembic.ini",
        "docker-compose.yml",
        ".env.example",
        "Makefile",
        "CHANGELOG.md",
        "LICENSE",
        "tests/conftest.py",
    }
    assert set() == wanted - names
