"""Deterministic embeddings for tests: texts that share words are near, whatever the machine."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from re import findall

import numpy as np
from numpy.typing import NDArray

from focal_data.domain.embedding import Embedding
from focal_data.providers.embedding.base import EmbeddingProvider, checked_texts


class FakeEmbeddingProvider(EmbeddingProvider):
    """The sum of a vector for each word, made from the word's hash. ``calls`` has the texts of every call."""

    def __init__(self, dimensions: int = 64, *, model_id: str = "fake-embedding") -> None:
        self._dimensions = dimensions
        self._model_id = model_id
        self.calls: list[list[str]] = []

    @property
    def model_id(self) -> str:
        return self._model_id

    @property
    def dimensions(self) -> int:
        return self._dimensions

    async def embed_batch(self, texts: Sequence[str]) -> list[Embedding]:
        checked = checked_texts(texts)
        self.calls.append(checked)
        return [Embedding(self._vector(text), model=self._model_id) for text in checked]

    def _vector(self, text: str) -> NDArray[np.float32]:
        words = findall(r"\w+", text.lower()) or [text]
        vector = np.sum([self._of_word(word) for word in words], axis=0)
        return np.asarray(vector / np.linalg.norm(vector), dtype="<f4")

    def _of_word(self, word: str) -> NDArray[np.float64]:
        seed = int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "big")
        return np.random.default_rng(seed).standard_normal(self._dimensions)
