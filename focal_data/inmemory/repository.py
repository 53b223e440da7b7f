"""The repository of one kind of thing in memory, with the same calls and errors as ``repositories/base.py``.

A kind of one's own is a class with ``kind`` and ``domain``; what must be unique and which parents must exist is declared,
under the names that the constraints have in PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from focal_data.domain.base import Entity
from focal_data.domain.changing import evolved, refuse_unchangeable, refuse_unmarked
from focal_data.domain.checking import checked, checked_uuid, copied
from focal_data.errors import (
    DuplicateError,
    InUseError,
    InvalidDataError,
    NotFoundError,
    StaleRevisionError,
    StoreError,
)
from focal_data.inmemory.database import HasInMemoryScope, InMemoryScope, Tables
from focal_data.inmemory.listing import InMemoryListing

E = TypeVar("E", bound=Entity)


def _always(entity: Any) -> bool:
    return True


@dataclass(frozen=True)
class Unique:
    """Of those entities that ``among`` holds for, no two have the same ``fields``; ``None`` is the same as nothing."""

    name: str
    fields: tuple[str, ...]
    among: Callable[[Any], bool] = _always

    def key(self, entity: Any) -> tuple[Any, ...] | None:
        """What must be unique of ``entity``, or ``None`` where nothing must."""
        values = tuple(getattr(entity, field) for field in self.fields)
        return None if None in values or not self.among(entity) else values


@dataclass(frozen=True)
class Parent:
    """``field`` is the id of one of ``kind``, an ``entity``. Without ``cascade``, that can't be removed while it is named."""

    name: str
    field: str
    kind: str
    entity: str
    cascade: bool = False


def alive(entity: Any) -> bool:
    """Whether it isn't marked as deleted."""
    return getattr(entity, "deleted_at", None) is None


class InMemoryRepository(InMemoryListing[E]):
    """The entities of one kind that belong to one tenant.

    Made from a tenant (each call is a transaction of its own) or from a unit of work (each call joins it). Methods that take
    ``tables`` are the work itself, for stores that do several things in one call.
    """

    kind: ClassVar[str]
    """The name of the table in PostgreSQL."""
    domain: ClassVar[type[Any]]
    unique: ClassVar[tuple[Unique, ...]] = ()
    parents: ClassVar[tuple[Parent, ...]] = ()
    kinds: ClassVar[dict[str, type[InMemoryRepository[Any]]]] = {}
    """Every kind there is, by name."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "kind" in cls.__dict__:
            cls.kinds[cls.kind] = cls

    def __init__(self, source: HasInMemoryScope | InMemoryScope) -> None:
        self._scope: InMemoryScope = source.memory_scope if hasattr(source, "memory_scope") else source

    # -- reading ---------------------------------------------------------------------------------------------------

    async def get(self, id: UUID, *, include_deleted: bool = False) -> E | None:  # noqa: A002
        """The one with this id, or ``None``."""
        return self.given(self.find(self._scope.tables(), _checked_id(id), include_deleted=include_deleted))

    async def get_many(self, ids: Iterable[UUID], *, include_deleted: bool = False) -> dict[UUID, E]:
        """Those of ``ids`` that exist, by id."""
        tables = self._scope.tables()
        wanted = [_checked_id(id, "ids") for id in ids]  # noqa: A001
        found = (self.find(tables, id, include_deleted=include_deleted) for id in wanted)  # noqa: A001
        return {entity.id: copied(entity) for entity in found if entity is not None}

    async def exists(self, id: UUID, *, include_deleted: bool = False) -> bool:  # noqa: A002
        """Whether there is one with this id."""
        return self.find(self._scope.tables(), _checked_id(id), include_deleted=include_deleted) is not None

    # -- writing ---------------------------------------------------------------------------------------------------

    async def add(self, entity: E) -> E:
        """Insert ``entity`` and return it as stored. Raises ``DuplicateError`` and ``NotFoundError`` (a missing parent)."""
        new = self.new(entity)
        return copied(await self._scope.write(lambda tables: self.insert(tables, new)))

    async def add_many(self, entities: Iterable[E]) -> list[E]:
        """Insert all of ``entities`` or none, and return them as stored, in their order.

        The error of the first one that is refused has its place from 0 as ``row``.
        """
        new = self.all_new(entities)
        stored = await self._scope.write(lambda tables: self.insert_all(tables, new))
        return [copied(entity) for entity in stored]

    async def save(self, entity: E) -> E:
        """Insert one of revision 0, otherwise update the stored one if it still has that revision; returns it as stored.

        Raises ``StaleRevisionError`` with the current revision, ``NotFoundError``, ``DuplicateError``; then nothing changes.
        """
        if getattr(entity, "revision", 0) == 0:
            return await self.add(entity)
        return await self.update(entity)

    async def update(self, entity: E) -> E:
        """Update the stored one if it still has the entity's revision; see ``save``. ``UsageError`` for what has none."""
        refuse_unchangeable(self.domain, ())
        mine = checked(entity, self.domain, self._scope.tenant_id)
        return copied(await self._scope.write(lambda tables: self.change(tables, mine)))

    async def update_fields(self, id: UUID, /, *, revision: int | None = None, **changes: Any) -> E:  # noqa: A002
        """Change some fields of the stored one and return it as stored; without changes, as it is.

        What comes out is validated as a whole. With ``revision``, nothing happens unless that is still the stored one:
        ``StaleRevisionError``. Raises ``NotFoundError``, ``DuplicateError``, and ``InvalidDataError`` for an unknown field, one
        that the store sets, or a value.
        """
        refuse_unchangeable(self.domain, changes)
        key = _checked_id(id)
        return copied(
            await self._scope.write(lambda tables: self.change_fields(tables, key, revision, changes))
        )

    async def delete(self, id: UUID) -> bool:  # noqa: A002
        """Mark as deleted where the kind has ``deleted_at``, remove otherwise; whether there was one to delete."""
        key, work = _checked_id(id), self.mark if self._soft() else self.remove
        return await self._scope.write(lambda tables: work(tables, key))

    async def restore(self, id: UUID) -> bool:  # noqa: A002
        """Take the mark of deletion away; whether there was one. Raises ``DuplicateError`` when its place is taken.

        ``UsageError`` for a kind that isn't marked when it is deleted.
        """
        refuse_unmarked(self.domain)
        key = _checked_id(id)
        return await self._scope.write(lambda tables: self.unmark(tables, key))

    async def purge(self, id: UUID) -> bool:  # noqa: A002
        """Remove for good, marked or not; whether there was one. Raises ``InUseError``."""
        key = _checked_id(id)
        return await self._scope.write(lambda tables: self.remove(tables, key))

    # -- the work itself, for stores -------------------------------------------------------------------------------

    def find(self, tables: Tables, id: UUID, *, include_deleted: bool = False) -> E | None:  # noqa: A002
        """The very one that is stored, or ``None``: to be copied before it is given away."""
        found: E | None = tables.rows(self.kind).get(id)
        return found if found is not None and (include_deleted or alive(found)) else None

    def those(
        self, tables: Tables, condition: Callable[[E], bool] = _always, *, include_deleted: bool = False
    ) -> list[E]:
        """The very ones that are stored and meet ``condition``, in the order of their ids."""
        found = (e for e in tables.rows(self.kind).values() if include_deleted or alive(e))
        return sorted(filter(condition, found), key=lambda entity: entity.id)

    def first(self, condition: Callable[[E], bool]) -> E | None:
        """A copy of the first that meets ``condition``, to be given away, or ``None``."""
        return self.given(next(iter(self.those(self._scope.tables(), condition)), None))

    def given(self, found: E | None) -> E | None:
        """A copy of what was found, to be given away."""
        return None if found is None else copied(found)

    def new(self, entity: E) -> E:
        """A checked copy of ``entity``, stamped as stored for the first time."""
        mine: E = checked(entity, self.domain, self._scope.tenant_id)
        if getattr(mine, "revision", 0) != 0:
            raise InvalidDataError("revision", "must be 0 for one that is not stored yet")
        now = self._scope.now()
        times = dict.fromkeys(("created_at", "updated_at", "recorded_at", "archived_at"), now)
        return self.stamped(mine, **times, revision=1, deleted_at=None, erased_at=None)

    def all_new(self, entities: Iterable[E]) -> list[E]:
        """``new`` for each; what is refused is named with its place."""
        new = []
        for number, entity in enumerate(entities):
            try:
                new.append(self.new(entity))
            except InvalidDataError as error:
                error.at_row(number)
                raise
        return new

    def insert(self, tables: Tables, entity: E) -> E:
        """Keep a new one. Raises ``DuplicateError``, ``NotFoundError`` for a missing parent."""
        if entity.id in tables.rows(self.kind):
            raise _violated(tables, DuplicateError(f"pk_{self.kind}", ("id",)))
        return self.put(tables, entity)

    def insert_all(self, tables: Tables, entities: Iterable[E]) -> list[E]:
        """``insert`` for each; what is refused is named with its place."""
        stored = []
        for number, entity in enumerate(entities):
            try:
                stored.append(self.insert(tables, entity))
            except StoreError as error:
                error.at_row(number)
                raise
        return stored

    def change(self, tables: Tables, entity: Any, **stamps: Any) -> E:
        """Replace the stored one by ``entity``, if that has its revision, counted up and with what an update leaves alone."""
        current: Any = self.find(tables, entity.id)
        if current is None:
            raise NotFoundError(self.domain.__name__)
        if current.revision != entity.revision:
            raise StaleRevisionError(self.domain.__name__, current.revision)
        kept = {"created_at": getattr(current, "created_at", None), "deleted_at": None}
        stamps = kept | {"revision": current.revision + 1, "updated_at": self._scope.now()} | stamps
        return self.put(tables, self.stamped(entity, **stamps))

    def change_fields(
        self,
        tables: Tables,
        id: UUID,  # noqa: A002
        revision: int | None,
        changes: Mapping[str, Any],
    ) -> E:
        """``change`` of some fields; of none, the stored one as it is."""
        current: Any = self.find(tables, id)
        if current is None:
            raise NotFoundError(self.domain.__name__)
        if revision not in (None, current.revision):
            raise StaleRevisionError(self.domain.__name__, current.revision)
        changed: E = checked(evolved(current, changes), self.domain, self._scope.tenant_id)
        return self.change(tables, changed) if changes else changed

    def mark(self, tables: Tables, id: UUID, *, at: datetime | None = None) -> bool:  # noqa: A002
        """Mark the one with this id as deleted, ``at`` a time or now; whether there was one."""
        current = self.find(tables, id)
        if current is None:
            return False
        now = at or self._scope.now()
        self._remark(tables, current, deleted_at=now, updated_at=now)
        return True

    def unmark(self, tables: Tables, id: UUID) -> bool:  # noqa: A002
        """Take the mark of deletion away; whether there was one."""
        current = self.find(tables, id, include_deleted=True)
        if current is None or alive(current):
            return False
        self._remark(tables, current, deleted_at=None, updated_at=self._scope.now())
        return True

    def remove(self, tables: Tables, id: UUID) -> bool:  # noqa: A002
        """Remove the one with this id with its parts; whether there was one. Raises ``InUseError`` while it is named."""
        current = self.find(tables, id, include_deleted=True)
        if current is None:
            return False
        for unique in self.unique:
            tables.remove(unique.name, unique.key(current))
        tables.remove(self.kind, id)  # before its parts, so that it may be one of them itself
        for child, parent, named in self._children(tables, id):
            if not parent.cascade:
                raise _violated(tables, InUseError(parent.name))
            child(self._scope).remove(tables, named)
        return True

    def put(self, tables: Tables, entity: E) -> E:
        """Keep ``entity`` under its id, if nothing unique is taken and its parents exist."""
        old = tables.rows(self.kind).get(entity.id)
        for unique in self.unique:
            self._claim(tables, unique, old, entity)
        for parent in self.parents:
            named = getattr(entity, parent.field)
            itself = named == entity.id and parent.kind == self.kind
            if named is not None and not itself and named not in tables.rows(parent.kind):
                detail = f"{parent.field} names none of this tenant's"
                raise _violated(tables, NotFoundError(parent.entity, detail))
        tables.put(self.kind, entity.id, entity)
        return entity

    def stamped(self, entity: E, **stamps: Any) -> E:
        """``entity`` with those of ``stamps`` that it has."""
        fields = self.domain.model_fields
        return entity.model_copy(update={name: value for name, value in stamps.items() if name in fields})

    # -- inside ----------------------------------------------------------------------------------------------------

    def _remark(self, tables: Tables, current: Any, **stamps: datetime | None) -> None:
        self.put(tables, self.stamped(current, **stamps, revision=getattr(current, "revision", 0) + 1))

    def _claim(self, tables: Tables, unique: Unique, old: E | None, entity: E) -> None:
        key = unique.key(entity)
        holder = tables.rows(unique.name).get(key)
        if key is not None and holder not in (None, entity.id):
            raise _violated(tables, DuplicateError(unique.name, unique.fields))
        if old is not None:
            tables.remove(unique.name, unique.key(old))
        if key is not None:
            tables.put(unique.name, key, entity.id)

    def _children(
        self,
        tables: Tables,
        id: UUID,  # noqa: A002
    ) -> Iterator[tuple[type[InMemoryRepository[Any]], Parent, UUID]]:
        for child in self.kinds.values():
            for parent in child.parents:
                if parent.kind == self.kind:
                    rows = list(tables.rows(child.kind).values())
                    yield from ((child, parent, row.id) for row in rows if getattr(row, parent.field) == id)

    @classmethod
    def _soft(cls) -> bool:
        return "deleted_at" in cls.domain.model_fields


def _checked_id(id: UUID, field: str = "id") -> UUID:  # noqa: A002
    """``id`` as the driver of PostgreSQL takes it: nothing has the id ``None``, and text is no id."""
    return id if id is None else checked_uuid(field, id)


def _violated(tables: Tables, error: StoreError) -> StoreError:
    """``error``, after which a transaction can't go on, as in PostgreSQL."""
    tables.failed = True
    return error
