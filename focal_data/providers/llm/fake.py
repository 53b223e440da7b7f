"""A language model for tests: it says what it was told to say, and remembers what it was asked."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from pydantic import BaseModel

from focal_data.errors import UsageError
from focal_data.providers.failures import Failure
from focal_data.providers.llm.base import LLMProvider
from focal_data.providers.llm.exchange import FinishReason, LLMRequest, Reply, Usage
from focal_data.providers.retrying import Call

Scripted = str | BaseModel | Exception


class FakeLLMProvider(LLMProvider):
    """Answers with ``replies`` in their order: a text, a model's instance as JSON, or an exception, which is raised.

    When they are used up it repeats what it was asked; a structured call then has nothing to say, and raises ``UsageError``.
    ``calls`` has every request. Tokens are counted as words.
    """

    vendor = "fake"

    def __init__(self, *replies: Scripted, model_id: str = "fake-llm") -> None:
        self._replies = deque(replies)
        self._model_id = model_id
        self.calls: list[LLMRequest] = []

    @property
    def model_id(self) -> str:
        return self._model_id

    def then(self, *replies: Scripted) -> None:
        """Answer with ``replies`` after those that it has."""
        self._replies.extend(replies)

    async def _complete(self, request: LLMRequest, call: Call) -> Reply:
        self.calls.append(request)
        content = self._content(request)
        prompt = sum(
            len(text.split()) for text in (request.system or "", *(m.content for m in request.messages))
        )
        completion = len(content.split())
        usage = Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion,
            cached_tokens=0,
        )
        return Reply(content, self._model_id, usage, FinishReason.STOP, request_id=f"fake-{len(self.calls)}")

    def _content(self, request: LLMRequest) -> str:
        reply = self._replies.popleft() if self._replies else None
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, BaseModel):
            return reply.model_dump_json(by_alias=True)
        if reply is None and request.schema is not None:
            raise UsageError("the fake has no reply for a structured call: give it an instance of the schema")
        return f"You said: {request.messages[-1].content}" if reply is None else reply

    @asynccontextmanager
    async def _opened(self, request: LLMRequest, call: Call) -> AsyncIterator[AsyncIterator[str | Reply]]:
        async with aclosing(_pieces(await self._complete(request, call))) as pieces:
            yield pieces

    def _failure(self, error: Exception, call: Call) -> Failure | None:
        return None


async def _pieces(reply: Reply) -> AsyncGenerator[str | Reply, None]:
    """Its words, one after the other, each with the space before it."""
    for index, word in enumerate(reply.content.split(" ")):
        yield f" {word}" if index else word
    yield reply
