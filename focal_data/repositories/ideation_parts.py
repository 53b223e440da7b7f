"""What hangs on an ideation session, and goes with it by its foreign key: requirements, maturity, drafts, stories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, bindparam, delete, update

from focal_data.database.scope import Transaction
from focal_data.database.statement import Statement
from focal_data.domain.ideation import ExtractedRequirement, MaturityState, PRDDraft, UserStory
from focal_data.errors import InvalidDataError, NotFoundError
from focal_data.repositories.ideation_ground import KEY, IdeationPartRepository, lock_sessions
from focal_data.tables.ideation import (
    ExtractedRequirementTable,
    MaturityStateTable,
    PRDDraftTable,
    UserStoryTable,
)


class ExtractedRequirementRepository(IdeationPartRepository[ExtractedRequirementTable, ExtractedRequirement]):
    """Requirements, by creation, then by id."""

    async def add(self, requirement: ExtractedRequirement) -> ExtractedRequirement:
        """Insert it, and return it as stored. ``DuplicateError``, and ``NotFoundError`` for a missing session."""
        stored = self.new(requirement)
        await self._execute(self.inserting(), self.mapper.to_row(stored))
        return stored

    async def update(self, requirement: ExtractedRequirement) -> ExtractedRequirement:
        """Replace the one with its id in its session; ``created_at`` stays. ``NotFoundError`` when there is none."""
        checked = self.mapper.checked(requirement, self._scope.tenant_id)
        row = self.mapper.to_row(checked)
        kept = await self._row(
            self._update(), row | {"key_id": checked.id, "key_session_id": checked.session_id}
        )
        if kept is None:
            raise NotFoundError(ExtractedRequirement.__name__)
        return checked.model_copy(update=dict(kept))  # type: ignore[no-any-return]

    async def delete(self, session_id: str, requirement_id: str) -> bool:
        """Remove it; whether it was there."""
        return await self._execute(self._delete(), {"id": requirement_id, "session_id": session_id}) > 0

    @classmethod
    @cache
    def _update(cls) -> Statement:
        kept = (*KEY, "session_id", "created_at")
        changes = {name: value for name, value in cls.given().items() if name not in kept}
        key = (cls.c.id == bindparam("key_id"), cls.c.session_id == bindparam("key_session_id"))
        statement = update(cls.table).values(changes).where(*cls.scoped(), *key)
        return Statement(statement.returning(cls.c.created_at))

    @classmethod
    @cache
    def _delete(cls) -> Statement:
        return Statement(
            delete(cls.table).where(*cls.scoped(), cls._of_session(), cls.c.id == bindparam("id"))
        )


class MaturityStateRepository(IdeationPartRepository[MaturityStateTable, MaturityState]):
    """How well a project is understood: one row of a session."""

    times = ("updated_at",)

    async def put(self, maturity: MaturityState) -> MaturityState:
        """Store it in place of what there was for its session."""
        stored = self.new(maturity)
        await self._execute(self._put(), self.mapper.to_row(stored))
        return stored

    @classmethod
    @cache
    def _put(cls) -> Statement:
        new = cls.inserted()
        key = ("tenant_id", "session_id")
        changes = {column.name: column for column in new.excluded if column.name not in key}
        return Statement(new.on_conflict_do_update(index_elements=key, set_=changes))

    @classmethod
    def _order(cls) -> Sequence[ColumnElement[Any]]:
        return (cls.c.session_id,)


class PRDDraftRepository(IdeationPartRepository[PRDDraftTable, PRDDraft]):
    """Drafts of requirements documents, by creation, then by id."""

    async def put(self, draft: PRDDraft) -> PRDDraft:
        """Store it, in place of the session's with its id, whose ``created_at`` stays."""
        stored = self.new(draft)
        row = self.mapper.to_row(stored)
        kept = await self._row(self._put(), row)
        if kept is None:  # the id is another session's: this is refused as any that is taken
            await self._execute(self.inserting(), row)
            return stored
        return stored.model_copy(update=dict(kept))

    async def last(self, session_id: str) -> PRDDraft | None:
        """The one created last, of equals the one with the greater id; ``None`` when there is none."""
        return await self.one(self._newest(), {"session_id": session_id})

    @classmethod
    @cache
    def _put(cls) -> Statement:
        new = cls.inserted()
        kept = (*KEY, "session_id", "created_at")
        changes = {column.name: column for column in new.excluded if column.name not in kept}
        same = cls.c.session_id == new.excluded.session_id
        upsert = new.on_conflict_do_update(index_elements=KEY, set_=changes, where=same)
        return Statement(upsert.returning(cls.c.created_at))

    @classmethod
    @cache
    def _newest(cls) -> Statement:
        newest = (column.desc() for column in cls._order())
        return Statement(cls.rows(cls._of_session()).order_by(*newest).limit(1))


class UserStoryRepository(IdeationPartRepository[UserStoryTable, UserStory]):
    """User stories, in the order in which they were given."""

    async def replace(self, session_id: str, stories: Iterable[UserStory]) -> list[UserStory]:
        """Put these in place of all that the session had. ``InvalidDataError("session_id")`` for another session's."""
        new = self.all_new(stories)
        if any(story.session_id != session_id for story in new):
            raise InvalidDataError("session_id", "is another session's")

        async def work(tx: Transaction) -> list[UserStory]:
            await lock_sessions(tx, [session_id])
            await UserStoryRepository(tx)._execute(self._clear(), {"session_id": session_id})
            if new:
                await self.road().insert(tx, self.placed(new))
            return new

        return await self._scope.run(work)

    def placed(self, stories: Iterable[UserStory]) -> list[dict[str, Any]]:
        """Their rows, with the place of each."""
        return [self.mapper.to_row(story) | {"position": place} for place, story in enumerate(stories)]

    @classmethod
    def written(cls) -> Sequence[Column[Any]]:
        """With the position, which only the table has."""
        return *cls.mapper.columns, cls.c.position

    @classmethod
    def _order(cls) -> Sequence[ColumnElement[Any]]:
        return (cls.c.position,)
