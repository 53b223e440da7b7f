"""Existing deployments' sessions on a cluster, where their keys lie in different slots, and on every kind of server."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from benchmarks.ideation import an_archive
from focal_data.redis.client import RedisClient
from focal_data.redis.cluster_client import ClusterClient
from focal_data.redis.ideation_legacy import LegacyIdeation
from focal_data.settings import Settings
from tests.integration.redis.cluster import RunningCluster, running_cluster
from tests.integration.redis.server import every_server


@pytest.mark.slow
async def test_what_is_written_is_read(client: RedisClient) -> None:
    """All of it, more than a page too, and it is found."""
    await _there_and_back(LegacyIdeation(client))


@pytest.fixture(scope="module", params=every_server()[:1])
def cluster(request: pytest.FixtureRequest) -> Iterator[RunningCluster]:
    """Of one kind of server."""
    with (
        tempfile.TemporaryDirectory(prefix="focal-") as folder,
        running_cluster(request.param, Path(folder)) as found,
    ):
        yield found


@pytest.fixture
async def clustered(cluster: RunningCluster) -> AsyncIterator[ClusterClient]:
    """A client of the cluster."""
    url = f"redis://127.0.0.1:{cluster.nodes[0].port}"
    async with ClusterClient(Settings.of(redis_url=url, redis_cluster=True)) as client:
        yield client


@pytest.mark.slow
async def test_what_is_written_on_a_cluster_is_read(clustered: ClusterClient) -> None:
    """Key by key, wherever each of them lies."""
    await _there_and_back(LegacyIdeation(clustered))


async def _there_and_back(legacy: LegacyIdeation) -> None:
    archives = [an_archive(session_id, 1001) for session_id in ("a", "{b}", "c:d")]
    for archive in archives:
        await legacy.write(archive)
    assert {b"a", b"{b}", b"c:d"} == await legacy.sessions()
    for archive in archives:
        reading = await legacy.read(archive.session.id)
        assert ([], True) == (reading.problems, reading.indexed)
        assert reading.archive is not None
        assert [] == archive.differences(reading.archive)
    assert [] == [finding async for finding in legacy.leftovers({b"a", b"{b}", b"c:d"})]
