"""Many rows at once: the fast road, and the way back that finds the row that was refused.

The fast road is one statement of ``CHUNK`` rows, sent as often as needed in one message. It takes a quarter of the time of a
statement for each row (docs/decisions/0011); ``COPY`` is refused for a role that policies bind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, Table, bindparam
from sqlalchemy.dialects.postgresql import insert

from focal_data.database.scope import Transaction, Values
from focal_data.database.statement import Statement
from focal_data.errors import ConflictError, InvalidDataError, NotFoundError

CHUNK: Final = 32
"""Rows of one statement: fewer send more statements, more make PostgreSQL read a longer one."""

_PARAMETERS: Final = 32_767
"""The most that a statement can have."""

_REFUSED: Final = (ConflictError, InvalidDataError, NotFoundError)
"""What a row of its own can be refused with: anything else is about the server, and no row's fault."""


@dataclass(frozen=True, slots=True)
class Road:
    """How rows of one table get in: the statement for one, and the one for ``size`` of them."""

    one: Statement
    many: Statement
    size: int
    own_keys: tuple[tuple[str, str], ...] = ()
    """Where the table refers to itself: the column that does, and the one that it refers to."""

    @classmethod
    def of(cls, table: Table, columns: Sequence[Column[Any]], one: Statement) -> Road:
        """The road into ``columns`` of ``table``; each row has its tenant in it."""
        size = max(1, min(CHUNK, _PARAMETERS // len(columns)))
        rows = [{c.name: bindparam(f"{c.name}_{i}", type_=c.type) for c in columns} for i in range(size)]
        assert "tenant_id" in table.c
        return cls(one, Statement(insert(table).values(rows)), size, tuple(_own_keys(table)))

    async def insert(self, tx: Transaction, rows: Sequence[Values], first: int = 0) -> None:
        """Insert ``rows``, or raise what the first bad one of them is refused with, counted from ``first``.

        All are tried together; when that fails, each half: after as many tries as the number has digits in base two, the one
        that is left alone is the one. The transaction can't go on then.
        """
        if len(rows) == 1:
            await self._alone(tx, rows[0], first)
            return
        try:
            async with tx.attempt():
                await self.together(tx, rows)
                return
        except _REFUSED:
            pass
        half = len(rows) // 2
        await self.insert(tx, rows[:half], first)
        await self.insert(tx, rows[half:], first + half)

    async def _alone(self, tx: Transaction, row: Values, number: int) -> None:
        try:
            await tx.execute(self.one, row)
        except _REFUSED as error:
            error.at_row(number)
            raise

    async def together(self, tx: Transaction, rows: Sequence[Values]) -> None:
        """Insert ``rows``, or raise what they are refused with, whichever of them it was."""
        whole = 0 if self._refers_ahead(rows) else len(rows) - len(rows) % self.size
        if whole:
            chunks = (rows[i : i + self.size] for i in range(0, whole, self.size))
            await tx.execute_many(self.many, map(_flat, chunks))
        if whole < len(rows):
            await tx.execute_many(self.one, rows[whole:])

    def _refers_ahead(self, rows: Sequence[Values]) -> bool:
        """Whether a row names one behind it: refused in a statement of its own, it would pass in one with the other."""
        for here, there in self.own_keys:
            places = {row[there]: number for number, row in enumerate(rows)}
            if any(places.get(row[here], -1) > number for number, row in enumerate(rows)):
                return True
        return False


def _own_keys(table: Table) -> Iterator[tuple[str, str]]:
    for key in table.foreign_key_constraints:
        if key.referred_table is table:
            yield from ((e.parent.name, e.column.name) for e in key.elements if e.parent.name != "tenant_id")


def _flat(rows: Sequence[Values]) -> dict[str, Any]:
    return {f"{name}_{i}": value for i, row in enumerate(rows) for name, value in row.items()}
