"""Run every work, print the ratios, and write them to ``benchmarks/latest.json``.

``python -m benchmarks "read by id" "list 50"`` runs those whose names begin so, and writes nothing. ``python -m benchmarks
search`` is a benchmark of its own, see ``benchmarks/searching``.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from benchmarks import auditing, graph, ideation, peers, providing, sessions, works
from benchmarks.ground import Ground, ground
from benchmarks.searching import command as searching
from benchmarks.timing import Ratio, Work, timed
from focal_data.migration import runner
from focal_data.testing.databases import fresh_database

LATEST = Path(__file__).parent / "latest.json"
PACKAGES = (
    "focal-data",
    "sqlalchemy",
    "sqlmodel",
    "asyncpg",
    "pydantic",
    "redis",
    "pgvector",
    "advanced-alchemy",
    "aiocache",
    "anthropic",
    "openai",
)


async def main(chosen: tuple[str, ...]) -> int:
    """The number of limits that were missed, by the works whose names begin with one of ``chosen``; by all without."""
    ratios: list[Ratio] = []
    async with ground() as here, peers.sessions(here) as make:
        async for work in all_works(here, make):
            if work.name.startswith(chosen or ""):
                ratios += await told(work)
        if "graph".startswith(tuple(name[: len("graph")] for name in chosen) or ""):
            async for work in graph.graph_works(here):
                if work.name.startswith(chosen or ""):
                    ratios += await told(work)
        if "sessions".startswith(chosen or ""):
            ratios += await told_of_sessions(here)
        if not chosen:
            ratios.append(await empty_to_head(here))
            machine = await about(here, ratios)
    if not chosen:
        noise = machine["noise"]
        print(f"\nnoise: ours against itself is {noise['smallest']:.2f} to {noise['largest']:.2f}")
        LATEST.write_text(json.dumps([*(vars(ratio) for ratio in ratios), machine], indent=2) + "\n")
    missed = [ratio for ratio in ratios if not ratio.met]
    for ratio in missed:
        print(f"over its limit: {ratio.work}, against {ratio.against}: {ratio.ratio:.2f} > {ratio.limit}")
    return len(missed)


async def all_works(here: Ground, make: async_sessionmaker[AsyncSession]) -> AsyncIterator[Work]:
    """Every work that is timed, in the order of the report."""
    async for work in works.postgres_works(here, make):
        yield work
    yield works.bulk(here, make)
    async with works.session_works(here) as session_works:
        for work in session_works:
            yield work
    async for work in ideation.ideation_works(here):
        yield work
    async with auditing.audit_works(here) as audit_works:
        for work in audit_works:
            yield work
    async with providing.provider_works() as provider_works:
        for work in provider_works:
            yield work


async def told(work: Work) -> list[Ratio]:
    """Time ``work`` and print its table."""
    ratios, medians = await timed(work)
    print(f"\n{work.name}: ours {medians['ours'] * 1e6:,.0f} µs")
    for ratio in ratios:
        limit = "" if ratio.limit is None else f"  at most {ratio.limit}  {'ok' if ratio.met else 'OVER'}"
        print(f"  {ratio.ratio:5.2f} × {ratio.against} ({medians[ratio.against] * 1e6:,.0f} µs){limit}")
    return ratios


async def told_of_sessions(here: Ground) -> list[Ratio]:
    """Sessions under load."""
    ratios = [ratio async for ratio in sessions.session_ratios(here)]
    ratios += await told(await sessions.list_work(here))
    print()
    for ratio in ratios:
        limit = "" if ratio.limit is None else f"  at most {ratio.limit}  {'ok' if ratio.met else 'OVER'}"
        print(f"  {ratio.work}: {ratio.ratio:5.2f} × {ratio.against}{limit}")
    return ratios


async def empty_to_head(here: Ground) -> Ratio:
    """An empty database brought to head, five times, as a part of two seconds."""
    times = []
    for _ in range(5):
        async with fresh_database(here.admin_url) as url:
            settings = here.settings.model_copy(update={"database_url": SecretStr(url)})
            start = time.perf_counter()
            await runner.upgrade(settings)
            times.append(time.perf_counter() - start)
    median = sorted(times)[2]
    print(f"\nempty database to head: {median:.2f} s")
    return Ratio("empty database to head", "2 seconds", median / 2, 1.0)


async def about(here: Ground, ratios: list[Ratio]) -> dict[str, Any]:
    """The machine, the versions, and how noisy the run was."""
    noise = [ratio.ratio for ratio in ratios if ratio.against == "ours again"]
    return {
        "machine": {
            "cpus": os.cpu_count(),
            "platform": platform.platform(),
            "python": platform.python_version(),
        },
        "postgresql": await here.bare.fetchval("SHOW server_version"),
        "packages": {name: version(name) for name in PACKAGES},
        "noise": {"smallest": min(noise), "largest": max(noise)},
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["search"]:
        sys.exit(1 if searching.main(sys.argv[2:]) else 0)
    sys.exit(1 if asyncio.run(main(tuple(sys.argv[1:]))) else 0)
