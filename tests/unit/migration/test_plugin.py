"""The plugins as Alembic finds them."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
GROUP = "alembic.plugins"
ASK = """
import alembic, sys
from alembic.runtime.plugins import _all_plugins
print(*sorted(name for name in _all_plugins if name.startswith("focal_data.")))
print(*sorted(name for name in sys.modules if name.startswith("focal_data.")))
from focal_data.migration.autogenerate import register
register()
"""


@pytest.mark.slow
def test_alembic_finds_the_plugins_and_loads_nothing_else(tmp_path: Path) -> None:
    """By the entry point that the package declares, although it is loaded half-way through Alembic's own import."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    folder = tmp_path / "focal_data-0.0.dist-info"  # before the one that is installed, if it is
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: focal-data\nVersion: 0.0\n", encoding="utf-8"
    )
    lines = [f"{name} = {module}" for name, module in declared[GROUP].items()]
    (folder / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]), encoding="utf-8")

    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", ASK],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == said.returncode, said.stderr
    assert [
        "focal_data.access focal_data.autogenerate",
        "focal_data.migration focal_data.migration.plugin",
    ] == said.stdout.splitlines()
