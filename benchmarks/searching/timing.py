"""Searches timed side by side: in every turn each way answers the same query, and the one that begins changes."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

WARM_UP = 12
"""Queries of each class that are asked before: plans are cached after five, and pages after the first."""


@dataclass(frozen=True)
class Answer:
    """The ids found, best first, and how long that took in seconds."""

    ids: list[UUID]
    seconds: float


Way = Callable[[int], Awaitable[Answer]]
"""Answers a query, given by its number."""


def clocked(search: Callable[[int], Awaitable[list[UUID]]]) -> Way:
    """``search`` with its time, on this process's clock."""

    async def answered(query: int) -> Answer:
        start = time.perf_counter()
        ids = await search(query)
        return Answer(ids, time.perf_counter() - start)

    return answered


@dataclass(frozen=True)
class Times:
    """How long a way took for the queries of a class, in milliseconds, and what it found for each query."""

    p50: float
    p99: float
    found: dict[int, list[UUID]]

    def scaled(self, factor: float) -> Times:
        """As on a machine that is by so much slower."""
        return Times(self.p50 * factor, self.p99 * factor, self.found)


@contextmanager
def frozen() -> Iterator[None]:
    """No collection over the benchmark's own data."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def side_by_side(ways: Mapping[str, Way], queries: Sequence[int], *, rounds: int) -> dict[str, Times]:
    """Every way with every query, ``rounds`` times over."""
    names = list(ways)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    found: dict[str, dict[int, list[UUID]]] = {name: {} for name in names}
    for name in names:
        for query in queries[:WARM_UP]:  # one right after the other, which may take a second connection
            await ways[name](query)
    with frozen():
        for turn in range(rounds * len(queries)):
            query, first = queries[turn % len(queries)], turn % len(names)
            for name in names[first:] + names[:first]:
                answer = await ways[name](query)
                seconds[name].append(answer.seconds)
                found[name][query] = answer.ids
    return {name: _times(seconds[name], found[name]) for name in names}


def _times(seconds: Sequence[float], found: dict[int, list[UUID]]) -> Times:
    return Times(statistics.median(seconds) * 1e3, percentile(seconds, 99) * 1e3, found)


def percentile(values: Sequence[float], part: int) -> float:
    """The value below which ``part`` percent lie; the largest where there are too few."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * part // 100)]
