"""The test kit's server refuses what the APIs refuse, in their words' shape."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from focal_data.testing.provider_server import Fail, Garble, ProviderServer, Say

HELLO = [{"role": "user", "content": "Hi"}]
CHAT = {"model": "m", "messages": HELLO}
MESSAGE = {**CHAT, "max_tokens": 5}
THEIRS = {"x-api-key": "test-key", "anthropic-version": "2023-06-01"}
OURS = {"authorization": "Bearer test-key"}


def shaped(schema: dict[str, Any]) -> dict[str, Any]:
    """A request for structured output."""
    described = {"name": "n", "strict": True, "schema": schema}
    return {**CHAT, "response_format": {"type": "json_schema", "json_schema": described}}


CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


@pytest.fixture
async def client(server: ProviderServer) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody without an SDK."""
    async with httpx2.AsyncClient(base_url=server.anthropic_url) as made:
        yield made


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("/v1/messages", THEIRS, MESSAGE, 200),
        ("/v1/messages", {**OURS, "anthropic-version": "x"}, MESSAGE, 200),
        ("/v1/messages", {"x-api-key": "wrong", "anthropic-version": "x"}, MESSAGE, 401),
        ("/v1/messages", {"x-api-key": "test-key"}, MESSAGE, 400),
        ("/v1/messages", THEIRS, CHAT, 400),
        ("/v1/messages", THEIRS, {**MESSAGE, "max_completion_tokens": 5}, 400),
        ("/v1/messages", THEIRS, {**MESSAGE, "messages": []}, 400),
        ("/v1/messages", THEIRS, {**MESSAGE, "messages": [{"role": "system", "content": "x"}]}, 400),
        ("/v1/chat/completions", OURS, CHAT, 200),
        ("/v1/chat/completions", {}, CHAT, 401),
        ("/v1/chat/completions", OURS, {"messages": HELLO}, 400),
        ("/v1/chat/completions", OURS, shaped(CLOSED), 200),
        ("/v1/chat/completions", OURS, shaped({**CLOSED, "additionalProperties": True}), 400),
        ("/v1/chat/completions", OURS, shaped({**CLOSED, "required": []}), 400),
        ("/v1/chat/completions", OURS, shaped({"type": "array", "items": {"type": "string"}}), 400),
        ("/v1/chat/completions", OURS, shaped({**CLOSED, "default": {}}), 400),
        ("/v1/embeddings", OURS, {"model": "m", "input": ["a"]}, 200),
        ("/v1/embeddings", OURS, {"model": "m", "input": ["a", ""]}, 400),
        ("/v1/embeddings", OURS, {"model": "m", "input": ["a"] * 2049}, 400),
        ("/v1/embeddings", OURS, {"model": "m", "input": ["a" * 40_000]}, 400),
        ("/v1/embeddings", OURS, {"model": "m", "input": ["a" * 30_000] * 41}, 400),
        ("/v1/elsewhere", OURS, {}, 404),
    ],
)
async def test_requests_are_checked(
    client: httpx2.AsyncClient, path: str, headers: dict[str, str], body: dict[str, Any], status: int
) -> None:
    """Keys, paths, fields and limits."""
    response = await client.post(path, json=body, headers=headers)
    assert status == response.status_code
    assert ("error" in response.json()) == (status != 200)
    assert response.headers.get("request-id") or response.headers.get("x-request-id")


async def test_errors_have_the_bodies_that_the_apis_document(
    client: httpx2.AsyncClient, server: ProviderServer
) -> None:
    """Type, message and id of one; type, code and parameter of the other."""
    server.then(Fail(529, text="busy"), Fail(429, text="slow down", code="insufficient_quota", retry_after=2))
    one = await client.post("/v1/messages", json=MESSAGE, headers=THEIRS)
    expected = {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "busy"},
        "request_id": "req_000001",
    }
    assert expected == one.json()
    other = await client.post("/v1/chat/completions", json=CHAT, headers=OURS)
    error = {"message": "slow down", "type": "rate_limit_error", "param": None, "code": "insufficient_quota"}
    assert ({"error": error}, "2") == (other.json(), other.headers["retry-after"])


async def test_it_runs_on_when_a_client_sends_nonsense(
    client: httpx2.AsyncClient, server: ProviderServer
) -> None:
    """A body that is no JSON is a request with nothing in it."""
    response = await client.post("/v1/chat/completions", content=b"{", headers=OURS)
    assert 400 == response.status_code
    server.then(Garble(b"nonsense"), Say("well"))
    assert b"nonsense" == (await client.post("/v1/chat/completions", json=CHAT, headers=OURS)).content
    answer = await client.post("/v1/chat/completions", json=CHAT, headers=OURS)
    assert "well" == answer.json()["choices"][0]["message"]["content"]


async def test_floats_are_given_where_base64_is_not_asked_for(client: httpx2.AsyncClient) -> None:
    """As the API does."""
    body = {"model": "text-embedding-3-small", "input": ["a"], "dimensions": 4}
    response = await client.post("/v1/embeddings", json=body, headers=OURS)
    (vector,) = [item["embedding"] for item in response.json()["data"]]
    assert 4 == len(vector)
    assert 1 == pytest.approx(sum(value * value for value in vector))


def test_it_has_no_address_outside_of_its_block() -> None:
    """And says so."""
    with pytest.raises(RuntimeError, match="outside of its block"):
        _ = ProviderServer().openai_url
