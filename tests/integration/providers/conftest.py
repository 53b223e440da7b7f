"""Providers of both vendors against the local server, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from focal_data.providers.embedding.openai import OpenAIEmbeddingProvider
from focal_data.providers.llm.anthropic import AnthropicProvider
from focal_data.providers.llm.base import LLMProvider
from focal_data.providers.llm.openai import OpenAIProvider
from focal_data.providers.retrying import CallPolicy
from focal_data.settings import Settings
from focal_data.testing.provider_server import ProviderServer

QUICK = CallPolicy(base_delay=0.001, max_delay=0.002, timeout=20, time_budget=60)
"""The default number of tries, without the waits."""

Make = Callable[..., LLMProvider]


@pytest.fixture
def server(focal_provider_server: ProviderServer) -> ProviderServer:
    """The server, of this test alone."""
    return focal_provider_server


@pytest.fixture
def settings() -> Settings:
    """Settings with the key that the server takes."""
    return Settings.of(anthropic_api_key="test-key", openai_api_key="test-key")


@pytest.fixture
async def make(
    request: pytest.FixtureRequest, server: ProviderServer, settings: Settings
) -> AsyncIterator[Make]:
    """Makes providers of the vendor that the test is run for, and closes them."""
    made: list[LLMProvider] = []

    def provider(*args: str, **options: Any) -> LLMProvider:
        given = {"settings": settings, "policy": QUICK, **options}
        if request.param == "anthropic":
            made.append(AnthropicProvider(*args, base_url=server.anthropic_url, **given))
        else:
            made.append(OpenAIProvider(*args, base_url=server.openai_url, **given))
        return made[-1]

    yield provider
    for each in made:
        await each.aclose()


@pytest.fixture
def llm(make: Make) -> LLMProvider:
    """A provider with its default model."""
    return make()


@pytest.fixture
async def embedder(server: ProviderServer, settings: Settings) -> AsyncIterator[OpenAIEmbeddingProvider]:
    """OpenAI's embeddings."""
    async with OpenAIEmbeddingProvider(
        settings=settings, base_url=server.openai_url, policy=QUICK
    ) as provider:
        yield provider


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run for both vendors what takes a provider of either."""
    if {"llm", "make"} & set(metafunc.fixturenames):
        metafunc.parametrize("make", ["anthropic", "openai"], indirect=True)
