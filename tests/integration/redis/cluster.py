"""A Redis Cluster of the tests' own, on 127.0.0.1: three primaries, each with a replica, made without redis-cli."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import redis

SLOTS = 16384
PRIMARIES = 3
NODE_TIMEOUT = 1000  # milliseconds


class ClusterServer:
    """One node."""

    def __init__(self, program: str, folder: Path, port: int) -> None:
        self.port = port
        folder.mkdir()
        options = {
            "port": port,
            "bind": "127.0.0.1",
            "save": "",
            "dir": folder,
            "cluster-enabled": "yes",
            "cluster-node-timeout": NODE_TIMEOUT,
            "repl-ping-replica-period": 1,
            "repl-diskless-sync-delay": 0,
        }
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        self._process = subprocess.Popen(
            [program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def direct(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5)

    def tell(self, *words: object) -> object:
        with self.direct() as connection:
            return connection.execute_command(*words)

    def answers(self) -> bool:
        with suppress(redis.RedisError):
            return self.tell("PING") is True
        return False

    def nodes(self) -> list[list[str]]:
        """What it knows of all nodes, a row each: id, address, flags, primary …"""
        with self.direct() as connection:
            connection.response_callbacks.clear()
            reply = connection.execute_command("CLUSTER", "NODES")
        text = reply.decode() if isinstance(reply, bytes) else str(reply)
        return [line.split() for line in text.splitlines()]

    @property
    def node_id(self) -> str:
        return next(row[0] for row in self.nodes() if "myself" in row[2])

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self._process.wait()


class RunningCluster:
    """Its nodes: the primaries, and then the replica of each in the same order."""

    def __init__(self, nodes: list[ClusterServer]) -> None:
        self.nodes = nodes
        self.primaries, self.replicas = nodes[:PRIMARIES], nodes[PRIMARIES:]
        self.url = f"redis://127.0.0.1:{nodes[0].port}"

    def flush(self) -> None:
        for primary in self.primaries:
            primary.tell("FLUSHALL")

    def keys(self) -> list[bytes]:
        found = []
        for primary in self.primaries:
            with primary.direct() as connection:
                found += connection.keys()
        return found

    def direct_to(self, key: bytes) -> redis.Redis:
        """A plain connection to whoever has ``key``."""
        slot = int(self.nodes[0].tell("CLUSTER", "KEYSLOT", key))  # type: ignore[call-overload]
        return self.primaries[slot * PRIMARIES // SLOTS].direct()


@contextmanager
def running_cluster(program: str, folder: Path) -> Iterator[RunningCluster]:
    """Six processes; ready when every node knows that all slots are served."""
    with ExitStack() as stack:
        nodes = []
        for number, port in enumerate(free_ports(2 * PRIMARIES)):
            nodes.append(ClusterServer(program, folder / str(number), port))
            stack.callback(nodes[-1].kill)
        for node in nodes:
            _until(node.answers)
        _joined(nodes)
        yield RunningCluster(nodes)


def _joined(nodes: list[ClusterServer]) -> None:
    for number, node in enumerate(nodes):
        node.tell("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    # slot * 3 // 16384 is its primary, as direct_to has it
    bounds = [-(-SLOTS * number // PRIMARIES) for number in range(PRIMARIES + 1)]
    for number, node in enumerate(nodes[:PRIMARIES]):
        node.tell("CLUSTER", "ADDSLOTS", *range(bounds[number], bounds[number + 1]))
    for node in nodes[1:]:
        node.tell("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
    for node in nodes:
        _until(lambda node=node: len(node.nodes()) == len(nodes))
    for number, replica in enumerate(nodes[PRIMARIES:]):
        replica.tell("CLUSTER", "REPLICATE", nodes[number].node_id)
    for node in nodes:
        _until(lambda node=node: b"cluster_state:ok" in _information(node))
        _until(lambda node=node: sum("slave" in row[2] for row in node.nodes()) == PRIMARIES)
    for replica in nodes[PRIMARIES:]:
        _until(lambda replica=replica: _is_linked(replica))


def _information(node: ClusterServer) -> bytes:
    with node.direct() as connection:
        connection.response_callbacks.clear()
        return connection.execute_command("CLUSTER", "INFO")


def _is_linked(replica: ClusterServer) -> bool:
    with replica.direct() as connection:
        return connection.info("replication").get("master_link_status") == "up"


def free_ports(count: int) -> list[int]:
    """Such that the cluster's own port, 10,000 higher, can be used too."""
    with ExitStack() as stack:
        ports: list[int] = []
        while len(ports) < count:
            one = stack.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            if port < 55_000:
                ports.append(port)
    return ports


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until, "the cluster does not come up"
        time.sleep(0.02)
