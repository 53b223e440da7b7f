"""One client of one Redis server: bounded, fair, in time, and with errors of our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Final, Self, cast

from redis import exceptions as driver
from redis.asyncio.connection import ConnectionPool, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff

from focal_data.errors import FocalDataError, Outcome, SettingsError
from focal_data.redis.connections import Connections, Fate, Reply
from focal_data.redis.deadlines import Deadlines
from focal_data.redis.script import Effect, Script, packed
from focal_data.redis.translation import DRIVER_ERRORS, is_refusal, translated
from focal_data.settings import PREFIX, Settings
from focal_data.telemetry import log_failure

__all__ = ["LOST", "RedisClient", "Reply"]

LOST: Final = (driver.ConnectionError, driver.TimeoutError, OSError, AttributeError)
"""What the driver raises when a connection is gone."""

_SCANNED_AT_ONCE: Final = b"1000"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.2  # seconds
_SERVER: Final = b"redis"
_PUT: Final = Script("put", Effect.REPEATABLE)


class RedisClient:
    """Runs scripts and commands. ``FOCAL_DATA_REDIS_TIMEOUT`` covers all of a call: its turn, its retries, its answer."""

    _lost: ClassVar[tuple[type[Exception], ...]] = LOST
    _retries: ClassVar[float] = 3

    def __init__(self, settings: Settings) -> None:
        """Nothing is connected yet. ``SettingsError`` for a URL that can't be used."""
        self.settings = settings
        self._seconds = settings.redis_timeout
        self._deadlines = Deadlines(self._seconds)
        self._server = _server(settings)
        # First come, first served: redis-py's own pools let whoever comes overtake who waits.
        self._turn = asyncio.Semaphore(settings.redis_pool_size)
        self._backoff = ExponentialBackoff(_LONGEST_PAUSE, _FIRST_PAUSE)

    async def run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes] = ()) -> Reply:
        """What ``script`` gives. The first key is the one that errors name."""
        fate = Fate(lasting=script.lasting)
        timeout = self._deadlines.new()
        try:
            async with timeout, self._turn:
                return await self._run(script, keys, arguments, fate)
        except DRIVER_ERRORS as error:
            failure = self._failure(error, script.name, keys[0] if keys else _SERVER, script.effect, fate)
        finally:
            self._deadlines.end(timeout)
        raise failure

    async def values(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is stored under each of some keys, in their order."""
        return cast("list[bytes | None]", await self._command(b"MGET", *keys) if keys else [])

    async def put(self, values: Mapping[bytes, bytes], *, expire: timedelta) -> None:
        """Store each value under its key, whatever was there, for that long. When it fails some may be stored."""
        if values:
            arguments = (milliseconds(expire), *values.values())
            await self.run(_PUT, list(values), arguments)

    async def scan(self, pattern: bytes) -> AsyncIterator[list[bytes]]:
        """The names of all keys like ``pattern``, some at a time; a name may come twice. The server looks at every key."""
        cursor = b"0"
        while True:
            reply = await self._command(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", _SCANNED_AT_ONCE)
            cursor, names = cast("tuple[bytes, list[bytes]]", reply)
            if names:
                yield names
            if cursor == b"0":
                return

    async def unlink(self, keys: Sequence[bytes]) -> None:
        """Remove these keys, of whatever type; one that is not there is none too many."""
        if keys:
            await self._command(b"UNLINK", *keys, effect=Effect.REPEATABLE)

    async def check(self) -> None:
        """Returns if the server answers, and raises otherwise."""
        await self._command(b"PING")

    async def info(self) -> dict[str, str]:
        """What the server tells of itself, by name: INFO of all sections."""
        return facts_of(cast("bytes", await self._command(b"INFO")))

    async def close(self) -> None:
        """Close every connection."""
        await self._server.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _command(self, name: bytes, *arguments: bytes, effect: Effect = Effect.READ) -> Reply:
        request, fate = packed((name, *arguments)), Fate()
        try:
            async with asyncio.timeout(self._seconds), self._turn:
                return await self._asked(_SERVER, request, effect, fate)
        except DRIVER_ERRORS as error:
            failure = self._failure(error, name.decode(), _SERVER, effect, fate)
        raise failure

    async def _run(
        self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes], fate: Fate
    ) -> Reply:
        key = keys[0] if keys else _SERVER
        try:
            return await self._asked(key, script.by_digest(keys, arguments), script.effect, fate)
        except driver.NoScriptError:
            return await self._asked(key, script.in_full(keys, arguments), script.effect, fate)

    async def _asked(self, key: bytes, request: bytes, effect: Effect, fate: Fate) -> Reply:
        """The answer to ``request``, sent again where that is safe and may help."""
        failures = 0
        while True:
            try:
                return await self._exchange(key, request, fate)
            except self._lost as error:
                failures += 1
                lost_for_good = is_refusal(error) or (effect is Effect.ONCE and fate.doubtful)
                if lost_for_good or failures > self._retries:
                    raise
                lost = error
            await self._recover(lost, failures)

    async def _exchange(self, _key: bytes, request: bytes, fate: Fate) -> Reply:
        """The answer of the server that has the slot of ``_key``; here there is only one."""
        return await self._server.ask(request, fate)

    async def _recover(self, _error: Exception, failures: int) -> None:
        await asyncio.sleep(self._backoff.compute(failures))

    def _failure(
        self, error: BaseException, operation: str, key: bytes, effect: Effect, fate: Fate
    ) -> FocalDataError:
        unknown = fate.doubtful and effect is not Effect.READ
        ours = translated(error, key, Outcome.UNKNOWN if unknown else Outcome.NOT_APPLIED)
        log_failure("redis", operation, error=type(ours))
        return ours


def milliseconds(time: timedelta) -> bytes:
    """For a command."""
    return b"%d" % (time / timedelta(milliseconds=1))


def facts_of(reply: bytes) -> dict[str, str]:
    """INFO by name."""
    return dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)


def _server(settings: Settings) -> Connections:
    """Connections to the server of the settings, with a first one, not yet connected, to see that it can be made."""
    ours: dict[str, Any] = {
        "socket_connect_timeout": settings.redis_timeout,
        "socket_timeout": None,  # the client's own time-out covers the whole call
        "retry": Retry(NoBackoff(), 0),  # it is the client that tries again, since it knows what is safe
        "redis_connect_func": None,
        "decode_responses": False,
        "protocol": 2,
    }
    try:
        # Its from_url would take what the URL says in place of ours.
        pool = ConnectionPool(**{**parse_url(settings.sessions_url()), **ours})
        return Connections(pool, pool.make_connection())  # type: ignore[no-untyped-call]
    except (ValueError, TypeError, AttributeError, driver.RedisError):
        raise SettingsError(f"{PREFIX}REDIS_URL", "is not a URL of a Redis server") from None
