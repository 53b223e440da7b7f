"""A process that owns embedded engines, for the tests to treat badly.

Usage: ``python embedded_owner.py WHAT [DATA_DIR]``; WHAT is the name of one of the functions below. What it has
to say is one JSON value a line.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time

from focal_data.embedded import EmbeddedEngines


def say(value: object) -> None:
    """Tell the test."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def facts(engines: EmbeddedEngines) -> dict[str, object]:
    """What the test needs to look for processes and folders."""
    return {
        "database_url": engines.database_url,
        "redis_url": engines.redis_url,
        "versions": dict(engines.versions),
        "uid": os.geteuid(),
    }


def idle(data_dir: str | None) -> None:
    """Start and stay."""
    say(facts(EmbeddedEngines.start(data_dir)))
    time.sleep(600)


def once(data_dir: str | None) -> None:
    """Start, say so, stop."""
    with EmbeddedEngines.start(data_dir) as engines:
        say(facts(engines))


def leave_a_fork(data_dir: str | None) -> None:
    """Start, and stay with a forked child, whose end of the engines must not matter."""
    engines = EmbeddedEngines.start(data_dir)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        engines.stop()
        os.write(writing, b"stopped")
        time.sleep(600)
    os.read(reading, 10)
    say(facts(engines) | {"child": child, "answer": asyncio.run(_ask(engines))})
    time.sleep(600)


def survive_interrupt(data_dir: str | None) -> None:
    """Start, and use the engines once more after Ctrl-C."""
    with EmbeddedEngines.start(data_dir) as engines:
        try:
            say(facts(engines))
            time.sleep(600)
        except KeyboardInterrupt:
            say(asyncio.run(_ask(engines)))


def write(data_dir: str | None) -> None:
    """Write number after number to both engines, and say each that both acknowledged."""
    asyncio.run(_write(EmbeddedEngines.start(data_dir)))


async def _ask(engines: EmbeddedEngines) -> int:
    import asyncpg

    connection = await asyncpg.connect(engines.database_url.replace("+asyncpg", ""))
    try:
        return int(await connection.fetchval("SELECT 42"))
    finally:
        await connection.close()


async def _write(engines: EmbeddedEngines) -> None:
    import asyncpg
    from redis.asyncio import Redis

    connection = await asyncpg.connect(engines.database_url.replace("+asyncpg", ""))
    client = Redis.from_url(engines.redis_url)
    await connection.execute("CREATE TABLE IF NOT EXISTS numbers (number int PRIMARY KEY)")
    first = await connection.fetchval("SELECT coalesce(max(number) + 1, 0) FROM numbers")
    for number in range(first, 1_000_000):
        await connection.execute("INSERT INTO numbers VALUES ($1)", number)
        await client.set(f"number:{number}", number)
        say(number)


if __name__ == "__main__":
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background job ignores it, and so its children
    globals()[sys.argv[1]](sys.argv[2] if len(sys.argv) > 2 else None)
