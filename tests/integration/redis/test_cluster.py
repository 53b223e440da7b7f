"""Sessions on a Redis Cluster of six processes."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import redis
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from redis.crc import key_slot

from focal_data.cli.doctor import Verdict, examine
from focal_data.errors import (
    AccessError,
    CorruptDataError,
    Outcome,
    SettingsError,
    StaleRevisionError,
    StoreConnectionError,
    StoreError,
    StoreTimeoutError,
)
from focal_data.ids import TenantId, new_id
from focal_data.redis import keys
from focal_data.redis.cache import RedisCache
from focal_data.redis.cluster_client import ClusterClient, client_of
from focal_data.redis.cluster_writer import ClusterWriter
from focal_data.redis.codec import encode, microseconds
from focal_data.redis.connections import Connections, Fate
from focal_data.redis.erasure import SessionErasure
from focal_data.redis.places import Place, slot_of
from focal_data.redis.session import RedisSessionMaintenance, RedisSessionStore
from focal_data.redis.session_writer import SAVE
from focal_data.settings import Settings
from focal_data.stores.session import SessionMaintenance, SessionStore
from focal_data.testing.contracts.base import Tenants
from focal_data.testing.contracts.session import MovedClock, SessionStoreContract
from focal_data.testing.contracts.session.base import at_step
from tests.integration.redis.cluster import RunningCluster, free_ports, running_cluster
from tests.integration.redis.examples import AGENT, SECRET, a_session, cold_key, hot_key
from tests.integration.redis.server import RedisServer, every_server
from tests.integration.redis.test_session_agreement import QUIET, Step, agree, taken_steps
from tests.integration.redis.test_session_metrics import Counted

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=every_server())
def started(request: pytest.FixtureRequest) -> Iterator[RunningCluster]:
    """Of each kind of server that this machine has."""
    with (
        tempfile.TemporaryDirectory(prefix="focal-") as folder,
        running_cluster(request.param, Path(folder)) as found,
    ):
        yield found


@pytest.fixture
def cluster(started: RunningCluster) -> RunningCluster:
    started.flush()
    return started


@dataclass
class InCluster:
    """What the suite uses of a tenant."""

    tenant_id: UUID
    sessions: SessionStore


@pytest.fixture
async def client(cluster: RunningCluster) -> AsyncIterator[ClusterClient]:
    async with ClusterClient(Settings.of(redis_url=cluster.url, redis_cluster=True)) as client:
        yield client


class TestClusterSessions(SessionStoreContract):
    """All that the store promises."""

    @pytest.fixture
    def tenants(self, client: ClusterClient, clock: MovedClock) -> Tenants:
        def tenant(tenant_id: UUID) -> InCluster:
            return InCluster(tenant_id, RedisSessionStore(client, TenantId(tenant_id), clock=clock))

        return tenant

    @pytest.fixture
    def maintenance(self, client: ClusterClient, clock: MovedClock) -> SessionMaintenance:
        return RedisSessionMaintenance(client, clock=clock)


@pytest.fixture
def store(client: ClusterClient, tenant_id: TenantId, clock: MovedClock) -> RedisSessionStore:
    return RedisSessionStore(client, tenant_id, clock=clock)


@pytest.fixture
def maintenance(client: ClusterClient, clock: MovedClock) -> RedisSessionMaintenance:
    return RedisSessionMaintenance(client, clock=clock)


async def test_a_cache_is_spread_over_all_nodes(
    client: ClusterClient, tenant_id: TenantId, cluster: RunningCluster
) -> None:
    """What was put is found in the order of the keys, whichever nodes have it, and goes after its time."""
    cache = RedisCache(client, tenant_id, ttl=timedelta(seconds=90))
    values = {str(number): b"%d" % number for number in range(300)}
    await cache.put_many(values)
    wanted = [*reversed(values), "another"]
    assert [values.get(key) for key in wanted] == await cache.get_many(wanted)
    names = [keys.cached(tenant_id.hex.encode(), key) for key in values]
    assert len({key_slot(name) for name in names}) > 100
    with cluster.direct_to(names[0]) as connection:
        assert 90 == round(connection.pttl(names[0]) / 1000)
    await SessionErasure(client, tenant_id).remove_all()
    assert [None] * 300 == await cache.get_many(list(values))


def entries_of(cluster: RunningCluster, tenant_id: TenantId, term: bytes) -> list[bytes]:
    name = keys.index(tenant_id.hex.encode(), term)
    with cluster.direct_to(name) as connection:
        return connection.zrange(name, 0, -1)


async def test_one_slot(store: RedisSessionStore, cluster: RunningCluster, tenant_id: TenantId) -> None:
    """Both copies of a session lie in one slot, and sessions in many."""
    sessions = [await store.save(a_session()) for _ in range(30)]
    for session in sessions:
        assert key_slot(cold_key(tenant_id, session.session_id)) == key_slot(
            hot_key(tenant_id, session.session_id)
        )
    counts = [primary.tell("DBSIZE") for primary in cluster.primaries]
    assert min(counts) >= 5


async def test_nothing_is_left(
    store: RedisSessionStore,
    maintenance: RedisSessionMaintenance,
    cluster: RunningCluster,
    clock: MovedClock,
) -> None:
    """Of what was moved, deleted, or cleaned up, there is no key left."""
    for number in range(40):
        session = await store.save(a_session(channel_user_id=f"user-{number}"))
        if number % 2:
            clock.advance(seconds=1)
            session = await store.save(
                session.evolve(agent_id=new_id(), channel_user_id="moved", status="closed")
            )
        if number % 4 == 0:
            assert await store.delete(session.session_id)
    clock.advance(days=8)

    assert 30 == await maintenance.cleanup()
    assert [] == cluster.keys()


async def test_nothing_is_left_of_what_was_broken_off(
    store: RedisSessionStore,
    client: ClusterClient,
    maintenance: RedisSessionMaintenance,
    cluster: RunningCluster,
    clock: MovedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Entries of a save, a move and a deletion that came to nothing after their first half go when they are too old."""
    moved, deleted = await store.save(a_session()), await store.save(a_session())

    async def broken_off(*_: object) -> None:
        raise StoreConnectionError("broken off", outcome=Outcome.UNKNOWN)

    with monkeypatch.context() as patch:
        patch.setattr(client, "run", broken_off)
        with pytest.raises(StoreConnectionError):
            await store.save(a_session(channel_user_id="never there"))
    with monkeypatch.context() as patch:
        patch.setattr(client, "run_each", broken_off)
        await store.save(moved.evolve(channel_user_id="elsewhere", agent_id=new_id()))
        await store.delete(deleted.session_id)
    clock.advance(days=5)
    young = await store.save(a_session())
    clock.advance(days=3)

    assert 1 == await maintenance.cleanup()
    assert [young] == await store.list_by_agent(AGENT)
    assert 7 == len(cluster.keys())
    clock.advance(days=8)
    assert 1 == await maintenance.cleanup()
    assert [] == cluster.keys()


async def test_what_can_not_be_read(
    store: RedisSessionStore, cluster: RunningCluster, tenant_id: TenantId
) -> None:
    """It is an error that names its key, for every call, and it stays one: nobody takes it out of the lists."""
    sessions = [await store.save(a_session(channel_user_id=f"user-{n}")) for n in range(9)]
    session = sessions[4]
    cold, hot = cold_key(tenant_id, session.session_id), hot_key(tenant_id, session.session_id)
    calls = {
        "get": lambda: store.get(session.session_id),
        "save": lambda: store.save(session),
        "promote": lambda: store.promote_to_hot(session.session_id),
        "agent": lambda: store.list_by_agent(AGENT),
        "customer": lambda: store.list_by_customer(session.customer_profile_id),
        "channel": lambda: store.get_by_channel(session.channel, session.channel_user_id),
        "step": lambda: at_step(store),
    }
    with cluster.direct_to(cold) as connection:
        kept = connection.get(cold)
        for damage in (b"\x01short", b"\x09" + kept[1:], None):
            connection.delete(cold)
            if damage is None:
                connection.lpush(cold, "an element")
            else:
                connection.set(cold, damage)
            for name, call in calls.items():
                connection.delete(hot)
                with pytest.raises(CorruptDataError) as error:
                    await call()
                assert error.value.key in (cold.decode(), hot.decode()), name
        connection.delete(cold)
        connection.set(cold, kept)
    assert session == await store.get_by_channel(session.channel, session.channel_user_id)
    assert 9 == len(await store.list_by_agent(AGENT))


@pytest.mark.parametrize(
    "option", ["decode_responses=true", "protocol=3", "socket_timeout=0.00001", "require_full_coverage=true"]
)
async def test_what_the_url_asks_for_besides(
    cluster: RunningCluster, tenant_id: TenantId, option: str
) -> None:
    """Does not change what answers look like; what nobody knows is refused, and names the setting."""
    settings = Settings.of(redis_url=f"{cluster.url}?{option}", redis_cluster=True)
    if "coverage" in option:
        with pytest.raises(SettingsError, match="FOCAL_DATA_REDIS_URL"):
            client_of(settings)
        return
    async with client_of(settings) as client:
        store = RedisSessionStore(client, tenant_id)
        session = await store.save(a_session())
        assert session == await store.get(session.session_id)
        assert [session] == await store.list_by_agent(AGENT)


async def test_a_client_for_one_server(cluster: RunningCluster, tenant_id: TenantId) -> None:
    """It is told which setting it lacks as soon as it asks the wrong node."""
    async with client_of(Settings.of(redis_url=cluster.url)) as client:
        store = RedisSessionStore(client, tenant_id)
        with pytest.raises(StoreConnectionError, match="FOCAL_DATA_REDIS_CLUSTER") as error:
            for _ in range(50):
                await store.get(new_id())
    assert "not_applied" == error.value.outcome


@pytest.mark.parametrize(("in_cluster", "expected"), [(True, Verdict.OK), (False, Verdict.WRONG)])
async def test_what_doctor_says(cluster: RunningCluster, in_cluster: bool, expected: Verdict) -> None:
    """A cluster whose setting was forgotten is told."""
    findings = await examine(Settings.of(redis_url=cluster.url, redis_cluster=in_cluster))
    assert expected is next(f.verdict for f in findings if f.subject == "Redis")
    policy = next(f.verdict for f in findings if f.subject == "Redis memory policy")
    assert Verdict.OK is policy


async def test_what_doctor_says_of_one_careless_node(cluster: RunningCluster) -> None:
    """One primary under another policy is enough."""
    cluster.primaries[2].tell("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        findings = await examine(Settings.of(redis_url=cluster.url, redis_cluster=True))
    finally:
        cluster.primaries[2].tell("CONFIG", "SET", "maxmemory-policy", "noeviction")
    policy = next(f for f in findings if f.subject == "Redis memory policy")
    assert Verdict.WRONG is policy.verdict
    assert "allkeys-lru" in policy.detail


async def test_broken_off_before_the_session(
    store: RedisSessionStore,
    client: ClusterClient,
    cluster: RunningCluster,
    tenant_id: TenantId,
    clock: MovedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A save that comes to nothing after its entries leaves nothing wrong to read, and readers repair it later."""
    moving = await store.save(a_session())
    clock.advance(minutes=1)
    newest = await store.save(a_session(agent_id=AGENT))
    clock.advance(minutes=1)
    other = new_id()

    async def broken_off(*_: object) -> None:
        raise StoreConnectionError("broken off", outcome=Outcome.UNKNOWN)

    with monkeypatch.context() as patch:
        patch.setattr(client, "run", broken_off)
        for attempt in (a_session(), moving, moving.evolve(agent_id=other, customer_profile_id=other)):
            with pytest.raises(StoreConnectionError):
                await store.save(attempt)

    for minutes in (0, 20):
        clock.advance(minutes=minutes)
        assert newest == await store.get_by_channel(newest.channel, newest.channel_user_id)
        assert [newest, moving] == await store.list_by_agent(AGENT)
        assert [newest] == await store.list_by_agent(AGENT, limit=1)
        assert [] == await store.list_by_agent(other)
        assert [] == await store.list_by_customer(other)
        assert {newest.session_id, moving.session_id} == {s.session_id for s in await at_step(store)}
    assert [newest, moving] == await at_step(store)
    assert [] == entries_of(cluster, tenant_id, keys.customer_term(other))
    term = keys.agent_term(AGENT, moving.status)
    assert 2 == len(entries_of(cluster, tenant_id, term))
    assert moving.revision + 1 == (await store.save(moving)).revision


async def test_whoever_saves_meanwhile_is_not_undone(
    store: RedisSessionStore, client: ClusterClient, cluster: RunningCluster, tenant_id: TenantId
) -> None:
    """A repair takes only the entry that it saw, as it saw it."""
    session = await store.save(a_session())
    term = keys.customer_term(new_id())
    name = keys.index(tenant_id.hex.encode(), term)
    seen, since = Place(-(10**15), session.session_id), -(10**15) + 1
    with cluster.direct_to(name) as connection:
        connection.zadd(name, {session.session_id.hex: since})
        await ClusterWriter(client).repair(tenant_id.hex.encode(), [term], [seen])
        assert [(session.session_id.hex.encode(), since)] == connection.zrange(name, 0, -1, withscores=True)
    await ClusterWriter(client).repair(tenant_id.hex.encode(), [term], [seen._replace(score=since)])
    assert [] == entries_of(cluster, tenant_id, term)


async def test_a_stale_writer_changes_nothing(
    store: RedisSessionStore, cluster: RunningCluster, clock: MovedClock
) -> None:
    """What it wrote of entries before it was refused is taken back."""
    first = await store.save(a_session())
    clock.advance(seconds=1)
    second = await store.save(first.evolve(turn_count=1))
    before = sorted(cluster.keys())
    clock.advance(minutes=1)
    with pytest.raises(StaleRevisionError):
        await store.save(
            first.evolve(agent_id=new_id(), channel_user_id="stale", customer_profile_id=new_id())
        )
    assert before == sorted(cluster.keys())
    assert second == await store.get(first.session_id)


async def test_a_slot_that_moves(
    store: RedisSessionStore, cluster: RunningCluster, tenant_id: TenantId
) -> None:
    """Nobody notices: not while its keys are on their way, nor afterwards."""
    session = await store.save(a_session())
    cold, hot = cold_key(tenant_id, session.session_id), hot_key(tenant_id, session.session_id)
    slot = key_slot(cold)
    source = cluster.primaries[slot * 3 // 16384]
    target = cluster.primaries[(slot * 3 // 16384 + 1) % 3]
    target.tell("CLUSTER", "SETSLOT", slot, "IMPORTING", source.node_id)
    source.tell("CLUSTER", "SETSLOT", slot, "MIGRATING", target.node_id)
    try:
        session = await store.save(session)
        source.tell("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", cold, hot)
        assert session == await store.get(session.session_id)
        session = await store.save(session)
        assert [session] == await store.list_by_agent(AGENT)
        for node in (target, source, *cluster.primaries):
            node.tell("CLUSTER", "SETSLOT", slot, "NODE", target.node_id)
        session = await store.save(session)
        assert session == await store.get(session.session_id)
    finally:
        target.tell("FLUSHALL")
        for node in (source, target, *cluster.primaries):
            node.tell("CLUSTER", "SETSLOT", slot, "NODE", source.node_id)


async def test_round_trips(store: RedisSessionStore, cluster: RunningCluster, client: ClusterClient) -> None:
    """A list of a hundred takes two, each of them one message to a node."""
    sessions = [await store.save(a_session()) for _ in range(120)]
    for _ in range(2):  # the scripts are known
        await store.list_by_agent(AGENT)
        await store.get_by_channel(sessions[0].channel, sessions[0].channel_user_id)
    sent: list[int] = []
    ask_on = Connections.ask_on

    async def counted(self: Connections, connection: object, requests: list[bytes], fate: Fate) -> object:
        sent.append(len(requests))
        return await ask_on(self, connection, requests, fate)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connections, "ask_on", counted)
        assert 100 == len(await store.list_by_agent(AGENT))
        assert 4 == len(sent)
        sent.clear()
        await store.save(sessions[0])
        assert len(sent) <= 4
        sent.clear()
        await store.get_by_channel(sessions[0].channel, sessions[0].channel_user_id)
        assert [1, 1] == sent


async def test_a_write_that_is_found_again_is_waited_for(
    store: RedisSessionStore, client: ClusterClient, cluster: RunningCluster, tenant_id: TenantId
) -> None:
    """A save sent again writes, so that a wait for replicas covers what was written the first time."""
    session = await store.save(a_session())
    slot = slot_of(tenant_id.hex.encode(), session.session_id)
    write = (b"1000", b"0", b"12345678", *encode(session.evolve(revision=2)), b"1")
    assert 0 == await client.run(SAVE, (slot.cold, slot.hot), write)
    with cluster.direct_to(slot.cold) as connection:
        before = connection.info("replication")["master_repl_offset"]
        assert 0 == await client.run(SAVE, (slot.cold, slot.hot), write)
        assert before < connection.info("replication")["master_repl_offset"]


async def test_erasing(
    store: RedisSessionStore, client: ClusterClient, cluster: RunningCluster, tenant_id: TenantId
) -> None:
    """A person's sessions are found and removed on every node, and so is a whole tenant."""
    sessions = [await store.save(a_session()) for _ in range(20)]
    erasure = SessionErasure(client, tenant_id)
    assert 20 == len(await erasure.find(lambda _: True))
    await erasure.remove([session.session_id for session in sessions[:5]])
    await erasure.repair([keys.customer_term(sessions[0].customer_profile_id)])
    assert 15 == await erasure.remove_all()
    assert [] == cluster.keys()


async def test_what_it_tells_of_itself(client: ClusterClient) -> None:
    """What all primaries say alike, and where they differ, all of it."""
    facts = await client.info()
    assert "noeviction" == facts["maxmemory_policy"]
    assert 2 == facts["run_id"].count(", ")


async def test_no_cluster_there(server: RedisServer) -> None:
    """A URL that can't lead to a cluster is told at once."""
    with pytest.raises(SettingsError, match="FOCAL_DATA_REDIS_URL"):
        client_of(Settings.of(redis_url=server.url, redis_cluster=True))


async def test_replicas_need_a_cluster(server: RedisServer) -> None:
    """Only a cluster's nodes know which replicas there are."""
    with pytest.raises(SettingsError, match="FOCAL_DATA_SESSION_DURABILITY"):
        client_of(Settings.of(redis_url=server.url, session_durability="replicated"))


async def test_a_server_that_is_no_cluster() -> None:
    """It says so itself, and the error names the setting."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="focal-") as folder:
        server = RedisServer(Path(folder))
        server.start("--port", str(port))
        try:
            settings = Settings.of(redis_url=f"redis://127.0.0.1:{port}", redis_cluster=True)
            async with client_of(settings) as client:
                with pytest.raises(SettingsError, match="FOCAL_DATA_REDIS_CLUSTER"):
                    await client.check()
            async with client_of(settings) as client:
                assert not await RedisSessionMaintenance(client).health_check()
        finally:
            server.kill()


async def test_wrong_password(cluster: RunningCluster, tenant_id: TenantId) -> None:
    """A login that is refused is told at once, without the password."""
    for node in cluster.nodes:
        node.tell("CONFIG", "SET", "requirepass", "right")
    url = cluster.url.replace("redis://", "redis://:{}@")
    try:
        async with client_of(Settings.of(redis_url=url.format("wr0ng"), redis_cluster=True)) as client:
            with pytest.raises(AccessError) as error:
                await RedisSessionStore(client, tenant_id).get(new_id())
        async with client_of(Settings.of(redis_url=url.format("right"), redis_cluster=True)) as client:
            assert await RedisSessionStore(client, tenant_id).get(new_id()) is None
    finally:
        for node in cluster.nodes:
            with redis.Redis(port=node.port, password="right") as direct:
                direct.config_set("requirepass", "")
    assert "wr0ng" not in f"{error.value} {error.value.__cause__!r}"


async def test_nobody_there(tenant_id: TenantId) -> None:
    """A cluster of which no node answers is our error in time."""
    settings = Settings.of(redis_url="redis://127.0.0.1:1", redis_cluster=True, redis_timeout=0.5)
    async with client_of(settings) as client:
        with pytest.raises((StoreConnectionError, StoreTimeoutError)) as error:
            await RedisSessionStore(client, tenant_id).save(a_session())
        assert "not_applied" == error.value.outcome
        assert not await RedisSessionMaintenance(client).health_check()


async def test_cancelled(client: ClusterClient, store: RedisSessionStore) -> None:
    """A call that is cancelled leaves no answer behind for the next one to take as its own."""
    sessions = [await store.save(a_session(channel_user_id=f"user-{n}")) for n in range(20)]
    for turn in range(200):
        one = sessions[turn % 20]
        call = store.get(one.session_id) if turn % 2 else store.list_by_agent(AGENT)
        task = asyncio.create_task(call)
        for _ in range(turn % 9):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        session = sessions[(turn + 7) % 20]
        assert session == await store.get(session.session_id)
        assert session == await store.get_by_channel(session.channel, session.channel_user_id)


@hypothesis_settings(QUIET, max_examples=60)
@given(taken=taken_steps)
async def test_it_agrees_with_memory(
    client: ClusterClient, started: RunningCluster, taken: list[Step]
) -> None:
    """About random calls, as one server does."""
    with ExitStack() as stack:
        servers = [stack.enter_context(primary.direct()) for primary in started.primaries]
        await agree(client, servers, taken)


async def test_a_list_reads_on_until_its_order_is_certain(
    store: RedisSessionStore, cluster: RunningCluster, tenant_id: TenantId, clock: MovedClock
) -> None:
    """An entry that is ahead of its session, since somebody is saving it, takes nobody's place."""
    oldest = await store.save(a_session())
    newer = []
    for _ in range(12):
        clock.advance(seconds=1)
        newer.append(await store.save(a_session()))
    name = keys.index(tenant_id.hex.encode(), keys.agent_term(AGENT, oldest.status))
    ahead = {oldest.session_id.hex: -microseconds(clock.advance(seconds=1))}
    with cluster.direct_to(name) as connection:
        connection.zadd(name, ahead)
        assert newer[:3:-1] == await store.list_by_agent(AGENT, limit=8)
        assert [*newer[::-1], oldest] == await store.list_by_agent(AGENT)
        assert ahead[oldest.session_id.hex] == connection.zscore(name, oldest.session_id.hex)
        clock.advance(minutes=11)
        assert newer[:3:-1] == await store.list_by_agent(AGENT, limit=8)
        assert connection.zscore(name, oldest.session_id.hex) > ahead[oldest.session_id.hex]


async def test_saves_sweep(store: RedisSessionStore, cluster: RunningCluster, clock: MovedClock) -> None:
    """A deployment that never cleans up does not grow for ever."""
    for _ in range(25):
        for number in range(20):
            await store.save(a_session(channel_user_id=f"user-{number}"))
        clock.advance(days=2)

    assert len(cluster.keys()) < 20 * 6 * 10


async def test_what_is_swept_is_counted(
    store: RedisSessionStore, maintenance: RedisSessionMaintenance, clock: MovedClock
) -> None:
    """Once, whether a save removed it in passing or a cleaning up."""
    store.metrics = maintenance.metrics = metrics = Counted()
    for number in range(100):
        await store.save(a_session(channel_user_id=f"old-{number}"))
    clock.advance(days=8)
    for number in range(30):
        await store.save(a_session(channel_user_id=f"young-{number}"))
    in_passing = metrics.counts["swept"]
    assert 100 - in_passing == await maintenance.cleanup()
    assert 100 == metrics.counts["swept"] > in_passing > 0


async def test_out_of_memory(
    store: RedisSessionStore, cluster: RunningCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """A full cluster refuses a save wholly and gives what it has, hot or cold; with room again, it saves."""
    session = await store.save(a_session())
    await store.demote_to_persistent(session.session_id)
    before = sorted(cluster.keys())
    caplog.set_level(logging.DEBUG)
    for primary in cluster.primaries:
        primary.tell("CONFIG", "SET", "maxmemory", 1)
    try:
        for refused in (a_session(), session.evolve(agent_id=new_id())):
            with pytest.raises(StoreError, match="out of memory") as error:
                await store.save(refused)
            assert SECRET not in f"{error.value!r} {error.value.__cause__!r}"
        assert session == await store.get(session.session_id)
        assert session == await store.get_by_channel(session.channel, session.channel_user_id)
        assert [session] == await store.list_by_agent(AGENT)
        assert before == sorted(cluster.keys())
    finally:
        for primary in cluster.primaries:
            primary.tell("CONFIG", "SET", "maxmemory", 0)
    assert SECRET not in caplog.text
    assert 2 == (await store.save(session)).revision
