"""Rows by binary COPY, which PostgreSQL refuses to a role that policies bind: for the owner alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import asyncpg

from focal_data.database.engine import Database
from focal_data.database.scope import Transaction
from focal_data.database.translation import DRIVER_ERRORS, translated
from focal_data.domain.memory import Episode
from focal_data.errors import InvalidDataError
from focal_data.repositories.memory import EpisodeRepository

BATCH: Final = 2000
"""Episodes of one COPY, and all that are held in memory: of 1536 dimensions, some 20 MB."""

_AT_ONCE: Final = 16
"""Rows that are made together: so their sign codes take half of the time each."""

_ID: Final = 16
_DAY: Final = 86_400.0


class EpisodeLoader(EpisodeRepository):
    """Episodes on the fast road of the owner."""

    async def begin(self, tx: Transaction) -> None:
        """Have the end of ``tx`` written to disk: rows that may yet be lost, ``vacuum`` can't mark as visible to all."""
        await _said(tx.connection, "SET LOCAL synchronous_commit = on")

    async def copy(self, tx: Transaction, episodes: Sequence[Episode], first: int) -> bytes:
        """Insert ``episodes``, bound and checked as ``add_many`` does, the first of them being row ``first``; gives their ids.

        Which row it was that the database refused, its error does not say: see ``blamed``.
        """
        driver, statement, ids = tx.connection, self._insert(), bytearray()
        try:
            records = self._records(episodes, first, ids)
            await driver.copy_records_to_table(self.table.name, records=records, columns=statement.names)
            return bytes(ids)
        except DRIVER_ERRORS as error:
            failure = translated(error, statement)
        raise failure

    async def blamed(
        self, tx: Transaction, episodes: Sequence[Episode], first: int, before: bytes
    ) -> int | None:
        """Raise what the first bad one of ``episodes`` is refused with, as ``add_many`` does; they are inserted for it.

        Or the row of the first that is one of those ``before``, by their ids; ``None`` when nothing is wrong.
        """
        new = self._all_new(episodes)
        known = {before[place : place + _ID] for place in range(0, len(before), _ID)}
        repeated = next((place for place, one in enumerate(new) if one.id.bytes in known), None)
        if rows := self._all_values(new[:repeated]):
            await self._road().insert(tx, rows, first)
        return None if repeated is None else first + repeated

    def _records(self, episodes: Sequence[Episode], first: int, ids: bytearray) -> Iterator[Sequence[Any]]:
        """The rows, made while those before them are on their way; their ids are added to ``ids``."""
        arguments = self._insert().arguments
        for start in range(0, len(episodes), _AT_ONCE):
            some = enumerate(episodes[start : start + _AT_ONCE], first + start)
            new = [self._numbered(number, episode) for number, episode in some]
            ids += b"".join(episode.id.bytes for episode in new)
            yield from map(arguments, self.mapper.to_rows(new))

    def _numbered(self, number: int, episode: Episode) -> Episode:
        try:
            return self._new(episode)
        except InvalidDataError as error:
            error.at_row(number)
            raise


async def vacuum(database: Database, table: str) -> None:
    """Let the planner know what there is, and index-only scans that all may see it. Outside of a transaction."""
    connection = await database.lease()
    clean = False
    try:
        await _said(connection, "SET statement_timeout = 0")
        await _said(connection, f'VACUUM (ANALYZE) "{table}"')
        await _said(connection, "RESET statement_timeout")
        clean = True
    finally:
        database.give_back(connection, clean=clean)


async def _said(connection: asyncpg.Connection, command: str) -> None:
    try:
        await connection.execute(command, timeout=_DAY)
        return
    except DRIVER_ERRORS as error:
        failure = translated(error)
    raise failure
