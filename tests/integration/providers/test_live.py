"""The real APIs, for a fraction of a cent: run where ``ANTHROPIC_API_KEY`` or ``OPENAI_API_KEY`` is set, otherwise skipped."""

from __future__ import annotations

import os

import pytest
from pydantic import BaseModel

from focal_data.domain.embedding import MAX_DIMENSIONS
from focal_data.providers.embedding.openai import OpenAIEmbeddingProvider
from focal_data.providers.llm.anthropic import AnthropicProvider
from focal_data.providers.llm.base import LLMProvider
from focal_data.providers.llm.openai import OpenAIProvider

HOW = "set {name} to run it against the real API: {name}=… pytest tests/integration/providers/test_live.py"
MAX_TOKENS = 2000
"""Models that think count their thoughts."""


def key(name: str) -> None:
    """Skip without the key, and say how to run."""
    if not (os.environ.get(name) or os.environ.get(f"FOCAL_DATA_{name}")):
        pytest.skip(HOW.format(name=name))


class Capital(BaseModel):
    """A city."""

    city: str
    country: str
    population: int | None = None


async def speaks(llm: LLMProvider) -> None:
    """All that a language model promises, with the model itself."""
    async with llm:
        answer = await llm.generate(
            "Say hello in one word.", system_prompt="Be brief.", max_tokens=MAX_TOKENS
        )
        assert answer.content.strip()
        assert answer.usage.total_tokens > 0
        assert answer.request_id
        capital, _ = await llm.generate_structured("The capital of France?", Capital, max_tokens=MAX_TOKENS)
        assert "Paris" == capital.city
        async with llm.stream("Count from 1 to 5.", max_tokens=MAX_TOKENS) as stream:
            pieces = [piece async for piece in stream]
        assert "".join(pieces) == stream.response.content


async def test_anthropic() -> None:
    """Text, structured output, a stream."""
    key("ANTHROPIC_API_KEY")
    await speaks(AnthropicProvider())


async def test_openai() -> None:
    """Text, structured output, a stream."""
    key("OPENAI_API_KEY")
    await speaks(OpenAIProvider())


async def test_openai_embeddings() -> None:
    """Vectors of the right length, near where meanings are."""
    key("OPENAI_API_KEY")
    async with OpenAIEmbeddingProvider() as provider:
        parcel, package, cat = await provider.embed_batch(
            ["Where is my parcel?", "My package has not arrived", "The cat sleeps"]
        )
    assert MAX_DIMENSIONS == len(parcel) == provider.dimensions
    assert parcel.vector @ package.vector > parcel.vector @ cat.vector
