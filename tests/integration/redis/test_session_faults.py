from __future__ import annotations

import asyncio
import logging
import signal
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
import redis

from focal_data.domain.session import Session
from focal_data.errors import (
    AccessError,
    CorruptDataError,
    DriverError,
    FocalDataError,
    StoreConnectionError,
    StoreError,
    StoreTimeoutError,
)
from focal_data.ids import TenantId, new_id
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.session import RedisSessionMaintenance, RedisSessionStore
from focal_data.settings import Settings
from focal_data.testing.contracts.session import MovedClock
from tests.integration.redis.examples import AGENT, SECRET, a_session, cold_key, hot_key
from tests.integration.redis.server import RedisServer, every_server


@pytest.fixture(params=every_server())
def fragile(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A server of this test alone."""
    with tempfile.TemporaryDirectory(prefix="focal-") as folder:
        server = RedisServer(Path(folder), request.param)
        server.start()
        yield server
        server.kill()


@pytest.fixture
async def fragile_client(fragile: RedisServer) -> AsyncIterator[RedisClient]:
    async with RedisClient(Settings.of(redis_url=fragile.url, redis_timeout=1)) as client:
        yield client


@pytest.fixture
def fragile_store(fragile_client: RedisClient, tenant_id: TenantId) -> RedisSessionStore:
    return RedisSessionStore(fragile_client, tenant_id)


def every_call(store: RedisSessionStore, session: Session) -> dict[str, Callable[[], Awaitable[object]]]:
    return {
        "save": lambda: store.save(session),
        "get": lambda: store.get(session.session_id),
        "delete": lambda: store.delete(session.session_id),
        "promote": lambda: store.promote_to_hot(session.session_id),
        "demote": lambda: store.demote_to_persistent(session.session_id),
        "channel": lambda: store.get_by_channel(session.channel, session.channel_user_id),
        "agent": lambda: store.list_by_agent(session.agent_id),
    }


def told(error: BaseException) -> str:
    """All that an error says, with what it was caused by or raised in."""
    assert isinstance(error, FocalDataError | DriverError)
    near = {found for found in (error.__cause__, error.__context__) if found is not None}
    return " ".join([f"{error!r} {error} {error.args!r} {vars(error)}", *map(told, near)])


@pytest.mark.slow
async def test_gone_and_back(
    fragile: RedisServer, fragile_store: RedisSessionStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a server every call is our error, in time and without content; with one again, it works by itself."""
    session = await fragile_store.save(a_session())
    fragile.kill()

    caplog.set_level(logging.DEBUG)
    for call in every_call(fragile_store, session).values():
        with pytest.raises(StoreConnectionError) as error:
            await asyncio.wait_for(call(), 3)
        assert SECRET not in told(error.value)
    assert SECRET not in caplog.text
    assert str(session.session_id) not in caplog.text

    fragile.start()
    assert await fragile_store.get(session.session_id) is None
    again = await fragile_store.save(a_session())
    assert again == await fragile_store.get(again.session_id)


async def test_restarted_between_calls(fragile: RedisServer, fragile_store: RedisSessionStore) -> None:
    """A server that was restarted while nobody called is not noticed, not even by a delete."""
    await fragile_store.save(a_session())
    fragile.kill()
    fragile.start()
    await asyncio.sleep(0.05)  # the loop hears of the end of its connections

    assert not await fragile_store.delete(a_session().session_id)


@pytest.mark.slow
async def test_paused(fragile: RedisServer, fragile_store: RedisSessionStore) -> None:
    """A server that does not answer is our error within the time-out; what was sent may last, a read leaves nothing."""
    session = await fragile_store.save(a_session())
    fragile.send(signal.SIGSTOP)
    try:
        started = time.monotonic()
        errors = await asyncio.gather(
            *(call() for call in every_call(fragile_store, session).values()), return_exceptions=True
        )
        waited = time.monotonic() - started
    finally:
        fragile.send(signal.SIGCONT)

    assert {StoreTimeoutError} == {type(error) for error in errors}
    assert ["unknown", "not_applied"] == [error.outcome for error in errors[:2]]
    assert waited < 3
    assert [] == [error for error in errors if SECRET in told(error)]
    for _ in range(3):
        await fragile_store.get(session.session_id)


@pytest.mark.slow
async def test_those_who_wait_in_line(fragile: RedisServer, tenant_id: TenantId) -> None:
    """Whoever waits for a connection in vain is told in time too, and that nothing was sent."""
    settings = Settings.of(redis_url=fragile.url, redis_timeout=0.5, redis_pool_size=2)
    async with RedisClient(settings) as client:
        store = RedisSessionStore(client, tenant_id)
        await store.save(a_session())
        fragile.send(signal.SIGSTOP)
        try:
            started = time.monotonic()
            errors = await asyncio.gather(
                *(store.save(a_session()) for _ in range(10)), return_exceptions=True
            )
            waited = time.monotonic() - started
        finally:
            fragile.send(signal.SIGCONT)

    assert waited < 2
    assert {"unknown", "not_applied"} == {error.outcome for error in errors}


async def test_out_of_memory(fragile: RedisServer, fragile_store: RedisSessionStore) -> None:
    """A full server refuses a save wholly and gives what it has, hot or cold; with room again, it saves."""
    session = await fragile_store.save(a_session())
    await fragile_store.demote_to_persistent(session.session_id)
    with fragile.direct() as direct:
        before = set(direct.keys())
        direct.config_set("maxmemory", 1)

        with pytest.raises(StoreError) as new:
            await fragile_store.save(a_session())
        with pytest.raises(StoreError) as old:
            await fragile_store.save(session.evolve(agent_id=new_id()))

        assert session == await fragile_store.get(session.session_id)
        assert session == await fragile_store.get_by_channel(session.channel, session.channel_user_id)
        assert [session] == await fragile_store.list_by_agent(AGENT)
        assert before == set(direct.keys())
        with pytest.raises(StoreError):
            await fragile_store.promote_to_hot(session.session_id)
        direct.config_set("maxmemory", 0)

    assert "out of memory" in str(new.value)
    assert str(new.value) == str(old.value)
    assert SECRET not in told(new.value)
    assert 2 == (await fragile_store.save(session)).revision


async def test_read_only(fragile: RedisServer, fragile_store: RedisSessionStore) -> None:
    """A read-only replica gives what it has, cold too, whatever it can't repair or make hot; it refuses writes: not applied."""
    session, hot = (
        await fragile_store.save(a_session()),
        await fragile_store.save(a_session(agent_id=new_id())),
    )
    await fragile_store.demote_to_persistent(session.session_id)
    tenant = session.tenant_id
    with fragile.direct() as direct:
        direct.pexpire(hot_key(tenant, hot.session_id), 60_000)
        term = keys.agent_term(AGENT, session.status)
        direct.zadd(keys.index(tenant.hex.encode(), term), {hot.session_id.hex: -(10**16)})
        direct.execute_command("REPLICAOF", "127.0.0.1", "1")

        assert session == await fragile_store.get(session.session_id)
        assert hot == await fragile_store.get(hot.session_id)
        assert [session] == await fragile_store.list_by_agent(AGENT)
        for name in ("save", "delete", "promote", "demote"):
            with pytest.raises(StoreConnectionError) as error:
                await every_call(fragile_store, session)[name]()
            assert "not_applied" == error.value.outcome, name
        direct.execute_command("REPLICAOF", "NO", "ONE")

    assert 2 == (await fragile_store.save(session)).revision


async def test_wrong_password(fragile: RedisServer, tenant_id: TenantId) -> None:
    """A login that is refused says what to check, at once and without the password."""
    with fragile.direct() as direct:
        direct.config_set("requirepass", "right")
        async with RedisClient(Settings.of(redis_url=f"{fragile.url}?password=wr0ng")) as client:
            with pytest.raises(AccessError) as error:
                await RedisSessionStore(client, tenant_id).get(a_session().session_id)
            assert not await RedisSessionMaintenance(client).health_check()
        async with RedisClient(Settings.of(redis_url=fragile.url)) as client:
            with pytest.raises(AccessError):
                await RedisSessionStore(client, tenant_id).get(a_session().session_id)

    assert "wr0ng" not in told(error.value)


async def test_no_health(fragile: RedisServer, fragile_client: RedisClient) -> None:
    """A server that is gone is not healthy, and asking never raises."""
    fragile.kill()

    assert not await RedisSessionMaintenance(fragile_client).health_check()


async def test_cancelled(fragile_store: RedisSessionStore) -> None:
    """A call that is cancelled leaves no answer behind for the next one to take as its own."""
    sessions = [await fragile_store.save(a_session()) for _ in range(20)]
    for turn in range(200):
        task = asyncio.create_task(fragile_store.get(sessions[turn % 20].session_id))
        for _ in range(turn % 5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        session = sessions[(turn + 7) % 20]
        assert session == await fragile_store.get(session.session_id)


DAMAGE = {
    "empty": b"",
    "short": b"\x01short",
    "unknown format": b"\x00" + b"x" * 200,
    "text": b'{"session_id": "the customer\'s own words"}',
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
async def test_damaged(
    store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId, damage: bytes
) -> None:
    """Damaged bytes are an error that names their key and nothing of theirs, for every call; they can be deleted."""
    session = await store.save(a_session())
    hot, cold = hot_key(tenant_id, session.session_id), cold_key(tenant_id, session.session_id)

    direct.set(hot, damage)
    with pytest.raises(CorruptDataError) as error:
        await store.get(session.session_id)
    assert hot.decode() == error.value.key

    direct.delete(hot)
    direct.set(cold, damage or b"x")
    for name in ("save", "get", "promote", "channel", "agent"):
        with pytest.raises(CorruptDataError) as error:
            await every_call(store, session)[name]()
        assert error.value.key in (cold.decode(), hot.decode()), name
        assert SECRET not in told(error.value)

    assert await store.delete(session.session_id)
    assert await store.get(session.session_id) is None


async def test_newer_format(store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId) -> None:
    """What a newer version wrote is an error that says so, and is not overwritten."""
    session = await store.save(a_session())
    cold = cold_key(tenant_id, session.session_id)
    await store.demote_to_persistent(session.session_id)
    newer = b"\x09" + direct.get(cold)[1:]
    direct.set(cold, newer)

    with pytest.raises(CorruptDataError, match="newer"):
        await store.get(session.session_id)
    with pytest.raises(CorruptDataError) as error:
        await store.save(session)

    assert cold.decode() == error.value.key
    assert newer == direct.get(cold)


async def test_any_flipped_bit(store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId) -> None:
    """Whatever bit is flipped in a copy, what is read is the session or an error, never another session."""
    session = await store.save(a_session(variables={}, step_history=[]))
    hot, cold = hot_key(tenant_id, session.session_id), cold_key(tenant_id, session.session_id)
    values = direct.get(hot), direct.get(cold)
    head = [8 * at + bit for at in range(33, 58) for bit in range(8)]
    for value in values:
        for flip in (*head, *range(0, 8 * len(value), 23)):
            flipped = bytearray(value)
            flipped[flip // 8] ^= 1 << flip % 8
            direct.set(hot, bytes(flipped))
            with suppress(CorruptDataError):
                assert session == await store.get(session.session_id)


async def test_a_damaged_time_of_creation(
    store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId
) -> None:
    """Is not taken over by who saves next."""
    session = await store.save(a_session())
    cold = cold_key(tenant_id, session.session_id)
    value = direct.get(cold)
    for flip in range(8 * 37, 8 * 45):
        flipped = bytearray(value)
        flipped[flip // 8] ^= 1 << flip % 8
        direct.set(cold, bytes(flipped))
        with pytest.raises(CorruptDataError) as error:
            await store.save(session)
        assert cold.decode() == error.value.key


async def test_a_session_without_its_times(
    store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId
) -> None:
    """Sound bytes that no store wrote are an error that names their key."""
    session = await store.save(a_session())
    hot = hot_key(tenant_id, session.session_id)
    value = direct.get(hot)
    start = 58 + 19 * value[57]
    for name in ("created_at", "last_activity_at"):
        body = orjson.dumps({**orjson.loads(value[start:]), name: None})
        direct.set(hot, value[:53] + zlib.crc32(body).to_bytes(4) + value[57:start] + body)
        with pytest.raises(CorruptDataError) as error:
            await store.get(session.session_id)
        assert hot.decode() == error.value.key


@pytest.mark.parametrize(
    "option",
    [
        "decode_responses=true",
        "protocol=3",
        "protocol=9",
        "socket_timeout=0.001",
        "retry=5",
        "redis_connect_func=x",
    ],
)
async def test_what_the_url_asks_for_besides(server: RedisServer, tenant_id: TenantId, option: str) -> None:
    """Does not change what answers look like, how long they may take, or who tries again."""
    async with RedisClient(Settings.of(redis_url=f"{server.url}?{option}")) as client:
        store = RedisSessionStore(client, tenant_id)
        session = await store.save(a_session())
        assert session == await store.get(session.session_id)


async def test_another_session_under_the_key(
    store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId
) -> None:
    """A sound session under another's key is an error: never a wrong session."""
    mine, other = await store.save(a_session()), await store.save(a_session(agent_id=AGENT))
    for key in (hot_key, cold_key):
        direct.set(key(tenant_id, mine.session_id), direct.get(key(tenant_id, other.session_id)))

    with pytest.raises(CorruptDataError) as error:
        await store.get(mine.session_id)
    assert hot_key(tenant_id, mine.session_id).decode() == error.value.key
    with pytest.raises(CorruptDataError):
        await store.list_by_agent(AGENT)


async def test_another_tenants_session_under_the_key(
    store: RedisSessionStore, client: RedisClient, direct: redis.Redis, tenant_id: TenantId, clock: MovedClock
) -> None:
    """Nor is one of the same id that is another tenant's ever shown."""
    mine, theirs = await store.save(a_session()), TenantId(new_id())
    await RedisSessionStore(client, theirs, clock=clock).save(a_session(session_id=mine.session_id))
    for key in (hot_key, cold_key):
        direct.set(key(tenant_id, mine.session_id), direct.get(key(theirs, mine.session_id)))

    for name in ("get", "channel", "agent"):
        with pytest.raises(CorruptDataError):
            await every_call(store, mine)[name]()


async def test_another_type(store: RedisSessionStore, direct: redis.Redis, tenant_id: TenantId) -> None:
    """A key of another type is an error that names it."""
    session = await store.save(a_session())
    hot, cold = hot_key(tenant_id, session.session_id), cold_key(tenant_id, session.session_id)
    direct.delete(hot, cold)
    direct.lpush(cold, "x")
    for name in ("save", "get", "promote", "demote"):
        with pytest.raises(CorruptDataError) as error:
            await every_call(store, session)[name]()
        assert cold.decode() == error.value.key, name
    direct.lpush(hot, "x")

    with pytest.raises(CorruptDataError) as error:
        await store.get(session.session_id)
    assert hot.decode() == error.value.key


@pytest.mark.slow
async def test_cancelled_while_connecting(fragile: RedisServer, tenant_id: TenantId) -> None:
    """Nor does one that is cancelled at any step of making a connection and logging in."""
    settings = Settings.of(redis_url=f"{fragile.url}?password=right&db=1", redis_pool_size=1)
    with fragile.direct() as direct:
        direct.config_set("requirepass", "right")
    async with RedisClient(settings) as client:
        session = await RedisSessionStore(client, tenant_id).save(a_session())
    for steps in range(30):
        async with RedisClient(settings) as client:
            store = RedisSessionStore(client, tenant_id)
            task = asyncio.create_task(store.get(session.session_id))
            for _ in range(steps):
                await asyncio.sleep(0.0002)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert session == await store.get(session.session_id)
