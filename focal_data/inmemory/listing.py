"""Lists, counts and streams in memory, of what meets typed conditions: the reference for ``repositories/listing.py``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from focal_data.domain.answers import CountMode, Page
from focal_data.domain.base import Entity
from focal_data.domain.checking import copied
from focal_data.domain.conditions import Condition
from focal_data.domain.listing import Request, checked_batch, checked_mode
from focal_data.errors import InvalidDataError
from focal_data.inmemory.database import InMemoryScope, Tables
from focal_data.stores.base import checked_limit

E = TypeVar("E", bound=Entity)
Place = tuple[Any, UUID]


class InMemoryListing(Generic[E]):
    """The reads of many: ``list``, ``count`` and ``stream``."""

    domain: ClassVar[type[Any]]
    _scope: InMemoryScope

    def those(
        self, tables: Tables, condition: Callable[[E], bool], *, include_deleted: bool = False
    ) -> Sequence[E]:
        """The very ones that are stored and meet ``condition``."""
        raise NotImplementedError

    async def list(
        self,
        *,
        where: Condition | None = None,
        order_by: str = "id",
        limit: int = 50,
        cursor: str | None = None,
        include_deleted: bool = False,
        count: CountMode = CountMode.NONE,
    ) -> Page[E]:
        """One page of those that meet ``where``, by ``order_by`` (a field, ``-`` before it goes downwards), then by id.

        Text is sorted by its code points, what has no value comes last. Nothing is skipped or repeated when things are added
        or deleted between two pages. ``total`` of the page counts them all where that is asked for. Raises ``InvalidDataError``
        with ``where.<field>``, ``order_by``, ``limit``, ``count``, or ``cursor`` for one that another call gave.
        """
        request = Request.of(self.domain, where, order_by=order_by, include_deleted=include_deleted)
        wanted, mode = checked_limit(limit), checked_mode("count", count)
        place = None if cursor is None else request.behind(cursor)
        total = None if mode is CountMode.NONE else len(self._meeting(request))
        return request.page(self._found(request, place, wanted + 1), wanted, total)

    async def count(
        self,
        where: Condition | None = None,
        *,
        mode: CountMode = CountMode.EXACT,
        include_deleted: bool = False,
    ) -> int:
        """How many meet ``where``; in memory, an estimate is exact."""
        request = Request.of(self.domain, where, include_deleted=include_deleted)
        if checked_mode("mode", mode) is CountMode.NONE:
            raise InvalidDataError("mode", "must be exact or estimated")
        return len(self._meeting(request))

    def stream(
        self,
        *,
        where: Condition | None = None,
        order_by: str = "id",
        batch_size: int = 1000,
        include_deleted: bool = False,
    ) -> AsyncIterator[E]:
        """All that meet ``where``, in order as ``list``, read in batches.

        What is there all the while comes exactly once; what is added behind the place that was reached comes too; what is
        changed so that it moves in the order may come twice or not at all: by ``id``, nothing moves.
        """
        request = Request.of(self.domain, where, order_by=order_by, include_deleted=include_deleted)
        return self._streamed(request, checked_batch(batch_size))

    async def _streamed(self, request: Request, size: int) -> AsyncIterator[E]:
        place: Place | None = None
        while True:
            found = self._found(request, place, size)
            for entity in found:
                yield entity
            if len(found) < size:
                return
            place = request.place(found[-1])

    def _meeting(self, request: Request) -> Sequence[E]:
        return self.those(
            self._scope.tables(), request.condition.met_by, include_deleted=request.form.include_deleted
        )

    def _found(self, request: Request, place: Place | None, limit: int) -> Sequence[E]:
        """Copies of the first ``limit`` of those behind ``place``."""
        found = _sorted(self._meeting(request), request)
        if place is not None:
            found = [entity for entity in found if _beyond(request.place(entity), place, request)]
        return [copied(entity) for entity in found[:limit]]


def _sorted(found: Sequence[E], request: Request) -> Sequence[E]:
    """In the order of the request: what has no value comes last, upwards and downwards."""
    valued = [entity for entity in found if request.place(entity)[0] is not None]
    others = [entity for entity in found if request.place(entity)[0] is None]
    backwards = request.form.descending
    return [
        *sorted(valued, key=request.place, reverse=backwards),
        *sorted(others, key=lambda entity: entity.id, reverse=backwards),
    ]


def _beyond(place: Place, start: Place, request: Request) -> bool:
    if start[0] is None or place[0] is None:
        further = place[1] < start[1] if request.form.descending else place[1] > start[1]
        return place[0] is None and (start[0] is not None or further)
    return place < start if request.form.descending else place > start
