"""One client of a Redis Cluster: the calls of ``RedisClient``, each sent to the node that has its slot.

redis-py's ``RedisCluster`` knows which that is. The connections are this client's own, since a WAIT speaks of what was
written on the very connection that asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Final, cast

from redis import exceptions as driver
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import AbstractConnection, ConnectionPool, SSLConnection, parse_url
from redis.crc import key_slot

from focal_data.errors import Outcome, SettingsError, StoreTimeoutError
from focal_data.redis.client import LOST, RedisClient, facts_of, milliseconds
from focal_data.redis.connections import Connections, Fate, Reply
from focal_data.redis.script import Effect, Script, packed
from focal_data.redis.translation import ANSWERS, DRIVER_ERRORS, REFUSED
from focal_data.settings import PREFIX, Settings
from focal_data.telemetry import log_failure

_ASKING: Final = packed((b"ASKING",))
_NODES: Final = packed((b"CLUSTER", b"NODES"))
_LONGEST_ANSWER: Final = 0.4  # of the time-out; then it may be another node that has the slot
_REFRESHED_AT_MOST: Final = 0.1  # seconds between two looks at the cluster
_ELSEWHERE: Final = (driver.AskError, driver.MovedError, driver.ClusterDownError, driver.TryAgainError)

Call = tuple[Sequence[bytes], Sequence[bytes]]
"""The keys of a script, and its arguments."""


class ClusterClient(RedisClient):
    """Every key of a call must lie in one slot, that of the first. It goes on after a failover, within its time-out."""

    _lost: ClassVar = (*LOST, *_ELSEWHERE, driver.BusyLoadingError, driver.ReadOnlyError)
    _retries: ClassVar = float("inf")

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._cluster = _cluster(settings)
        self._servers: dict[str, Connections] = {}
        self._stale = True
        self._refreshed = float("-inf")
        self._refreshing = asyncio.Lock()
        self._replicated = settings.session_durability == "replicated"

    async def run_each(self, script: Script, calls: Sequence[Call]) -> list[Reply]:
        """What ``script`` gives for each of some calls, in one round trip to every node that is concerned."""
        requests = [(keys[0], script.by_digest(keys, arguments)) for keys, arguments in calls]

        async def again(at: int, fate: Fate) -> Reply:
            return await self._run(script, *calls[at], fate)

        return await self._each(script.name, requests, script.effect, Fate(lasting=script.lasting), again)

    async def command_each(
        self, commands: Sequence[tuple[bytes, ...]], effect: Effect, *, lasting: bool = False
    ) -> list[Reply]:
        """The answers to some commands, the first argument of each being its key; as ``run_each``."""
        requests = [(command[1], packed(command)) for command in commands]

        async def again(at: int, fate: Fate) -> Reply:
            return await self._asked(*requests[at], effect, fate)

        return await self._each("commands", requests, effect, Fate(lasting=lasting), again)

    async def values(self, keys: Sequence[bytes]) -> list[bytes | None]:
        replies = await self.command_each([(b"GET", key) for key in keys], Effect.READ)
        return cast("list[bytes | None]", replies)

    async def put(self, values: Mapping[bytes, bytes], *, expire: timedelta) -> None:
        time = milliseconds(expire)
        commands = [(b"SET", key, value, b"PX", time) for key, value in values.items()]
        await self.command_each(commands, Effect.REPEATABLE)

    async def scan(self, pattern: bytes) -> AsyncIterator[list[bytes]]:
        for node in await self._primaries():
            cursor = b"0"
            while True:
                request = packed((b"SCAN", cursor, b"MATCH", pattern, b"COUNT", b"1000"))
                cursor, names = cast("tuple[bytes, list[bytes]]", await self._of_node(node, request))
                if names:
                    yield names
                if cursor == b"0":
                    break

    async def unlink(self, keys: Sequence[bytes]) -> None:
        await self.command_each([(b"UNLINK", key) for key in keys], Effect.REPEATABLE)

    async def check(self) -> None:
        for node in await self._primaries():
            await self._of_node(node, packed((b"PING",)))

    async def info(self) -> dict[str, str]:
        """What the primaries tell; where they differ, all of it."""
        request = packed((b"INFO",))
        told = [
            facts_of(cast("bytes", await self._of_node(node, request))) for node in await self._primaries()
        ]
        names = dict.fromkeys(name for facts in told for name in facts)
        return {
            name: ", ".join(dict.fromkeys(facts[name] for facts in told if name in facts)) for name in names
        }

    async def close(self) -> None:
        for server in self._servers.values():
            await server.close()
        await self._cluster.nodes_manager.aclose()
        await self._cluster.nodes_manager.aclose("startup_nodes")
        await super().close()

    async def _each(
        self,
        name: str,
        requests: Sequence[tuple[bytes, bytes]],
        effect: Effect,
        fate: Fate,
        again: Callable[[int, Fate], Awaitable[Reply]],
    ) -> list[Reply]:
        """Those that could not be answered at once go alone, ``again``, with all that a single one may need."""
        at = 0
        try:
            async with asyncio.timeout(self._seconds), self._turn:
                replies = await self._at_once(requests, fate)
                for at, reply in enumerate(replies):
                    if isinstance(reply, Exception):
                        replies[at] = await again(at, fate)
                return cast("list[Reply]", replies)
        except DRIVER_ERRORS as error:
            failure = self._failure(error, name, requests[at][0], effect, fate)
        raise failure

    async def _at_once(self, requests: Sequence[tuple[bytes, bytes]], fate: Fate) -> list[Reply | Exception]:
        replies: list[Reply | Exception] = [None] * len(requests)
        by_node: dict[str, list[int]] = {}
        nodes: dict[str, ClusterNode] = {}
        for at, (key, _) in enumerate(requests):
            node = await self._node_of(key)
            nodes[node.name] = node
            by_node.setdefault(node.name, []).append(at)

        async def ask(name: str, places: list[int]) -> None:
            try:
                answers = await self._asked_of(nodes[name], [requests[at][1] for at in places], fate)
            except self._lost as error:
                answers = [error] * len(places)
            for at, answer in zip(places, answers, strict=True):
                replies[at] = answer

        await asyncio.gather(*(ask(name, places) for name, places in by_node.items()))
        return replies

    async def _exchange(self, key: bytes, request: bytes, fate: Fate) -> Reply:
        before = fate.doubtful
        try:
            (reply,) = await self._asked_of(await self._node_of(key), [request], fate)
            if isinstance(reply, driver.AskError) and not isinstance(reply, driver.MovedError):
                node = ClusterNode(reply.host, reply.port, **self._cluster.nodes_manager.connection_kwargs)
                (_, reply) = await self._asked_of(node, [_ASKING, request], fate)
            if isinstance(reply, Exception):
                raise reply
        except ANSWERS:
            fate.doubtful = before
            raise
        return reply

    async def _asked_of(
        self, node: ClusterNode, requests: Sequence[bytes], fate: Fate
    ) -> list[Reply | Exception]:
        server = self._server_of(node)
        connection = server.take()
        try:
            async with asyncio.timeout(self._seconds * _LONGEST_ANSWER):
                replies = await server.ask_on(connection, requests, fate)
            if fate.lasting and self._replicated and not isinstance(replies[-1], Exception):
                await self._require_replicas(server, connection, fate)
        except BaseException:
            self._stale = True
            raise
        finally:
            server.give_back(connection)
        return replies

    async def _require_replicas(
        self, server: Connections, connection: AbstractConnection, fate: Fate
    ) -> None:
        """Return when every replica that may be promoted has what was written on ``connection``."""
        async with asyncio.timeout(self._seconds):
            (nodes,) = await server.ask_on(connection, [_NODES], fate)
            wanted = replicas_of_itself(cast("bytes", nodes))
            milliseconds = b"%d" % (self._seconds * _LONGEST_ANSWER * 1000)
            request = packed((b"WAIT", b"%d" % wanted, milliseconds))
            (reached,) = await server.ask_on(connection, [request], fate)
        if cast("int", reached) < wanted:
            log_failure("redis", "wait", error=StoreTimeoutError)
            raise StoreTimeoutError(
                f"{reached!r} of {wanted} replicas have the write: it may or may not outlive a failover",
                outcome=Outcome.UNKNOWN,
            )

    async def _recover(self, error: Exception, failures: int) -> None:
        self._stale = True
        if failures > 1 or not isinstance(error, driver.MovedError):
            await super()._recover(error, failures)

    async def _node_of(self, key: bytes) -> ClusterNode:
        if self._stale:
            await self._refresh()
        nodes = self._cluster.nodes_manager.slots_cache.get(key_slot(key))
        if not nodes:
            raise driver.ClusterDownError("no node has the slot")
        return nodes[0]

    async def _refresh(self) -> None:
        """Ask the cluster who has which slot, one task for all."""
        clock = asyncio.get_running_loop().time
        async with self._refreshing:
            if not self._stale or clock() < self._refreshed + _REFRESHED_AT_MOST:
                return
            self._refreshed = clock()
            try:
                await self._cluster.nodes_manager.initialize()
            except driver.RedisClusterException as error:
                why = error.__cause__
            else:
                self._stale = False
                return
        if isinstance(why, driver.RedisClusterException):
            raise SettingsError(
                f"{PREFIX}REDIS_CLUSTER", "the server is no cluster, or the login may not ask it"
            )
        raise why if isinstance(why, REFUSED) else driver.ConnectionError

    async def _primaries(self) -> list[ClusterNode]:
        try:
            async with asyncio.timeout(self._seconds):
                self._stale = True
                await self._refresh()
            if primaries := self._cluster.get_primaries():
                return primaries
            raise driver.ConnectionError
        except DRIVER_ERRORS as error:
            failure = self._failure(error, "nodes", b"redis", Effect.READ, Fate())
        raise failure

    async def _of_node(self, node: ClusterNode, request: bytes) -> Reply:
        try:
            async with asyncio.timeout(self._seconds), self._turn:
                (reply,) = await self._asked_of(node, [request], Fate())
            if not isinstance(reply, Exception):
                return reply
            failure = self._failure(reply, "node", b"redis", Effect.READ, Fate())
        except DRIVER_ERRORS as error:
            failure = self._failure(error, "node", b"redis", Effect.READ, Fate())
        raise failure

    def _server_of(self, node: ClusterNode) -> Connections:
        found = self._servers.get(node.name)
        if found is None:
            options = node.connection_kwargs | {"socket_timeout": None}
            found = Connections(ConnectionPool(node.connection_class, **options))
            self._servers[node.name] = found
        return found


def replicas_of_itself(nodes: bytes) -> int:
    """How many replicas of the answering node could be promoted, also such as fail now: by what CLUSTER NODES tells."""
    rows = [line.split() for line in nodes.decode().splitlines()]
    myself = next(row[0] for row in rows if "myself" in row[2].split(","))
    flags = [row[2].split(",") for row in rows if row[3] == myself]
    return sum("nofailover" not in of_one for of_one in flags)


def _cluster(settings: Settings) -> RedisCluster:
    ours: dict[str, Any] = {
        "socket_connect_timeout": settings.redis_timeout * _LONGEST_ANSWER,
        "socket_timeout": settings.redis_timeout * _LONGEST_ANSWER / 2,
        "require_full_coverage": False,
        "decode_responses": False,
        "protocol": 2,
    }
    # Its from_url would take what the URL says in place of ours.
    options: dict[str, Any] = {**parse_url(settings.sessions_url()), **ours}
    encrypted = options.pop("connection_class", None) is SSLConnection
    try:
        return RedisCluster(ssl=encrypted, **options)
    except driver.RedisClusterException:
        raise SettingsError(
            f"{PREFIX}REDIS_URL", "must lead to a node of the cluster by host and port, without a database"
        ) from None


def client_of(settings: Settings) -> RedisClient:
    """The client that the settings ask for. Nothing is connected yet; ``SettingsError`` for what can't be used."""
    if settings.redis_cluster:
        return ClusterClient(settings)
    if settings.session_durability != "primary":
        raise SettingsError(
            f"{PREFIX}SESSION_DURABILITY",
            "replicated needs a cluster: its nodes know which replicas there are",
        )
    return RedisClient(settings)
