"""Connections to one server: a stack of redis-py's, each used by one call at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, cast

from redis import exceptions as driver
from redis.asyncio.connection import AbstractConnection, ConnectionPool

from focal_data.redis.translation import ANSWERS

Reply: TypeAlias = "bytes | int | list[Reply] | None"


class Fate:
    """What is known of a command whose answer may never come."""

    __slots__ = ("doubtful", "lasting")

    def __init__(self, *, lasting: bool = False) -> None:
        self.doubtful = False
        """It may have been carried out although no answer came."""
        self.lasting = lasting
        """It counts only when it survives a failover."""


class Connections:
    """As many as are used at once. Who may use one when is the client's to say; ``pool`` only makes them."""

    def __init__(self, pool: ConnectionPool, first: AbstractConnection | None = None) -> None:
        self._pool = pool
        self._idle: list[AbstractConnection] = [] if first is None else [first]

    async def ask(self, request: bytes, fate: Fate) -> Reply:
        """The answer to ``request``; the driver's error otherwise."""
        before = fate.doubtful
        connection = self.take()
        try:
            await self._pool.ensure_connection(connection)
            fate.doubtful = True
            await connection.send_packed_command(request)
            return cast("Reply", await connection.read_response())
        except ANSWERS:
            fate.doubtful = before
            raise
        finally:
            self._idle.append(connection)

    async def ask_on(
        self, connection: AbstractConnection, requests: Sequence[bytes], fate: Fate
    ) -> list[Reply | Exception]:
        """The answers to some requests that are sent at once, in their order; errors that are answers stand in theirs."""
        await self._pool.ensure_connection(connection)
        fate.doubtful = True
        await connection.send_packed_command(b"".join(requests))
        return [await _answer(connection) for _ in requests]

    def take(self) -> AbstractConnection:
        """One that nobody uses. It may have been closed meanwhile."""
        return self._idle.pop() if self._idle else self._pool.make_connection()  # type: ignore[no-untyped-call]

    def give_back(self, connection: AbstractConnection) -> None:
        """It holds no answer that nobody read: redis-py closes it when a reading is broken off."""
        self._idle.append(connection)

    async def close(self) -> None:
        """Close every one that is not in use."""
        while self._idle:
            await self._idle.pop().disconnect()


async def _answer(connection: AbstractConnection) -> Reply | Exception:
    try:
        return cast("Reply", await connection.read_response())
    except (*ANSWERS, driver.ResponseError) as error:
        return error
