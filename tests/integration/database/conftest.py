"""A wire between a pool and PostgreSQL that counts round trips, and can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import URL

from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope
from focal_data.settings import Settings


class Wire:
    """Carries bytes between clients and the server of ``url``. A round trip is a message that follows an answer."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.round_trips = 0
        self.cut_before: bytes | None = None
        """Close the connection when the client sends this, without passing it on."""
        self.cut_after: bytes | None = None
        """Pass this on, and close the connection before the answer."""
        self._states: list[dict[str, bool]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._heard = asyncio.Event()

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def through(self) -> str:
        """The server's URL by way of the wire."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        url = self.url.set(host="127.0.0.1", port=port, query={})
        return url.render_as_string(hide_password=False)

    def cut(self) -> None:
        """Close every connection that is open."""
        while self._writers:
            self._writers.pop().transport.abort()

    def doom(self) -> None:
        """Close each connection that is open by now as soon as its client sends something."""
        for state in self._states:
            state["doomed"] = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        folder = self.url.query.get("host")
        if folder:
            upstream = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{self.url.port or 5432}")
        else:
            upstream = await asyncio.open_connection(self.url.host, self.url.port or 5432)
        self._writers += [writer, upstream[1]]
        state = {"answered": True, "mute": False, "doomed": False}
        self._states.append(state)
        for work in (self._forth(reader, upstream[1], state), self._back(upstream[0], writer, state)):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forth(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: dict[str, bool]
    ) -> None:
        with suppress(ConnectionError):
            while (data := await reader.read(65536)) and not state["doomed"]:
                if self.cut_before and self.cut_before in data:
                    return self.cut()
                self.round_trips += state["answered"]
                state["answered"] = False
                state["mute"] = bool(self.cut_after and self.cut_after in data)
                writer.write(data)
                await writer.drain()
                if state["mute"]:
                    await self._heard.wait()
                    return self.cut()
            writer.close()
        return None

    async def _back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: dict[str, bool]
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                state["answered"] = True
                if state["mute"]:
                    self._heard.set()
                if not state["mute"]:
                    writer.write(data)
                    await writer.drain()
            writer.close()


@pytest.fixture
async def wire(focal_settings: Settings) -> AsyncIterator[Wire]:
    """A wire to the run's PostgreSQL."""
    async with Wire(focal_settings.service_url()) as wire:
        yield wire


@pytest.fixture
async def database(focal_settings: Settings, wire: Wire) -> AsyncIterator[Database]:
    """A pool of two connections by way of the wire, with a short time-out for statements."""
    changes = {
        "database_url": SecretStr(wire.through),
        "pool_size": 2,
        "statement_timeout": 2.0,
    }
    database = Database(focal_settings.model_copy(update=changes))
    yield database
    await database.close()


@pytest.fixture
def scope(database: Database) -> TenantScope:
    """A new tenant on that pool."""
    return TenantScope(database, uuid4())  # type: ignore[arg-type]
