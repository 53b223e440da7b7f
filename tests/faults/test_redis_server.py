"""One Redis that fails: it pauses, comes back empty, is full, or is cut off in the middle of a save."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from focal_data.domain.session import Session
from focal_data.errors import NotFoundError, Outcome, StoreConnectionError, StoreError, StoreTimeoutError
from focal_data.ids import TenantId, new_id
from focal_data.redis.client import RedisClient
from focal_data.redis.codec import decode
from focal_data.redis.session import RedisSessionStore
from focal_data.settings import Settings
from tests.integration.redis.examples import AGENT, a_session, cold_key, hot_key
from tests.integration.redis.server import Proxy, RedisServer, every_server

FULL = ("--maxmemory", "40mb", "--maxmemory-policy")


@pytest.fixture(params=every_server())
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A server of this test alone, not yet started."""
    with tempfile.TemporaryDirectory(prefix="focal-") as folder:
        server = RedisServer(Path(folder), request.param)
        yield server
        server.kill()


@pytest.fixture
async def proxy(server: RedisServer) -> AsyncIterator[Proxy]:
    server.start()
    with tempfile.TemporaryDirectory(prefix="focal-") as folder:
        async with Proxy(server, Path(folder) / "proxy.sock") as proxy:
            yield proxy


@pytest.fixture
def tenant_id() -> TenantId:
    return TenantId(new_id())


def both_copies(server: RedisServer, tenant_id: TenantId, session_id: object) -> list[Session | None]:
    """What is stored of a session, hot and cold."""
    with server.direct() as direct:
        names = [cold_key(tenant_id, session_id), hot_key(tenant_id, session_id)]
        return [
            None if value is None else decode(value, name)
            for name, value in zip(names, direct.mget(names), strict=True)
        ]


@pytest.mark.slow
async def test_a_pause_of_ten_seconds(server: RedisServer, tenant_id: TenantId) -> None:
    """Every call is our error in time; what was saved meanwhile is there wholly or not at all; then all works."""
    server.start()
    async with RedisClient(Settings.of(redis_url=server.url, redis_timeout=1)) as client:
        store = RedisSessionStore(client, tenant_id)
        session = await store.save(a_session())
        server.send(signal.SIGSTOP)
        started = time.monotonic()
        attempts: list[tuple[Session, Outcome]] = []
        try:
            while time.monotonic() < started + 10:
                asked = time.monotonic()
                attempt = a_session()
                with pytest.raises(StoreTimeoutError) as saving:
                    await store.save(attempt)
                attempts.append((attempt, saving.value.outcome))
                with pytest.raises(StoreTimeoutError) as reading:
                    await store.get(session.session_id)
                assert time.monotonic() - asked < 4
                assert "not_applied" == reading.value.outcome
        finally:
            server.send(signal.SIGCONT)
        assert session == await store.get(session.session_id)
        assert "unknown" == attempts[0][1]
        for attempt, outcome in attempts:
            cold, hot = both_copies(server, tenant_id, attempt.session_id)
            assert cold == hot
            assert cold is None or outcome == "unknown"
        assert 2 == (await store.save(session)).revision


async def test_restarted_empty(server: RedisServer, tenant_id: TenantId) -> None:
    """What is gone is absent, to save it says so, and new sessions are stored at once."""
    server.start()
    async with RedisClient(Settings.of(redis_url=server.url)) as client:
        store = RedisSessionStore(client, tenant_id)
        session = await store.save(a_session())
        server.kill()
        server.start()
        assert await store.get(session.session_id) is None
        assert [] == await store.list_by_agent(AGENT)
        with pytest.raises(NotFoundError):
            await store.save(session)
        again = await store.save(session.evolve(revision=0))
        assert [again] == await store.list_by_agent(AGENT)


@pytest.mark.slow
async def test_cut_in_the_middle_of_a_save(server: RedisServer, proxy: Proxy, tenant_id: TenantId) -> None:
    """Wherever the request is cut, the save is done once by being sent again, or, when that is cut too, not at all."""
    async with RedisClient(Settings.of(redis_url=proxy.url)) as client:
        store = RedisSessionStore(client, tenant_id)
        session = await store.save(a_session())
        for at in (1, 3, 20, 100, 300, 500, 1000):
            proxy.cut_after = [at]
            session = await store.save(session)
            assert [session, session] == both_copies(server, tenant_id, session.session_id)

            proxy.cut_after = [at] * 4
            with pytest.raises(StoreConnectionError) as error:
                await store.save(session.evolve(agent_id=new_id()))
            assert "unknown" == error.value.outcome
            assert [session, session] == both_copies(server, tenant_id, session.session_id)
            assert [session] == await store.list_by_agent(AGENT)
        assert 8 == session.revision


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["noeviction", "volatile-ttl", "volatile-lru"])
async def test_a_full_server_keeps_what_it_acknowledged(
    server: RedisServer, tenant_id: TenantId, policy: str
) -> None:
    """Of 40 MB: new saves are refused in the end, and every session that was acknowledged is there, and is found."""
    server.start(*FULL, policy)
    async with RedisClient(Settings.of(redis_url=server.url)) as client:
        store = RedisSessionStore(client, tenant_id)
        acknowledged: list[Session] = []
        with pytest.raises(StoreError, match="out of memory"):
            while True:
                variables = {"noise": os.urandom(10_000).hex()}
                acknowledged.append(await store.save(a_session(variables=variables)))
        assert len(acknowledged) > 800
        for session in acknowledged:
            assert session == await store.get(session.session_id)
        assert acknowledged[:-101:-1] == await store.list_by_agent(AGENT)
        with server.direct() as direct:
            evicted = direct.info("stats")["evicted_keys"]
            assert policy.startswith("volatile") == bool(evicted)
        for session in acknowledged[:200]:
            assert await store.delete(session.session_id)
        assert await store.save(a_session())


@pytest.mark.slow
@pytest.mark.parametrize("server", every_server()[:1], indirect=True)
async def test_a_hundred_of_a_hundred_thousand(
    server: RedisServer, proxy: Proxy, tenant_id: TenantId
) -> None:
    """Come back in two round trips, seen on the wire, newest activity first."""
    async with RedisClient(Settings.of(redis_url=server.url)) as client:
        store = RedisSessionStore(client, tenant_id)
        for _ in range(100):
            await asyncio.gather(*(store.save(a_session(variables={}, step_history=[])) for _ in range(1000)))
    async with RedisClient(Settings.of(redis_url=proxy.url)) as client:
        store = RedisSessionStore(client, tenant_id)
        await store.list_by_agent(AGENT, limit=1)
        before = proxy.round_trips
        found = await store.list_by_agent(AGENT)
        assert 2 == proxy.round_trips - before
        assert 100 == len(found)
        times = [session.last_activity_at for session in found]
        assert sorted(times, reverse=True) == times
        before = proxy.round_trips
        assert 100 == len(await store.list_by_agent(AGENT, found[0].status, limit=100))
        assert 2 == proxy.round_trips - before
