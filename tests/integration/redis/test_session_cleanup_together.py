"""Cleaning up from several processes at once, while sessions are in use."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta

import pytest
import redis

from focal_data.ids import TenantId
from focal_data.redis.client import RedisClient
from focal_data.redis.session import RedisSessionStore
from focal_data.settings import Settings
from tests.integration.redis.examples import a_session

OLD, USED, PROCESSES = 1500, 100, 3
CLEANER = """
import asyncio, sys
from focal_data.redis.client import RedisClient
from focal_data.redis.session import RedisSessionMaintenance
from focal_data.settings import Settings

async def main():
    async with RedisClient(Settings.of(redis_url=sys.argv[1])) as client:
        await client.check()
        print("ready", flush=True)
        sys.stdin.readline()
        print(await RedisSessionMaintenance(client).cleanup())

asyncio.run(main())
"""


def _eight_days_ago() -> datetime:
    return datetime.now(UTC) - timedelta(days=8)


async def _cleaner(url: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLEANER, url, stdin=pipe, stdout=pipe
    )
    assert process.stdout is not None
    assert b"ready\n" == await process.stdout.readline()
    return process


@pytest.mark.slow
async def test_what_is_old_goes_once_and_what_is_used_stays(
    client: RedisClient, settings: Settings, tenant_id: TenantId, direct: redis.Redis
) -> None:
    """Processes that clean up together remove each old session once, and none that was touched meanwhile."""
    before = RedisSessionStore(client, tenant_id, clock=_eight_days_ago)
    store = RedisSessionStore(client, tenant_id)
    for number in range(OLD):
        await before.save(a_session(channel_user_id=f"old-{number}"))
    used = [await store.save(a_session(channel_user_id=f"used-{number}")) for number in range(USED)]
    for key in direct.keys("focal:ages:*"):  # their ages lag behind, as far as can be
        direct.zadd(key, dict.fromkeys(direct.zrange(key, 0, -1), 0))
    left = direct.dbsize()
    assert settings.redis_url is not None
    cleaners = [await _cleaner(settings.redis_url.get_secret_value()) for _ in range(PROCESSES)]

    ends = [asyncio.create_task(cleaner.communicate(b"go\n")) for cleaner in cleaners]
    while not all(end.done() for end in ends):
        used = [await store.save(session) for session in used]
    removed = [int((await end)[0]) for end in ends]

    old = {f"old-{number}" for number in range(OLD)}
    found = [await store.get(session.session_id) for session in used]
    assert used == found
    assert left > direct.dbsize()
    listed = await store.list_by_agent(used[0].agent_id, limit=1000)
    assert set() == old & {session.channel_user_id for session in listed}
    assert USED == sum(direct.zcard(key) for key in direct.keys("focal:ages:*"))
    assert OLD >= sum(removed) > 0
