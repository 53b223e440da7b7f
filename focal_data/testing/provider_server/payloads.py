"""Bodies and events as the two APIs document them."""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Iterator
from hashlib import blake2b
from math import hypot
from random import Random
from typing import Any, Final

from focal_data.testing.provider_server.behaviours import Fail, Json, Received, Refuse, Say
from focal_data.testing.provider_server.strictness import token_count

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_NATIVE: Final = {"text-embedding-3-large": 3072}


def failed(fail: Fail, vendor: str, request_id: str) -> Json:
    """The body of an error."""
    kind = fail.type or _TYPES.get(
        fail.status, "api_error" if fail.status >= 500 else "invalid_request_error"
    )
    if vendor == "anthropic":
        error = {"type": kind, "message": fail.text}
        return {"type": "error", "error": error, "request_id": request_id}
    return {"error": {"message": fail.text, "type": kind, "param": None, "code": fail.code}}


def answered(answer: Say | Refuse, request: Received, request_id: str) -> Json:
    """The body of a whole answer."""
    made = _anthropic if request.vendor == "anthropic" else _openai
    return made(answer, request, request_id)


def events(answer: Say | Refuse, request: Received, request_id: str) -> Iterator[bytes]:
    """The events of an answer, one piece of text each, between those that begin and end it."""
    made = _anthropic_events if request.vendor == "anthropic" else _openai_events
    return made(answer, request, request_id)


def error_event(fail: Fail, vendor: str, request_id: str) -> bytes:
    """An error in the midst of a stream."""
    body = failed(fail, vendor, request_id)
    return _event(body, "error") if vendor == "anthropic" else _event(body)


def vectors(request: Received) -> Json:
    """Embeddings made from the hash of each text, of length 1."""
    body = request.body
    size = body.get("dimensions") or _NATIVE.get(body["model"], 1536)
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(text, size, body.get("encoding_format"))}
        for index, text in enumerate(body["input"])
    ]
    tokens = sum(map(token_count, body["input"]))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def vector_of(text: str, size: int) -> list[float]:
    """The vector that the server gives ``text``, before it is rounded to single precision."""
    chance = Random(blake2b(text.encode()).digest())  # noqa: S311
    values = array("h", chance.randbytes(2 * size))
    length = hypot(*values)
    return [value / length for value in values]


def _vector(text: str, size: int, encoding: str | None) -> Any:
    values = vector_of(text, size)
    return base64.b64encode(array("f", values).tobytes()).decode() if encoding == "base64" else values


def _event(data: Any, name: str | None = None) -> bytes:
    named = f"event: {name}\n" if name else ""
    text = data if isinstance(data, str) else json.dumps(data)
    return f"{named}data: {text}\n\n".encode()


def _words(text: str) -> list[str]:
    """``text`` in pieces, each word with the space before it."""
    return [f" {word}" if index else word for index, word in enumerate(text.split(" "))]


def _tokens(answer: Say | Refuse, request: Received) -> tuple[int, int, int]:
    """Of the prompt with what is cached, of the answer, and what is cached."""
    said = [request.body.get("system") or "", *(message["content"] for message in request.body["messages"])]
    prompt = sum(map(token_count, said))
    text, cached = (answer.text, answer.cached_tokens) if isinstance(answer, Say) else ("", 0)
    return prompt + cached, token_count(text), cached


def _anthropic_ending(answer: Say | Refuse) -> Json:
    if isinstance(answer, Say):
        return {"stop_reason": answer.finish or "end_turn", "stop_sequence": None, "stop_details": None}
    details = {"type": "refusal", "category": answer.category, "explanation": None}
    return {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}


def _anthropic(answer: Say | Refuse, request: Received, request_id: str) -> Json:
    prompt, completion, cached = _tokens(answer, request)
    text = answer.text if isinstance(answer, Say) else ""
    return {
        "id": f"msg_{request_id}",
        "type": "message",
        "role": "assistant",
        "model": request.body["model"],
        "content": [{"type": "text", "text": text}] if text else [],
        **_anthropic_ending(answer),
        "usage": {
            "input_tokens": prompt - cached,
            "output_tokens": completion,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
        },
    }


def _anthropic_events(answer: Say | Refuse, request: Received, request_id: str) -> Iterator[bytes]:
    message = _anthropic(answer, request, request_id)
    usage = message["usage"]
    begun = {
        **message,
        "content": [],
        "stop_reason": None,
        "stop_details": None,
        "usage": {**usage, "output_tokens": 1},
    }
    yield _event({"type": "message_start", "message": begun}, "message_start")
    yield _event({"type": "ping"}, "ping")
    if isinstance(answer, Say):
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        yield _event(block, "content_block_start")
        for word in _words(answer.text):
            delta = {"type": "text_delta", "text": word}
            yield _event({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")
        yield _event({"type": "content_block_stop", "index": 0}, "content_block_stop")
    ending = {"type": "message_delta", "delta": _anthropic_ending(answer), "usage": usage}
    yield _event(ending, "message_delta")
    yield _event({"type": "message_stop"}, "message_stop")


def _openai_usage(answer: Say | Refuse, request: Received) -> Json:
    prompt, completion, cached = _tokens(answer, request)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
    }


def _openai_frame(request: Received, request_id: str, kind: str) -> Json:
    return {
        "id": f"chatcmpl-{request_id}",
        "object": kind,
        "created": 1_767_600_000,
        "model": request.body["model"],
    }


def _openai_said(answer: Say | Refuse) -> tuple[str | None, str | None, str]:
    """Text, refusal and finish reason."""
    if isinstance(answer, Say):
        return answer.text, None, answer.finish or "stop"
    return (None, None, answer.finish) if answer.finish else (None, "I can't help with that.", "stop")


def _openai(answer: Say | Refuse, request: Received, request_id: str) -> Json:
    text, refusal, finish = _openai_said(answer)
    message: Json = {"role": "assistant", "content": text, "refusal": refusal, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    frame = _openai_frame(request, request_id, "chat.completion")
    return {**frame, "choices": [choice], "usage": _openai_usage(answer, request)}


def _openai_events(answer: Say | Refuse, request: Received, request_id: str) -> Iterator[bytes]:
    text, refusal, finish = _openai_said(answer)
    frame = {**_openai_frame(request, request_id, "chat.completion.chunk"), "usage": None}

    def changed(delta: Json, ended: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": ended}
        return _event({**frame, "choices": [choice]})

    yield changed({"role": "assistant", "content": "", "refusal": None})
    for word in _words(text) if text else []:
        yield changed({"content": word})
    if refusal:
        yield changed({"refusal": refusal})
    yield changed({}, finish)
    if (request.body.get("stream_options") or {}).get("include_usage"):
        yield _event({**frame, "choices": [], "usage": _openai_usage(answer, request)})
    yield _event("[DONE]")
