"""A tenant's cache of embeddings on Redis."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from focal_data.domain.embedding import Embedding
from focal_data.errors import StoreConnectionError, StoreError, StoreTimeoutError
from focal_data.ids import TenantId, new_id
from focal_data.providers.embedding.cached import CachedEmbeddingProvider
from focal_data.providers.embedding.fake import FakeEmbeddingProvider
from focal_data.redis.cache import RedisCache
from focal_data.redis.client import RedisClient
from focal_data.redis.erasure import SessionErasure
from focal_data.redis.session import RedisSessionStore
from focal_data.settings import Settings
from tests.integration.redis.examples import a_session
from tests.integration.redis.server import Proxy, RedisServer

MANY = 600
"""More than go in one request."""


@pytest.fixture
def cache(client: RedisClient, tenant_id: TenantId) -> RedisCache:
    return RedisCache(client, tenant_id)


async def test_what_was_put_is_found(cache: RedisCache) -> None:
    """In the order of the keys, bytes of any kind, ``None`` where nothing is; nothing is asked for nothing."""
    values = {f"key {number}": number.to_bytes(4, "little") for number in range(MANY)}
    await cache.put_many(values)
    wanted = [*reversed(values), "another", "key 7", ""]
    assert [values.get(key) for key in wanted] == await cache.get_many(wanted)
    await cache.put_many({"key 7": b"\0\xff\r\n"})
    assert [b"\0\xff\r\n"] == await cache.get_many(["key 7"])
    await cache.put_many({})
    assert [] == await cache.get_many([])


async def test_it_goes_after_its_time(client: RedisClient, tenant_id: TenantId, direct: redis.Redis) -> None:
    """Every key, by itself, and again from when it was put anew."""
    await RedisCache(client, tenant_id, ttl=timedelta(seconds=90)).put_many({"a": b"1", "b": b"2"})
    await RedisCache(client, tenant_id).put_many({"b": b"3"})
    assert [90, 86_400] == sorted(round(direct.pttl(name) / 1000) for name in direct.scan_iter())


async def test_a_tenant_has_its_own(client: RedisClient, cache: RedisCache, direct: redis.Redis) -> None:
    """Nobody finds out what another asked for; the name of a key holds no text."""
    await cache.put_many({"where is my parcel": b"1"})
    assert [None] == await RedisCache(client, TenantId(new_id())).get_many(["where is my parcel"])
    assert "parcel" not in str(direct.keys())


async def test_a_tenant_that_is_deleted_takes_it_along(
    client: RedisClient,
    cache: RedisCache,
    store: RedisSessionStore,
    tenant_id: TenantId,
    direct: redis.Redis,
) -> None:
    """It is not counted among the sessions, nor taken for one."""
    await cache.put_many({"a": b"1"})
    await store.save(a_session())
    erasure = SessionErasure(client, tenant_id)
    assert 1 == await erasure.count() == len(await erasure.find(lambda _: True))
    assert 1 == await erasure.remove_all()
    assert [] == direct.keys()


async def test_processes_share_what_one_has_embedded(
    client: RedisClient, settings: Settings, tenant_id: TenantId
) -> None:
    """To the last bit; the provider is asked for what nobody has."""
    first, second = FakeEmbeddingProvider(), FakeEmbeddingProvider()
    made = await CachedEmbeddingProvider(first, RedisCache(client, tenant_id)).embed_batch(["a", "b"])
    async with RedisClient(settings) as other:
        cached = CachedEmbeddingProvider(second, RedisCache(other, tenant_id))
        found = await cached.embed_batch(["b", "c", "a"])
    assert [["c"]] == second.calls
    assert [made[1], made[0]] == [found[0], found[2]]
    assert isinstance(found[1], Embedding)


async def embeds_all_the_same(cache: RedisCache) -> None:
    """Without the cache."""
    provider = FakeEmbeddingProvider()
    assert await FakeEmbeddingProvider().embed("a") == await CachedEmbeddingProvider(provider, cache).embed(
        "a"
    )
    assert [["a"]] == provider.calls


@pytest.mark.slow
async def test_redis_that_is_gone_is_a_miss(tenant_id: TenantId, tmp_path: Path) -> None:
    """An error of the cache, and none of the embedding."""
    async with RedisClient(Settings.of(redis_url=f"unix://{tmp_path}/none")) as client:
        cache = RedisCache(client, tenant_id)
        with pytest.raises(StoreConnectionError):
            await cache.get_many(["a"])
        with pytest.raises(StoreConnectionError):
            await cache.put_many({"a": b"1"})
        await embeds_all_the_same(cache)


async def test_redis_that_is_slow_is_a_miss(
    client: RedisClient, tenant_id: TenantId, server: RedisServer
) -> None:
    """It is not waited for longer than the cache's patience, and the client is as good as before."""
    cache = RedisCache(client, tenant_id, patience=0.05)
    server.send(signal.SIGSTOP)
    try:
        with pytest.raises(StoreTimeoutError, match="patience"):
            await cache.get_many(["a"])
        await embeds_all_the_same(cache)
    finally:
        server.send(signal.SIGCONT)
    patient = RedisCache(client, tenant_id)
    await patient.put_many({"b": b"2"})
    assert [b"2", None] == await patient.get_many(["b", "c"])


async def test_redis_that_is_full_is_a_miss(cache: RedisCache, direct: redis.Redis) -> None:
    """Nothing is kept."""
    direct.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreError, match="out of memory"):
            await cache.put_many({"a": b"1"})
        await embeds_all_the_same(cache)
    finally:
        direct.config_set("maxmemory", 0)


async def test_an_answer_that_is_lost_is_asked_for_again(proxy: Proxy, tenant_id: TenantId) -> None:
    """To put something twice changes nothing."""
    async with RedisClient(Settings.of(redis_url=proxy.url)) as client:
        cache = RedisCache(client, tenant_id)
        proxy.lose = 1
        await cache.put_many({"a": b"1"})
        assert proxy.lost.is_set()
        proxy.lose = 1
        assert [b"1"] == await cache.get_many(["a"])


@pytest.mark.parametrize("options", [{"ttl": timedelta(0)}, {"patience": 0.0}])
def test_bad_options_are_refused(client: RedisClient, tenant_id: TenantId, options: dict[str, Any]) -> None:
    """When it is made."""
    with pytest.raises(ValueError, match="positive"):
        RedisCache(client, tenant_id, **options)
