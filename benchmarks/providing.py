"""What a call of a provider costs over the bare SDK: both against the same server on this machine, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from benchmarks.timing import Work
from focal_data.providers.embedding.openai import OpenAIEmbeddingProvider
from focal_data.providers.llm import anthropic, openai
from focal_data.providers.llm.anthropic import AnthropicProvider
from focal_data.providers.llm.base import LLMProvider
from focal_data.providers.llm.openai import OpenAIProvider
from focal_data.settings import Settings
from focal_data.testing.provider_server import ProviderServer
from focal_data.testing.provider_server.server import KEY

SDK: Final = "the bare SDK"
LIMITS: Final = {SDK: 1.1}
PROMPT: Final = "Where is my parcel, which I ordered on Monday and wanted on Tuesday?"


@asynccontextmanager
async def provider_works() -> AsyncIterator[list[Work]]:
    """Text, streams and embeddings."""
    settings = Settings.of(anthropic_api_key=KEY, openai_api_key=KEY)
    async with (
        ProviderServer() as server,
        AnthropicProvider(settings=settings, base_url=server.anthropic_url) as one,
        OpenAIProvider(settings=settings, base_url=server.openai_url) as other,
        OpenAIEmbeddingProvider(settings=settings, base_url=server.openai_url) as embedder,
        AsyncAnthropic(api_key=KEY, base_url=server.anthropic_url, max_retries=0) as bare,
        AsyncOpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0) as other_bare,
    ):
        yield [
            *_of_anthropic(one, bare),
            *_of_openai(other, other_bare),
            Work(
                "provider embed, OpenAI",
                {
                    "ours": lambda: embedder.embed(PROMPT),
                    SDK: lambda: other_bare.embeddings.create(model=embedder.model_id, input=[PROMPT]),
                },
                LIMITS,
            ),
        ]


def _of_anthropic(provider: AnthropicProvider, bare: AsyncAnthropic) -> list[Work]:
    async def generated() -> object:
        return await bare.messages.create(
            model=anthropic.DEFAULT_MODEL, max_tokens=1024, messages=[{"role": "user", "content": PROMPT}]
        )

    async def streamed() -> list[str]:
        async with bare.messages.stream(
            model=anthropic.DEFAULT_MODEL, max_tokens=1024, messages=[{"role": "user", "content": PROMPT}]
        ) as stream:
            return [text async for text in stream.text_stream]

    ours = {"ours": lambda: provider.generate(PROMPT), SDK: generated}
    return [
        Work("provider generate, Anthropic", ours, LIMITS),
        Work("provider stream, Anthropic", {"ours": lambda: _pieces(provider), SDK: streamed}, LIMITS),
    ]


def _of_openai(provider: OpenAIProvider, bare: AsyncOpenAI) -> list[Work]:
    async def generated() -> object:
        return await bare.chat.completions.create(
            model=openai.DEFAULT_MODEL,
            max_completion_tokens=1024,
            messages=[{"role": "user", "content": PROMPT}],
        )

    async def streamed() -> list[object]:
        chunks = await bare.chat.completions.create(
            model=openai.DEFAULT_MODEL,
            max_completion_tokens=1024,
            messages=[{"role": "user", "content": PROMPT}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async with chunks:
            return [chunk async for chunk in chunks]

    ours = {"ours": lambda: provider.generate(PROMPT), SDK: generated}
    return [
        Work("provider generate, OpenAI", ours, LIMITS),
        Work("provider stream, OpenAI", {"ours": lambda: _pieces(provider), SDK: streamed}, LIMITS),
    ]


async def _pieces(provider: LLMProvider) -> list[str]:
    async with provider.stream(PROMPT) as stream:
        return [piece async for piece in stream]
