"""A local model: static word vectors that come with a package. No network, no key, tens of thousands of texts a second."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from focal_data.domain.embedding import Embedding
from focal_data.errors import UsageError
from focal_data.providers.embedding.base import EmbeddingProvider, checked_texts

if TYPE_CHECKING:
    from wordllama.inference import WordLlamaInference

MAX_CHARACTERS: Final = 20_000
"""What counts of one text: the model has no window of its own, and a batch is padded to its longest text."""

_DIMENSIONS: Final = 256


class LocalEmbeddingProvider(EmbeddingProvider):
    """WordLlama's 256-dimensional vectors (the extra ``local``), the mean over a text's tokens.

    Good enough for demos, tests and small collections; word order doesn't count. Loaded when first used, and run in a thread.
    """

    def __init__(self) -> None:
        self._model: WordLlamaInference | None = None
        self._loading = asyncio.Lock()

    @property
    def model_id(self) -> str:
        return f"wordllama-l2-supercat-{_DIMENSIONS}"

    @property
    def dimensions(self) -> int:
        return _DIMENSIONS

    async def embed_batch(self, texts: Sequence[str]) -> list[Embedding]:
        checked = [text[:MAX_CHARACTERS] for text in checked_texts(texts)]
        if not checked:
            return []
        model = await self._loaded()
        vectors = await asyncio.to_thread(model.embed, checked)
        return [Embedding(vector, model=self.model_id) for vector in vectors]

    async def _loaded(self) -> WordLlamaInference:
        async with self._loading:
            if self._model is None:
                self._model = await asyncio.to_thread(_load)
            return self._model


def _load() -> WordLlamaInference:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        from wordllama import WordLlama
    except ImportError:
        hint = (
            " (Python 3.11 to 3.13: it has no wheels for later ones)" if sys.version_info >= (3, 14) else ""
        )
        raise UsageError(f'the local model is not installed: pip install "focal-data[local]"{hint}') from None
    root.handlers[:] = handlers  # importing it configures the logging of the whole program
    root.setLevel(level)
    return WordLlama.load(cache_dir=str(files("wordllama")), disable_download=True, dim=_DIMENSIONS)
