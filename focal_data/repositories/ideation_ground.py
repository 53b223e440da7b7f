"""The tables of the ideation studio: sessions and their messages, and the ground of all that hangs on a session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import count
from typing import Any, ClassVar, Final

from sqlalchemy import Column, ColumnElement, Select, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import Insert, insert

from focal_data.database.scope import Scope, Transaction
from focal_data.database.statement import Statement
from focal_data.domain.ideation import ChatMessage, IdeationSession
from focal_data.errors import InvalidDataError, NotFoundError, StaleRevisionError
from focal_data.repositories.bulk import Road
from focal_data.repositories.ground import E, GroundRepository, TableT
from focal_data.stores.base import checked_limit, checked_offset
from focal_data.stores.ideation import MAX_VERSION, next_version
from focal_data.tables.ideation import ChatMessageTable, IdeationSessionTable

KEY: Final = ("tenant_id", "id")


class IdeationRepository(GroundRepository[TableT, E]):
    """A table of the studio's: what all of them have."""

    times: ClassVar[tuple[str, ...]] = ("created_at",)
    """What the store's clock sets in a new one."""

    def new(self, entity: E) -> E:
        """``entity``, checked and of this tenant, with the times of the store's clock."""
        checked = self.mapper.checked(entity, self._scope.tenant_id)
        return checked.model_copy(update=dict.fromkeys(self.times, self._scope.now()))  # type: ignore[no-any-return]

    def all_new(self, entities: Iterable[E]) -> list[E]:
        """As ``new`` for each; the error of one that is refused has its place as ``row``."""
        new = []
        for number, entity in enumerate(entities):
            try:
                new.append(self.new(entity))
            except InvalidDataError as error:
                error.at_row(number)
                raise
        return new

    @classmethod
    def whole(cls) -> Select[Any]:
        """What there is of the session that is bound as ``session_id``."""
        return cls.rows(cls.c.id == bindparam("session_id"))

    @classmethod
    @cache
    def road(cls) -> Road:
        """How many rows get in at once."""
        return Road.of(cls.table, cls.written(), cls.inserting())

    @classmethod
    @cache
    def inserting(cls) -> Statement:
        """The statement that inserts one row."""
        return Statement(cls.inserted())

    @classmethod
    def inserted(cls) -> Insert:
        """INSERT of one row, whose tenant is among the values."""
        assert "tenant_id" in cls.c
        return insert(cls.table).values(cls.given())

    @classmethod
    def given(cls) -> dict[str, Any]:
        """A parameter for each column."""
        return {c.name: bindparam(c.name, type_=c.type) for c in cls.written()}

    @classmethod
    def written(cls) -> Sequence[Column[Any]]:
        """The columns that a new row has values for."""
        return cls.mapper.columns

    @classmethod
    def by_code_points(cls, column: str) -> ColumnElement[Any]:
        """A text column, sorted as Python sorts text, whatever the database's collation."""
        collated: ColumnElement[Any] = cls.c[column].collate("C")
        return collated


class IdeationPartRepository(IdeationRepository[TableT, E]):
    """What hangs on a session."""

    async def of(self, session_id: str) -> list[E]:
        """All of the session, in their order."""
        return await self.all(self._of(), {"session_id": session_id})

    @classmethod
    def whole(cls) -> Select[Any]:
        """All of the session that is bound as ``session_id``, in their order."""
        return cls.rows(cls._of_session()).order_by(*cls._order())

    @classmethod
    @cache
    def _of(cls) -> Statement:
        return Statement(cls.whole())

    @classmethod
    @cache
    def _clear(cls) -> Statement:
        return Statement(delete(cls.table).where(*cls.scoped(), cls._of_session()))

    @classmethod
    def _of_session(cls) -> ColumnElement[bool]:
        condition: ColumnElement[bool] = cls.c.session_id == bindparam("session_id")
        return condition

    @classmethod
    def _order(cls) -> Sequence[ColumnElement[Any]]:
        return cls.c.created_at, cls.by_code_points("id")


class IdeationSessionRepository(IdeationRepository[IdeationSessionTable, IdeationSession]):
    """Projects in the making."""

    times = ("created_at", "updated_at")

    async def add(self, session: IdeationSession) -> IdeationSession:
        """Insert it as version 1, and return it as stored. ``DuplicateError``."""
        stored = self.new(session)
        await self._execute(self.inserting(), self.mapper.to_row(stored))
        return stored

    def new(self, entity: IdeationSession) -> IdeationSession:
        """As version 1. ``InvalidDataError("version")`` for any but 0."""
        stored = super().new(entity)
        if stored.version != 0:
            raise InvalidDataError("version", "must be 0 for one that is not stored yet")
        return stored.model_copy(update={"version": 1})

    async def get(self, session_id: str) -> IdeationSession | None:
        """The session, or ``None``."""
        return await self.one(self._get(), {"id": session_id})

    async def update(self, session: IdeationSession) -> IdeationSession:
        """Replace the stored one if it still has that version; ``created_at`` stays."""
        checked = self.mapper.checked(session, self._scope.tenant_id)
        if checked.version == 0:
            raise InvalidDataError("version", "must be the stored one's: 0 is not stored yet")
        changed: IdeationSession = checked.model_copy(update={"updated_at": self._scope.now()})
        values = self.mapper.to_row(changed) | {"key_id": changed.id, "key_version": checked.version}
        kept = await self._row(self._update(), values)
        if kept is None:
            current = await self.get(changed.id)
            if current is None:
                raise NotFoundError(IdeationSession.__name__)
            if current.version == checked.version:
                next_version(current.version)
            raise StaleRevisionError(IdeationSession.__name__, current.version)
        return changed.model_copy(update=dict(kept))

    async def delete(self, session_id: str) -> bool:
        """Remove it, and by its foreign keys all that hangs on it; whether it was there."""
        return await self._execute(self._delete(), {"id": session_id}) > 0

    async def of_user(self, user_id: str, *, limit: int, offset: int) -> list[IdeationSession]:
        """The user's, the last updated first, then by id upwards."""
        values = {"limit": checked_limit(limit), "offset": checked_offset(offset), "user_id": user_id}
        return await self.all(self._of_user(), values)

    async def locked(self, session_id: str) -> bool:
        """Whether it is there, and then nobody else adds to it until the transaction ends.

        What asks for the last position is another statement: one that waited for the lock would not see what it waited for.
        """
        return await self._row(self._lock(), {"id": session_id}) is not None

    @classmethod
    @cache
    def _get(cls) -> Statement:
        return Statement(cls.rows(cls.c.id == bindparam("id")))

    @classmethod
    @cache
    def _lock(cls) -> Statement:
        row = select(cls.c.id).where(*cls.scoped(), cls.c.id == bindparam("id"))
        return Statement(row.with_for_update(key_share=True))

    @classmethod
    @cache
    def _update(cls) -> Statement:
        changes = {name: value for name, value in cls.given().items() if name not in (*KEY, "created_at")}
        changes["version"] = cls.c.version + 1
        version = (cls.c.version == bindparam("key_version"), cls.c.version < MAX_VERSION)
        key = (cls.c.id == bindparam("key_id"), *version)
        statement = update(cls.table).values(changes).where(*cls.scoped(), *key)
        return Statement(statement.returning(cls.c.created_at, cls.c.version))

    @classmethod
    @cache
    def _delete(cls) -> Statement:
        return Statement(delete(cls.table).where(*cls.scoped(), cls.c.id == bindparam("id")))

    @classmethod
    @cache
    def _of_user(cls) -> Statement:
        rows = cls.rows(cls.c.user_id == bindparam("user_id"))
        ordered = rows.order_by(cls.c.updated_at.desc(), cls.by_code_points("id"))
        return Statement(ordered.limit(bindparam("limit")).offset(bindparam("offset")))


class ChatMessageRepository(IdeationPartRepository[ChatMessageTable, ChatMessage]):
    """Messages, in the order of their positions, which are given out under the session's row lock."""

    times = ()

    async def add(self, entity: ChatMessage) -> ChatMessage:
        """Insert it behind all others of its session."""
        new = self.new(entity)

        async def work(tx: Transaction) -> ChatMessage:
            (placed,) = await ChatMessageRepository(tx)._placed([new])
            await tx.execute(self.inserting(), self.mapper.to_row(placed))
            return placed

        return await self._scope.run(work)

    async def add_many(self, entities: Iterable[ChatMessage]) -> list[ChatMessage]:
        """Insert all of them or none, each behind all others of its session, in their order; returns them as stored.

        The error of the first one that is refused has its place from 0 as ``row``.
        """
        new = self.all_new(entities)

        async def work(tx: Transaction) -> list[ChatMessage]:
            placed = await ChatMessageRepository(tx)._placed(new)
            await self.road().insert(tx, [self.mapper.to_row(message) for message in placed])
            return placed

        return await self._scope.run(work) if new else []

    async def page(self, session_id: str, *, limit: int, offset: int) -> list[ChatMessage]:
        """Some of the session's, by their position upwards."""
        values = {"limit": checked_limit(limit), "offset": checked_offset(offset), "session_id": session_id}
        return await self.all(self._page(), values)

    async def clear(self, session_id: str) -> int:
        """Remove the session's; how many."""

        async def work(tx: Transaction) -> int:
            if not await IdeationSessionRepository(tx).locked(session_id):
                return 0
            return await ChatMessageRepository(tx)._execute(self._clear(), {"session_id": session_id})

        return await self._scope.run(work)

    async def _placed(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """``messages`` with their positions; their sessions are locked from now on."""
        sessions = {message.session_id for message in messages}
        await lock_sessions(self._scope, sessions)
        ends = {session_id: count(await self._end(session_id)) for session_id in sessions}
        return [
            message.model_copy(update={"position": next(ends[message.session_id])}) for message in messages
        ]

    async def _end(self, session_id: str) -> int:
        """The position behind the last."""
        row = await self._row(self._last(), {"session_id": session_id})
        assert row is not None
        return 0 if row["last"] is None else int(row["last"]) + 1

    @classmethod
    def _order(cls) -> Sequence[ColumnElement[Any]]:
        return (cls.c.position,)

    @classmethod
    @cache
    def _page(cls) -> Statement:
        rows = cls.rows(cls._of_session()).order_by(*cls._order())
        return Statement(rows.limit(bindparam("limit")).offset(bindparam("offset")))

    @classmethod
    @cache
    def _last(cls) -> Statement:
        last = func.max(cls.c.position).label("last")
        return Statement(select(last).where(*cls.scoped(), cls._of_session()))


async def lock_sessions(scope: Scope, session_ids: Iterable[str]) -> None:
    """Keep others from adding to these sessions until the transaction ends. ``NotFoundError`` for a missing one."""
    sessions = IdeationSessionRepository(scope)
    for session_id in sorted(set(session_ids)):  # in one order, so that no two wait for each other
        if not await sessions.locked(session_id):
            raise NotFoundError(IdeationSession.__name__)
