"""What the APIs refuse in a request, as their documentation says: the server answers it with 400."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from focal_data.testing.provider_server.behaviours import Json, Received

_KEYWORDS: Final = {
    *("$defs", "$ref", "additionalProperties", "anyOf", "const", "description", "enum", "format"),
    *("items", "properties", "required", "title", "type"),
}
_FORMATS: Final = {
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "time",
    "uuid",
}


def complaint(request: Received) -> str | None:
    """What is wrong with a request, in words."""
    if request.path.endswith("/embeddings"):
        return _of_texts(request.body)
    body = request.body
    wrong = _of_messages(body.get("messages"), system=request.vendor == "openai")
    if wrong is None and not isinstance(body.get("model"), str):
        wrong = "model: Field required"
    if wrong is None and request.vendor == "anthropic":
        wrong = _of_anthropic(body)
    if wrong is None and request.schema is not None:
        wrong = next(_of_schema(request.schema, request.schema), None)
        if wrong is None and request.vendor == "anthropic" and _recursive(request.schema):
            wrong = "schema: recursive definitions are not supported"
    return wrong


def _of_messages(messages: Any, *, system: bool) -> str | None:
    roles = {"user", "assistant", "system"} if system else {"user", "assistant"}
    if not isinstance(messages, list) or not messages:
        return "messages: at least one message is required"
    for message in messages:
        if message.get("role") not in roles or not message.get("content"):
            return "messages: a role that is none, or no content"
    return None


def _of_anthropic(body: Json) -> str | None:
    if not isinstance(body.get("max_tokens"), int):
        return "max_tokens: Field required"
    known = {
        "model",
        "max_tokens",
        "messages",
        "system",
        "stop_sequences",
        "stream",
        "temperature",
        "output_config",
    }
    unknown = body.keys() - known
    return f"{min(unknown)}: Extra inputs are not permitted" if unknown else None


def _of_texts(body: Json) -> str | None:
    texts = body.get("input")
    if not isinstance(texts, list) or not 1 <= len(texts) <= 2048:
        return "input: an array of 1 to 2048 strings"
    if not all(isinstance(text, str) and text for text in texts):
        return "input: cannot be an empty string"
    tokens = [token_count(text) for text in texts]
    if max(tokens) > 8192:
        return (
            f"This model's maximum context length is 8192 tokens, however you requested {max(tokens)} tokens"
        )
    return "max 300000 tokens per request" if sum(tokens) > 300_000 else None


def token_count(text: str) -> int:
    """Tokens as this server counts them: four bytes each."""
    return -(-len(text.encode()) // 4)


def _of_schema(schema: Any, root: Json) -> Iterator[str]:
    """What strict mode does not take."""
    if not isinstance(schema, dict):
        yield "schema: must be an object"
        return
    if schema is root and schema.get("type") != "object":
        yield "schema: the root must be an object"
    if unknown := schema.keys() - _KEYWORDS:
        yield f"schema: {min(unknown)} is not permitted"
    if schema.get("format", "date") not in _FORMATS:
        yield "schema: unknown format"
    if "$ref" in schema and len(schema) > 1:
        yield "schema: $ref cannot have keywords beside it"
    if not schema.keys() & {"type", "$ref", "anyOf", "enum", "const"}:
        yield "schema: must have a type"
    if schema.get("type") == "object":
        fields = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(fields):
            yield "schema: additionalProperties must be false, and every property required"
    nested = [
        *schema.get("properties", {}).values(),
        *schema.get("$defs", {}).values(),
        *schema.get("anyOf", ()),
    ]
    for part in [*nested, *([schema["items"]] if "items" in schema else [])]:
        yield from _of_schema(part, root)


def _recursive(schema: Json) -> bool:
    definitions = schema.get("$defs", {})

    def deep(part: Any, above: frozenset[str]) -> bool:
        if isinstance(part, list):
            return any(deep(inner, above) for inner in part)
        if not isinstance(part, dict):
            return False
        if isinstance(part.get("$ref"), str):
            name = part["$ref"].rpartition("/")[2]
            return name in above or deep(definitions.get(name), above | {name})
        return any(deep(inner, above) for key, inner in part.items() if key != "$defs")

    return deep(schema, frozenset())
