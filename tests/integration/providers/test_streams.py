"""An answer as it comes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson
import pytest

from focal_data.errors import ContentFilterError, ProviderConnectionError, ProviderError, UsageError
from focal_data.providers.llm.base import LLMProvider
from focal_data.providers.llm.exchange import FinishReason, Usage
from focal_data.providers.llm.openai import OpenAIProvider
from focal_data.settings import Settings
from focal_data.telemetry import TransactionMark
from focal_data.testing.provider_server import (
    Fail,
    Garble,
    Hang,
    ProviderServer,
    Refuse,
    Reset,
    Say,
)
from focal_data.testing.provider_server.server import KEY
from tests.integration.providers.conftest import QUICK, Make


async def test_text_comes_in_pieces_and_then_the_whole(llm: LLMProvider, server: ProviderServer) -> None:
    """With the tokens, as a call would have them."""
    server.then(Say("one two three", cached_tokens=4))
    async with llm.stream("12345678") as stream:
        pieces = [piece async for piece in stream]
        assert [] == [piece async for piece in stream]
    assert ["one", " two", " three"] == pieces
    response = stream.response
    assert ("one two three", FinishReason.STOP) == (response.content, response.finish_reason)
    assert Usage(prompt_tokens=6, completion_tokens=4, total_tokens=10, cached_tokens=4) == response.usage
    assert (llm.model_id, "req_000001") == (response.model, response.request_id)
    assert response.latency > 0


async def test_a_piece_comes_before_the_next_is_made(llm: LLMProvider, server: ProviderServer) -> None:
    """The first is here while the server says nothing more."""
    server.then(Say("one two", pieces=1, then=Hang()))
    async with llm.stream("Hi") as stream:
        assert "one" == await anext(stream)


async def test_leaving_early_closes_the_connection(llm: LLMProvider, server: ProviderServer) -> None:
    """The model need not write what nobody reads."""
    server.then(Say("one two", pieces=1, then=Hang()))
    async with llm.stream("Hi") as stream:
        await anext(stream)
    await server.until_closed()
    with pytest.raises(UsageError, match="inside of its block"):
        await anext(stream)


async def test_cancelling_closes_the_connection(llm: LLMProvider, server: ProviderServer) -> None:
    """Wherever it waits."""
    server.then(Say("one two", pieces=1, then=Hang()))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), llm.stream("Hi") as stream:
            async for _ in stream:
                pass
    await server.until_closed()


async def test_a_connection_whose_stream_ended_is_used_again(
    llm: LLMProvider, server: ProviderServer
) -> None:
    """As that of a call."""
    for _ in range(3):
        async with llm.stream("Hi") as stream:
            assert [piece async for piece in stream]
    assert 1 == server.connections


async def test_it_is_tried_again_until_it_begins(llm: LLMProvider, server: ProviderServer) -> None:
    """As often as a call is."""
    server.then(Fail(529), Reset())
    async with llm.stream("Hi") as stream:
        assert "You said: Hi" == "".join([piece async for piece in stream])
    assert 3 == len(server.requests)
    server.then(*[Fail(503)] * 3)
    with pytest.raises(ProviderConnectionError):
        async with llm.stream("Hi"):
            pass
    assert 6 == len(server.requests)


@pytest.mark.parametrize("then", [Reset(), Fail(529), Fail(500), Garble(b"{"), Garble(b"[]")])
async def test_what_breaks_in_the_midst_is_told_and_not_begun_anew(
    llm: LLMProvider, server: ProviderServer, then: Fail | Garble | Reset
) -> None:
    """The caller has had the first words."""
    server.then(Say("one two", pieces=1, then=then))
    async with llm.stream("Hi") as stream:
        assert "one" == await anext(stream)
        with pytest.raises(ProviderError) as caught:
            await anext(stream)
    if not isinstance(then, Garble):
        assert ProviderConnectionError is type(caught.value)
    assert caught.value.request_id
    assert 1 == len(server.requests)


async def test_a_stream_that_falls_silent_is_told(make: Make, server: ProviderServer) -> None:
    """After the time for one piece."""
    llm = make(policy=replace(QUICK, timeout=0.1))
    server.then(Say("one two", pieces=1, then=Hang()))
    async with llm.stream("Hi") as stream:
        await anext(stream)
        with pytest.raises(ProviderConnectionError, match="in time"):
            await anext(stream)
    await server.until_closed()


async def test_a_refusal_is_an_error_in_a_stream_too(llm: LLMProvider, server: ProviderServer) -> None:
    """At its end, where the API tells it; also after words."""
    late = Say("one two", finish="refusal" if llm.vendor == "anthropic" else "content_filter")
    for behaviour in (Refuse("cyber"), late):
        server.then(behaviour)
        with pytest.raises(ContentFilterError):
            async with llm.stream("Hi") as stream:
                assert [piece async for piece in stream]
    assert 2 == len(server.requests)


async def test_an_answer_without_text_is_an_empty_stream(llm: LLMProvider, server: ProviderServer) -> None:
    """And has its response."""
    server.then(Say(""))
    async with llm.stream("Hi") as stream:
        assert [] == [piece async for piece in stream]
    assert "" == stream.response.content


async def test_it_is_refused_inside_of_a_transaction(llm: LLMProvider, server: ProviderServer) -> None:
    """When it begins, and between its pieces."""
    stream = llm.stream("Hi")
    mark = TransactionMark()
    with pytest.raises(UsageError, match="inside of a transaction"):
        await stream.__aenter__()
    mark.end()
    async with stream:
        await anext(stream)
        mark = TransactionMark()
        with pytest.raises(UsageError, match="inside of a transaction"):
            await anext(stream)
        mark.end()


@pytest.mark.parametrize(
    "sent",
    [
        {"choices": [{"index": 0, "delta": {"content": 5}}]},
        {"choices": [{"index": 0, "delta": None}]},
        {"choices": [{"index": 0}]},
        {"choices": 5},
        {
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": "many"},
        },
    ],
)
async def test_a_piece_that_is_none_is_told(server: ProviderServer, sent: dict[str, object]) -> None:
    """What the SDK passes on unread does not come through, and neither does an error of Python's."""
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", **sent}
    server.then(Say("one two", pieces=1, then=Garble(orjson.dumps(chunk))))
    settings = Settings.of(openai_api_key=KEY)
    async with OpenAIProvider(settings=settings, base_url=server.openai_url) as provider:
        with pytest.raises(ProviderError, match="req_000001"):
            async with provider.stream("Hi") as stream:
                assert {"one"} >= {piece async for piece in stream}
