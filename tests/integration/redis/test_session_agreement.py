"""Redis and memory asked the same, while time passes, copies expire and answers are lost: they say the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from focal_data.domain.config import ScopeFilter
from focal_data.domain.profile import Channel
from focal_data.domain.session import Session, SessionStatus
from focal_data.errors import FocalDataError, StoreConnectionError
from focal_data.ids import TenantId, new_id
from focal_data.inmemory.session import InMemorySessionMaintenance, InMemorySessions, InMemorySessionStore
from focal_data.redis.client import RedisClient
from focal_data.redis.session import RedisSessionMaintenance, RedisSessionStore
from focal_data.settings import Settings
from focal_data.stores.session import SessionStore
from focal_data.testing.contracts.session import MovedClock
from tests.integration.redis.examples import SCENARIO, a_session, a_visit
from tests.integration.redis.server import Proxy

Step = tuple[Any, ...]

MANY: Final = 6
AGENTS = [new_id() for _ in range(2)]
CUSTOMERS = [new_id() for _ in range(2)]
IDS = [new_id() for _ in range(MANY)]

which = st.integers(0, MANY - 1)
agent = st.sampled_from(AGENTS)
values: Final = st.fixed_dictionaries(
    {},
    optional={
        "agent_id": agent,
        "channel": st.sampled_from([Channel.API, Channel.EMAIL]),
        "channel_user_id": st.sampled_from(["u", "v"]),
        "customer_profile_id": st.sampled_from([None, *CUSTOMERS]),
        "status": st.sampled_from(SessionStatus),
        "step_history": st.sampled_from([[], [a_visit("one")], [a_visit("one"), a_visit("two")]]),
        "variables": st.dictionaries(st.sampled_from("ab"), st.text("aé漢😀", max_size=3), max_size=2),
    },
)
limit = st.sampled_from([1, 2, 100])
scope = st.sampled_from([None, ScopeFilter(include_channels=[Channel.API])])
# Clocks are set back, too. Never such a sum that a hot copy has but a minute left, of which a read takes no notice.
waits = st.sampled_from([0, 1, 1, 1, -1, -1, 20 * 60, 31 * 60, 86_400, 3 * 86_400, 7 * 86_400])

calls: Final = st.one_of(
    st.tuples(st.just("save_new"), which, values),
    st.tuples(st.just("save_new"), which, values),
    st.tuples(st.just("save"), which, st.sampled_from([0, 0, 0, 0, 1, -1]), values),
    st.tuples(st.just("save"), which, st.just(0), values),
    st.tuples(st.just("get"), which),
    st.tuples(st.just("delete"), which),
    st.tuples(st.just("promote_to_hot"), which),
    st.tuples(st.just("demote_to_persistent"), which),
    st.tuples(
        st.just("by_channel"), st.sampled_from([Channel.API, Channel.EMAIL]), st.sampled_from("uv"), agent
    ),
    st.tuples(
        st.just("by_channel"), st.sampled_from([Channel.API, Channel.EMAIL]), st.sampled_from("uv"), st.none()
    ),
    st.tuples(st.just("by_agent"), agent, st.sampled_from([None, *SessionStatus]), limit),
    st.tuples(st.just("by_customer"), st.sampled_from(CUSTOMERS), limit),
    st.tuples(st.just("by_step"), st.sampled_from(["one", "two"]), scope, limit),
    st.tuples(st.just("cleanup")),
)
taken_steps: Final = st.lists(
    st.tuples(waits, st.integers(0, 9).map(lambda n: n == 0), calls), min_size=5, max_size=50
)


class Both:
    """The same tenant on Redis, and in memory."""

    def __init__(self, client: RedisClient, servers: list[redis.Redis], proxy: Proxy | None = None) -> None:
        self.clock, tenant_id = MovedClock(), TenantId(new_id())
        kept = InMemorySessions(clock=self.clock)
        self.memory: SessionStore = InMemorySessionStore(kept, tenant_id)
        self.redis: SessionStore = RedisSessionStore(client, tenant_id, clock=self.clock)
        self._maintenance = (
            RedisSessionMaintenance(client, clock=self.clock),
            InMemorySessionMaintenance(kept),
        )
        self._proxy, self._servers = proxy, servers
        self._known: dict[Any, Session] = {}

    def wait(self, seconds: int) -> None:
        """For Redis, too, whose own clock tells what has expired."""
        self.clock.advance(seconds=seconds)
        for server in self._servers if seconds > 0 else ():
            for key in server.keys("*:h"):
                server.pexpire(key, server.pttl(key) - seconds * 1000)

    async def take(self, step: Step) -> None:
        """Both do it, and give the same answer; a lost one that could not be asked for again is not compared."""
        wait, loses, (call, *arguments) = step
        self.wait(wait)
        if call == "cleanup":  # what saves swept before is not counted
            for maintenance in self._maintenance:
                await maintenance.cleanup()
            return
        if self._proxy is not None:
            self._proxy.lose = int(loses)
        found = await self._answer(self.redis, call, arguments)
        if self._proxy is not None:
            self._proxy.lose = 0
        expected = await self._answer(self.memory, call, arguments)
        if not (loses and isinstance(found, StoreConnectionError)):
            assert _told(expected) == _told(found), step
        if isinstance(expected, Session):
            self._known[expected.session_id] = expected

    async def _answer(self, store: SessionStore, call: str, arguments: list[Any]) -> Any:
        try:
            return await getattr(self, f"_{call}")(store, *arguments)
        except FocalDataError as error:
            return error

    async def _save_new(self, store: SessionStore, number: int, changes: dict[str, Any]) -> Any:
        return await store.save(a_session(session_id=IDS[number], **(_PLAIN | changes)))

    async def _save(self, store: SessionStore, number: int, ahead: int, changes: dict[str, Any]) -> Any:
        known = self._known.get(IDS[number])
        if known is None:
            return None
        return await store.save(known.evolve(revision=max(0, known.revision + ahead), **changes))

    async def _get(self, store: SessionStore, number: int) -> Any:
        return await store.get(IDS[number])

    async def _delete(self, store: SessionStore, number: int) -> Any:
        return await store.delete(IDS[number])

    async def _promote_to_hot(self, store: SessionStore, number: int) -> Any:
        return await store.promote_to_hot(IDS[number])

    async def _demote_to_persistent(self, store: SessionStore, number: int) -> Any:
        return await store.demote_to_persistent(IDS[number])

    async def _by_channel(self, store: SessionStore, channel: Channel, user: str, agent: Any) -> Any:
        return await store.get_by_channel(channel, user, agent_id=agent)

    async def _by_agent(self, store: SessionStore, agent: Any, status: Any, limit: int) -> Any:
        return await store.list_by_agent(agent, status, limit)

    async def _by_customer(self, store: SessionStore, customer: Any, limit: int) -> Any:
        return await store.list_by_customer(customer, limit)

    async def _by_step(self, store: SessionStore, content: str, scope: Any, limit: int) -> Any:
        found: list[Any] = []
        cursor = None
        while True:
            page = await store.find_sessions_by_step_hash(
                SCENARIO, 2, content, scope_filter=scope, limit=limit, cursor=cursor
            )
            found.append(page.items)
            cursor = page.next_cursor
            if cursor is None:
                return [item for items in found for item in items]


_PLAIN: Final[dict[str, Any]] = {
    "agent_id": AGENTS[0],
    "channel": Channel.API,
    "channel_user_id": "u",
    "customer_profile_id": CUSTOMERS[0],
    "active_step_id": new_id(),
    "step_history": [a_visit("one")],
    "variables": {},
}


def _told(answer: Any) -> Any:
    if isinstance(answer, FocalDataError):
        return type(answer), getattr(answer, "current_revision", None)
    return answer


@pytest.fixture
async def lossy(proxy: Proxy) -> AsyncIterator[RedisClient]:
    async with RedisClient(Settings.of(redis_url=proxy.url)) as client:
        yield client


async def agree(
    client: RedisClient, servers: list[redis.Redis], taken: list[Step], *, proxy: Proxy | None = None
) -> None:
    """Give both the same calls. In the end, nothing is left behind."""
    for server in servers:
        server.flushall()
    await knows_the_scripts(client)
    both = Both(client, servers, proxy)
    for step in taken:
        await both.take(step)
    for number in range(MANY):
        await both.take((0, False, ("get", number)))
    for agent_id in AGENTS:
        await both.take((0, False, ("by_agent", agent_id, None, 100)))
    both.clock.advance(days=8)
    await both.take((0, False, ("cleanup",)))
    assert [] == [key for server in servers for key in server.scan_iter()]


async def knows_the_scripts(client: RedisClient) -> None:
    """Or the answer that is lost would be that it does not know one."""
    store = RedisSessionStore(client, TenantId(new_id()))
    session = await store.save(a_session())
    await store.get_by_channel(session.channel, session.channel_user_id)
    await store.demote_to_persistent(session.session_id)
    await store.promote_to_hot(session.session_id)
    await store.delete(session.session_id)


QUIET: Final = hypothesis_settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@pytest.mark.slow
@hypothesis_settings(QUIET, max_examples=30, derandomize=True)
@given(taken=taken_steps)
async def test_both_give_the_same_answers(
    lossy: RedisClient, proxy: Proxy, direct: redis.Redis, taken: list[Step]
) -> None:
    """To the same sequences of calls on every run."""
    await agree(lossy, [direct], taken, proxy=proxy)


@pytest.mark.slow
@hypothesis_settings(QUIET, max_examples=200)
@given(taken=taken_steps)
async def test_both_give_the_same_answers_at_length(
    lossy: RedisClient, proxy: Proxy, direct: redis.Redis, taken: list[Step]
) -> None:
    """To many that no run had before."""
    await agree(lossy, [direct], taken, proxy=proxy)
