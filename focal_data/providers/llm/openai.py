"""OpenAI's models, over Chat Completions (the extra ``openai``): the Responses API takes no stop sequences."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from re import compile as pattern
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import ValidationError

from focal_data.errors import InvalidDataError
from focal_data.providers.clients import CALL_ID
from focal_data.providers.failures import Failure, filtered, unreadable
from focal_data.providers.llm.base import LLMProvider
from focal_data.providers.llm.exchange import (
    FinishReason,
    LLMRequest,
    Reply,
    ReplyPart,
    Usage,
    fields_of,
)
from focal_data.providers.openai import VENDOR, connected, failure_of
from focal_data.providers.retrying import DEFAULT_POLICY, Call, CallPolicy
from focal_data.settings import Settings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

DEFAULT_MODEL: Final = "gpt-6-luna"
MAX_STOP_SEQUENCES: Final = 4

_FINISHED: Final[Mapping[str | None, FinishReason]] = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_USE,
    "function_call": FinishReason.TOOL_USE,
}
_REASONING: Final = pattern(r"o\d|gpt-([5-9]|\d\d)")
"""Models that think: they take no temperature."""


class OpenAIProvider(LLMProvider):
    """One of OpenAI's models.

    The key is that of ``settings``, or of the environment: ``SettingsError`` when there is none. A ``client`` of one's own is
    used with its key and stays open. ``takes_temperature`` says what is not known of a model: whether it takes one.
    """

    vendor = VENDOR

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        settings: Settings | None = None,
        client: AsyncOpenAI | None = None,
        base_url: str | None = None,
        policy: CallPolicy = DEFAULT_POLICY,
        takes_temperature: bool | None = None,
    ) -> None:
        self._model = model
        self.policy = policy
        known = not _REASONING.match(model)
        self._takes_temperature = known if takes_temperature is None else takes_temperature
        self._connected = connected(settings, client, base_url)

    def __repr__(self) -> str:
        return f"OpenAIProvider({self._model!r})"

    @property
    def model_id(self) -> str:
        return self._model

    async def aclose(self) -> None:
        await self._connected.close()

    async def _complete(self, request: LLMRequest, call: Call) -> Reply:
        completions = self._connected.client.chat.completions.with_raw_response
        raw = await completions.create(**self._body(request, call))
        request_id = raw.headers.get("x-request-id")
        try:
            content = orjson.loads(raw.content)
            return _Whole.model_validate(content).reply(str(request_id), content)
        except (orjson.JSONDecodeError, ValidationError):
            error = unreadable(VENDOR, request_id)
        raise error

    @asynccontextmanager
    async def _opened(self, request: LLMRequest, call: Call) -> AsyncIterator[AsyncIterator[str | Reply]]:
        body = {**self._body(request, call), "stream": True, "stream_options": {"include_usage": True}}
        async with await self._connected.client.chat.completions.create(**body) as chunks:
            request_id = str(chunks.response.headers.get("x-request-id"))
            async with aclosing(_pieces(chunks, request_id)) as pieces:
                yield pieces

    def _body(self, request: LLMRequest, call: Call) -> dict[str, Any]:
        if len(request.stop_sequences) > MAX_STOP_SEQUENCES:
            raise InvalidDataError(
                "stop_sequences", f"must be at most {MAX_STOP_SEQUENCES} for OpenAI's models"
            )
        messages = [{"role": m.role.value, "content": m.content} for m in request.messages]
        if request.system is not None:
            messages.insert(0, {"role": "system", "content": request.system})
        body: dict[str, Any] = {
            "model": self._model,
            "max_completion_tokens": request.max_tokens,
            "messages": messages,
            "extra_headers": {CALL_ID: call.id},
            "timeout": call.one_wait(),
        }
        if request.stop_sequences:
            body["stop"] = list(request.stop_sequences)
        if request.schema is not None:
            described = {"name": request.schema.name, "schema": request.schema.json, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": described}
        if request.temperature is not None and self._takes_temperature:
            body["temperature"] = request.temperature
        return body

    def _failure(self, error: Exception, call: Call) -> Failure | None:
        return failure_of(error, call)


class _Details(ReplyPart):
    cached_tokens: int | None = None


class _Tokens(ReplyPart):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _Details | None = None

    def usage(self) -> Usage:
        details = self.prompt_tokens_details
        return Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            total_tokens=self.prompt_tokens + self.completion_tokens,
            cached_tokens=(details and details.cached_tokens) or 0,
        )


class _Said(ReplyPart):
    content: str | None = None
    refusal: str | None = None


class _Choice(ReplyPart):
    message: _Said
    finish_reason: str | None

    def content(self, request_id: str) -> str:
        """The text. Raises ``ContentFilterError``."""
        if self.finish_reason == "content_filter" or self.message.refusal:
            category = "refusal" if self.message.refusal else "content_filter"
            raise filtered(VENDOR, category, request_id)
        return self.message.content or ""


class _Whole(ReplyPart):
    model: str
    choices: tuple[_Choice]
    usage: _Tokens

    def reply(self, request_id: str, raw: Any = None) -> Reply:
        (choice,) = self.choices
        finished = _FINISHED.get(choice.finish_reason, FinishReason.OTHER)
        return Reply(choice.content(request_id), self.model, self.usage.usage(), finished, request_id, raw)


async def _pieces(chunks: AsyncIterator[Any], request_id: str) -> AsyncGenerator[str | Reply, None]:
    answer = _Growing(request_id)
    async for chunk in chunks:  # to the very end: the connection is used again then
        for text in answer.taken(chunk):
            yield text
    if (reply := answer.reply()) is not None:
        yield reply


class _Growing:
    """An answer that is being streamed.

    The SDK's objects are read as they are: to validate each chunk took 6 % of a stream, and what is read is looked at anyway.
    """

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._said: list[str] = []
        self._refused: str | None = None
        self._finished: str | None = None
        self._last: Any = None

    def taken(self, chunk: Any) -> list[str]:
        """The texts in ``chunk``, which are added. Raises as what can't be read."""
        try:
            texts = [change.delta.content for change in chunk.choices or () if self._noted(change)]
            "".join(texts)  # a TypeError where one is no text
            self._last = self._last if chunk.usage is None else chunk
        except (AttributeError, TypeError):
            error = unreadable(VENDOR, self._request_id)
        else:
            self._said += texts
            return texts
        raise error

    def _noted(self, change: Any) -> bool:
        """Whether there is text in it; how it ended, and what was refused, is kept."""
        self._finished = change.finish_reason or self._finished
        self._refused = change.delta.refusal or self._refused
        return bool(change.delta.content)

    def reply(self) -> Reply | None:
        """All of it, or ``None`` when it has not come to its end. Raises as what can't be read, and ``ContentFilterError``."""
        if self._finished is None or self._last is None:
            return None
        try:
            said = _Said(content="".join(self._said), refusal=self._refused)
            choice = _Choice(message=said, finish_reason=self._finished)
            usage = _Tokens.model_validate(fields_of(self._last.usage))
            whole = _Whole(model=self._last.model, choices=(choice,), usage=usage)
        except ValidationError:
            error = unreadable(VENDOR, self._request_id)
        else:
            return whole.reply(self._request_id)
        raise error
