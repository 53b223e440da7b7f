"""Redis of a test run: a database of the server for itself alone, which is empty again when the run is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from focal_data.errors import UsageError

# lint: allow keys-elsewhere because it tells test runs apart, and holds nothing that is stored
_CLAIM: Final = "focal:testing:database:{}"
"""In database 0, where whoever looks for a free one sees it, and the tests that have one do not."""
_CLAIM_SECONDS: Final = 86_400  # that of a run that was killed lapses
_DATABASES: Final = range(1, 16)


@asynccontextmanager
async def own_database(redis_url: str) -> AsyncIterator[str]:
    """The URL of a database of that server which was empty and unclaimed; emptied at the end. ``UsageError`` if none is."""
    async with Redis.from_url(_numbered(redis_url, 0)) as server:
        number = await _claimed(server, redis_url)
        own = _numbered(redis_url, number)
        try:
            yield own
        finally:
            await emptied(own)
            await server.delete(_CLAIM.format(number))


async def emptied(redis_url: str) -> None:
    """Remove every key of that database."""
    async with Redis.from_url(redis_url) as database:
        await database.flushdb()


async def _claimed(server: Redis, redis_url: str) -> int:
    for number in _DATABASES:
        if await server.set(_CLAIM.format(number), "claimed", nx=True, ex=_CLAIM_SECONDS):
            async with AsyncExitStack() as unless_empty:
                unless_empty.push_async_callback(server.delete, _CLAIM.format(number))
                if await _is_empty(_numbered(redis_url, number)):
                    unless_empty.pop_all()
                    return number
    raise UsageError(
        "no database from 1 to 15 of this Redis is free: each is in use by another run, or holds keys that are not ours"
    )


async def _is_empty(redis_url: str) -> bool:
    try:
        async with Redis.from_url(redis_url) as database:
            return await database.dbsize() == 0
    except ResponseError:  # the server has fewer
        return False


def _numbered(redis_url: str, number: int) -> str:
    """``redis_url`` with another database."""
    url = urlsplit(redis_url)
    query = dict(parse_qsl(url.query))
    path = url.path
    if url.scheme == "unix" or "db" in query:
        query["db"] = str(number)
    else:
        path = f"/{number}"
    numbered = url._replace(path=path, query=urlencode(query)).geturl()
    return numbered if "://" in numbered else numbered.replace(":", "://", 1)  # urllib drops an empty host
