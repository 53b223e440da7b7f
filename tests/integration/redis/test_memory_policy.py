from __future__ import annotations

import pytest
import redis

from focal_data.cli.doctor import Verdict, examine
from focal_data.settings import Settings


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("noeviction", Verdict.OK),
        ("volatile-ttl", Verdict.OK),
        ("volatile-lru", Verdict.OK),
        ("volatile-lfu", Verdict.OK),
        ("volatile-random", Verdict.OK),
        ("allkeys-lru", Verdict.WRONG),
        ("allkeys-lfu", Verdict.WRONG),
        ("allkeys-random", Verdict.WRONG),
    ],
)
async def test_what_doctor_says(
    settings: Settings, direct: redis.Redis, policy: str, expected: Verdict
) -> None:
    """A policy under which sessions that were acknowledged can be evicted is wrong."""
    direct.config_set("maxmemory-policy", policy)
    try:
        told = {finding.subject: finding.verdict for finding in await examine(settings)}
    finally:
        direct.config_set("maxmemory-policy", "noeviction")
    assert expected is told["Redis memory policy"]
