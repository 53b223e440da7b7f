"""Reciprocal-rank fusion of two searches: Cormack, Clarke and Büttcher, SIGIR 2009."""

from __future__ import annotations

from typing import Final

SMOOTHING: Final = 60
"""The constant k of the paper."""


def depth(limit: int) -> int:
    """How many hits of each leg to fuse: what lies deeper in both can't be among the first ``limit``.

    Two ranks beyond that count less than 2 / (2k + 2·limit), which is what the last of one leg's first ``limit`` counts. A
    hit that one leg has within it and the other beyond counts as if the other did not have it.
    """
    return SMOOTHING + 2 * limit


def score(*ranks: int | None) -> float:
    """What a hit counts with these places in the legs, from 1; ``None`` where a leg doesn't have it."""
    return sum(1.0 / (SMOOTHING + rank) for rank in ranks if rank is not None)
