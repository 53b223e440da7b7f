"""Columns that PostgreSQL numbers: what is said of one in ``GENERATED … AS IDENTITY``, and how that is changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from alembic.operations import MigrateOperation, Operations

from focal_data.database.tenancy import literal, quoted
from focal_data.migration.definitions import IDENTITY, TYPE, Definitions
from focal_data.migration.operations import FocalOperation, Subject

_OPTION: Final = re.compile(r"\b(START|INCREMENT|(?:NO )?MINVALUE|(?:NO )?MAXVALUE|CACHE|(?:NO )?CYCLE)\b")
_START: Final = re.compile(r"START WITH (-?\d+) INCREMENT BY (-?)")


@Operations.register_operation("set_identity", "run")
@dataclass
class SetIdentityOp(FocalOperation):
    """How a column is numbered, as PostgreSQL defines it; ``None`` is one that isn't.

    Numbers go on behind those of the rows there are.
    """

    name = "set_identity"
    table: str
    column: str
    definition: str | None
    existing: str | None = field(kw_only=True)

    @classmethod
    def run(
        cls, operations: Operations, table: str, column: str, definition: str | None, *, existing: str | None
    ) -> None:
        operations.invoke(cls(table, column, definition, existing=existing))

    def statements(self, subject: Subject) -> Iterable[str]:
        alter = f"ALTER TABLE {quoted(self.table)} ALTER COLUMN {quoted(self.column)}"
        if self.definition is None:
            yield f"{alter} DROP IDENTITY"
        elif self.existing is None:
            yield f"{alter} ADD {self.definition}"
            yield from self._behind(self.definition)
        else:
            kind, _, options = self.definition.partition(" AS IDENTITY ")
            each = _OPTION.sub(r"SET \1", options.strip("()"))
            yield f"{alter} SET {kind} {each}"

    def _behind(self, definition: str) -> Iterator[str]:
        if begin := _START.search(definition):
            table, column = quoted(self.table), quoted(self.column)
            last, behind = (f"min({column})", "<=") if begin[2] else (f"max({column})", ">=")
            sequence = f"pg_get_serial_sequence({literal(table)}, {literal(self.column)})"
            yield f"SELECT setval({sequence}, {last}) FROM {table} HAVING {last} {behind} {begin[1]}"  # noqa: S608  (names are quoted)

    def inverse(self) -> MigrateOperation:
        return SetIdentityOp(self.table, self.column, self.existing, existing=self.definition)


def identity_changes(found: Definitions, table: str, remade: set[str]) -> Iterator[SetIdentityOp]:
    """What it takes to have the columns of ``table`` numbered as they should be; new ones, and those in ``remade``, are."""
    for column in sorted(found.of(IDENTITY, table) - remade):
        key = (IDENTITY, table, column)
        stays = all((TYPE, table, column) in place for place in (found.real, found.wanted))
        if stays and found.differ(*key):
            yield SetIdentityOp(table, column, found.wanted.get(key), existing=found.real.get(key))
