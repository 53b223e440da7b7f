"""Sign codes with exact re-ranking, as one would write that search by hand on the column that ours keeps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from benchmarks.searching.stored import Stored


async def by_hand(stored: Stored) -> Callable[[int], Awaitable[list[UUID]]] | None:
    """The search, or ``None`` where the schema has no codes."""
    return None
