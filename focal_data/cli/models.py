"""The models that the commands can use: what each needs, whether it is there, and how it answers to one word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from time import perf_counter
from typing import Final

from focal_data.providers.embedding.base import EmbeddingProvider
from focal_data.providers.embedding.local import LocalEmbeddingProvider
from focal_data.providers.embedding.openai import OpenAIEmbeddingProvider
from focal_data.providers.llm.anthropic import AnthropicProvider
from focal_data.providers.llm.base import LLMProvider
from focal_data.providers.llm.openai import OpenAIProvider
from focal_data.providers.retrying import DEFAULT_POLICY, CallPolicy
from focal_data.settings import PREFIX, Settings

PATIENCE: Final = CallPolicy(max_retries=0, timeout=30.0, time_budget=30.0)
MAX_TOKENS: Final = 2000
"""Models that think count their thoughts."""


class Vendor(StrEnum):
    """Whose language model answers."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"


def language_model(vendor: Vendor, settings: Settings, *, policy: CallPolicy = DEFAULT_POLICY) -> LLMProvider:
    """The vendor's model. ``SettingsError`` with the variable when there is no key, ``UsageError`` without the SDK."""
    if vendor is Vendor.ANTHROPIC:
        return AnthropicProvider(settings=settings, policy=policy)
    return OpenAIProvider(settings=settings, policy=policy)


@dataclass(frozen=True)
class Model:
    """A provider that may be set up: ``extra`` brings ``package``; it needs ``key``'s vendor's key, if any."""

    subject: str
    extra: str
    package: str
    key: Vendor | None
    make: Callable[[Settings], LLMProvider | EmbeddingProvider]

    @property
    def installed(self) -> bool:
        return find_spec(self.package) is not None

    @property
    def variable(self) -> str:
        """Where its key is looked for; empty where it needs none."""
        return f"{PREFIX}{self.key.upper()}_API_KEY" if self.key else ""

    def has_key(self, settings: Settings) -> bool:
        """Whether there is a key, or none is needed."""
        return self.key is None or getattr(settings, f"{self.key}_api_key") is not None


def _speaks(vendor: Vendor) -> Callable[[Settings], LLMProvider]:
    return lambda settings: language_model(vendor, settings, policy=PATIENCE)


MODELS: Final = (
    Model("Anthropic", "anthropic", "anthropic", Vendor.ANTHROPIC, _speaks(Vendor.ANTHROPIC)),
    Model("OpenAI", "openai", "openai", Vendor.OPENAI, _speaks(Vendor.OPENAI)),
    Model(
        *("OpenAI embeddings", "openai", "openai", Vendor.OPENAI),
        lambda settings: OpenAIEmbeddingProvider(settings=settings, policy=PATIENCE),
    ),
    Model("local model", "local", "wordllama", None, lambda _: LocalEmbeddingProvider()),
)
"""In the order in which they are told."""


async def ask(model: Model, settings: Settings) -> str:
    """Which model answered to one word, and in what time. Raises the provider's error: once, without a retry."""
    started = perf_counter()
    provider = model.make(settings)
    async with provider:
        if isinstance(provider, LLMProvider):
            await provider.generate("Say hello in one word.", max_tokens=MAX_TOKENS)
        else:
            await provider.embed("hello")
    return f"{provider.model_id} answered in {perf_counter() - started:.2f} s"
