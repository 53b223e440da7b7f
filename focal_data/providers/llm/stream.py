"""An answer as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Self

from focal_data.errors import DriverError, FocalDataError, ProviderConnectionError, UsageError
from focal_data.providers.failures import Failure
from focal_data.providers.llm.exchange import LLMRequest, LLMResponse, Reply
from focal_data.providers.retrying import Call, FailureOf, retried, told
from focal_data.telemetry import log_failure, refuse_in_transaction

Pieces = AsyncIterator[str | Reply]
Opened = Callable[[LLMRequest, Call], AbstractAsyncContextManager[Pieces]]


class LLMStream:
    """Pieces of text, once, inside of ``async with``; ``response`` after the last. Leaving the block closes the connection."""

    def __init__(
        self, opened: Opened, failure_of: FailureOf, begin: Callable[[], Call], request: LLMRequest
    ) -> None:
        self._opened = opened
        self._failure_of = failure_of
        self._begin = begin
        self._request = request
        self._stack = AsyncExitStack()
        self._call: Call | None = None
        self._pieces: Pieces | None = None
        self._first: str | Reply | None = None
        self._response: LLMResponse | None = None

    @property
    def response(self) -> LLMResponse:
        """The whole answer. Raises ``UsageError`` before the last piece has been taken."""
        if self._response is None:
            raise UsageError("the stream has not ended: take its pieces to the end before its response")
        return self._response

    async def __aenter__(self) -> Self:
        refuse_in_transaction("stream")
        if self._call is not None:
            raise UsageError("a stream is entered once: ask for another")
        call = self._call = self._begin()
        try:
            await retried(lambda: self._open(call), self._failure_of, call)
        except Exception as error:
            log_failure(call.vendor, "stream", error=type(error))
            raise
        return self

    async def _open(self, call: Call) -> None:
        """Open it and take the first piece: until then it is worth another try."""
        async with AsyncExitStack() as stack:
            self._pieces = await stack.enter_async_context(self._opened(self._request, call))
            self._first = await anext(self._pieces, None)
            self._stack = stack.pop_all()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pieces = None
        await self._stack.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        refuse_in_transaction("stream")
        if self._response is not None:
            raise StopAsyncIteration
        if self._call is None or self._pieces is None:
            raise UsageError("a stream is read inside of its block: async with provider.stream(…) as stream")
        piece = await self._next(self._pieces, self._call)
        if isinstance(piece, str):
            return piece
        self._response = piece.response(self._call.elapsed())
        raise StopAsyncIteration

    async def _next(self, pieces: Pieces, call: Call) -> str | Reply:
        piece, self._first = self._first, None
        if piece is not None:
            return piece
        try:
            async with asyncio.timeout(call.policy.timeout):
                piece = await anext(pieces, None)
        except FocalDataError:
            raise
        except Exception as error:
            failed = told(error, self._failure_of, call)
            if failed is None:
                raise
        else:
            if piece is not None:
                return piece
            failed = _cut(call)
        log_failure(call.vendor, "stream", error=type(failed.error))
        raise failed.error from failed.cause


def _cut(call: Call) -> Failure:
    message = f"{call.vendor}: the stream ended before the answer did (request {call.id})"
    return Failure(ProviderConnectionError(message, request_id=call.id), DriverError("EndOfStream"))
