"""Embeddings without a network: TF-IDF brought to fewer dimensions by a randomised SVD, and the project's local model."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from focal_data.providers.embedding.local import LocalEmbeddingProvider

Floats = NDArray[np.float32]

_WORD: Final = re.compile(r"[^\W\d_]{2,30}")
_SAMPLE, _OVERSAMPLED, _ROUNDS = 24_000, 64, 3


def latent(texts: Sequence[str], dimensions: int, *, terms: int = 8192) -> Floats:
    """A unit vector for each of ``texts``: TF-IDF over the commonest ``terms``, on its first singular directions.

    Halko, Martinsson and Tropp, SIAM Review 53 (2011): a random subspace, multiplied a few times with the covariance of a
    sample. As it comes, not rotated: most of the weight lies in the first dimensions, which is the harder case for codes.
    """
    words = [Counter(_WORD.findall(text.lower())) for text in texts]
    documents = Counter(word for counted in words for word in counted)
    chosen = [
        word for word, _ in documents.most_common(terms + 20)[20:]
    ]  # the first are as good as stop words
    columns = {word: number for number, word in enumerate(chosen)}
    weights = np.array([math.log(len(texts) / documents[word]) for word in chosen], dtype=np.float32)
    sample = np.random.default_rng(1).permutation(len(texts))[:_SAMPLE]
    covariance = np.zeros((len(chosen), len(chosen)), dtype=np.float32)
    for block in _weighted([words[number] for number in sample], columns, weights):
        covariance += block.T @ block
    basis = _leading(covariance, min(dimensions, len(chosen)))
    parts = [block @ basis for block in _weighted(words, columns, weights)]
    return unit(np.concatenate(parts))


def _weighted(
    words: Sequence[Counter[str]], columns: dict[str, int], weights: Floats, rows: int = 2048
) -> Iterator[Floats]:
    """TF-IDF as dense blocks, each row of length 1 (0 without a known word)."""
    for start in range(0, len(words), rows):
        part = words[start : start + rows]
        block = np.zeros((len(part), len(columns)), dtype=np.float32)
        for row, counted in enumerate(part):
            known = [(columns[word], count) for word, count in counted.items() if word in columns]
            if known:
                places, counts = zip(*known, strict=True)
                block[row, places] = 1.0 + np.log(np.array(counts, dtype=np.float32))
        yield unit(block * weights)


def _leading(covariance: Floats, dimensions: int) -> Floats:
    width = min(dimensions + _OVERSAMPLED, len(covariance))
    space = np.random.default_rng(2).standard_normal((len(covariance), width), dtype=np.float32)
    for _ in range(_ROUNDS):
        space, _ = np.linalg.qr(covariance @ space)
    _, directions = np.linalg.eigh(space.T @ (covariance @ space))
    return np.asarray(space @ directions[:, ::-1][:, :dimensions], dtype=np.float32)


async def local(texts: Sequence[str]) -> Floats:
    """A unit vector of 256 dimensions for each of ``texts``, by WordLlama. Raises ``UsageError`` when it is not installed."""
    provider = LocalEmbeddingProvider()
    parts = [
        np.stack([embedding.vector for embedding in await provider.embed_batch(texts[start : start + 2048])])
        for start in range(0, len(texts), 2048)
    ]
    return unit(np.concatenate(parts))


def unit(vectors: Floats) -> Floats:
    """Each row at length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), dtype=np.float32)
