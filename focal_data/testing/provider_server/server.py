"""The server: it reads requests, does what the script says, and remembers what came."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from itertools import count
from types import TracebackType
from typing import Final, Self

from focal_data.testing.provider_server import http, payloads
from focal_data.testing.provider_server.behaviours import (
    Behaviour,
    Fail,
    Garble,
    Hang,
    Received,
    Refuse,
    Reset,
    Say,
)
from focal_data.testing.provider_server.sampling import sample
from focal_data.testing.provider_server.strictness import complaint

PATHS: Final = ("/v1/messages", "/v1/chat/completions", "/v1/embeddings")
KEY: Final = "test-key"
"""The key that the server takes unless it is told another."""


class ProviderServer:
    """Speaks the Messages API, Chat Completions and embeddings, while its block lasts.

    ``then`` scripts the next requests, in order. ``key`` is the only one that it takes. ``connections`` counts all that were
    made, ``open_connections`` those that are, and ``most_at_once`` is the most requests that were under way at one time.
    """

    def __init__(self, *, key: str = KEY) -> None:
        self.key = key
        self.requests: list[Received] = []
        self.connections = 0
        self.open_connections = 0
        self.most_at_once = 0
        self._under_way = 0
        self._script: deque[Behaviour] = deque()
        self._ids = count(1)
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    @property
    def anthropic_url(self) -> str:
        """The ``base_url`` for Anthropic's SDK."""
        return f"http://127.0.0.1:{self._port()}"

    @property
    def openai_url(self) -> str:
        """The ``base_url`` for OpenAI's SDK."""
        return f"{self.anthropic_url}/v1"

    def then(self, *behaviours: Behaviour) -> None:
        """Do this with the requests that come next, one each."""
        self._script.extend(behaviours)

    async def until_closed(self, patience: float = 10.0) -> None:
        """Wait until no client is connected. Raises ``TimeoutError`` when one still is after ``patience`` seconds."""
        async with asyncio.timeout(patience):
            while self.open_connections:
                self._changed.clear()
                await self._changed.wait()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._client, "127.0.0.1", 0, backlog=1024)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def _port(self) -> int:
        if self._server is None:
            raise RuntimeError("the server has no address outside of its block")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)
        self.connections += 1
        self.open_connections += 1
        try:
            while await self._served(reader, writer):
                pass
        except (ConnectionError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self.open_connections -= 1
            self._changed.set()
            writer.close()

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve a request; whether another may come."""
        read = await http.read_request(reader)
        if read is None:
            return False
        method, path, headers, body = read
        request_id = f"req_{next(self._ids):06}"
        try:
            content = json.loads(body) if body else {}
        except ValueError:
            content = {}
        request = Received(path, headers, content)
        self.requests.append(request)
        behaviour = self._checked(method, request) or self._next(request)
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            return await _Exchange(reader, writer, request, request_id).done(behaviour)
        finally:
            self._under_way -= 1

    def _next(self, request: Received) -> Behaviour:
        return self._script.popleft() if self._script else self._by_itself(request)

    def _checked(self, method: str, request: Received) -> Fail | None:
        """What the API says to a request that is wrong, whatever the script."""
        if method != "POST" or request.path not in PATHS:
            return Fail(404, text="no such path")
        given = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix(
            "Bearer "
        )
        if given != self.key:
            return Fail(401, text=f"invalid key: {given}", code="invalid_api_key")
        if request.vendor == "anthropic" and "anthropic-version" not in request.headers:
            return Fail(400, text="anthropic-version: header is required")
        wrong = complaint(request)
        return Fail(400, text=wrong) if wrong else None

    def _by_itself(self, request: Received) -> Say:
        if request.path.endswith("/embeddings"):
            return Say("")
        if request.schema is not None:
            return Say(json.dumps(sample(request.schema)))
        return Say(f"You said: {request.body['messages'][-1]['content']}")


class _Exchange:
    """One request and what is done with it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Received, request_id: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._request = request
        self._request_id = request_id
        name = "request-id" if request.vendor == "anthropic" else "x-request-id"
        self._headers = {"content-type": "application/json", name: request_id}

    async def done(self, behaviour: Behaviour) -> bool:
        """Do it; whether the connection can go on."""
        if isinstance(behaviour, Hang):
            await self._reader.read(1)  # the client goes
            return False
        if isinstance(behaviour, Reset):
            self._writer.write(self._whole(Say("lost"))[: behaviour.sent])
            await self._writer.drain()
            self._writer.transport.abort()
            return False
        if isinstance(behaviour, Say):
            await asyncio.sleep(behaviour.pause)
        if isinstance(behaviour, Say | Refuse) and self._request.body.get("stream"):
            return await self._streamed(behaviour)
        self._writer.write(self._whole(behaviour))
        await self._writer.drain()
        return True

    def _whole(self, behaviour: Say | Refuse | Fail | Garble) -> bytes:
        if isinstance(behaviour, Garble):
            return http.whole(200, {**self._headers, "content-type": behaviour.content_type}, behaviour.body)
        if isinstance(behaviour, Fail):
            asked = {} if behaviour.retry_after is None else {"retry-after": str(behaviour.retry_after)}
            body = payloads.failed(behaviour, self._request.vendor, self._request_id)
            return http.whole(behaviour.status, {**self._headers, **asked}, json.dumps(body).encode())
        if self._request.path.endswith("/embeddings"):
            body = payloads.vectors(self._request)
        else:
            body = payloads.answered(behaviour, self._request, self._request_id)
        return http.whole(200, self._headers, json.dumps(body).encode())

    async def _streamed(self, answer: Say | Refuse) -> bool:
        headers = {**self._headers, "content-type": "text/event-stream", "transfer-encoding": "chunked"}
        self._writer.write(http.head(200, headers))
        try:
            async for piece in http.chunks(self._events(answer)):
                self._writer.write(piece)
                await self._writer.drain()
        except _LostError:
            self._writer.transport.abort()
            return False
        return True

    async def _events(self, answer: Say | Refuse) -> AsyncIterator[bytes]:
        said = 0
        then = answer.then if isinstance(answer, Say) else None
        for event in payloads.events(answer, self._request, self._request_id):
            yield event
            said += b"text_delta" in event or (b'"delta": {"content": "' in event and b'"role"' not in event)
            if isinstance(answer, Say):
                await asyncio.sleep(answer.pause)
                if said and said == answer.pieces and then is not None:
                    async for last in self._broken(then):
                        yield last
                    return

    async def _broken(self, then: Fail | Garble | Hang | Reset) -> AsyncIterator[bytes]:
        """How a stream goes on that does not come to its end."""
        if isinstance(then, Fail):
            yield payloads.error_event(then, self._request.vendor, self._request_id)
        elif isinstance(then, Garble):
            yield b"event: message_delta\ndata: " + then.body + b"\n\n"
        else:
            if isinstance(then, Hang):
                await self._reader.read(1)
            raise _LostError


class _LostError(Exception):
    """The connection is to be dropped."""
