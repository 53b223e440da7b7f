"""Ideation on a Redis that is gone, full or slow, whose answers are lost, and whose clients die on the way."""

from __future__ import annotations

import asyncio
import logging
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import redis

from focal_data.domain.ideation import IdeationSession
from focal_data.errors import (
    NotFoundError,
    Outcome,
    RetryableError,
    StoreConnectionError,
    StoreError,
    StoreTimeoutError,
)
from focal_data.ids import TenantId
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.ideation import RedisIdeationFactory
from focal_data.redis.ideation_work import _WRITE
from focal_data.settings import Settings
from focal_data.stores.ideation import IdeationStores, IdeationTenant
from focal_data.testing.contracts.ideation.base import (
    a_draft,
    a_maturity,
    a_message,
    a_requirement,
    a_session,
    a_story,
    all_parts,
    filled,
)
from focal_data.testing.contracts.session import MovedClock
from tests.integration.redis.server import Proxy, RedisServer, every_server
from tests.integration.redis.test_session_faults import told

SECRET = "A shop"
Call = Callable[[], Awaitable[object]]


@pytest.fixture(params=every_server())
def fragile(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A server of this test alone."""
    with tempfile.TemporaryDirectory(prefix="focal-") as folder:
        server = RedisServer(Path(folder), request.param)
        server.start()
        yield server
        server.kill()


@pytest.fixture
async def fragile_ideation(fragile: RedisServer, tenant_id: TenantId) -> AsyncIterator[IdeationTenant]:
    async with RedisClient(Settings.of(redis_url=fragile.url, redis_timeout=1)) as client:
        yield RedisIdeationFactory(client).tenant(tenant_id)


@pytest.fixture
def ideation(client: RedisClient, tenant_id: TenantId, clock: MovedClock) -> IdeationTenant:
    return RedisIdeationFactory(client, clock=clock).tenant(tenant_id)


@pytest.fixture
async def lossy(proxy: Proxy, tenant_id: TenantId, clock: MovedClock) -> AsyncIterator[IdeationTenant]:
    """The same tenant, by way of a proxy that loses what it is told to lose."""
    async with RedisClient(Settings.of(redis_url=proxy.url, redis_timeout=5)) as client:
        yield RedisIdeationFactory(client, clock=clock).tenant(tenant_id)


def everything(direct: redis.Redis) -> dict[bytes, bytes]:
    return {key: direct.dump(key) for key in sorted(direct.scan_iter())}


def writes_of(ideation: IdeationStores, session: IdeationSession) -> dict[str, Call]:
    return {
        "create": lambda: ideation.sessions.create(a_session()),
        "message": lambda: ideation.messages.create(a_message(session.id, SECRET)),
        "requirement": lambda: ideation.requirements.create(a_requirement(session.id)),
        "maturity": lambda: ideation.maturity.save(a_maturity(session.id)),
        "draft": lambda: ideation.prd.save_draft(a_draft(session.id)),
        "stories": lambda: ideation.prd.save_user_stories(session.id, [a_story(session.id)]),
        "update": lambda: ideation.sessions.update(session.evolve(user_id="eve", version=1)),
    }


def reads_of(ideation: IdeationStores, session: IdeationSession) -> list[Call]:
    return [
        lambda: ideation.sessions.get_by_id(session.id),
        lambda: ideation.sessions.list_by_user(session.user_id),
        lambda: ideation.messages.get_by_session(session.id),
    ]


async def lose_answer(proxy: Proxy, number: int) -> None:
    """From now on."""
    last = proxy.round_trips + number
    while proxy.round_trips < last:  # noqa: ASYNC110
        await asyncio.sleep(0)
    proxy.lose = 1


@pytest.mark.slow
async def test_gone_and_back(
    fragile: RedisServer, fragile_ideation: IdeationTenant, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a server every call is our error, in time and without content; with one again, it works by itself."""
    session = a_session()
    await filled(fragile_ideation, session)
    fragile.kill()
    caplog.set_level(logging.DEBUG)
    for call in (*writes_of(fragile_ideation, session).values(), *reads_of(fragile_ideation, session)):
        with pytest.raises(StoreConnectionError) as caught:
            await asyncio.wait_for(call(), 3)
        assert SECRET not in told(caught.value)
        assert Outcome.NOT_APPLIED == caught.value.outcome
    assert SECRET not in caplog.text
    assert session.id not in caplog.text
    fragile.start()
    assert await fragile_ideation.sessions.get_by_id(session.id) is None
    parts = await filled(fragile_ideation, session)
    assert parts == await all_parts(fragile_ideation, session.id)


@pytest.mark.slow
async def test_paused(fragile: RedisServer, fragile_ideation: IdeationTenant) -> None:
    """A server that does not answer is our error within the time-out."""
    session = a_session()
    await filled(fragile_ideation, session)
    fragile.send(signal.SIGSTOP)
    try:
        calls = [*writes_of(fragile_ideation, session).values(), *reads_of(fragile_ideation, session)]
        errors = await asyncio.wait_for(
            asyncio.gather(*(call() for call in calls), return_exceptions=True), 5
        )
    finally:
        fragile.send(signal.SIGCONT)
    assert {StoreTimeoutError} == {type(error) for error in errors}
    assert await fragile_ideation.sessions.get_by_id(session.id) is not None


async def test_full(fragile: RedisServer, fragile_ideation: IdeationTenant) -> None:
    """A full server refuses every write wholly and gives what it has; what frees room it does."""
    session = a_session()
    parts = await filled(fragile_ideation, session)
    with fragile.direct() as direct:
        before = everything(direct)
        direct.config_set("maxmemory", 1)
        for call in writes_of(fragile_ideation, session).values():
            with pytest.raises(StoreError, match="out of memory") as caught:
                await call()
            assert SECRET not in told(caught.value)
        with pytest.raises(StoreError, match="out of memory"):
            async with fragile_ideation.transaction() as stores:
                for name, write in writes_of(stores, session).items():
                    if name != "create":
                        await write()
        assert before == everything(direct)
        assert parts == await all_parts(fragile_ideation, session.id)
        assert 2 == await fragile_ideation.messages.delete_by_session(session.id)
        assert await fragile_ideation.sessions.delete(session.id)
        assert [] == direct.keys()


@pytest.mark.slow
async def test_an_answer_that_is_lost_is_asked_for_again(
    lossy: IdeationTenant, proxy: Proxy, ideation: IdeationTenant
) -> None:
    """Whichever it is: what was written is written once, and is told as it is."""
    for name in writes_of(lossy, a_session()):
        for lost in range(4):
            session = a_session()
            await filled(ideation, session)
            write = writes_of(lossy, session)[name]
            await lossy.sessions.get_by_id(session.id)
            losing = asyncio.create_task(lose_answer(proxy, lost + 1))
            await write()
            losing.cancel()
            assert lost > 1 or proxy.lost.is_set()
            proxy.lost.clear()
            proxy.lose = 0
            found = await all_parts(ideation, session.id)
            counts = (len(found.messages), len(found.requirements), len(found.stories))
            expected = {"message": (3, 2, 2), "requirement": (2, 3, 2), "stories": (2, 2, 1)}
            assert expected.get(name, (2, 2, 2)) == counts, (name, lost)
            stored = await ideation.sessions.get_by_id(session.id)
            assert (2 if name == "update" else 1) == stored.version


async def test_a_removal_whose_answer_is_lost_is_not_tried_again(
    lossy: IdeationTenant, proxy: Proxy, ideation: IdeationTenant, direct: redis.Redis, clock: MovedClock
) -> None:
    """It says that it does not know. What still leads there is read past, and taken out when it has settled."""
    session = a_session()
    await filled(ideation, session)
    await lossy.sessions.get_by_id(session.id)
    losing = asyncio.create_task(lose_answer(proxy, 2))  # the first is that it is there
    deleting = asyncio.create_task(lossy.sessions.delete(session.id))
    await losing
    with pytest.raises(StoreConnectionError) as caught:
        await deleting
    assert Outcome.UNKNOWN == caught.value.outcome
    assert [] == await ideation.sessions.list_by_user(session.user_id)
    clock.advance(hours=1)
    assert [] == await ideation.sessions.list_by_user(session.user_id)
    assert [] == direct.keys()


@pytest.mark.parametrize("cut", [1, 20, 200, 900, 2000])
async def test_a_client_that_dies_while_it_writes(
    proxy: Proxy, tenant_id: TenantId, ideation: IdeationTenant, direct: redis.Redis, cut: int
) -> None:
    """Wherever its message breaks off: stories, and all that a transaction wrote, are what they were."""
    session = a_session()
    parts = await filled(ideation, session)
    before = everything(direct)
    settings = Settings.of(redis_url=proxy.url, redis_timeout=1)
    async with RedisClient(settings) as client:
        dying = RedisIdeationFactory(client).tenant(tenant_id)
        with pytest.raises(StoreConnectionError):
            async with dying.transaction() as stores:
                await stores.messages.create(a_message(session.id, "x" * 3000))
                await stores.prd.save_user_stories(session.id, [a_story(session.id)] * 1)
                await stores.maturity.save(a_maturity(session.id))
                await _cut_every_connection(client, proxy, cut)
    assert before == everything(direct)
    assert parts == await all_parts(ideation, session.id)


async def _cut_every_connection(client: RedisClient, proxy: Proxy, cut: int) -> None:
    await client.close()
    proxy.cut_after = [cut] * 10


async def test_what_leads_to_a_session_that_was_not_written(
    ideation: IdeationTenant, direct: redis.Redis, tenant_id: TenantId, clock: MovedClock
) -> None:
    """As of a client that died in between: it is read past at once, however many there are, and goes when it has settled."""
    sessions = [await ideation.sessions.create(a_session(id=f"{number}")) for number in range(3)]
    index = keys.ideation_user(tenant_id.hex.encode(), "ada")
    now = direct.zscore(index, "0")
    direct.zadd(index, {f"never {number}": now - number for number in range(50)})
    clock.advance(seconds=30)
    for limit in (1, 2, 3, 50):
        assert sessions[:limit] == await ideation.sessions.list_by_user("ada", limit)
    assert sessions[2:] == await ideation.sessions.list_by_user("ada", 5, 2)
    assert 53 == direct.zcard(index)
    clock.advance(hours=1)
    assert sessions[:1] == await ideation.sessions.list_by_user("ada", 1)
    assert sessions == await ideation.sessions.list_by_user("ada")
    assert {b"0", b"1", b"2"} == set(direct.zrange(index, 0, -1))


async def test_an_entry_that_is_ahead_of_its_session(
    ideation: IdeationTenant, direct: redis.Redis, tenant_id: TenantId, clock: MovedClock
) -> None:
    """As of an update that was not written: the list is in the order of the sessions, and the entry is put right later."""
    old = await ideation.sessions.create(a_session())
    clock.advance(seconds=10)
    new = await ideation.sessions.create(a_session())
    index = keys.ideation_user(tenant_id.hex.encode(), "ada")
    direct.zadd(index, {old.id: direct.zscore(index, new.id) - 5_000_000})
    for _ in range(2):
        assert [new] == await ideation.sessions.list_by_user("ada", 1)
        assert [old] == await ideation.sessions.list_by_user("ada", 1, 1)
        assert [new, old] == await ideation.sessions.list_by_user("ada")
        clock.advance(hours=1)
    assert [new.id.encode(), old.id.encode()] == direct.zrange(index, 0, -1)


async def test_a_page_is_certain_of_its_order(
    ideation: IdeationTenant, direct: redis.Redis, tenant_id: TenantId, clock: MovedClock
) -> None:
    """It reads on when what it found may come behind what it did not read."""
    sessions = []
    for _ in range(12):
        sessions.append(await ideation.sessions.create(a_session()))
        clock.advance(seconds=1)
    index = keys.ideation_user(tenant_id.hex.encode(), "ada")
    direct.zadd(index, {sessions[0].id: direct.zscore(index, sessions[-1].id) - 1})
    assert sessions[:1:-1] == await ideation.sessions.list_by_user("ada", 10)
    assert sessions[2:0:-1] == await ideation.sessions.list_by_user("ada", 2, 9)


async def test_what_leads_to_another_users_session(
    ideation: IdeationTenant, direct: redis.Redis, tenant_id: TenantId, clock: MovedClock
) -> None:
    """Is not listed, and taken out; bytes that are no id too."""
    session = await ideation.sessions.create(a_session())
    mine, other = (keys.ideation_user(tenant_id.hex.encode(), user) for user in ("ada", "eve"))
    direct.zadd(other, {session.id: direct.zscore(mine, session.id), b"\xff\xfe": 0})
    clock.advance(hours=1)
    assert [] == await ideation.sessions.list_by_user("eve")
    assert not direct.exists(other)
    assert [session] == await ideation.sessions.list_by_user("ada")


async def test_an_entry_that_was_written_meanwhile_stays(
    ideation: IdeationTenant, client: RedisClient, direct: redis.Redis, tenant_id: TenantId, clock: MovedClock
) -> None:
    """Whoever takes out what misled does not undo what another wrote since."""
    session = await ideation.sessions.create(a_session())
    index = keys.ideation_user(tenant_id.hex.encode(), "ada")
    internal = RedisIdeationFactory(client, clock=clock).tenant(tenant_id)._scope.index
    clock.advance(seconds=1)
    later = await ideation.sessions.update(session)
    await internal.leave(session)
    await internal.undo(session.evolve(updated_at=session.updated_at, user_id="ada"))
    assert [later] == await ideation.sessions.list_by_user("ada")
    assert 1 == direct.zcard(index)


async def test_a_call_that_never_comes_through_gives_up(
    ideation: IdeationTenant, client: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When others write each time in between, it says that it can be tried again; nothing was written."""
    monkeypatch.setattr("focal_data.redis.ideation._ATTEMPTS", 5)
    session = await ideation.sessions.create(a_session())
    scope = RedisIdeationFactory(client).tenant(ideation.tenant_id)._scope
    tries = []

    async def call(work: object) -> None:
        tries.append(await work.exists())
        work.fields(1).put(b"maturity", b"x")
        await ideation.messages.create(a_message(session.id))

    with pytest.raises(RetryableError):
        await scope.run(session.id, call)
    assert [True] * 6 == tries
    assert 6 == len(await ideation.messages.get_by_session(session.id))
    assert await ideation.maturity.get_by_session(session.id) is None


async def test_a_hundred_at_once_come_past_each_other(ideation: IdeationTenant, client: RedisClient) -> None:
    """Each message has a place of its own, whichever process it comes from."""
    session = await ideation.sessions.create(a_session())
    other = RedisIdeationFactory(client).tenant(ideation.tenant_id)
    both = (ideation, other)
    await asyncio.gather(*(both[n % 2].messages.create(a_message(session.id, str(n))) for n in range(100)))
    found = await ideation.messages.get_by_session(session.id)
    assert [*range(100)] == [message.position for message in found]
    assert {str(n) for n in range(100)} == {message.content for message in found}
    with pytest.raises(NotFoundError):
        await ideation.messages.create(a_message("missing"))


async def test_a_write_that_is_sent_again_finds_itself_below_those_of_others(
    ideation: IdeationTenant, client: RedisClient, direct: redis.Redis
) -> None:
    """Up to three; it is done once."""
    session = await ideation.sessions.create(a_session())
    work = RedisIdeationFactory(client).tenant(ideation.tenant_id)._scope.work(session.id)
    await work.ask()
    sent = (_WRITE, b"w" * 8, work._last, [(b"2", b"HINCRBY", b"x", b"1")])
    for others in range(4):
        assert [b"w" * 8] == (await work._run(*sent))[:1], others
        assert b"1" == direct.hget(work.fields(1).key, "x")
        await ideation.messages.create(a_message(session.id))
    with pytest.raises(RetryableError):
        await work._run(*sent)
