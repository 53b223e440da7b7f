"""A service finds its PostgreSQL by the variables that other software has for it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from focal_data.data_layer import DataLayer
from focal_data.domain.config import Agent
from focal_data.errors import StoreConnectionError
from focal_data.settings import Settings, SSLMode

SSL_REQUEST = 80877103
"""What a client sends to ask for SSL, by the protocol of PostgreSQL."""


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, focal_settings: Settings) -> None:
    """An environment that names the run's PostgreSQL so, and its Redis as we do."""
    monkeypatch.chdir(tmp_path)
    url = focal_settings.service_url()
    monkeypatch.delenv("FOCAL_DATA_DATABASE_URL", raising=False)
    monkeypatch.setenv("FOCAL_DATA_REDIS_URL", focal_settings.sessions_url())
    monkeypatch.setenv("POSTGRES_HOST", str(url.host or url.query["host"]))
    monkeypatch.setenv("POSTGRES_PORT", str(url.port or 5432))
    monkeypatch.setenv("POSTGRES_DB", str(url.database))
    monkeypatch.setenv("POSTGRES_USER", str(url.username))
    monkeypatch.setenv("POSTGRES_PASSWORD", str(url.password or "none is asked for"))


@pytest.mark.parametrize("mode", [None, SSLMode.DISABLE, SSLMode.ALLOW, SSLMode.PREFER])
async def test_a_service_runs_by_them(monkeypatch: pytest.MonkeyPatch, mode: SSLMode | None) -> None:
    """With as many connections as they say."""
    monkeypatch.setenv("POSTGRES_POOL_SIZE", "2")
    if mode is not None:
        monkeypatch.setenv("POSTGRES_SSL_MODE", mode.value)
    async with DataLayer.open() as data:
        agent = await data.tenant(uuid4()).config.save_agent(Agent(name="Ada"))
        assert (1, 2) == (agent.revision, data.settings.pool_size)


@pytest.fixture
async def without_ssl() -> AsyncIterator[tuple[int, list[str]]]:
    """The port of a server that has no SSL and lets nobody in, and what it is asked for."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while int.from_bytes((await reader.readexactly(8))[4:]) == SSL_REQUEST:
                asked.append("SSL")
                writer.write(b"N")
            asked.append("to come in")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        yield server.sockets[0].getsockname()[1], asked


@pytest.mark.parametrize("mode", SSLMode)
async def test_what_asks_for_ssl_does_not_go_without(
    monkeypatch: pytest.MonkeyPatch, without_ssl: tuple[int, list[str]], mode: SSLMode
) -> None:
    """Where it is required, nothing is sent in the clear; where it is preferred, it is asked for first."""
    port, asked = without_ssl
    if (roots := ssl.get_default_verify_paths().cafile) is None:
        pytest.skip("this machine trusts nobody")
    monkeypatch.setenv("PGSSLROOTCERT", roots)
    monkeypatch.setenv("POSTGRES_HOST", "127.0.0.1")
    monkeypatch.setenv("POSTGRES_PORT", str(port))
    monkeypatch.setenv("POSTGRES_SSL_MODE", mode.value)
    with pytest.raises(StoreConnectionError):
        async with DataLayer.open():
            pass
    first = {
        SSLMode.DISABLE: ["to come in"],
        SSLMode.ALLOW: ["to come in"],
        SSLMode.PREFER: ["SSL", "to come in"],
    }
    assert first.get(mode, ["SSL"]) == asked[: len(first.get(mode, ["SSL"]))]
    assert (mode in first) == ("to come in" in asked)
