"""Rows with a history in recorded time (SQL:2011): a write moves the version that it replaces to the history table.

The table holds what we believe now. Version n is known from its ``recorded_at`` until its ``superseded_at``, which is the
``recorded_at`` of version n + 1: the time of the write, or a microsecond after its predecessor's where clocks disagree.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import Any, ClassVar, Final, TypeVar
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Insert,
    Select,
    Subquery,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from focal_data.database.scope import Row, Transaction
from focal_data.database.statement import Statement
from focal_data.domain.answers import Page
from focal_data.domain.base import ValueObject
from focal_data.domain.checking import checked_filters, checked_uuid
from focal_data.domain.memory import Entity, Relationship
from focal_data.errors import InvalidDataError, RetryableError
from focal_data.repositories import paging
from focal_data.repositories.base import TableT, TenantRepository, any_of
from focal_data.repositories.bulk import Road
from focal_data.repositories.filtering import Conditions, chosen, given
from focal_data.stores.base import checked_limit, checked_time
from focal_data.tables.columns import utc

V = TypeVar("V", Entity, Relationship)
Columns = ReadOnlyColumnCollection[str, Any]

KNOWN_AT: Final = "known_at"
_TICK: Final = timedelta(microseconds=1)


class VersionedRepository(TenantRepository[TableT, V]):
    """The versions of one table and of its history; ``conditions`` says what each field of its filter asks for."""

    history: ClassVar[Table]
    filters: ClassVar[type[ValueObject]]
    """The filter of its lists."""

    @classmethod
    def conditions(cls, c: Columns) -> Conditions:
        """What each field of the filter asks of the columns ``c``, of the table or of what was known."""
        raise NotImplementedError

    # -- reading ---------------------------------------------------------------------------------------------------

    async def at(self, id: UUID, *, as_of: datetime | None, known_at: datetime | None) -> V | None:  # noqa: A002
        """The version known at ``known_at`` (now), or ``None`` when there was none or it isn't valid at ``as_of``."""
        checked_uuid("id", id)
        times = {"as_of": checked_time("as_of", as_of), KNOWN_AT: checked_time(KNOWN_AT, known_at)}
        asked = {name: time for name, time in times.items() if time is not None}
        return await self.one(self._at(frozenset(asked)), {**asked, "id": id})

    async def page(self, filters: ValueObject | None, limit: int, cursor: str | None) -> Page[V]:
        """One page in the order of ids."""
        narrowed = checked_filters(filters, self.filters)
        asked, key, of = given(narrowed), (self.c.id,), (self.table.name, narrowed)
        values = asked | {"limit": checked_limit(limit) + 1}
        if cursor is not None:
            values |= paging.place(cursor, key, *of)
        found = await self.all(self._page(frozenset(asked), cursor is not None), values)
        return paging.page(found, limit, key, *of)

    # -- writing ---------------------------------------------------------------------------------------------------

    async def add(self, entity: V) -> V:
        """Insert it. One that was deleted and comes back goes on where its history ends.

        ``RetryableError`` in a transaction when it was still being deleted: outside of one, the call is run again by itself.
        """
        new = self._new(entity)
        return await self._scope.run(lambda tx: type(self)(tx)._added(new))

    async def add_many(self, entities: Iterable[V]) -> list[V]:
        """Insert all of them or none, and return them as stored, in their order. Errors have the ``row``; see ``add``."""
        new = self._all_new(entities)
        rows, ids = self._all_values(new), [entity.id for entity in new]

        async def work(tx: Transaction) -> dict[UUID, V]:
            await self._road().insert(tx, rows)
            here = type(self)(tx)
            if await here._row(self._doubled(), {"ids": ids}) is not None:
                raise _still_being_deleted()
            return await here.get_many(ids)

        stored = await self._scope.run(work) if new else {}
        return [stored[entity.id] for entity in new]

    async def update(self, entity: V) -> V:
        """Make it the version that is believed from now on, and move the one with its revision to the history."""
        changed: V = self.mapper.checked(entity, self._scope.tenant_id)
        if changed.revision == 0:
            raise InvalidDataError("revision", "must not be 0: that is one not stored yet")
        key = {"key_id": changed.id, "key_revision": changed.revision, "now": self._scope.now()}
        kept = await self._row(self._update(), self._values(changed) | key)
        if kept is None:
            await self._explain(changed.id, changed)
        return _as_stored(changed, kept)

    async def delete(self, id: UUID) -> bool:  # noqa: A002
        """Move it to the history; whether there was one."""
        return await self._execute(self._move(), {"id": checked_uuid("id", id), "now": self._scope.now()}) > 0

    async def purge(self, id: UUID) -> bool:  # noqa: A002
        """Remove it for good, and its history; whether there was anything. Raises ``InUseError``."""

        async def work(tx: Transaction) -> bool:
            here = type(self)(tx)
            now = await here._execute(self._purge(), {"id": id})
            return now + await here._execute(self._purge_history(), {"id": id}) > 0

        return await self._scope.run(work)

    async def _added(self, stamped: V) -> V:
        kept = await self._row(self._insert(), self._values(stamped))
        if kept is not None and kept["raced"]:
            raise _still_being_deleted()
        return _as_stored(stamped, kept)

    # -- statements ------------------------------------------------------------------------------------------------

    @classmethod
    def source(cls, asked: Collection[str], name: str = "known") -> FromClause:
        """Where to read: the table, or what was known at ``known_at`` if that is asked for; ``meets`` adds the tenant."""
        return cls._known(name) if KNOWN_AT in asked else cls.table

    @classmethod
    def found(cls, source: FromClause, asked: Collection[str]) -> Select[Any]:
        """The versions in ``source`` under the conditions that are asked for."""
        return select(*(source.c[name] for name in cls._names())).where(*cls.meets(source, asked))

    @classmethod
    def meets(cls, source: FromClause, asked: Collection[str]) -> list[ColumnElement[bool]]:
        """The tenant, and what is asked of ``source``."""
        return [source.c.tenant_id == bindparam("tenant_id"), *chosen(cls.conditions(source.c), asked)]

    @classmethod
    def versions(cls, asked: Collection[str], *key: tuple[str, ColumnElement[Any]]) -> list[Select[Any]]:
        """The versions under the conditions that are asked for, a read of each table where they may be.

        ``key`` names columns and what they equal: of another table it reaches the indexes only here, under a policy.
        """
        places: list[tuple[FromClause, list[ColumnElement[bool]]]] = [(cls.table, [])]
        if KNOWN_AT in asked:
            then, h = bindparam(KNOWN_AT, type_=utc()), cls.history.c
            replaced = [h.recorded_at <= then, h.superseded_at > then]
            places = [(cls.table, [cls.c.recorded_at <= then]), (cls.history, replaced)]
        return [
            cls.found(table, asked).where(*known, *(table.c[name] == value for name, value in key))
            for table, known in places
        ]

    @classmethod
    def _known(cls, name: str) -> Subquery:
        return union_all(*cls.versions([KNOWN_AT])).subquery(name)

    @classmethod
    @cache
    def _at(cls, asked: frozenset[str]) -> Statement:
        source = cls.source(asked)
        return Statement(cls.found(source, asked).where(source.c.id == bindparam("id")))

    @classmethod
    @cache
    def _page(cls, asked: frozenset[str], further: bool) -> Statement:
        source = cls.source(asked)
        rows, key = cls.found(source, asked), source.c["id"]
        if further:
            rows = rows.where(key > bindparam("after_0"))
        return Statement(rows.order_by(key).limit(bindparam("limit")))

    @classmethod
    @cache
    def _insert(cls) -> Statement:
        h = cls.history.c
        past = (h.tenant_id == bindparam("tenant_id"), h.id == bindparam("id"))
        last = select(func.coalesce(func.max(h.revision), 0)).where(*past).scalar_subquery()
        ended = select(func.max(h.superseded_at)).where(*past).scalar_subquery()
        values = cls._given()
        values |= {"revision": last + 1, "recorded_at": func.greatest(values["recorded_at"], ended)}
        added = insert(cls.table).values(values)
        return Statement(added.returning(cls.c.revision, cls.c.recorded_at, cls._raced()))

    @classmethod
    def _raced(cls) -> ColumnElement[bool]:
        """Whether one with this id was there when the statement began: it waited for a deletion, whose history it can't see."""
        before = cls.table.alias("before").c
        there = (before.tenant_id == bindparam("tenant_id"), before.id == bindparam("id"))
        return select(before.id).where(*there).exists().label("raced")

    @classmethod
    @cache
    def _doubled(cls) -> Statement:
        """Those of ``ids`` whose revision is in the history: they were inserted when that could not be seen."""
        h = cls.history.c
        past = (h.tenant_id == bindparam("tenant_id"), h.id == cls.c.id, h.revision >= cls.c.revision)
        doubled = select(h.id).where(*past).correlate(cls.table).exists()
        return Statement(select(cls.c.id).where(*cls.scoped(), cls.c.id == any_of("ids"), doubled).limit(1))

    @classmethod
    @cache
    def _road(cls) -> Road:
        """One statement for each row, since each reads its own history."""
        return Road(cls._insert(), cls._insert(), sys.maxsize)

    @classmethod
    @cache
    def _update(cls) -> Statement:
        """One statement: the old version is locked, written to the history, and then replaced."""
        key = (cls.c.id == bindparam("key_id"), cls.c.revision == bindparam("key_revision"))
        old = cls.rows(*key).with_for_update(key_share=True).cte("old")
        values = cls._given() | {"revision": old.c.revision + 1, "recorded_at": _later(old.c)}
        del values["tenant_id"], values["id"]
        change = update(cls.table).values(values).where(*cls.scoped(), cls.c.id == old.c.id)
        return Statement(
            change.add_cte(cls._to_history(old).cte("moved")).returning(cls.c.revision, cls.c.recorded_at)
        )

    @classmethod
    @cache
    def _move(cls) -> Statement:
        return Statement(cls._moved(cls.c.id == bindparam("id")))

    @classmethod
    def _moved(cls, *conditions: ColumnElement[bool]) -> Insert:
        """Take the rows under ``conditions`` out of the table and into the history."""
        gone = delete(cls.table).where(*cls.scoped(), *conditions).returning(*cls.mapper.columns)
        return cls._to_history(gone.cte("gone"))

    @classmethod
    def _to_history(cls, old: CTE) -> Insert:
        versions = select(*(old.c[name] for name in cls._names()), _later(old.c))
        rows = versions.where(old.c.tenant_id == bindparam("tenant_id"))
        return insert(cls.history).from_select([*cls._names(), "superseded_at"], rows)

    @classmethod
    @cache
    def _purge_history(cls) -> Statement:
        h = cls.history.c
        return Statement(
            delete(cls.history).where(h.tenant_id == bindparam("tenant_id"), h.id == bindparam("id"))
        )

    @classmethod
    @cache
    def _only_history(cls) -> Statement:
        """The ids of those of a group that are not stored any more."""
        h = cls.history.c
        stored = select(cls.c.id).where(*cls.scoped(), cls.c.id == h.id).correlate(cls.history).exists()
        group = (h.tenant_id == bindparam("tenant_id"), h.group_id == bindparam("group_id"))
        return Statement(select(h.id).distinct().where(*group, ~stored))

    @classmethod
    def _given(cls) -> dict[str, ColumnElement[Any]]:
        return {c.name: bindparam(c.name, type_=c.type) for c in cls.mapper.written}

    @classmethod
    def _names(cls) -> list[str]:
        return [column.name for column in cls.mapper.columns]


def valid(c: Columns) -> ColumnElement[bool]:
    """Valid at ``as_of``: a period holds its start, and not its end."""
    then = bindparam("as_of", type_=utc())
    return and_(c.valid_from <= then, or_(c.valid_to.is_(None), c.valid_to > then))


def _as_stored(entity: V, kept: Row | None) -> V:
    stamps = {"revision", "recorded_at"}
    return entity.model_copy(update={name: value for name, value in (kept or {}).items() if name in stamps})


def _still_being_deleted() -> RetryableError:
    return RetryableError("one with this id was still being deleted; nothing was written")


def _later(old: Columns) -> ColumnElement[datetime]:
    """When the successor of ``old`` is recorded, and ``old`` superseded."""
    return func.greatest(bindparam("now", type_=utc()), old.recorded_at + _TICK, type_=utc())
