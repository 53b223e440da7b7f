"""A cache on Redis for ``CachedEmbeddingProvider``, which every process of a service shares."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import islice
from typing import Final

from focal_data.errors import StoreTimeoutError
from focal_data.ids import TenantId
from focal_data.redis import keys as names
from focal_data.redis.client import RedisClient

DEFAULT_TTL: Final = timedelta(days=1)

_AT_ONCE: Final = 256
"""So many values in one request: 1.5 MB of vectors with 1,536 dimensions."""


class RedisCache:
    """Bytes by key, for one tenant, gone ``ttl`` after they were put; neither is a promise, since it is a cache.

    It is a tenant's own although a key is but a hash: what comes back fast was asked for before, so in a cache of all tenants
    one could find out what another's customers said. A vector tells of its text, too. So deleting a tenant takes its cache
    with it; erasing one person can't find theirs, which are gone after ``ttl`` at the latest.

    Whatever goes wrong with Redis, or takes longer than ``patience`` seconds, is a ``StoreError``: then the provider is asked
    and nothing is kept. The ``client`` stays open. Its memory is that of the sessions if they have the same server: under
    ``noeviction`` a cache that fills it leaves no room to save one.
    """

    def __init__(
        self,
        client: RedisClient,
        tenant_id: TenantId,
        *,
        ttl: timedelta = DEFAULT_TTL,
        patience: float = 1.0,
    ) -> None:
        if ttl < timedelta(seconds=1) or patience <= 0:
            raise ValueError("ttl must be a second or more, and patience positive")
        self._client = client
        self._tenant = tenant_id.hex.encode()
        self._ttl = ttl
        self._patience = patience

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """What is kept under each key, in order; ``None`` where nothing is."""
        found: list[bytes | None] = []
        async with self._in_time():
            for some in _parts([self._name(key) for key in keys]):
                found += await self._client.values(some)
        return found

    async def put_many(self, values: Mapping[str, bytes]) -> None:
        """Keep each value under its key."""
        named = {self._name(key): value for key, value in values.items()}
        async with self._in_time():
            for some in _parts(list(named)):
                await self._client.put({name: named[name] for name in some}, expire=self._ttl)

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience):
                yield
                return
        except TimeoutError:
            pass
        raise StoreTimeoutError("Redis did not answer within the patience of the cache")

    def _name(self, key: str) -> bytes:
        return names.cached(self._tenant, key)


def _parts(of: Sequence[bytes]) -> Iterator[list[bytes]]:
    rest = iter(of)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
