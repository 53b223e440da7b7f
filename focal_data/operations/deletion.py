"""A whole tenant removed: its keys on Redis, and its rows of every table, children before their parents.

All of it is found by the tenant alone, so whoever is interrupted begins again and finds the rest.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from focal_data.errors import ConflictError, InUseError, StoreError
from focal_data.operations.ground import IDEATION, LIVE, ROUNDS, ErasureReceipt, Ground
from focal_data.repositories import erasure as sql

_GENERATIONS: Final = 100
"""Of rows that refer to rows of the same table, how many one round removes at least."""


async def delete_everything(ground: Ground, *, dry_run: bool = False) -> ErasureReceipt:
    """See ``TenantOperations.delete_everything``."""
    started = ground.scope.now()
    counts = await _counted(ground) if dry_run else await _deleted(ground)
    return ground.receipt(counts, started, dry_run=dry_run)


async def _counted(ground: Ground) -> Counter[str]:
    counts = await ground.counted(map(sql.everything_of, ground.tables), {})
    counts[LIVE] = await ground.live.count()
    counts[IDEATION] = await ground.live.count_ideation()
    return counts


async def _deleted(ground: Ground) -> Counter[str]:
    """Again until nothing is left, since services may still be writing."""
    counts: Counter[str] = Counter()
    failure: StoreError = ConflictError(
        "this tenant is still being written: stop its services and repeat the deletion"
    )
    for _ in range(ROUNDS):
        counts[IDEATION] += await ground.live.count_ideation()
        counts[LIVE] += await ground.live.remove_all()
        try:
            await _remove_rows(ground, counts)
        except InUseError as error:  # something new refers to what was to go
            failure = error
            continue
        if not +await _counted(ground):
            return counts
    raise failure


async def _remove_rows(ground: Ground, counts: Counter[str]) -> None:
    for table in reversed(ground.tables):
        for leaves in map(sql.removal_of, sql.leaves_of(table)):
            counts[table.name] += await ground.emptied(leaves, {}, short=_GENERATIONS)
        counts[table.name] += await ground.emptied(sql.removal_of(sql.everything_of(table)), {})
