"""A primary of a Redis Cluster is killed under load, its replica having been stalled before: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from focal_data.domain.session import Session
from focal_data.errors import StaleRevisionError, StoreConnectionError, StoreTimeoutError
from focal_data.ids import TenantId, new_id
from focal_data.redis.cluster_client import ClusterClient
from focal_data.redis.session import RedisSessionStore
from focal_data.settings import Settings
from tests.integration.redis.cluster import ClusterServer, RunningCluster, running_cluster
from tests.integration.redis.examples import a_session
from tests.integration.redis.server import every_server

pytestmark = pytest.mark.slow


@pytest.fixture(params=every_server())
def fragile(request: pytest.FixtureRequest) -> Iterator[RunningCluster]:
    """A cluster of this test alone."""
    with (
        tempfile.TemporaryDirectory(prefix="focal-") as folder,
        running_cluster(request.param, Path(folder)) as found,
    ):
        yield found


class Conversation:
    """Saves one session again and again, and knows what was acknowledged."""

    def __init__(self, store: RedisSessionStore, number: int) -> None:
        self.store = store
        self.latest = a_session(channel_user_id=f"user-{number}")
        self.acknowledged: Session | None = None

    async def go_on(self, over: asyncio.Event) -> None:
        while not over.is_set():
            try:
                self.latest = await self.store.save(self.latest.evolve(turn_count=self.latest.turn_count + 1))
                self.acknowledged = self.latest
            except (StoreConnectionError, StoreTimeoutError, StaleRevisionError):
                await self._look()
            await asyncio.sleep(0.002)

    async def _look(self) -> None:
        """After an unknown outcome: what is there counts, if it is younger than what was acknowledged."""
        try:
            found = await self.store.get(self.latest.session_id)
        except (StoreConnectionError, StoreTimeoutError):
            return
        if found is not None and found.revision > self.latest.revision:
            self.latest = found


async def a_failover(cluster: RunningCluster, conversations: list[Conversation]) -> None:
    """Under load: a replica stalls, its primary dies, and the replica is woken up and takes its place."""
    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for conversation in conversations:
            tasks.create_task(conversation.go_on(over))
        await asyncio.sleep(0.5)
        cluster.replicas[0].send(signal.SIGSTOP)
        # Or what is written from now on would wait for it in the buffers of its connection.
        await asyncio.to_thread(cluster.primaries[0].tell, "CLIENT", "KILL", "TYPE", "replica")
        await asyncio.sleep(0.5)
        cluster.primaries[0].kill()
        cluster.replicas[0].send(signal.SIGCONT)
        await asyncio.wait_for(_promoted(cluster.replicas[0]), 20)
        await asyncio.sleep(1)
        over.set()


async def _promoted(replica: ClusterServer) -> None:
    def look() -> None:
        while not any("myself,master" in row[2] for row in replica.nodes()):
            time.sleep(0.1)

    await asyncio.to_thread(look)


async def test_nothing_acknowledged_is_lost(fragile: RunningCluster) -> None:
    """Neither a session nor what leads to it, when a save counts as one only with every replica; and it goes on by itself."""
    settings = Settings.of(
        redis_url=fragile.url, redis_cluster=True, redis_timeout=3, session_durability="replicated"
    )
    async with ClusterClient(settings) as client:
        store = RedisSessionStore(client, TenantId(new_id()))
        conversations = [Conversation(store, number) for number in range(24)]
        await a_failover(fragile, conversations)

        for conversation in conversations:
            acknowledged = conversation.acknowledged
            assert acknowledged is not None
            found = await store.get(acknowledged.session_id)
            assert found is not None
            assert found.revision >= acknowledged.revision
            assert acknowledged.revision == acknowledged.turn_count
            assert found.revision == found.turn_count
            assert found == await store.get_by_channel(found.channel, found.channel_user_id)
            again = await store.save(found)
            assert again == await store.get(again.session_id)


async def test_a_stalled_replica_is_told(fragile: RunningCluster) -> None:
    """A save that too few replicas have in time may or may not last, and says so; with them again, it is a success."""
    settings = Settings.of(
        redis_url=fragile.url, redis_cluster=True, redis_timeout=1, session_durability="replicated"
    )
    async with ClusterClient(settings) as client:
        store = RedisSessionStore(client, TenantId(new_id()))
        session = await store.save(a_session())
        for replica in fragile.replicas:
            replica.send(signal.SIGSTOP)
        try:
            with pytest.raises(StoreTimeoutError, match="0 of 1 replicas") as caught:
                await store.save(session)
        finally:
            for replica in fragile.replicas:
                replica.send(signal.SIGCONT)
        assert "unknown" == caught.value.outcome
        latest = await store.get(session.session_id)
        assert latest is not None
        assert latest.revision + 1 == (await store.save(latest)).revision


async def test_a_paused_primary(fragile: RunningCluster) -> None:
    """While one primary does not answer, calls for its slots are our error in time, others go on; then all do."""
    settings = Settings.of(redis_url=fragile.url, redis_cluster=True, redis_timeout=0.5)
    async with ClusterClient(settings) as client:
        store = RedisSessionStore(client, TenantId(new_id()))
        sessions = [await store.save(a_session(channel_user_id=f"user-{n}")) for n in range(30)]
        fragile.primaries[1].send(signal.SIGSTOP)
        try:
            answers = await asyncio.gather(
                *(store.get(session.session_id) for session in sessions), return_exceptions=True
            )
        finally:
            fragile.primaries[1].send(signal.SIGCONT)
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        assert {StoreTimeoutError} == {type(error) for error in failed}
        assert len(failed) < len(sessions)
        settings = settings.model_copy(update={"redis_timeout": 10.0})
    async with ClusterClient(settings) as client:
        store = RedisSessionStore(client, sessions[0].tenant_id)
        assert sessions == [await store.get(session.session_id) for session in sessions]
