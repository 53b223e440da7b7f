"""The ideation studio on a Redis Cluster of six processes."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from redis.crc import key_slot

from focal_data.domain.clock import Clock
from focal_data.errors import RetryableError, UsageError
from focal_data.ids import TenantId
from focal_data.redis import keys
from focal_data.redis.cluster_client import ClusterClient
from focal_data.redis.erasure import SessionErasure
from focal_data.redis.ideation import RedisIdeationFactory
from focal_data.settings import Settings
from focal_data.testing.contracts.ideation import IdeationClockContract, IdeationStoreContract
from focal_data.testing.contracts.ideation.base import (
    ODD_IDS,
    IdeationTenants,
    a_message,
    a_session,
    all_parts,
    filled,
)
from focal_data.testing.contracts.ideation.clock import TenantsByClock
from focal_data.testing.contracts.session import MovedClock
from tests.integration.redis.cluster import RunningCluster, running_cluster
from tests.integration.redis.server import executable

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def started() -> Iterator[RunningCluster]:
    with (
        tempfile.TemporaryDirectory(prefix="focal-") as folder,
        running_cluster(executable(), Path(folder)) as found,
    ):
        yield found


@pytest.fixture
def cluster(started: RunningCluster) -> RunningCluster:
    started.flush()
    return started


@pytest.fixture(params=["primary", "replicated"])
async def client(request: pytest.FixtureRequest, cluster: RunningCluster) -> AsyncIterator[ClusterClient]:
    settings = Settings.of(redis_url=cluster.url, redis_cluster=True, session_durability=request.param)
    async with ClusterClient(settings) as client:
        yield client


class TestClusterIdeation(IdeationStoreContract):
    """All that the stores promise."""

    one_session_per_transaction: ClassVar[bool] = True

    @pytest.fixture
    def tenants(self, client: ClusterClient) -> IdeationTenants:
        return RedisIdeationFactory(client).tenant


class TestClusterIdeationByClock(IdeationClockContract):
    """And by a clock that is set by hand."""

    @pytest.fixture
    def by_clock(self, client: ClusterClient) -> TenantsByClock:
        def tenants(clock: Clock) -> IdeationTenants:
            return RedisIdeationFactory(client, clock=clock).tenant

        return tenants


async def test_one_slot_for_a_session(
    client: ClusterClient, tenant_id: TenantId, cluster: RunningCluster
) -> None:
    """Whatever its id; sessions lie in many, and their users' indexes in others. Deleted, nothing of them is left."""
    ideation = RedisIdeationFactory(client).tenant(tenant_id)
    tenant = tenant_id.hex.encode()
    slots = set()
    for odd in ODD_IDS:
        await filled(ideation, a_session(id=odd, user_id=odd))
        (slot,) = {key_slot(name) for name in keys.ideation(tenant, odd)}
        assert slot != key_slot(keys.ideation_user(tenant, odd))
        slots.add(slot)
    assert len(ODD_IDS) == len(slots)
    assert 7 * len(ODD_IDS) == len(cluster.keys())
    for odd in ODD_IDS:
        assert await ideation.sessions.delete(odd)
    assert [] == cluster.keys()


async def test_a_transaction_on_a_cluster(client: ClusterClient, tenant_id: TenantId) -> None:
    """Is refused when another wrote meanwhile, wherever that is; and it spans one session."""
    first, second = (RedisIdeationFactory(client).tenant(tenant_id) for _ in range(2))
    session = a_session()
    parts = await filled(first, session)
    with pytest.raises(RetryableError):
        async with first.transaction() as stores:
            await stores.messages.delete_by_session(session.id)
            await stores.prd.save_user_stories(session.id, [])
            await second.messages.create(a_message(session.id))
    found = await all_parts(first, session.id)
    assert (parts.messages, parts.stories) == (found.messages[:2], found.stories)
    with pytest.raises(UsageError):
        async with first.transaction() as stores:
            await stores.messages.create(a_message(session.id))
            await stores.sessions.create(a_session())


async def test_stale_entries_and_tenants_on_a_cluster(
    client: ClusterClient, tenant_id: TenantId, clock: MovedClock, cluster: RunningCluster
) -> None:
    """What leads nowhere is taken out; of a tenant that is deleted nothing is left, of another everything."""
    ideation = RedisIdeationFactory(client, clock=clock).tenant(tenant_id)
    for _ in range(20):
        await filled(ideation, a_session())
    index = keys.ideation_user(tenant_id.hex.encode(), "ada")
    with cluster.direct_to(index) as direct:
        direct.zadd(index, {f"never {number}": -number for number in range(5)})
        assert 20 == len(await ideation.sessions.list_by_user("ada"))
        assert 20 == direct.zcard(index)
    other = RedisIdeationFactory(client).tenant(TenantId(type(tenant_id)(int=7)))
    kept = await filled(other, a_session(id="x"))
    erasure = SessionErasure(client, tenant_id)
    assert 20 == await erasure.count_ideation()
    await erasure.remove_all()
    assert 7 == len(cluster.keys())
    assert kept == await all_parts(other, "x")
