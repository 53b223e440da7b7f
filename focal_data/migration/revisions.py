"""Where a database stands among the revisions. Without Alembic, so that opening a data layer doesn't wait for it."""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import asyncpg

from focal_data.database.tenancy import quoted
from focal_data.database.translation import DRIVER_ERRORS, translated
from focal_data.errors import AccessError, DriverError, FocalDataError, SchemaError

VERSION_TABLE: Final = "focal_data_version"
"""Where the database keeps its revision; ``alembic_version`` is usually the application's own."""


@dataclass(frozen=True, slots=True)
class Status:
    """Where a database is. ``current`` is ``None`` before the first revision; ``pending`` is in order."""

    current: str | None
    head: str
    pending: tuple[str, ...]

    @property
    def at_head(self) -> bool:
        return self.current == self.head


def scripts_path() -> Path:
    """The folder of ``env.py``: in the installed package, or else at the root of the repository."""
    here = Path(__file__).resolve()
    for path in (here.parent / "alembic", here.parents[2] / "alembic"):
        if (path / "env.py").is_file():
            return path
    raise SchemaError("the migrations are missing from this installation: reinstall focal-data")


def head() -> str:
    """The newest revision that this version of focal_data knows."""
    return _head(_parents(scripts_path() / "versions"))


def status_of(revisions: list[str]) -> Status:
    """The status of a database whose version table holds ``revisions``. Raises ``SchemaError`` when it is unknown here."""
    parents = _parents(scripts_path() / "versions")
    current = revisions[0] if revisions else None
    require_one(revisions)
    require_known(revisions, parents)
    applied = _with_ancestors(current, parents)
    pending = tuple(name for name in TopologicalSorter(parents).static_order() if name not in applied)
    return Status(current, _head(parents), pending)


def require_one(revisions: Collection[str]) -> None:
    """Raise ``SchemaError`` when a database of ours has several heads; it says what to do."""
    if len(revisions) > 1:
        raise SchemaError(
            f"the database has two heads, {', '.join(sorted(revisions))}, and must have one: restore it, or"
            " `focal-data db stamp` the one that it is like"
        )


def require_known(
    revisions: Collection[str], known: Collection[str], whose: str = "this version of focal_data"
) -> None:
    """Raise ``SchemaError`` for those that are not among the ``known`` ones of ``whose``; it says what to do."""
    if unknown := ", ".join(sorted(set(revisions) - set(known))):
        raise SchemaError(
            f"the database is at revision {unknown}, which {whose} doesn't know:"
            " use the version that migrated it, or a newer one"
        )


async def read_status(connection: asyncpg.Connection) -> Status:
    """Where the database of ``connection`` is, by any role of ours; a transaction that is open stays in order."""
    return status_of(await read_revisions(connection, VERSION_TABLE))


async def read_revisions(connection: asyncpg.Connection, version_table: str) -> list[str]:
    """What ``version_table`` holds; nothing where there is none."""
    table = quoted(version_table)
    try:
        if await connection.fetchval("SELECT to_regclass($1)", table) is None:
            return []
        rows = await connection.fetch(f"SELECT version_num FROM {table}")  # noqa: S608  (quoted)
        return [row["version_num"] for row in rows]
    except asyncpg.InsufficientPrivilegeError as error:
        failure: FocalDataError = AccessError(
            f"this login may not read {version_table}: it must be the owner of the tables, or take the services' role"
        )
        failure.__cause__ = DriverError.of(error, code=error.sqlstate)
    except DRIVER_ERRORS as error:
        failure = translated(error)
    raise failure


async def is_behind(connection: asyncpg.Connection) -> bool:
    """Whether revisions are pending. Raises ``SchemaError`` when the database's revision is unknown here."""
    return not (await read_status(connection)).at_head


async def require_head(connection: asyncpg.Connection) -> None:
    """Raise ``SchemaError`` unless the database is at head; it says what to do."""
    found = await read_status(connection)
    if not found.at_head:
        raise SchemaError(
            f"the database is at revision {found.current or 'none'}, behind {found.head}:"
            " run `focal-data db upgrade` or `alembic upgrade head` as the owner of the tables"
        )


@cache
def _parents(versions: Path) -> dict[str, tuple[str, ...]]:
    """Every revision with those it comes after."""
    files = (file.read_text(encoding="utf-8") for file in sorted(versions.glob("*.py")))
    return dict(_revision(ast.parse(text)) for text in files)


def _revision(module: ast.Module) -> tuple[str, tuple[str, ...]]:
    values = {
        target.id: ast.literal_eval(node.value)
        for node in module.body
        if isinstance(node, ast.AnnAssign | ast.Assign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id in ("revision", "down_revision")
    }
    before = values["down_revision"]
    return values["revision"], (before,) if isinstance(before, str) else tuple(before or ())


def _head(parents: dict[str, tuple[str, ...]]) -> str:
    heads = parents.keys() - {name for before in parents.values() for name in before}
    if len(heads) != 1:
        raise SchemaError(f"the migrations have {len(heads)} heads, and must have one: see `alembic merge`")
    return heads.pop()


def _with_ancestors(revision: str | None, parents: dict[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    waiting = [revision] if revision else []
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(parents[name])
    return found
