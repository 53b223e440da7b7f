"""Embeddings that are remembered: a text is embedded once, and found by the hash of its content afterwards."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Protocol

from focal_data.domain.embedding import Embedding
from focal_data.errors import StoreError
from focal_data.providers.embedding.base import EmbeddingProvider, checked_texts
from focal_data.telemetry import log_failure


class Cache(Protocol):
    """Keeps bytes by key, or forgets them. One that fails with ``StoreError`` is done without, and logged."""

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """What is kept under each key, in order; ``None`` where nothing is."""
        ...

    async def put_many(self, values: Mapping[str, bytes]) -> None:
        """Keep each value under its key."""
        ...


class MemoryCache:
    """The ``limit`` values that were used last, in this process. A vector of 1536 dimensions has 6 KB."""

    def __init__(self, limit: int = 10_000) -> None:
        if limit < 1:
            raise ValueError("limit must be positive")
        self._limit = limit
        self._values: OrderedDict[str, bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        for key in keys:
            if key in self._values:
                self._values.move_to_end(key)
        return [self._values.get(key) for key in keys]

    async def put_many(self, values: Mapping[str, bytes]) -> None:
        for key, value in values.items():
            self._values[key] = value
            self._values.move_to_end(key)
        while len(self._values) > self._limit:
            self._values.popitem(last=False)


class CachedEmbeddingProvider(EmbeddingProvider):
    """``provider``, asked only for texts that ``cache`` does not have, and for each of them once in a batch.

    A key is a hash of the model, its dimensions and the text: the cache learns no text, and models may share it. Tenants that
    do could tell by the time it takes what others have embedded: ``RedisCache`` is one tenant's.
    """

    def __init__(self, provider: EmbeddingProvider, cache: Cache | None = None) -> None:
        self._provider = provider
        self._cache: Cache = MemoryCache() if cache is None else cache

    @property
    def model_id(self) -> str:
        return self._provider.model_id

    @property
    def dimensions(self) -> int:
        return self._provider.dimensions

    async def embed_batch(self, texts: Sequence[str]) -> list[Embedding]:
        checked = checked_texts(texts)
        keys = [self._key(text) for text in checked]
        found = await self._found(list(dict.fromkeys(keys)))
        places = {key: index for index, key in reversed(list(enumerate(keys))) if key not in found}
        missing = dict(sorted(places.items(), key=lambda item: item[1]))
        if missing:
            made = await self._provider.embed_batch([checked[index] for index in missing.values()])
            fresh = dict(zip(missing, made, strict=True))
            await self._keep(fresh)
            found |= fresh
        return [found[key] for key in keys]

    async def aclose(self) -> None:
        """Close the provider."""
        await self._provider.aclose()

    def _key(self, text: str) -> str:
        digest = sha256(f"{self.model_id}\x00{self.dimensions}\x00{text}".encode())
        return digest.hexdigest()

    async def _found(self, keys: list[str]) -> dict[str, Embedding]:
        if not keys:
            return {}
        try:
            values = await self._cache.get_many(keys)
        except StoreError as error:
            log_failure("embedding_cache", "get_many", error=type(error))
            return {}
        kept = zip(keys, values, strict=True)
        return {key: self._read(value) for key, value in kept if value and len(value) == 4 * self.dimensions}

    def _read(self, value: bytes) -> Embedding:
        return Embedding.from_bytes(value, model=self.model_id)

    async def _keep(self, fresh: dict[str, Embedding]) -> None:
        try:
            await self._cache.put_many({key: made.to_bytes() for key, made in fresh.items()})
        except StoreError as error:
            log_failure("embedding_cache", "put_many", error=type(error))
