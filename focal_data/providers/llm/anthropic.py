"""Anthropic's models, over the Messages API (the extra ``anthropic``)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from re import compile as pattern
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import ValidationError

from focal_data.errors import InvalidDataError
from focal_data.providers.clients import CALL_ID, Connected, installed, required_key
from focal_data.providers.failures import (
    Failure,
    Kind,
    failure,
    filtered,
    kind_of,
    kind_of_transport,
    unreadable,
)
from focal_data.providers.llm.base import LLMProvider
from focal_data.providers.llm.exchange import (
    FinishReason,
    LLMRequest,
    Reply,
    ReplyPart,
    Usage,
    fields_of,
)
from focal_data.providers.retrying import DEFAULT_POLICY, Call, CallPolicy
from focal_data.settings import Settings

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

DEFAULT_MODEL: Final = "claude-haiku-5-5"

ERRORS: Final[Mapping[str, Kind]] = {
    "AnthropicError": Kind.MISUSE,
    "APIError": Kind.STATUS,
    "APIStatusError": Kind.STATUS,
    "APIConnectionError": Kind.CONNECTION,
    "APIResponseValidationError": Kind.UNREADABLE,
    "APIWebhookValidationError": Kind.MISUSE,
    "CredentialsError": Kind.AUTHENTICATION,
    "MissingDependencyError": Kind.MISUSE,
    "MutuallyExclusiveAuthError": Kind.AUTHENTICATION,
    "RetryableError": Kind.CONNECTION,
    "StreamAlreadyConsumed": Kind.MISUSE,
    "ToolsetUsageError": Kind.MISUSE,
    "WorkloadIdentityError": Kind.AUTHENTICATION,
}
"""What the SDK's exceptions become, each by the nearest of its classes that stands here: nothing of it escapes. The tests
want each decided about by a class below the first two.
"""

_FINISHED: Final[Mapping[str | None, FinishReason]] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_USE,
}
_REFUSAL: Final = "refusal"

_TAKES_TEMPERATURE: Final = pattern(
    r"claude-(instant|2|3)\b|claude-(opus|sonnet)-4(-[0-6])?(-\d{8})?$|claude-haiku-4(-[0-5])?(-\d{8})?$"
)
"""The last models that take one; later ones answer it with 400, and so does what we don't know."""


class AnthropicProvider(LLMProvider):
    """One of Anthropic's models. Its schema mode takes no model that contains itself.

    The key is that of ``settings``, or of the environment: ``SettingsError`` when there is none. A ``client`` of one's own is
    used with its key and stays open. ``takes_temperature`` says what is not known of a model: whether it takes one.
    """

    vendor = "anthropic"
    recursive_schemas = False

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        settings: Settings | None = None,
        client: AsyncAnthropic | None = None,
        base_url: str | None = None,
        policy: CallPolicy = DEFAULT_POLICY,
        takes_temperature: bool | None = None,
    ) -> None:
        sdk = installed("anthropic")
        self._model = model
        self.policy = policy
        known = bool(_TAKES_TEMPERATURE.match(model))
        self._takes_temperature = known if takes_temperature is None else takes_temperature
        owned = client is None
        if client is None:
            client = sdk.AsyncAnthropic(api_key=required_key(self.vendor, settings), base_url=base_url)
        self._connected: Connected[AsyncAnthropic] = Connected(client, owned=owned)

    def __repr__(self) -> str:
        return f"AnthropicProvider({self._model!r})"

    @property
    def model_id(self) -> str:
        return self._model

    async def aclose(self) -> None:
        await self._connected.close()

    async def _complete(self, request: LLMRequest, call: Call) -> Reply:
        raw = await self._connected.client.messages.with_raw_response.create(**self._body(request, call))
        request_id = raw.headers.get("request-id")
        try:
            content = orjson.loads(await raw.read())
            return _reply(_Whole.model_validate(content), str(request_id), content)
        except (orjson.JSONDecodeError, ValidationError):
            error = unreadable(self.vendor, request_id)
        raise error

    @asynccontextmanager
    async def _opened(self, request: LLMRequest, call: Call) -> AsyncIterator[AsyncIterator[str | Reply]]:
        body = self._body(request, call)
        async with await self._connected.client.messages.create(**body, stream=True) as events:
            request_id = str(events.response.headers.get("request-id"))
            async with aclosing(_pieces(events, request_id)) as pieces:
                yield pieces

    def _body(self, request: LLMRequest, call: Call) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": request.max_tokens,
            "messages": [{"role": m.role.value, "content": m.content} for m in request.messages],
            "extra_headers": {CALL_ID: call.id},
            "timeout": call.one_wait(),
        }
        if request.system is not None:
            body["system"] = request.system
        if request.stop_sequences:
            body["stop_sequences"] = list(request.stop_sequences)
        if request.schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": request.schema.json}}
        if request.temperature is not None and self._takes_temperature:
            if request.temperature > 1:
                raise InvalidDataError("temperature", "must be from 0 to 1 for Anthropic's models")
            body["extra_body"] = {"temperature": request.temperature}  # no argument of the SDK since 2.0
        return body

    def _failure(self, error: Exception, call: Call) -> Failure | None:
        kind = kind_of(error, ERRORS, "anthropic") or kind_of_transport(error)
        return kind and failure(error, kind, vendor=self.vendor, call_id=call.id)


class _Text(ReplyPart):
    type: str
    text: str | None = None


class _StopDetails(ReplyPart):
    category: str | None = None


class _Tokens(ReplyPart):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None

    def updated(self, later: _Tokens) -> _Tokens:
        """These, but for what ``later`` says: counts in a stream are totals."""
        return self.model_copy(update=later.model_dump(exclude_none=True))

    def usage(self) -> Usage:
        cached = self.cache_read_input_tokens or 0
        prompt = (self.input_tokens or 0) + (self.cache_creation_input_tokens or 0) + cached
        completion = self.output_tokens or 0
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion,
            cached_tokens=cached,
        )


class _Stop(ReplyPart):
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None


class _Whole(_Stop):
    model: str
    content: list[_Text]
    usage: _Tokens


class _Started(ReplyPart):
    model: str
    usage: _Tokens


class _Event(ReplyPart):
    type: str
    message: _Started | None = None
    content_block: _Text | None = None
    delta: Any = None
    usage: _Tokens | None = None


def _reply(whole: _Whole, request_id: str, raw: Any = None) -> Reply:
    if whole.stop_reason == _REFUSAL:
        category = whole.stop_details and whole.stop_details.category
        raise filtered("anthropic", category or _REFUSAL, request_id)
    text = "".join(part.text or "" for part in whole.content if part.type == "text")
    finished = _FINISHED.get(whole.stop_reason, FinishReason.OTHER)
    return Reply(text, whole.model, whole.usage.usage(), finished, request_id, raw)


@dataclass
class _Heard:
    """What a stream has brought so far."""

    model: str | None = None
    texts: list[str] = field(default_factory=list)
    tokens: _Tokens = field(default_factory=_Tokens)
    stop: _Stop = field(default_factory=_Stop)

    def take(self, event: _Event) -> str | None:
        """The text that ``event`` brings."""
        if event.message is not None:
            self.model = event.message.model
        tokens = event.message.usage if event.message else event.usage
        self.tokens = self.tokens.updated(tokens or _Tokens())
        if event.type == "message_delta":
            self.stop = _Stop.model_validate(fields_of(event.delta))
        if event.type != "content_block_delta":
            return None if event.content_block is None else event.content_block.text
        delta = _Text.model_validate(fields_of(event.delta))
        return delta.text if delta.type == "text_delta" else None

    def whole(self, model: str) -> _Whole:
        text = _Text(type="text", text="".join(self.texts))
        return _Whole(model=model, content=[text], usage=self.tokens, **dict(self.stop))


async def _pieces(events: AsyncIterator[Any], request_id: str) -> AsyncGenerator[str | Reply, None]:
    heard, ended = _Heard(), False
    async for sent in events:  # to the very end: the connection is used again then
        event = _Event.model_validate(fields_of(sent))
        ended = ended or event.type == "message_stop"
        text = heard.take(event)
        if text:
            heard.texts.append(text)
            yield text
    if ended and heard.model is not None:
        yield _reply(heard.whole(heard.model), request_id)
