"""As much of HTTP/1.1 as the SDKs' clients speak: requests with a length, answers with a length or in chunks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Final

END_OF_CHUNKS: Final = b"0\r\n\r\n"


async def read_request(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], bytes] | None:
    """Method, path, headers by names in lower case, and body; ``None`` when the client has gone."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
        return None
    return method, target.partition("?")[0], headers, body


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """The first lines of an answer."""
    known = {member.value: member.phrase for member in HTTPStatus}
    lines = [f"HTTP/1.1 {status} {known.get(status, 'Unknown')}", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def whole(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """An answer with its length."""
    return head(status, {**headers, "content-length": str(len(body))}) + body


def chunk(data: bytes) -> bytes:
    """A piece of an answer whose length is not known when it begins."""
    return b"%x\r\n%s\r\n" % (len(data), data)


async def chunks(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """An event stream as chunks, with their end."""
    async for event in events:
        yield chunk(event)
    yield END_OF_CHUNKS
