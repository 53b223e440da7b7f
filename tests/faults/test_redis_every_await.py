"""Whatever ends a call on Redis, and at whichever await: no connection stays out, and a session is wholly old or wholly new."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from focal_data.domain.session import Session
from focal_data.errors import StoreConnectionError
from focal_data.ids import TenantId, new_id
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.codec import decode
from focal_data.redis.session import RedisSessionMaintenance, RedisSessionStore
from focal_data.settings import Settings
from focal_data.testing.contracts.session import MovedClock
from tests.faults.test_every_await import Disturbed, awaited
from tests.integration.redis.examples import AGENT, a_session, cold_key, hot_key
from tests.integration.redis.server import RedisServer, executable

POOL = 2
OTHER = new_id()

Seen = tuple[int | None, bool, bool]
"""The revision that is stored, and by which of both agents it is found."""


@dataclass
class Ground:
    """A client of two connections, and a session: its second revision, so that it has been moved once."""

    client: RedisClient
    store: RedisSessionStore
    maintenance: RedisSessionMaintenance
    direct: redis.Redis
    session: Session
    clock: MovedClock

    def stored(self) -> Session | None:
        """What both copies hold; the hot one may have expired."""
        session_id = self.session.session_id
        names = [of(self.store._tenant_id, session_id) for of in (cold_key, hot_key)]
        cold, hot = (
            None if value is None else decode(value, name)
            for name, value in zip(names, self.direct.mget(names), strict=True)
        )
        assert hot is None or hot == cold
        return cold

    def seen(self) -> Seen:
        """What a witness sees, who asks the server himself."""
        stored, tenant = self.stored(), self.store._tenant_id.hex.encode()
        member = self.session.session_id.hex
        found = [
            self.direct.zscore(keys.index(tenant, keys.agent_term(agent, self.session.status)), member)
            for agent in (AGENT, OTHER)
        ]
        return None if stored is None else stored.revision, found[0] is not None, found[1] is not None


Call = Callable[[Ground], Awaitable[object]]

CASES: dict[str, tuple[Call, Seen]] = {
    "save": (lambda g: g.store.save(g.session), (3, True, False)),
    "move": (lambda g: g.store.save(g.session.evolve(agent_id=OTHER)), (3, False, True)),
    "delete": (lambda g: g.store.delete(g.session.session_id), (None, False, False)),
    "get": (lambda g: g.store.get(g.session.session_id), (2, True, False)),
    "channel": (lambda g: g.store.get_by_channel(g.session.channel, "user-1"), (2, True, False)),
    "list": (lambda g: g.store.list_by_agent(AGENT), (2, True, False)),
    "promote": (lambda g: g.store.promote_to_hot(g.session.session_id), (2, True, False)),
    "demote": (lambda g: g.store.demote_to_persistent(g.session.session_id), (2, True, False)),
    "cleanup": (lambda g: g.maintenance.cleanup(), (2, True, False)),
}
BEFORE: Seen = (2, True, False)


async def cancelled(ground: Ground, work: Awaitable[object], at: int) -> tuple[bool, int]:
    """The task is cancelled, as by a client that went away."""
    tasks: list[asyncio.Task[object]] = []
    disturbed = Disturbed(work, lambda: [task.cancel() for task in tasks], at)
    tasks.append(asyncio.create_task(awaited(disturbed)))
    result = (await asyncio.gather(*tasks, return_exceptions=True))[0]
    assert not isinstance(result, Exception), result
    return not isinstance(result, asyncio.CancelledError), disturbed.waits


async def timed_out(ground: Ground, work: Awaitable[object], at: int) -> tuple[bool, int]:
    """The caller has waited long enough."""
    timeout = asyncio.timeout(None)
    disturbed = Disturbed(work, lambda: timeout.reschedule(asyncio.get_running_loop().time()), at)
    try:
        async with timeout:
            await disturbed
    except TimeoutError:
        return False, disturbed.waits
    return True, disturbed.waits


async def cut_off(ground: Ground, work: Awaitable[object], at: int) -> tuple[bool, int]:
    """The server closes every connection."""
    disturbed = Disturbed(work, lambda: ground.direct.client_kill_filter(_type="normal", skipme=True), at)
    try:
        await disturbed
    except StoreConnectionError:
        return False, disturbed.waits
    return True, disturbed.waits


async def forgotten(ground: Ground, work: Awaitable[object], at: int) -> tuple[bool, int]:
    """The server forgets its scripts, which nobody notices."""
    disturbed = Disturbed(work, ground.direct.script_flush, at)
    await disturbed
    return True, disturbed.waits


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="focal-") as folder:
        server = RedisServer(Path(folder), executable())
        server.start()
        yield server
        server.kill()


@pytest.fixture
def direct(server: RedisServer) -> Iterator[redis.Redis]:
    with server.direct() as direct:
        direct.flushall()
        yield direct


async def a_ground(server: RedisServer, direct: redis.Redis) -> AsyncIterator[Ground]:
    """A new client, and a session that is cold."""
    clock, tenant_id = MovedClock(), TenantId(new_id())
    async with RedisClient(Settings.of(redis_url=server.url, redis_pool_size=POOL)) as client:
        store = RedisSessionStore(client, tenant_id, clock=clock)
        session = await store.save((await store.save(a_session(agent_id=OTHER))).evolve(agent_id=AGENT))
        await store.demote_to_persistent(session.session_id)
        yield Ground(client, store, RedisSessionMaintenance(client, clock=clock), direct, session, clock)


async def assert_unharmed(ground: Ground) -> None:
    """Every turn is free, and what the next calls are given is theirs."""
    assert POOL == ground.client._turn._value
    others = [a_session() for _ in range(POOL + 1)]
    saved = await asyncio.gather(*(ground.store.save(other) for other in others))
    found = await asyncio.gather(*(ground.store.get(other.session_id) for other in others))
    assert saved == found
    assert ground.stored() == await ground.store.get(ground.session.session_id)


@pytest.mark.parametrize(
    "accident",
    [cancelled, *(pytest.param(a, marks=pytest.mark.slow) for a in (timed_out, cut_off, forgotten))],
)
@pytest.mark.parametrize("case", CASES)
async def test_an_accident_at_every_await(
    server: RedisServer, direct: redis.Redis, case: str, accident: Callable[..., Awaitable[tuple[bool, int]]]
) -> None:
    """At the first, at the second … until the call ends without one."""
    call, after = CASES[case]
    at, waits = 0, 1
    while at <= waits:
        at += 1
        async for ground in a_ground(server, direct):
            well, waits = await accident(ground, call(ground), at)
            await asyncio.sleep(0)
            assert ground.seen() in ([after] if well else [BEFORE, after]), f"at the {at}. await"
            await assert_unharmed(ground)
    assert well
    assert at > 1
