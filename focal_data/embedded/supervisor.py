"""The process between the owner and the servers, which outlives the owner just long enough to tidy up.

The owner (the Python process that asked for engines) starts it and holds the other end of its standard input.
It makes the folders, starts the servers as its children, reports on its standard output, and then waits for
that input to end, as it does however the owner ends. Being one process with one thread, it has no race between
starting a server and knowing of it. It imports the standard library only, so that it starts fast.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn

from focal_data.embedded import postgres, redis
from focal_data.embedded.bundles import PostgresBundle, RedisBundle
from focal_data.embedded.claims import Claim, remove_abandoned
from focal_data.embedded.places import (
    Place,
    engine_account,
    make_home,
    make_runtime,
    remove_tree,
)
from focal_data.embedded.servers import Server, ServerStartError, stop
from focal_data.errors import UsageError

_FOR_THE_USER = frozenset(
    {errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EROFS, errno.ENAMETOOLONG}
)


class Order(NamedTuple):
    """What the owner wants."""

    data_dir: str | None
    temporary: str
    owner: int
    postgres: PostgresBundle | None
    redis: RedisBundle | None

    def encode(self) -> bytes:
        """As the line that the supervisor reads."""
        return json.dumps(self).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Order:
        """What ``encode`` made."""
        data_dir, temporary, owner, of_postgres, of_redis = json.loads(line)
        return cls(
            data_dir,
            temporary,
            owner,
            PostgresBundle(*of_postgres) if of_postgres else None,
            RedisBundle(*of_redis) if of_redis else None,
        )


class _OwnerLeftError(Exception):
    """Nobody wants the servers any more."""


def main() -> None:
    """Serve one owner, from its order to its end."""
    os.umask(0o077)
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    line = sys.stdin.buffer.readline()
    if line.endswith(b"\n"):
        with suppress(_OwnerLeftError), ExitStack() as stack:
            _serve(Order.decode(line), stack)


def _serve(order: Order, stack: ExitStack) -> None:
    try:
        report = _bring_up(order, stack)
    except (UsageError, ServerStartError, OSError) as error:
        return _report(_failure(error))
    _report(report)
    remove_abandoned(Path(report["runtime"]).parent, _pause)
    return _pause(None)


def _bring_up(order: Order, stack: ExitStack) -> dict[str, str]:
    servers: list[Server] = []
    place, claim = _settle(order, stack)
    place.own_folder(place.sockets)
    stack.callback(stop, servers)
    stack.callback(claim.stopping)
    stack.callback(signal.signal, signal.SIGTERM, signal.SIG_IGN)
    if order.redis:
        redis.start(order.redis, place, servers)
    if order.postgres:
        postgres.start(order.postgres, place, servers, _pause)
    for server in servers:
        server.await_ready(_pause)
    return _facts(order, place)


def _settle(order: Order, stack: ExitStack) -> tuple[Place, Claim]:
    """Make and claim the folders. What is pushed on ``stack`` is undone in the reverse order."""
    account = engine_account()
    runtime = make_runtime(order.temporary, account, durable=order.data_dir is not None)
    claim = Claim.take(runtime, order.owner, _pause)
    stack.callback(claim.release)
    stack.callback(remove_tree, runtime)
    if order.data_dir is None:
        return Place(runtime, runtime, False, account, order.temporary), claim
    home = make_home(Path(order.data_dir))
    claim = Claim.take(home, order.owner, _pause)
    stack.callback(claim.release)
    claim.tidy(_pause)
    claim.record(runtime)
    return Place(home, runtime, True, account, order.temporary), claim


def _facts(order: Order, place: Place) -> dict[str, str]:
    facts = {"runtime": str(place.runtime)}
    if order.postgres:
        facts |= {
            "database_url": postgres.database_url(place),
            "PostgreSQL": order.postgres.version,
            "pgvector": order.postgres.pgvector,
        }
    if order.redis:
        facts |= {"redis_url": redis.redis_url(place), "Redis": redis.version(place)}
    return facts


def _failure(error: Exception) -> dict[str, str]:
    if isinstance(error, OSError):
        kind = "usage" if error.errno in _FOR_THE_USER else "start"
        return {"error": kind, "message": f"{error.filename or 'the operating system'}: {error.strerror}"}
    return {"error": "usage" if isinstance(error, UsageError) else "start", "message": str(error)}


def _report(report: dict[str, str]) -> None:
    try:
        os.write(sys.stdout.fileno(), json.dumps(report).encode() + b"\n")
    except BrokenPipeError:
        raise _OwnerLeftError from None


def _pause(seconds: float | None) -> None:
    """Wait, or leave at once when the owner has closed its end."""
    readable, _, _ = select.select([sys.stdin.fileno()], [], [], seconds)
    if readable:
        raise _OwnerLeftError


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise _OwnerLeftError
