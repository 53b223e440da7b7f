"""The exact answer, by numpy over the vectors at the precision they are stored in, and how near an answer comes to it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from benchmarks.searching.corpora import Corpus

K = 10
_TIE = 2e-6
"""Two similarities that differ by less count as equal: PostgreSQL adds them up in another order."""


@dataclass(frozen=True)
class Recall:
    """Over the queries of a class: the mean, the single worst one, and the fewest rows of what exists up to ten."""

    mean: float
    worst: float
    fewest: float

    def reaches(self, other: Recall) -> bool:
        """Whether it is the same or better, give or take a thousandth of the mean and one row of the worst query."""
        return (
            self.mean >= other.mean - 0.001
            and self.worst >= other.worst - 0.1001
            and self.fewest >= other.fewest
        )


class Exact:
    """The true similarities of every query to every row of its scope."""

    def __init__(self, corpus: Corpus, ids: Sequence[UUID]) -> None:
        self._corpus = corpus
        order = np.argsort(corpus.owners, kind="stable")
        starts = np.searchsorted(corpus.owners[order], np.arange(len(corpus.scopes) + 1))
        self._rows = [order[start:end] for start, end in pairwise(starts)]
        self._places = {id_: place for place, id_ in enumerate(ids)}
        self._least = self._thresholds()

    def recall(self, found: Mapping[int, list[UUID]]) -> Recall:
        """Of the ids found for each query."""
        parts = [self._part(query, ids) for query, ids in found.items()]
        rows = [len(ids) / self._wanted(query) for query, ids in found.items()]
        return Recall(statistics.fmean(parts), min(parts), min(rows))

    def _wanted(self, query: int) -> int:
        return min(K, len(self._rows[self._corpus.asked[query]]))

    def _part(self, query: int, ids: Sequence[UUID]) -> float:
        places = np.array([self._places.get(id_, -1) for id_ in set(ids)], dtype=np.int64)
        mine = places[np.isin(places, self._rows[self._corpus.asked[query]])]
        if not len(mine):
            return 0.0
        near = self._similar(query, mine) >= self._least[query] - _TIE
        return float(near.sum()) / self._wanted(query)

    def _thresholds(self) -> NDArray[np.float64]:
        """The similarity of the tenth, for each query."""
        least = np.empty(len(self._corpus.queries))
        for scope in np.unique(self._corpus.asked):
            queries = np.flatnonzero(self._corpus.asked == scope)
            similar = (
                _normed(self._corpus.queries[queries]) @ _normed(self._corpus.vectors[self._rows[scope]]).T
            )
            wanted = min(K, similar.shape[1])
            least[queries] = np.partition(similar, -wanted, axis=1)[:, -wanted]
        return least

    def _similar(self, query: int, places: NDArray[np.int64]) -> NDArray[np.float64]:
        asked = _normed(self._corpus.queries[query : query + 1])[0]
        return np.asarray(_normed(self._corpus.vectors[places]) @ asked, dtype=np.float64)


def _normed(halves: NDArray[np.float16]) -> NDArray[np.float32]:
    vectors = halves.astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
