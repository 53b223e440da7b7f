"""What is asked of a language model, and what it answers: the same for every vendor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import takewhile
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from focal_data.domain.base import NonEmptyText, ValueObject
from focal_data.domain.ideation import MessageRole
from focal_data.errors import InvalidDataError
from focal_data.providers.structured import Schema, problems

Count = Annotated[int, Field(ge=0)]


class FinishReason(StrEnum):
    """Why an answer ended. A refusal or a filter is none: it raises ``ContentFilterError``."""

    STOP = "stop"
    """The model was done, or came to a stop sequence."""
    LENGTH = "length"
    """``max_tokens``, or all that the model can hold."""
    TOOL_USE = "tool_use"
    OTHER = "other"


class Message(ValueObject):
    """Something said."""

    role: MessageRole
    content: NonEmptyText


Prompt: TypeAlias = str | Sequence[Message]


class Usage(ValueObject):
    """Tokens. ``prompt_tokens`` includes those that the provider had cached, ``cached_tokens``."""

    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count
    cached_tokens: Count = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
        )


class LLMResponse(ValueObject):
    """A whole answer. ``model`` is the one that answered; ``latency`` is what the caller waited, in seconds."""

    content: str
    model: str
    usage: Usage
    finish_reason: FinishReason
    latency: Annotated[float, Field(ge=0)]
    request_id: str | None = None
    """The provider's own id of the request."""
    raw_response: JsonValue = Field(None, repr=False)
    """The reply as the API sent it; ``None`` of a stream."""


@dataclass(frozen=True)
class LLMRequest:
    """What a vendor's file is asked for, checked. The system's words are apart from the messages."""

    messages: tuple[Message, ...]
    system: str | None = None
    max_tokens: int = 1024
    temperature: float | None = None
    stop_sequences: tuple[str, ...] = ()
    schema: Schema | None = None


@dataclass(frozen=True)
class Reply:
    """What a vendor's file answers: an ``LLMResponse`` but for the time, which it does not know."""

    content: str
    model: str
    usage: Usage
    finish_reason: FinishReason
    request_id: str | None = None
    raw: JsonValue = field(default=None, repr=False)

    def response(self, latency: float) -> LLMResponse:
        """The answer as the caller gets it."""
        return LLMResponse.model_construct(
            content=self.content,
            model=self.model,
            usage=self.usage,
            finish_reason=self.finish_reason,
            latency=latency,
            request_id=self.request_id,
            raw_response=self.raw,
        )

    def after(self, first: Reply) -> Reply:
        """This reply, with the tokens of the one before it."""
        return replace(self, usage=self.usage + first.usage)


class ReplyPart(BaseModel):
    """A part of a vendor's reply that is read: what else it has is ignored, and it may be the SDK's own object."""

    model_config = ConfigDict(from_attributes=True, hide_input_in_errors=True)


def fields_of(part: object) -> object:
    """The fields of an SDK's object as a mapping: to ask it for one that it lacks costs more than to read all that it has."""
    return getattr(part, "__dict__", part)


def requested(
    prompt: Prompt,
    system_prompt: str | None,
    max_tokens: int,
    temperature: float | None,
    stop_sequences: Sequence[str],
    schema: Schema | None = None,
) -> LLMRequest:
    """The request for what a caller asks. Raises ``InvalidDataError`` with the argument that is wrong."""
    messages = _messages(prompt)
    leading = list(takewhile(_is_system, messages))
    told = [text for text in (system_prompt, *(message.content for message in leading)) if text]
    for index, text in enumerate(told):
        _checked_text(text, "system_prompt" if system_prompt and index == 0 else "prompt")
    said = tuple(messages[len(leading) :])
    if not said:
        raise InvalidDataError("prompt", "must have a message that is not the system's")
    if any(map(_is_system, said)):
        raise InvalidDataError("prompt", "messages of the system must come before all others")
    if not isinstance(max_tokens, int) or max_tokens < 1:
        raise InvalidDataError("max_tokens", "must be a positive number")
    if temperature is not None and not 0 <= temperature <= 2:
        raise InvalidDataError("temperature", "must be from 0 to 2")
    stops = _stops(stop_sequences)
    return LLMRequest(said, "\n\n".join(told) or None, max_tokens, temperature, stops, schema)


def asked_once_more(request: LLMRequest, reply: Reply, error: ValidationError) -> LLMRequest:
    """``request``, followed by a reply that does not fit and what is wrong with it."""
    wrong = f"That does not fit the schema: {problems(error)}. Answer again, with JSON that fits and nothing else."
    answer = Message.model_construct(role=MessageRole.ASSISTANT, content=reply.content.strip() or "(nothing)")
    complaint = Message.model_construct(role=MessageRole.USER, content=wrong)
    return replace(request, messages=(*request.messages, answer, complaint))


def _is_system(message: Message) -> bool:
    return message.role is MessageRole.SYSTEM


def _messages(prompt: Prompt) -> list[Message]:
    if isinstance(prompt, str):
        return [Message.model_construct(role=MessageRole.USER, content=_checked_text(prompt, "prompt"))]
    if not isinstance(prompt, Iterable):
        raise InvalidDataError("prompt", "must be a text, or messages")
    messages = list(prompt)
    for index, message in enumerate(messages):
        if not isinstance(message, Message):
            raise InvalidDataError(f"prompt[{index}]", "must be a Message")
    return messages


def _checked_text(text: str, name: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise InvalidDataError(name, "must be text, and not empty")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidDataError(name, "must not contain a lone surrogate") from None
    return text


def _stops(stop_sequences: Sequence[str]) -> tuple[str, ...]:
    if isinstance(stop_sequences, str):
        raise InvalidDataError("stop_sequences", "must be a sequence of texts")
    return tuple(_checked_text(text, f"stop_sequences[{i}]") for i, text in enumerate(stop_sequences))
