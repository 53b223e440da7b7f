"""What the database holds that Alembic does not look at: access, the role, the extension, storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from focal_data.database import tenancy
from focal_data.database.tenancy import TableAccess

DEFAULT: Final = "DEFAULT"
_STORAGE: Final = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}

_COLUMNS: Final = """
    SELECT c.relname::text AS table_name, a.attname::text AS column_name, a.attstorage::text AS storage,
           t.typstorage::text AS type_storage
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
     WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid)
       AND c.relnamespace <> 'pg_catalog'::regnamespace"""

_PARAMETERS: Final = """
    SELECT c.relname::text AS table_name, option_name, option_value
      FROM pg_class c, pg_options_to_table(c.reloptions)
     WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid)"""


@dataclass
class TableState:
    """One table as it is; a new one has nothing."""

    access: TableAccess | None = None
    storage: dict[str, tuple[str, str]] = field(default_factory=dict)
    """How each column is stored, and how its type is by default."""
    parameters: dict[str, str] = field(default_factory=dict)

    def storage_of(self, column: str) -> str:
        """PLAIN, EXTERNAL, EXTENDED or MAIN, or DEFAULT where that is the type's own."""
        current, default = self.storage.get(column, (DEFAULT, DEFAULT))
        return DEFAULT if current == default else current


@dataclass(frozen=True)
class Catalogue:
    """A database as it is."""

    tables: Mapping[str, TableState]
    extension_version: str | None
    role_is_ready: bool
    """The application role exists, may use the schema, and may read which revision the database is at."""


def read_catalogue(connection: Connection, *, role: str, keeper: str) -> Catalogue:
    """The catalogue of what the search path shows."""
    tables = {name: TableState(access) for name, access in read_access(connection, role).items()}
    for row in connection.exec_driver_sql(_COLUMNS).mappings():
        kept = _STORAGE[row["storage"]], _STORAGE[row["type_storage"]]
        tables[row["table_name"]].storage[row["column_name"]] = kept
    for row in connection.exec_driver_sql(_PARAMETERS).mappings():
        tables[row["table_name"]].parameters[row["option_name"]] = row["option_value"]
    extension = connection.exec_driver_sql(tenancy.EXTENSION_VERSION).scalar()
    return Catalogue(tables, extension, _role_is_ready(connection, role, tables.get(keeper)))


def read_access(connection: Connection, role: str) -> dict[str, TableAccess]:
    """What every table is like for ``role``."""
    return tenancy.access_of(connection.exec_driver_sql(tenancy.access_query(role)).mappings().all())


def _role_is_ready(connection: Connection, role: str, version_table: TableState | None) -> bool:
    usable = connection.exec_driver_sql(tenancy.role_query(role)).scalar()
    readable = version_table is None or (version_table.access and "SELECT" in version_table.access.effective)
    return bool(usable and readable)
