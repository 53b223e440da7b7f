"""How long operations take, in memory that doesn't grow with their number."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final

_PER_E_FOLD: Final = 50
"""Buckets on a logarithmic scale, each 2 % wide."""


class Latencies:
    """A histogram for each operation; percentiles are exact to 1 %."""

    def __init__(self) -> None:
        self._histograms: dict[str, Counter[int]] = {}

    @contextmanager
    def timed(self, operation: str) -> Iterator[None]:
        """Count what happens in the block, if it ends well."""
        start = perf_counter()
        yield
        self.add(operation, perf_counter() - start)

    def add(self, operation: str, seconds: float) -> None:
        """Count one that took ``seconds``."""
        bucket = round(math.log(max(seconds * 1000, 1e-6)) * _PER_E_FOLD)
        self._histograms.setdefault(operation, Counter())[bucket] += 1

    def count(self, operation: str) -> int:
        """How many there were."""
        return self._histograms[operation].total()

    def percentiles(self) -> dict[str, dict[str, float]]:
        """``p50`` and ``p99`` of each operation in milliseconds, in the order in which they first happened."""
        return {
            operation: {"p50": _quantile(histogram, 0.50), "p99": _quantile(histogram, 0.99)}
            for operation, histogram in self._histograms.items()
        }


def _quantile(histogram: Counter[int], share: float) -> float:
    """The value that ``share`` of all do not exceed (the nearest rank)."""
    rank, passed = math.ceil(share * histogram.total()), 0
    for bucket in sorted(histogram):
        passed += histogram[bucket]
        if passed >= rank:
            break
    return round(math.exp(bucket / _PER_E_FOLD), 3)
