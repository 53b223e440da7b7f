"""What has a history in recorded time, in memory: a write moves the version that it replaces to the history.

A version is kept under ``(id, revision)``, and the times when those of one id were superseded under the id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, TypeVar
from uuid import UUID

from focal_data.domain.answers import Page
from focal_data.domain.base import ValueObject
from focal_data.domain.checking import checked, checked_filters, checked_uuid, copied
from focal_data.domain.memory import Entity, Relationship
from focal_data.domain.validity import valid_at
from focal_data.errors import InvalidDataError
from focal_data.inmemory.database import Tables
from focal_data.inmemory.paging import page
from focal_data.inmemory.repository import InMemoryRepository
from focal_data.stores.base import checked_time

V = TypeVar("V", bound=Entity | Relationship)
Ends = tuple[tuple[int, datetime], ...]
"""Revisions, and when each was superseded, the oldest first."""

_TICK: Final = timedelta(microseconds=1)


class InMemoryVersionedRepository(InMemoryRepository[V]):
    """The versions of one kind, and its history, as in ``repositories/versions.py``."""

    history: ClassVar[str]
    """The name of the history's table in PostgreSQL."""
    filters: ClassVar[type[Any]]
    """The filter of its lists."""

    # -- reading ---------------------------------------------------------------------------------------------------

    async def at(self, id: UUID, *, as_of: datetime | None, known_at: datetime | None) -> V | None:  # noqa: A002
        """The version known at ``known_at`` (now), or ``None`` when there was none or it isn't valid at ``as_of``."""
        checked_uuid("id", id)
        valid, known = checked_time("as_of", as_of), checked_time("known_at", known_at)
        found = self.known_one(self._scope.tables(), id, known)
        if found is not None and valid is not None and not valid_at(found.valid_from, found.valid_to, valid):
            return None
        return self.given(found)

    async def page(self, filters: ValueObject | None, limit: int, cursor: str | None) -> Page[V]:
        """One page in the order of ids."""
        asked, tables = checked_filters(filters, self.filters), self._scope.tables()
        found = filter(self.condition(tables, asked), self.known(tables, asked.known_at))
        return page(found, limit, cursor, key={"id": UUID}, of=(self.kind, asked))

    def condition(self, tables: Tables, asked: Any) -> Callable[[V], bool]:
        """Whether all that the filter asks for holds of a version."""
        matches: Callable[[V], bool] = asked.matches
        return matches

    def known(self, tables: Tables, known_at: datetime | None) -> list[V]:
        """Every version known at that time, or now; the very ones that are stored."""
        if known_at is None:
            return self.those(tables)
        ids = {*tables.rows(self.kind), *tables.rows(self._ends)}
        found = (self.known_one(tables, id, known_at) for id in ids)  # noqa: A001
        return [version for version in found if version is not None]

    def known_one(self, tables: Tables, id: UUID, known_at: datetime | None) -> V | None:  # noqa: A002
        """The version of one known at that time, or now."""
        current = self.find(tables, id)
        if known_at is None or (current is not None and _recorded(current) <= known_at):
            return current
        past = (
            version for version, until in self._past(tables, id) if _recorded(version) <= known_at < until
        )
        return next(past, None)

    # -- writing ---------------------------------------------------------------------------------------------------

    async def update(self, entity: V) -> V:
        """Make it the version that is believed from now on, and move the one with its revision to the history."""
        changed = checked(entity, self.domain, self._scope.tenant_id)
        if changed.revision == 0:
            raise InvalidDataError("revision", "must not be 0: that is one not stored yet")
        return copied(await self._scope.write(lambda tables: self.change(tables, changed)))

    async def delete(self, id: UUID) -> bool:  # noqa: A002
        """Move it to the history; whether there was one."""
        checked_uuid("id", id)
        now = self._scope.now()
        return await self._scope.write(lambda tables: self.move(tables, id, now))

    async def purge(self, id: UUID) -> bool:  # noqa: A002
        """Remove it for good, and its history; whether there was anything. Raises ``InUseError``."""
        return await self._scope.write(lambda tables: self._purge(tables, id))

    # -- the work itself -------------------------------------------------------------------------------------------

    def insert(self, tables: Tables, entity: V) -> V:
        """Keep a new one. One that was deleted and comes back goes on where its history ends."""
        ends = self._ends_of(tables, entity.id)
        if ends:
            revision, until = ends[-1]
            later = max(_recorded(entity), until)
            entity = self.stamped(entity, revision=revision + 1, recorded_at=later)
        return super().insert(tables, entity)

    def change(self, tables: Tables, entity: V, **stamps: Any) -> V:
        """Replace the stored one by ``entity``, if that has its revision, and keep what it was."""
        old = self.find(tables, entity.id)
        times = {} if old is None else {"recorded_at": _later(old, self._scope.now())}
        changed = super().change(tables, entity, **times, **stamps)
        if old is not None:
            self._keep(tables, old, _recorded(changed))
        return changed

    def move(self, tables: Tables, id: UUID, now: datetime) -> bool:  # noqa: A002
        """Take the one with this id out and into the history; whether there was one."""
        old = self.find(tables, id)
        if old is None:
            return False
        self.remove(tables, id)
        self._keep(tables, old, _later(old, now))
        return True

    def forget(self, tables: Tables, condition: Callable[[V], bool]) -> None:
        """Remove what meets ``condition`` from the history."""
        for key, version in list(tables.rows(self.history).items()):
            if condition(version):
                tables.remove(self.history, key)
                self._forget_end(tables, version)

    def past(self, tables: Tables) -> list[V]:
        """Every version in the history."""
        return list(tables.rows(self.history).values())

    # -- inside ----------------------------------------------------------------------------------------------------

    @property
    def _ends(self) -> str:
        return f"{self.history}_ends"

    def _ends_of(self, tables: Tables, id: UUID) -> Ends:  # noqa: A002
        ends: Ends = tables.rows(self._ends).get(id, ())
        return ends

    def _past(self, tables: Tables, id: UUID) -> Iterator[tuple[V, datetime]]:  # noqa: A002
        for revision, until in self._ends_of(tables, id):
            yield tables.rows(self.history)[id, revision], until

    def _keep(self, tables: Tables, old: V, until: datetime) -> None:
        tables.put(self.history, (old.id, old.revision), old)
        tables.put(self._ends, old.id, (*self._ends_of(tables, old.id), (old.revision, until)))

    def _forget_end(self, tables: Tables, version: V) -> None:
        ends = tuple(end for end in self._ends_of(tables, version.id) if end[0] != version.revision)
        if ends:
            tables.put(self._ends, version.id, ends)
        else:
            tables.remove(self._ends, version.id)

    def _purge(self, tables: Tables, id: UUID) -> bool:  # noqa: A002
        past = bool(self._ends_of(tables, id))
        self.forget(tables, lambda version: version.id == id)
        return self.remove(tables, id) or past


def _recorded(version: V) -> datetime:
    assert version.recorded_at is not None
    return version.recorded_at


def _later(old: V, now: datetime) -> datetime:
    """When the successor of ``old`` is recorded, and ``old`` superseded."""
    return max(now, _recorded(old) + _TICK)
