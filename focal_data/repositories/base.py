"""The repository of one table for one tenant; everything that is read or written grows from its scoped statements.

A repository of one's own needs no line more than ``class NoteRepository(TenantRepository[NoteTable, Note]): pass``. Statements
are built once per class: methods marked ``@classmethod @cache`` return them, ``rows()`` is where each read begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, ClassVar, Final, NoReturn
from uuid import UUID

from sqlalchemy import ColumnElement, Update, bindparam, delete, select, true, update
from sqlalchemy.dialects.postgresql import Insert, insert

from focal_data.database.scope import Transaction
from focal_data.database.statement import Statement
from focal_data.domain.changing import evolved, refuse_unchangeable, refuse_unmarked
from focal_data.errors import InvalidDataError, NotFoundError, StaleRevisionError
from focal_data.repositories.bulk import Road
from focal_data.repositories.ground import E, TableT, any_of
from focal_data.repositories.listing import ListingRepository

__all__ = ["E", "TableT", "TenantRepository", "any_of"]

MAX_REVISION: Final = 2**31 - 1
"""What the column can hold."""


class TenantRepository(ListingRepository[TableT, E]):
    """The rows of ``TableT`` that belong to one tenant, as objects of ``E``.

    Made from a tenant (each call is a transaction of its own) or from a unit of work (each call joins it). What the table has
    decides what it does: a ``revision`` column gives the optimistic lock, a ``deleted_at`` column the soft delete.
    """

    kept: ClassVar[tuple[str, ...]] = ("tenant_id", "id", "created_at", "deleted_at")
    """The columns that an update leaves as they are, whatever the entity says."""

    # -- reading ---------------------------------------------------------------------------------------------------

    async def get(self, id: UUID, *, include_deleted: bool = False) -> E | None:  # noqa: A002
        """The one with this id, or ``None``."""
        return await self.one(self._get(include_deleted), {"id": id})

    async def get_many(self, ids: Iterable[UUID], *, include_deleted: bool = False) -> dict[UUID, E]:
        """Those of ``ids`` that exist, by id."""
        found = await self.all(self._get_many(include_deleted), {"ids": list(ids)})
        return {entity.id: entity for entity in found}  # type: ignore[attr-defined]

    async def exists(self, id: UUID, *, include_deleted: bool = False) -> bool:  # noqa: A002
        """Whether there is one with this id."""
        return await self._row(self._exists(include_deleted), {"id": id}) is not None

    # -- writing ---------------------------------------------------------------------------------------------------

    async def add(self, entity: E) -> E:
        """Insert ``entity`` and return it as stored. Raises ``DuplicateError`` and ``NotFoundError`` (a missing parent)."""
        stored = self._new(entity)
        await self._scope.execute(self._insert(), self._values(stored))
        return stored

    async def add_if_free(self, entity: E) -> E | None:
        """Insert ``entity``, or do nothing and return ``None`` when something unique in it is taken already.

        Unlike the error of ``add``, that leaves a transaction in which the next statement works.
        """
        stored = self._new(entity)
        return stored if await self._scope.execute(self._insert_if_free(), self._values(stored)) else None

    async def add_many(self, entities: Iterable[E]) -> list[E]:
        """Insert all of ``entities`` or none, and return them as stored, in their order; many of them take a faster road.

        The error of the first one that is refused has its place from 0 as ``row``: as ``add``, and ``InvalidDataError`` with
        ``[17].title``.
        """
        stored = self._all_new(entities)
        rows = self._all_values(stored)
        if rows:
            await self._scope.run(lambda tx: self._road().insert(tx, rows))
        return stored

    async def save(self, entity: E) -> E:
        """Insert one of revision 0, otherwise update the stored one if it still has that revision; returns it as stored.

        Raises ``StaleRevisionError`` with the current revision, ``NotFoundError``, ``DuplicateError``; then nothing changes.
        """
        if getattr(entity, "revision", 0) == 0:
            return await self.add(entity)
        return await self.update(entity)

    async def update(self, entity: E) -> E:
        """Update the stored one if it still has the entity's revision; see ``save``. ``UsageError`` for what has none."""
        refuse_unchangeable(self.mapper.domain, ())
        checked = self.mapper.checked(entity, self._scope.tenant_id)
        following = min(checked.revision + 1, MAX_REVISION)  # the last one there can be is stale, like others
        changed = self._stamped(checked, revision=following, updated_at=self._scope.now())
        values = self._values(changed) | {"key_id": changed.id, "key_revision": checked.revision}  # type: ignore[attr-defined]
        kept = await self._row(self._update(), values)
        if kept is None:
            await self._explain(changed.id, changed)  # type: ignore[attr-defined]
        return changed.model_copy(update=dict(kept or {}))

    async def update_fields(self, id: UUID, /, *, revision: int | None = None, **changes: Any) -> E:  # noqa: A002
        """Change some fields of the stored one and return it as stored; without changes, as it is.

        What comes out is validated as a whole. The row is locked meanwhile, so nobody's change is lost; with ``revision``,
        nothing happens unless that is still the stored one: ``StaleRevisionError``. Raises ``NotFoundError``,
        ``DuplicateError``, and ``InvalidDataError`` for an unknown field, one that the store sets, or a value.
        """
        refuse_unchangeable(self.mapper.domain, changes, self.kept)
        name = self.mapper.domain.__name__

        async def work(tx: Transaction) -> E:
            here = type(self)(tx)
            current: Any = await here.one(self._for_update(), {"id": id})
            if current is None:
                raise NotFoundError(name)
            if revision not in (None, current.revision):
                raise StaleRevisionError(name, current.revision)
            changed: E = evolved(current, changes)
            return await here.update(changed) if changes else changed

        return await self._scope.run(work)

    async def delete(self, id: UUID) -> bool:  # noqa: A002
        """Mark as deleted where the table has ``deleted_at``, remove otherwise; whether there was one to delete."""
        return await self._execute(self._delete(), {"id": id, "now": self._scope.now()}) > 0

    async def restore(self, id: UUID) -> bool:  # noqa: A002
        """Take the mark of deletion away; whether there was one. Raises ``DuplicateError`` when its place is taken.

        ``UsageError`` for a table whose rows are not marked when they are deleted.
        """
        refuse_unmarked(self.mapper.domain)
        return await self._execute(self._restore(), {"id": id, "now": self._scope.now()}) > 0

    async def purge(self, id: UUID) -> bool:  # noqa: A002
        """Remove for good, marked or not; whether there was one. Raises ``InUseError``."""
        return await self._execute(self._purge(), {"id": id}) > 0

    # -- statements, built once per class --------------------------------------------------------------------------

    @classmethod
    @cache
    def _get(cls, include_deleted: bool) -> Statement:
        return Statement(cls.rows(cls.c.id == bindparam("id"), include_deleted=include_deleted))

    @classmethod
    @cache
    def _get_many(cls, include_deleted: bool) -> Statement:
        return Statement(cls.rows(cls.c.id == any_of("ids"), include_deleted=include_deleted))

    @classmethod
    @cache
    def _exists(cls, include_deleted: bool) -> Statement:
        conditions = cls.scoped(include_deleted=include_deleted)
        return Statement(select(cls.c.id).where(*conditions, cls.c.id == bindparam("id")))

    @classmethod
    @cache
    def _insert(cls) -> Statement:
        return Statement(cls._inserted())

    @classmethod
    @cache
    def _insert_if_free(cls) -> Statement:
        return Statement(cls._inserted().on_conflict_do_nothing())

    @classmethod
    def _inserted(cls) -> Insert:
        return insert(cls.table).values({c.name: bindparam(c.name, type_=c.type) for c in cls.mapper.written})

    @classmethod
    @cache
    def _road(cls) -> Road:
        return Road.of(cls.table, cls.mapper.written, cls._insert())

    @classmethod
    @cache
    def _for_update(cls) -> Statement:
        return Statement(cls.rows(cls.c.id == bindparam("id")).with_for_update(key_share=True))

    @classmethod
    @cache
    def _update(cls) -> Statement:
        changes = {
            c.name: bindparam(c.name, type_=c.type) for c in cls.mapper.written if c.name not in cls.kept
        }
        key = (cls.c.id == bindparam("key_id"), cls.c.revision == bindparam("key_revision"))
        statement = update(cls.table).values(changes).where(*cls.scoped(), *key, cls._guard())
        returned = (cls.c[name] for name in cls.kept if name in cls.c)
        return Statement(statement.returning(*returned))

    @classmethod
    @cache
    def _delete(cls) -> Statement:
        if not cls._soft():
            return cls._purge()
        return Statement(cls._marked(bindparam("now")).where(cls.c.deleted_at.is_(None)))

    @classmethod
    @cache
    def _restore(cls) -> Statement:
        return Statement(cls._marked(None).where(cls.c.deleted_at.is_not(None)))

    @classmethod
    def _marked(cls, deleted_at: Any, *key: ColumnElement[bool]) -> Update:
        changes = {"deleted_at": deleted_at, "updated_at": bindparam("now")}
        changes |= {"revision": cls.c.revision + 1} if "revision" in cls.c else {}
        kept = {name: value for name, value in changes.items() if name in cls.c}
        return update(cls.table).values(kept).where(*(key or cls._key()))

    @classmethod
    def _guard(cls) -> ColumnElement[bool]:
        """What must hold beside the revision for an update to happen."""
        return true()

    @classmethod
    @cache
    def _purge(cls) -> Statement:
        return Statement(delete(cls.table).where(*cls._key()))

    @classmethod
    def _key(cls) -> Sequence[ColumnElement[bool]]:
        return (cls.c.tenant_id == bindparam("tenant_id"), cls.c.id == bindparam("id"))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _new(self, entity: E) -> E:
        checked = self.mapper.checked(entity, self._scope.tenant_id)
        if getattr(checked, "revision", 0) != 0:
            raise InvalidDataError("revision", "must be 0 for one that is not stored yet")
        fixed, times = self._first_stamps()
        return checked.model_copy(update=fixed | dict.fromkeys(times, self._scope.now()))  # type: ignore[no-any-return]

    def _all_new(self, entities: Iterable[E]) -> list[E]:
        new = []
        for number, entity in enumerate(entities):
            try:
                new.append(self._new(entity))
            except InvalidDataError as error:
                error.at_row(number)
                raise
        return new

    @classmethod
    @cache
    def _first_stamps(cls) -> tuple[dict[str, Any], tuple[str, ...]]:
        """What a new one has that the caller doesn't say, and which of its times are now."""
        fields = cls.mapper.domain.model_fields
        fixed = {"revision": 1, "deleted_at": None, "erased_at": None}
        times = ("created_at", "updated_at", "recorded_at", "archived_at")
        return {n: v for n, v in fixed.items() if n in fields}, tuple(n for n in times if n in fields)

    def _stamped(self, entity: E, **stamps: Any) -> E:
        fields = self.mapper.domain.model_fields
        return entity.model_copy(update={name: value for name, value in stamps.items() if name in fields})

    def _values(self, entity: E) -> dict[str, Any]:
        return self._all_values([entity])[0]

    def _all_values(self, entities: Sequence[E]) -> list[dict[str, Any]]:
        return self.mapper.to_rows(entities)

    async def _explain(self, id: UUID, entity: E) -> NoReturn:  # noqa: A002
        """Why an update met no row: it is gone, or it has another revision by now."""
        current = await self._row(self._revision(), {"id": id})
        name = self.mapper.domain.__name__
        if current is None:
            raise NotFoundError(name)
        raise StaleRevisionError(name, current["revision"])

    @classmethod
    @cache
    def _revision(cls) -> Statement:
        return Statement(select(cls.c.revision).where(*cls.scoped(), cls.c.id == bindparam("id")))
