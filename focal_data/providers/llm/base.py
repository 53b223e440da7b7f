"""What every language model promises, and all that does not depend on the vendor: checks, retries, asking once more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from focal_data.errors import StructuredOutputError
from focal_data.providers.base import Provider
from focal_data.providers.failures import Failure
from focal_data.providers.llm.exchange import (
    FinishReason,
    LLMRequest,
    LLMResponse,
    Message,
    Prompt,
    Reply,
    asked_once_more,
    requested,
)
from focal_data.providers.llm.stream import LLMStream
from focal_data.providers.retrying import DEFAULT_POLICY, Call, CallPolicy, retried
from focal_data.providers.structured import Schema, schema_of
from focal_data.telemetry import log_failure

M = TypeVar("M", bound=BaseModel)

__all__ = [
    "FinishReason",
    "LLMProvider",
    "LLMRequest",
    "LLMResponse",
    "LLMStream",
    "Message",
    "Prompt",
    "Reply",
]


class LLMProvider(Provider, ABC):
    """A model that answers in text. In debug mode calling it inside of a transaction raises ``UsageError``.

    ``prompt`` is a text, or messages, of which those of the system lead. ``max_tokens`` bounds the answer, and of a model that
    thinks its thoughts with it. ``temperature`` is sent only when given and only to models that take one. A call makes at most
    ``policy.max_retries`` + 1 requests, ``generate_structured`` at most twice as many, in one time budget.

    Every call raises ``InvalidDataError`` with the argument that is wrong before anything is sent; ``ContentFilterError``
    when the model refuses or a filter stops it; otherwise the ``ProviderError`` that fits, with a request id.

    A vendor's class gives ``model_id`` and the hooks ``_complete``, ``_opened`` and ``_failure``.
    """

    vendor: str = "provider"
    """The name that errors and logs use."""

    policy: CallPolicy = DEFAULT_POLICY
    recursive_schemas: bool = True
    """Whether its schema mode takes a model that contains itself."""

    @property
    @abstractmethod
    def model_id(self) -> str:
        """The model's name."""

    async def generate(
        self,
        prompt: Prompt,
        *,
        system_prompt: str | None = None,
        max_tokens: int = 1024,
        temperature: float | None = None,
        stop_sequences: Sequence[str] = (),
    ) -> LLMResponse:
        """The whole answer."""
        request = requested(prompt, system_prompt, max_tokens, temperature, stop_sequences)
        call = Call(self.vendor, self.policy)
        return (await self._replied(request, call)).response(call.elapsed())

    async def generate_structured(
        self,
        prompt: Prompt,
        schema: type[M],
        *,
        system_prompt: str | None = None,
        max_tokens: int = 1024,
        temperature: float | None = None,
        stop_sequences: Sequence[str] = (),
    ) -> tuple[M, LLMResponse]:
        """An instance of ``schema``, through the API's own schema mode, and the answer it was read from.

        An answer that does not fit is asked for once more, with what is wrong; the usage is that of both. Raises
        ``StructuredOutputError`` with the second when that does not fit either, and ``UsageError`` before anything is sent when
        the mode can't express ``schema``.
        """
        wanted = self._schema(schema)
        request = requested(prompt, system_prompt, max_tokens, temperature, stop_sequences, wanted)
        call = Call(self.vendor, self.policy)
        reply = await self._replied(request, call)
        try:
            return schema.model_validate_json(reply.content), reply.response(call.elapsed())
        except ValidationError as error:
            again = asked_once_more(request, reply, error)
        second = (await self._replied(again, call)).after(reply)
        return _fitting(schema, second, self.vendor), second.response(call.elapsed())

    def stream(
        self,
        prompt: Prompt,
        *,
        system_prompt: str | None = None,
        max_tokens: int = 1024,
        temperature: float | None = None,
        stop_sequences: Sequence[str] = (),
    ) -> LLMStream:
        """The answer as it comes: ``async with provider.stream(…) as stream: async for text in stream: …``.

        After the last piece ``stream.response`` is the whole of it. Leaving early closes the connection. Nothing is sent before
        the block is entered. It is tried again until it begins; what fails later raises ``ProviderConnectionError``.
        """
        request = requested(prompt, system_prompt, max_tokens, temperature, stop_sequences)
        return LLMStream(self._opened, self._failure, lambda: Call(self.vendor, self.policy), request)

    def _schema(self, model: type[BaseModel]) -> Schema:
        return schema_of(model, recursive=self.recursive_schemas)

    async def _replied(self, request: LLMRequest, call: Call) -> Reply:
        try:
            return await retried(lambda: self._complete(request, call), self._failure, call)
        except Exception as error:
            log_failure(self.vendor, "generate", error=type(error))
            raise

    @abstractmethod
    async def _complete(self, request: LLMRequest, call: Call) -> Reply:
        """One request, not repeated, and its reply; the vendor's own exceptions may pass."""

    @abstractmethod
    def _opened(
        self, request: LLMRequest, call: Call
    ) -> AbstractAsyncContextManager[AsyncIterator[str | Reply]]:
        """One request, not repeated: its pieces of text, then the whole reply. Leaving closes the connection."""

    @abstractmethod
    def _failure(self, error: Exception, call: Call) -> Failure | None:
        """What an exception of the vendor becomes; ``None`` for any other."""


def _fitting(schema: type[M], reply: Reply, vendor: str) -> M:
    try:
        return schema.model_validate_json(reply.content)
    except ValidationError:
        cut = "; it was cut off: raise max_tokens" if reply.finish_reason is FinishReason.LENGTH else ""
    raise StructuredOutputError(
        f"{vendor}: the reply does not fit {schema.__name__}, nor did the one before"
        f" (request {reply.request_id}){cut}",
        raw_text=reply.content,
        request_id=reply.request_id,
    )
