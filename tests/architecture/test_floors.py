"""The floors are declared once, in pyproject.toml, and import-linter holds the package to them."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "focal_data"
DRIVERLESS = ("domain", "inmemory", "stores")
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def _contracts() -> dict[str, dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return {contract["id"]: contract for contract in settings["contracts"]}


def _lint(folder: Path, config: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LINT, "--config", str(config), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def _house(folder: Path, **sources: str) -> Path:
    """A package with a module for every floor that may not be left out, and ``sources`` (``__`` is a dot)."""
    needed = dict.fromkeys((*DRIVERLESS, "telemetry", "settings", "ids", "errors"), "")
    for package in {name.partition("__")[0] for name in sources if "__" in name}:
        needed.pop(package, None)
    for name, source in {**needed, **sources}.items():
        path = folder / "focal_data" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    for package in {path.parent for path in folder.rglob("*.py")}:
        (package / "__init__.py").touch()
    return folder


def test_the_package_keeps_its_floors() -> None:
    """No import goes upwards or sideways, and no module stands outside the floors."""
    result = _lint(ROOT, ROOT / "pyproject.toml")
    assert 0 == result.returncode, result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ({"domain": "import focal_data.cli", "cli": ""}, "focal_data.domain is not allowed to import"),
        (
            {"redis": "import focal_data.inmemory", "inmemory": ""},
            "focal_data.redis is not allowed to import",
        ),
        ({"drawer": ""}, "must be declared as a layer"),
        ({"stores": "import asyncpg"}, "focal_data.stores is not allowed to import asyncpg"),
        (
            {"domain": "import focal_data.settings", "settings": "import sqlalchemy"},
            "focal_data.settings -> sqlalchemy",
        ),
        (
            {"settings__urls": "import focal_data.settings.postgres", "settings__postgres": ""},
            "focal_data.settings.urls is not allowed to import focal_data.settings.postgres",
        ),
        ({"settings__drawer": ""}, "must be declared as a layer"),
    ],
    ids=["upwards", "sideways", "no floor", "driver", "driver by a detour", "in a room", "no floor there"],
)
def test_a_house_that_breaks_a_rule_is_refused(tmp_path: Path, sources: dict[str, str], words: str) -> None:
    """Each kind of breach is found, and named."""
    result = _lint(_house(tmp_path, **sources), ROOT / "pyproject.toml")
    assert 1 == result.returncode
    assert words.lower() in re.sub(r"\s+", " ", result.stdout + result.stderr).lower()


def test_a_house_in_order_is_accepted(tmp_path: Path) -> None:
    """The examples above fail for what is wrong in them, and for nothing else."""
    result = _lint(_house(tmp_path, domain="import focal_data.errors"), ROOT / "pyproject.toml")
    assert 0 == result.returncode, result.stdout + result.stderr


def test_every_driverless_room_is_in_its_contract() -> None:
    """A room that must import without a driver joins the contract as soon as it is built."""
    built = [f"focal_data.{room}" for room in DRIVERLESS if (PACKAGE / room / "__init__.py").exists()]
    assert built == sorted(_contracts()["driverless"]["source_modules"])


def test_the_decision_record_shows_the_floors_that_are_checked() -> None:
    """What docs/decisions/0001-layout.md draws is what import-linter reads."""
    record = (ROOT / "docs/decisions/0001-layout.md").read_text()
    drawn = re.search(r"```floors\n(.*?)```", record, re.DOTALL)
    assert drawn is not None
    declared = [re.sub(r"[()]", "", layer) for layer in _contracts()["floors"]["layers"]]
    assert declared == drawn.group(1).splitlines()


def test_the_floors_are_exhaustive() -> None:
    """No module is left out, and none is excused."""
    contract = _contracts()["floors"]
    assert (["focal_data"], True) == (contract["containers"], contract["exhaustive"])
    assert {"id", "name", "type", "containers", "exhaustive", "layers"} == set(contract)
