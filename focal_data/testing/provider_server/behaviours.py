"""What the server can be told to do with a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Say:
    """Answer with ``text``; an embedding request is answered with vectors all the same.

    ``finish`` is the vendor's own word for why it ended, otherwise its word for being done.
    """

    text: str
    finish: str | None = None
    cached_tokens: int = 0
    pause: float = 0.0
    """Seconds before the answer, and in a stream between its pieces."""
    pieces: int | None = None
    """In a stream: go on after this many pieces as ``then`` says."""
    then: Fail | Garble | Hang | Reset | None = None


@dataclass(frozen=True)
class Refuse:
    """The model's own refusal, or, with ``finish`` (of OpenAI), a filter's."""

    category: str | None = None
    finish: str | None = None


@dataclass(frozen=True)
class Fail:
    """An error's status, with the body that the API documents; in a stream that has begun, an error's event.

    ``text`` is what the error says in words.
    """

    status: int
    retry_after: float | str | None = None
    text: str = "as the test wants it"
    type: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Hang:
    """Say nothing, until the client has gone."""


@dataclass(frozen=True)
class Reset:
    """Reset the connection after ``sent`` bytes of the answer."""

    sent: int = 0


@dataclass(frozen=True)
class Garble:
    """Status 200 and a ``body`` that is no answer; in a stream that has begun, an event that is none."""

    body: bytes = b'{"unexpected": true}'
    content_type: str = "application/json"


Behaviour: TypeAlias = Say | Refuse | Fail | Hang | Reset | Garble


@dataclass(frozen=True)
class Received:
    """A request that came."""

    path: str
    headers: dict[str, str] = field(repr=False)
    """By names in lower case."""
    body: Json = field(repr=False)

    @property
    def vendor(self) -> str:
        """``anthropic`` or ``openai``."""
        return "anthropic" if self.path == "/v1/messages" else "openai"

    @property
    def schema(self) -> Json | None:
        """The schema that the answer must fit."""
        config = self.body.get("output_config") or {}
        described = (self.body.get("response_format") or {}).get("json_schema") or config.get("format") or {}
        return described.get("schema")
