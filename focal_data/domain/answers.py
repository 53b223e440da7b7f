"""What calls give back beside entities: pages and scored hits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class CountMode(StrEnum):
    """How things are counted: not at all, one by one, or as the database's statistics have it."""

    NONE = "none"
    EXACT = "exact"
    ESTIMATED = "estimated"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items in order, and the opaque cursor of the next page; ``None`` when there is no more.

    ``total`` is how many there are on all pages, where the call was asked to count them.
    """

    items: list[T]
    next_cursor: str | None = None
    total: int | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Scored(Generic[T]):
    """One hit of a search.

    ``score`` is cosine similarity (−1..1) for a vector search, the text rank (≥ 0) for a text search, and the fused rank for
    a hybrid one. ``vector_rank`` and ``text_rank`` are places in the two legs, from 1; ``None`` where a leg did not find it.
    """

    item: T
    score: float
    vector_rank: int | None = None
    text_rank: int | None = None
    snippet: str | None = None
