"""The graph index that one would make by hand: there only while it is measured, so that ours never has it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from benchmarks.searching.stored import Base

NAME: Final = "by_hand_hnsw"
_CREATE: Final = (
    f"CREATE INDEX {NAME} ON episodes USING hnsw (embedding halfvec_cosine_ops)"
    " WITH (m = 16, ef_construction = 200)"
)


@asynccontextmanager
async def graph_index(base: Base) -> AsyncIterator[float]:
    """Build it, tell how many seconds that took, and drop it in the end."""
    async with base.owner.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL maintenance_work_mem = '2GB'; SET LOCAL statement_timeout = 0")
        start = time.perf_counter()
        await connection.execute(_CREATE, timeout=86_400)
        seconds = time.perf_counter() - start
    try:
        yield seconds
    finally:
        await base.owner.execute(f"DROP INDEX {NAME}")
