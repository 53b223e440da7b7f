"""Embeddings that are remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from focal_data.errors import InvalidDataError, StoreConnectionError
from focal_data.providers.embedding.cached import CachedEmbeddingProvider, MemoryCache
from focal_data.providers.embedding.fake import FakeEmbeddingProvider


@pytest.fixture
def fake() -> FakeEmbeddingProvider:
    """Whoever is asked."""
    return FakeEmbeddingProvider()


async def test_only_what_is_not_known_is_asked_for(fake: FakeEmbeddingProvider) -> None:
    """Once each, in the order of the texts, and the answers stand where the texts do."""
    cached = CachedEmbeddingProvider(fake)
    texts = ["b", "a", "b", "c", "a"]
    embeddings = await cached.embed_batch(texts)
    assert await FakeEmbeddingProvider().embed_batch(texts) == embeddings
    assert [["b", "a", "c"]] == fake.calls
    assert embeddings[1] == await cached.embed("a")
    await cached.embed_batch(["c", "d"])
    assert [["b", "a", "c"], ["d"]] == fake.calls
    assert [] == await cached.embed_batch([])


async def test_it_passes_for_the_provider(fake: FakeEmbeddingProvider) -> None:
    """Its name, its dimensions, its checks."""
    cached = CachedEmbeddingProvider(fake)
    assert (fake.model_id, fake.dimensions) == (cached.model_id, cached.dimensions)
    with pytest.raises(InvalidDataError, match=r"texts\[1\]"):
        await cached.embed_batch(["a", ""])
    assert [] == fake.calls


async def test_models_and_dimensions_do_not_share_a_vector(fake: FakeEmbeddingProvider) -> None:
    """In one cache."""
    cache = MemoryCache()
    others = [FakeEmbeddingProvider(32), FakeEmbeddingProvider(model_id="other")]
    for provider in (fake, *others) * 2:
        embedding = await CachedEmbeddingProvider(provider, cache).embed("a")
        assert (provider.model_id, provider.dimensions) == (embedding.model, len(embedding))
    assert [1, 1, 1] == [len(provider.calls) for provider in (fake, *others)]


async def test_the_oldest_is_forgotten(fake: FakeEmbeddingProvider) -> None:
    """What is used stays."""
    cache = MemoryCache(2)
    cached = CachedEmbeddingProvider(fake, cache)
    for text in ("a", "b", "a", "c", "a", "b"):
        await cached.embed(text)
    assert [["a"], ["b"], ["c"], ["b"]] == fake.calls
    assert 2 == len(cache)
    with pytest.raises(ValueError, match="positive"):
        MemoryCache(0)


class Broken(MemoryCache):
    """A cache that is not there."""

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        raise StoreConnectionError("gone")

    async def put_many(self, values: Mapping[str, bytes]) -> None:
        raise StoreConnectionError("gone")


async def test_a_cache_that_fails_is_done_without(
    fake: FakeEmbeddingProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """And logged, without the text."""
    cached = CachedEmbeddingProvider(fake, Broken())
    assert await fake.embed("secret") == await cached.embed("secret")
    assert ["get_many", "put_many"] == [record.operation for record in caplog.records]  # type: ignore[attr-defined]
    assert "secret" not in caplog.text


async def test_what_is_no_vector_is_made_again(fake: FakeEmbeddingProvider) -> None:
    """A value that somebody cut short; the cache learns no text."""
    cache = MemoryCache()
    cached = CachedEmbeddingProvider(fake, cache)
    embedding = await cached.embed("secret")
    (key,) = cache._values
    assert "secret" not in key
    await cache.put_many({key: b"short"})
    assert embedding == await cached.embed("secret")
    assert 2 == len(fake.calls)
