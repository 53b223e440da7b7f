"""Interleaved timing: every contender runs a little in each round, so that drift hits all of them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

Operation = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Work:
    """One thing to do, and everybody who does it. ``ours`` is what is judged; ``again`` is it once more, for the noise."""

    name: str
    contenders: Mapping[str, Operation]
    limits: Mapping[str, float]
    """The most that ours may cost, by the contender that it is compared with."""
    rounds: int = 40
    operations: int = 25


@dataclass(frozen=True)
class Ratio:
    """What ours costs against another: a ratio of medians, smaller is better."""

    work: str
    against: str
    ratio: float
    limit: float | None

    @property
    def met(self) -> bool:
        return self.limit is None or self.ratio <= self.limit


async def timed(work: Work) -> tuple[list[Ratio], dict[str, float]]:
    """The ratios of ours to every other, and the medians in seconds of all."""
    contenders = {**work.contenders, "ours again": work.contenders["ours"]}
    for operation in contenders.values():
        for _ in range(10):  # prepares statements, fills caches
            await operation()
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    gc.collect()
    gc.freeze()  # a collection over the benchmark's own data would halve somebody's speed at random
    for _ in range(work.rounds):
        for name, operation in contenders.items():
            for _ in range(work.operations):
                start = time.perf_counter()
                await operation()
                samples[name].append(time.perf_counter() - start)
    gc.unfreeze()
    medians = {name: statistics.median(times) for name, times in samples.items()}
    ours = medians["ours"]
    others = (name for name in contenders if name != "ours")
    return [Ratio(work.name, name, ours / medians[name], work.limits.get(name)) for name in others], medians
