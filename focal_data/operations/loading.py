"""Many episodes of one tenant, loaded by COPY: all of them or none, in flat memory."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Final

from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope
from focal_data.domain.base import ValueObject
from focal_data.domain.memory import Episode
from focal_data.errors import ConflictError, InvalidDataError, NotFoundError, StoreError
from focal_data.repositories.loading import BATCH, EpisodeLoader, vacuum
from focal_data.telemetry import log_failure

Episodes = Iterable[Episode] | AsyncIterable[Episode]
Refusal = ConflictError | InvalidDataError | NotFoundError

_REFUSALS: Final = (ConflictError, InvalidDataError, NotFoundError)
"""What a row can be refused with: anything else is about the server, and no row's fault."""


async def load_episodes(database: Database, scope: TenantScope, episodes: Episodes) -> int:
    """See ``TenantOperations.load_episodes``."""
    count = await _Load(scope).all_of(_batches(_checked(episodes)))
    if count:
        try:
            await vacuum(database, EpisodeLoader.table.name)
        except StoreError as error:  # they are stored: autovacuum will do it, later
            log_failure("memory", "load_episodes.vacuum", error=type(error), tenant=scope.tenant_id)
    return count


class _Load:
    """One load."""

    def __init__(self, scope: TenantScope) -> None:
        self._scope = scope
        self._loader = EpisodeLoader(scope)
        self._ids = bytearray()
        """Of the batches before, 16 bytes each: one that comes twice is named by its row as well."""

    async def all_of(self, batches: AsyncIterator[list[Episode]]) -> int:
        batch: list[Episode] = []
        count = 0
        try:
            async with self._scope.transaction() as tx:
                await self._loader.begin(tx)
                async for some in batches:
                    batch = some
                    self._ids += await self._loader.copy(tx, batch, count)
                    count, batch = count + len(batch), []
            return count
        except _REFUSALS as error:
            if error.row is not None or not batch:  # without a batch it is the source that raised it
                raise
            refusal = error
        await self._blame(refusal, batch, count)
        raise refusal

    async def _blame(self, refusal: Refusal, batch: list[Episode], first: int) -> None:
        """Raise ``refusal`` with its row: ``batch`` is inserted again on the road that can tell, and that is undone."""
        async with self._scope.transaction() as tx:
            row = await self._loader.blamed(tx, batch, first, bytes(self._ids))
            raise refusal if row is None else refusal.at_row(row)


async def _batches(episodes: Episodes) -> AsyncIterator[list[Episode]]:
    batch: list[Episode] = []
    async for episode in _each(episodes):
        batch.append(episode)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def _each(episodes: Episodes) -> AsyncIterator[Episode]:
    if isinstance(episodes, AsyncIterable):
        async for episode in episodes:
            yield episode
        return
    for episode in episodes:
        yield episode


def _checked(episodes: Episodes) -> Episodes:
    text_or_one = isinstance(episodes, str | bytes | ValueObject)
    if text_or_one or not isinstance(episodes, Iterable | AsyncIterable):
        raise InvalidDataError("episodes", "must be an iterable of episodes")
    return episodes
