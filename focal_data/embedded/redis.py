"""The embedded Redis server: Valkey, or Redis, on a socket."""

from __future__ import annotations

import re
import signal
import socket
from contextlib import suppress
from pathlib import Path

from focal_data.embedded.bundles import RedisBundle
from focal_data.embedded.places import Place, public_copy
from focal_data.embedded.servers import Server, Step, launch

_ALWAYS = ("--port", "0", "--unixsocketperm", "700", "--dir", ".", "--save", "", "--set-proc-title", "no")
# "always" because a session whose save was answered must be there after a loss of power too; the engine
# syncs once for all that waits, so writers in parallel share the cost.
_DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction")
_PASSING = ("--appendonly", "no", "--maxmemory-policy", "noeviction")
_ANSWER_SECONDS = 1.0


def start(bundle: RedisBundle, place: Place, servers: list[Server]) -> None:
    """Start the server on the data in ``place``; it may not be ready yet."""
    program = Path(bundle.executable)
    if place.account is not None:
        program = public_copy(program.parent, [program.name], place) / program.name
    log = place.home / "redis.log"
    options = ("--unixsocket", str(_socket(place)), *_ALWAYS, *(_DURABLE if place.durable else _PASSING))
    process = launch(
        [str(program), *options],
        folder=place.own_folder(place.home / "redis"),
        log=log,
        account=place.account,
    )
    ending = (
        (Step(signal.SIGTERM, 30), Step(signal.SIGKILL, 5)) if place.durable else (Step(signal.SIGKILL, 5),)
    )
    servers.append(Server("Redis", process, log, lambda: _ask(place, "PING").startswith("+PONG"), ending))


def redis_url(place: Place) -> str:
    """The URL, over the socket."""
    return f"unix://{_socket(place)}?db=0"


def version(place: Place) -> str:
    """Name and version of the running server."""
    about = _ask(place, "INFO server")
    for name in ("valkey", "redis"):
        if found := re.search(rf"^{name}_version:(\S+)", about, re.MULTILINE):
            return f"{name.title()} {found[1]}"
    return "unknown"


def _socket(place: Place) -> Path:
    return place.sockets / "redis.sock"


def _ask(place: Place, command: str) -> str:
    """The answer, or nothing when there is none."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        connection.connect(str(_socket(place)))
        connection.sendall(f"{command}\r\nQUIT\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    return ""
