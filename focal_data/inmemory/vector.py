"""The entities nearest to a vector: exact cosine similarity at the precision of what is stored, as PostgreSQL computes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from focal_data.domain.answers import Scored
from focal_data.domain.checking import copied
from focal_data.domain.embedding import Embedding
from focal_data.stores.base import checked_limit, checked_min_score, checked_query


class Embedded(Protocol):
    """What has an id and may have an embedding."""

    @property
    def id(self) -> UUID: ...

    @property
    def embedding(self) -> Embedding | None: ...


E = TypeVar("E", bound=Embedded)


def nearest(
    entities: Iterable[E], query: Embedding, *, limit: int, min_score: float | None = None
) -> list[Scored[E]]:
    """Copies of those with an embedding of the query's model, most similar first, then by id.

    Raises ``InvalidDataError`` for ``query``, ``limit`` and ``min_score``.
    """
    threshold, most, asked = checked_min_score(min_score), checked_limit(limit), checked_query(query)
    found = [e for e in entities if e.embedding is not None and e.embedding.model == asked.model]
    scores = similarities([e.embedding for e in found if e.embedding is not None], asked)
    hits = sorted(zip(scores, found, strict=True), key=lambda hit: (-hit[0], hit[1].id))[:most]
    return [Scored(copied(e), score) for score, e in hits if threshold is None or score >= threshold]  # type: ignore[type-var]


def similarities(embeddings: list[Embedding], query: Embedding) -> list[float]:
    """The cosine of each with ``query``, −1 to 1. A shorter vector counts as padded with zeros."""
    if not embeddings:
        return []
    width = max(len(query), *map(len, embeddings))
    rows, asked = np.stack([_padded(e, width) for e in embeddings]), _padded(query, width)
    # sums along the rows, not a matrix product: equal vectors get equal scores wherever they stand
    products, squares = (rows * asked).sum(axis=1), (rows * rows).sum(axis=1)
    cosines = products / np.sqrt(squares * (asked * asked).sum())
    scores: list[float] = np.clip(cosines, -1.0, 1.0).tolist()
    return scores


def _padded(embedding: Embedding, width: int) -> NDArray[np.float64]:
    row = np.zeros(width)
    row[: len(embedding)] = embedding.vector
    return row
