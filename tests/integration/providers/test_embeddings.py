"""OpenAI's embeddings: any number of texts, in order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from focal_data.domain.embedding import Embedding
from focal_data.errors import (
    InvalidDataError,
    ProviderConnectionError,
    ProviderError,
    RateLimitError,
    SettingsError,
    UsageError,
)
from focal_data.providers.embedding.cached import CachedEmbeddingProvider
from focal_data.providers.embedding.openai import MAX_AT_ONCE, MAX_TEXT_BYTES, OpenAIEmbeddingProvider
from focal_data.settings import Settings
from focal_data.testing.provider_server import Fail, Garble, ProviderServer, Reset, Say
from focal_data.testing.provider_server.payloads import vector_of
from tests.integration.providers.conftest import QUICK


def expected(texts: list[str], size: int = 1536) -> list[Embedding]:
    """What the server makes of ``texts``."""
    return [Embedding(vector_of(text, size), model="text-embedding-3-small") for text in texts]


async def test_a_text_has_its_vector(embedder: OpenAIEmbeddingProvider, server: ProviderServer) -> None:
    """Exactly, and it fits the store."""
    assert expected(["hello"]) == [await embedder.embed("hello")]
    assert (await embedder.embed("hello")).rounded()
    body = server.requests[0].body
    assert {"model": "text-embedding-3-small", "input": ["hello"], "encoding_format": "base64"} == body


@pytest.mark.slow
async def test_any_number_of_texts_is_split_and_keeps_its_order(
    embedder: OpenAIEmbeddingProvider, server: ProviderServer
) -> None:
    """At most 2,048 in a request."""
    texts = [f"text {number}" for number in range(4100)]
    embeddings = await embedder.embed_batch(texts)
    assert [2048, 2048, 4] == sorted(
        (len(request.body["input"]) for request in server.requests), reverse=True
    )
    sample = range(0, 4100, 97)
    assert expected([texts[i] for i in sample]) == [embeddings[i] for i in sample]
    assert 4100 == len(embeddings)


async def test_no_request_has_too_many_tokens(
    embedder: OpenAIEmbeddingProvider, server: ProviderServer
) -> None:
    """In no language: a token has a byte at least."""
    texts = ["語" * 10_000] * 21
    await embedder.embed_batch(texts)
    assert [10, 10, 1] == sorted((len(request.body["input"]) for request in server.requests), reverse=True)


async def test_requests_under_way_are_bounded(
    embedder: OpenAIEmbeddingProvider, server: ProviderServer
) -> None:
    """Over all calls of a provider."""
    server.then(*[Say("", pause=0.02)] * 30)
    await embedder.embed_batch(["x" * 30_000] * 150)
    assert 15 == len(server.requests)
    assert 2 <= server.most_at_once <= MAX_AT_ONCE


async def test_a_part_that_fails_is_tried_again_alone(
    embedder: OpenAIEmbeddingProvider, server: ProviderServer
) -> None:
    """The others are asked for once."""
    server.then(Fail(429), Say(""), Reset())
    texts = [*["x" * 30_000] * 10, *["y" * 30_000] * 10, *["z" * 30_000] * 10]
    embeddings = await embedder.embed_batch(texts)
    assert embeddings[0] == (await embedder.embed_batch(texts[:1]))[0]
    inputs = [request.body["input"][0][0] for request in server.requests[:-1]]
    assert (5, 3) == (len(inputs), len(set(inputs)))


async def test_a_part_that_keeps_failing_is_told(
    embedder: OpenAIEmbeddingProvider, server: ProviderServer
) -> None:
    """After the tries that a call has."""
    server.then(*[Fail(429)] * 3)
    with pytest.raises(RateLimitError):
        await embedder.embed("hello")
    assert 3 == len(server.requests)


@pytest.mark.parametrize(("texts", "field"), [(["a", ""], "texts[1]"), (["a", "b", " \n"], "texts[2]")])
async def test_an_empty_text_is_told_by_its_index(
    embedder: OpenAIEmbeddingProvider, server: ProviderServer, texts: list[str], field: str
) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidDataError) as caught:
        await embedder.embed_batch(texts)
    assert (field, []) == (caught.value.field, server.requests)


async def test_a_text_that_is_surely_too_long_is_told_by_its_index(
    embedder: OpenAIEmbeddingProvider, server: ProviderServer
) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidDataError, match="8192 tokens") as caught:
        await embedder.embed_batch(["a", "b", "x" * (MAX_TEXT_BYTES + 1)])
    assert ("texts[2]", []) == (caught.value.field, server.requests)


@pytest.mark.parametrize("neighbours", [[], ["a"], ["a", "y" * 20_000]])
async def test_one_that_only_the_api_knows_to_be_too_long_is_told_by_its_index(
    embedder: OpenAIEmbeddingProvider, server: ProviderServer, neighbours: list[str]
) -> None:
    """The API doesn't say which: those that may be are asked for alone."""
    texts = [*neighbours, "x" * 40_000]  # 10,000 tokens to the server
    with pytest.raises(InvalidDataError, match="8192 tokens") as caught:
        await embedder.embed_batch(texts)
    assert f"texts[{len(neighbours)}]" == caught.value.field


async def test_another_refusal_stays_one(embedder: OpenAIEmbeddingProvider, server: ProviderServer) -> None:
    """No text of it is too long."""
    server.then(Fail(400))
    with pytest.raises(ProviderError, match="400") as caught:
        await embedder.embed_batch(["a", "x" * 100])
    assert ("req_000001", 1) == (caught.value.request_id, len(server.requests))


@pytest.mark.parametrize(
    ("model", "dimensions", "model_id", "sent"),
    [
        ("text-embedding-3-small", None, "text-embedding-3-small", None),
        ("text-embedding-3-small", 256, "text-embedding-3-small@256", 256),
        ("text-embedding-3-large", None, "text-embedding-3-large@1536", 1536),
        ("text-embedding-ada-002", None, "text-embedding-ada-002", None),
        ("my-own", 3, "my-own", 3),
    ],
)
async def test_vectors_are_as_long_as_they_should_be(
    server: ProviderServer, model: str, dimensions: int | None, model_id: str, sent: int | None
) -> None:
    """Shortened by the API where they would not fit the store; other dimensions make another model."""
    settings = Settings.of(openai_api_key="test-key")
    url = server.openai_url
    async with OpenAIEmbeddingProvider(
        model, dimensions=dimensions, settings=settings, base_url=url
    ) as provider:
        embedding = await provider.embed("hello")
    size = sent or 1536
    assert (size, size) == (len(embedding), provider.dimensions)
    assert (model_id, model_id) == (embedding.model, provider.model_id)
    assert sent == server.requests[0].body.get("dimensions")
    assert 1 == pytest.approx(float(np.linalg.norm(embedding.vector)))


@pytest.mark.parametrize(
    ("model", "dimensions", "error"),
    [
        ("text-embedding-3-large", 3072, InvalidDataError),
        ("text-embedding-3-small", 0, InvalidDataError),
        ("text-embedding-ada-002", 512, InvalidDataError),
        ("my-own", None, UsageError),
    ],
)
def test_dimensions_that_can_not_be_are_refused(
    settings: Settings, model: str, dimensions: int | None, error: type[Exception]
) -> None:
    """When the provider is made."""
    with pytest.raises(error, match="dimensions"):
        OpenAIEmbeddingProvider(model, dimensions=dimensions, settings=settings)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"",
        b'{"data": []}',
        b'{"data": [{"index": 0, "embedding": "!!"}]}',
        b'{"data": [{"index": 0, "embedding": "AACAPw=="}]}',
        b'{"data": [{"index": 1, "embedding": "AACAPw=="}]}',
        b'{"data": [{"index": 0, "embedding": "AADAfw=="}]}',
    ],
)
async def test_a_reply_that_is_none_is_told(
    embedder: OpenAIEmbeddingProvider, server: ProviderServer, body: bytes
) -> None:
    """Nothing, too few, no numbers, too short, out of order, not finite."""
    server.then(Garble(body))
    with pytest.raises(ProviderError, match="could not be read") as caught:
        await embedder.embed("hello")
    assert "req_000001" == caught.value.request_id


async def test_nothing_asks_for_nothing(embedder: OpenAIEmbeddingProvider, server: ProviderServer) -> None:
    """No text, no request."""
    assert [] == await embedder.embed_batch([])
    assert [] == server.requests


def test_a_missing_key_is_named() -> None:
    """Before any call."""
    with pytest.raises(SettingsError, match="FOCAL_DATA_OPENAI_API_KEY"):
        OpenAIEmbeddingProvider(settings=Settings.of())


async def test_a_failure_ends_the_others(server: ProviderServer, settings: Settings) -> None:
    """No request of a batch goes on when the batch has failed."""
    policy = replace(QUICK, max_retries=0)
    async with OpenAIEmbeddingProvider(
        settings=settings, base_url=server.openai_url, policy=policy
    ) as provider:
        server.then(Fail(500), *[Say("", pause=5)] * 20)
        with pytest.raises(ProviderConnectionError):
            await provider.embed_batch(["x" * 30_000] * 200)
        assert len(server.requests) <= MAX_AT_ONCE + 1


async def test_a_cache_asks_once(embedder: OpenAIEmbeddingProvider, server: ProviderServer) -> None:
    """And gives the very vectors."""
    cached = CachedEmbeddingProvider(embedder)
    first = await cached.embed_batch(["a", "b", "a"])
    assert first == await cached.embed_batch(["a", "b", "a"])
    assert expected(["a", "b", "a"]) == first
    assert [["a", "b"]] == [request.body["input"] for request in server.requests]
