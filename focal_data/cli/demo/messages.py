"""What a message of a transcript is, and how one is read from a JSON value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

from focal_data.domain.memory import Language
from focal_data.domain.profile import Channel

MAX_CONTENT: Final = 1_000_000
"""The most characters of one message."""

PASSED_OVER: Final = frozenset({"system", "developer", "tool", "function"})
"""Roles that say nothing to a customer."""

_TEXT_PARTS: Final = frozenset({"text", "input_text", "output_text", "refusal"})
_CALLS: Final = ("tool_calls", "function_call", "refusal", "audio")
_YEARS: Final = range(1900, 3000)

E = TypeVar("E", bound=StrEnum)


class Role(StrEnum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``index`` is its place among the messages of its file, from 1; ``line`` is where it stands in it."""

    index: int
    line: int
    role: Role
    content: str
    user: str
    channel: Channel
    timestamp: datetime
    language: Language

    @property
    def conversation(self) -> tuple[Channel, str]:
        """A customer on a channel."""
        return self.channel, self.user


@dataclass(frozen=True, slots=True)
class Draft:
    """A message as far as it says itself; ``None`` is left out."""

    role: Role
    content: str
    user: str | None
    channel: Channel | None
    timestamp: datetime | None
    language: Language | None


class BadMessageError(Exception):
    """What is wrong with a message."""


def parse(value: object) -> Draft | None:
    """The message in ``value``; ``None`` for one that is passed over: of another role, or a call of a tool without text.

    Raises ``BadMessageError``; its text names the key and never holds the value.
    """
    if not isinstance(value, dict):
        raise BadMessageError("must be a JSON object with role and content")
    role = value.get("role")
    if isinstance(role, str) and role in PASSED_OVER:
        return None
    if role not in ("user", "assistant"):
        reason = "must be user or assistant (system, developer, tool and function are passed over)"
        raise BadMessageError(f"role {reason}" if "role" in value else "role is missing")
    content = _content(value)
    if content is None:
        return None
    return Draft(
        role=Role(role),
        content=content,
        user=_user(value.get("user")),
        channel=_choice(value, "channel", Channel),
        timestamp=_timestamp(value.get("timestamp")),
        language=_choice(value, "language", Language),
    )


def _content(value: dict[str, Any]) -> str | None:
    content = value.get("content")
    calls = any(value.get(key) for key in _CALLS)
    if isinstance(content, list):
        texts = [text for number, part in enumerate(content) if (text := _part(number, part)) is not None]
        if content and not texts:
            return None
        content = "\n".join(texts)
    if content is None or content == "":
        if calls:
            return None
        raise BadMessageError("content is empty" if "content" in value else "content is missing")
    if not isinstance(content, str):
        raise BadMessageError("content must be text, or a list of parts")
    return _text("content", content, MAX_CONTENT)


def _part(number: int, part: object) -> str | None:
    """The text of one part; ``None`` for an image, a tool's result and the like."""
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise BadMessageError(f"content[{number}] must be an object or text")
    kind = part.get("type", "text")
    if not isinstance(kind, str) or kind not in _TEXT_PARTS:
        return None
    text = part.get("refusal" if kind == "refusal" else "text")
    if not isinstance(text, str):
        raise BadMessageError(f"content[{number}].text must be text")
    return text


def _user(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadMessageError("user must be text")
    return _text("user", value, 255)


def _text(key: str, value: str, most: int) -> str:
    if not value.strip():
        raise BadMessageError(f"{key} is empty")
    if len(value) > most:
        raise BadMessageError(f"{key} is longer than {most:,} characters")
    if "\0" in value:
        raise BadMessageError(f"{key} must not contain NUL")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadMessageError(f"{key} must not contain a lone surrogate") from None
    return value


def _choice(value: dict[str, Any], key: str, kind: type[E]) -> E | None:
    given = value.get(key)
    if given is None:
        return None
    try:
        return kind(given)
    except ValueError:
        raise BadMessageError(f"{key} must be one of {', '.join(kind)}") from None


def _timestamp(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        raise BadMessageError("timestamp must be an ISO 8601 time, such as 2026-03-03T15:02:11Z") from None
    if time.tzinfo is None:
        raise BadMessageError("timestamp must have a zone, such as the Z of 2026-03-03T15:02:11Z")
    if time.year not in _YEARS:
        raise BadMessageError(f"timestamp must be of the years {_YEARS[0]} to {_YEARS[-1]}")
    return time.astimezone(UTC)
