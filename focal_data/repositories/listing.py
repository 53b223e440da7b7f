"""Lists, counts and streams of a repository's rows under typed conditions, one statement for each form of request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Column, ColumnElement, and_, bindparam, or_, select, tuple_

from focal_data.database.scope import Transaction
from focal_data.database.statement import Statement
from focal_data.domain.answers import CountMode, Page
from focal_data.domain.conditions import Condition
from focal_data.domain.kinds import fields_of
from focal_data.domain.listing import Form, Request, checked_batch, checked_mode
from focal_data.domain.matching import Shape
from focal_data.errors import InvalidDataError
from focal_data.repositories.conditions import bound_type, expression, in_order, parameters
from focal_data.repositories.ground import E, GroundRepository, TableT
from focal_data.stores.base import checked_limit

FORMS: Final = 256
"""How many statements are kept for forms of requests, of all repositories: the ones used last."""

Place = tuple[Any, UUID]


class ListingRepository(GroundRepository[TableT, E]):
    """The reads of many: ``list``, ``count`` and ``stream``."""

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
        or deleted between two pages. ``total`` of the page counts them all, as ``count`` does, where that is asked for.
        Raises ``InvalidDataError`` with ``where.<field>``, ``order_by``, ``limit``, ``count``, or ``cursor`` for one that
        another call, order or condition gave.
        """
        request = Request.of(self.mapper.domain, where, order_by=order_by, include_deleted=include_deleted)
        wanted, mode = checked_limit(limit), checked_mode("count", count)
        place = None if cursor is None else request.behind(cursor)

        async def work(tx: Transaction) -> Page[E]:
            here = type(self)(tx)
            total = await here._counted(request, mode)
            return request.page(await here._found(request, place, wanted + 1), wanted, total)

        if mode is CountMode.NONE:
            return request.page(await self._found(request, place, wanted + 1), wanted)
        return await self._scope.run(work)

    async def count(
        self,
        where: Condition | None = None,
        *,
        mode: CountMode = CountMode.EXACT,
        include_deleted: bool = False,
    ) -> int:
        """How many meet ``where``.

        ``ESTIMATED`` reads no row: it is what PostgreSQL's planner expects from its statistics, in a time that doesn't grow
        with the table. Without ``where`` it is within a few per cent for the tenants that have many rows, and for the others
        about the average tenant's number; conditions on fields that depend on each other, text searched for a part, and JSON
        make it worse, by ten times and more. Of what was written since the last ``ANALYZE`` it knows only the table's growth.
        """
        request = Request.of(self.mapper.domain, where, include_deleted=include_deleted)
        if checked_mode("mode", mode) is CountMode.NONE:
            raise InvalidDataError("mode", "must be exact or estimated")
        return await self._counted(request, mode) or 0

    def stream(
        self,
        *,
        where: Condition | None = None,
        order_by: str = "id",
        batch_size: int = 1000,
        include_deleted: bool = False,
    ) -> AsyncIterator[E]:
        """All that meet ``where``, in order as ``list``, read in batches: no more than one is in memory.

        Between two batches nothing is held, outside of a transaction not even a connection, so a consumer may take its time,
        and may stop. What is there all the while comes exactly once; what is added behind the place that was reached comes too;
        what is changed so that it moves in the order may come twice or not at all: by ``id``, nothing moves.
        """
        request = Request.of(self.mapper.domain, where, order_by=order_by, include_deleted=include_deleted)
        return self._streamed(request, checked_batch(batch_size))

    async def _streamed(self, request: Request, size: int) -> AsyncIterator[E]:
        place: Place | None = None
        while True:
            found = await self._found(request, place, size)
            for entity in found:
                yield entity
            if len(found) < size:
                return
            place = request.place(found[-1])

    async def _found(self, request: Request, place: Place | None, limit: int) -> Sequence[E]:
        """The first ``limit`` of those behind ``place``."""
        values = parameters(request.condition) | {"limit": limit}
        behind = None
        if place is not None:
            values |= {"after_0": place[0], "after_1": place[1]}
            behind = "nothing" if place[0] is None else "value"
        return await self.all(self._listed(request.form, behind), values)

    async def _counted(self, request: Request, mode: CountMode) -> int | None:
        if mode is CountMode.NONE:
            return None
        form, values = request.form, parameters(request.condition)
        if mode is CountMode.EXACT:
            row = await self._row(self._exact(form.shape, form.include_deleted), values)
            return int(row["count"]) if row is not None else 0
        row = await self._row(self._estimated(form.shape, form.include_deleted), values)
        assert row is not None
        return int(orjson.loads(row["QUERY PLAN"])[0]["Plan"]["Plan Rows"])

    # -- statements, built once per form ---------------------------------------------------------------------------

    @classmethod
    @lru_cache(maxsize=FORMS)
    def _listed(cls, form: Form, behind: str | None) -> Statement:
        conditions = [cls._asked(form.shape)] + ([cls._behind(form, behind)] if behind else [])
        rows = cls.rows(*conditions, include_deleted=form.include_deleted)
        key = [column.desc() if form.descending else column.asc() for column in cls._key_of(form)]
        if cls._has_nulls(form):
            key[0] = key[0].nulls_last()
        return Statement(rows.order_by(*key).limit(bindparam("limit")))

    @classmethod
    @lru_cache(maxsize=FORMS)
    def _exact(cls, shape: Shape, include_deleted: bool) -> Statement:
        return Statement(cls.counted(cls._asked(shape), include_deleted=include_deleted))

    @classmethod
    @lru_cache(maxsize=FORMS)
    def _estimated(cls, shape: Shape, include_deleted: bool) -> Statement:
        scoped = cls.scoped(include_deleted=include_deleted)
        statement = Statement(select(cls.c.id).where(*scoped, cls._asked(shape)))
        statement.sql = f"EXPLAIN (FORMAT JSON) {statement.sql}"
        return statement

    @classmethod
    def _asked(cls, shape: Shape) -> ColumnElement[bool]:
        return expression(shape, cls.c, fields_of(cls.mapper.domain))

    @classmethod
    def _behind(cls, form: Form, behind: str) -> ColumnElement[bool]:
        """The rows behind the place bound as ``after_0`` (the field's value) and ``after_1`` (the id)."""
        *first, last = cls._key_of(form)
        at_id = bindparam("after_1", type_=last.type)
        if behind == "nothing":
            return and_(first[0].is_(None), _beyond(last, at_id, form))
        if not first:
            return _beyond(last, at_id, form)
        at = bindparam("after_0", type_=bound_type(form.order))
        further = _beyond(tuple_(first[0], last), tuple_(at, at_id), form)
        return or_(further, first[0].is_(None)) if cls._has_nulls(form) else further

    @classmethod
    def _key_of(cls, form: Form) -> Sequence[ColumnElement[Any]]:
        name = form.order.name
        first = [] if name == "id" else [in_order(cls.c[name], form.order)]
        return [*first, cls.c.id]

    @classmethod
    def _has_nulls(cls, form: Form) -> bool:
        column: Column[Any] = cls.c[form.order.name]
        return bool(column.nullable)


def _beyond(key: Any, place: Any, form: Form) -> ColumnElement[bool]:
    beyond: ColumnElement[bool] = key < place if form.descending else key > place
    return beyond
