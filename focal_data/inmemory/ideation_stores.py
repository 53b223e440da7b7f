"""The five ideation stores in memory. A session and all that hangs on it are one value, which comes, changes and goes whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeVar, cast

from focal_data.domain.base import ValueObject
from focal_data.domain.checking import checked, checked_text, copied
from focal_data.domain.ideation import (
    ChatMessage,
    ExtractedRequirement,
    IdeationSession,
    MaturityState,
    PRDDraft,
    UserStory,
)
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError, StaleRevisionError
from focal_data.inmemory.database import InMemoryScope, Tables
from focal_data.stores.base import checked_limit, checked_many, checked_offset
from focal_data.stores.ideation import (
    IdeationMaturityStore,
    IdeationMessageStore,
    IdeationPRDStore,
    IdeationRequirementStore,
    IdeationSessionStore,
    next_version,
)

E = TypeVar("E", bound=ValueObject)
T = TypeVar("T")

KIND: Final = "ideation_sessions"


@dataclass(frozen=True, slots=True)
class _Project:
    """A session, and what hangs on it by id, in the order it came. Never changed, only replaced."""

    session: IdeationSession
    messages: Mapping[str, ChatMessage] = field(default_factory=dict)
    requirements: Mapping[str, ExtractedRequirement] = field(default_factory=dict)
    maturity: MaturityState | None = None
    drafts: Mapping[str, PRDDraft] = field(default_factory=dict)
    stories: Mapping[str, UserStory] = field(default_factory=dict)


class _InMemoryIdeation:
    """What the five have in common: they read a project, or replace it by what they made of it."""

    def __init__(self, scope: InMemoryScope) -> None:
        self._scope = scope

    def _mine(self, entity: E, kind: type[E]) -> E:
        return checked(entity, kind, self._scope.tenant_id)

    def _found(self, session_id: str) -> _Project | None:
        checked_text("session_id", session_id)
        found: _Project | None = self._scope.tables().rows(KIND).get(session_id)
        return found

    async def _change(
        self, session_id: str, change: Callable[[Tables, _Project], tuple[_Project, T]], missing: str = ""
    ) -> T:
        """Replace the project by the first that ``change`` makes of it; the second is the answer."""

        def work(tables: Tables) -> T:
            project = tables.rows(KIND).get(session_id)
            if project is None:
                raise NotFoundError(missing or IdeationSession.__name__)
            changed, answer = change(tables, project)
            tables.put(KIND, session_id, changed)
            return answer

        return await self._scope.write(work)


class InMemoryIdeationSessionStore(_InMemoryIdeation, IdeationSessionStore):
    """Projects in the making, in memory."""

    async def create(self, session: IdeationSession) -> IdeationSession:
        mine = self._mine(session, IdeationSession)
        if mine.version != 0:
            raise InvalidDataError("version", "must be 0 for one that is not stored yet")

        def work(tables: Tables) -> IdeationSession:
            if mine.id in tables.rows(KIND):
                raise _taken(tables, KIND)
            now = self._scope.now()
            stored = mine.model_copy(update={"version": 1, "created_at": now, "updated_at": now})
            tables.put(KIND, mine.id, _Project(stored))
            return stored

        return copied(await self._scope.write(work))

    async def get_by_id(self, session_id: str) -> IdeationSession | None:
        project = self._found(session_id)
        return None if project is None else copied(project.session)

    async def update(self, session: IdeationSession) -> IdeationSession:
        mine = self._mine(session, IdeationSession)
        if mine.version == 0:
            raise InvalidDataError("version", "must not be 0 for one that is stored")

        def change(tables: Tables, project: _Project) -> tuple[_Project, IdeationSession]:
            current = project.session
            if current.version != mine.version:
                raise StaleRevisionError(IdeationSession.__name__, current.version)
            stamps = {"version": next_version(current.version), "created_at": current.created_at}
            stored = mine.model_copy(update=stamps | {"updated_at": self._scope.now()})
            return replace(project, session=stored), stored

        return copied(await self._change(mine.id, change))

    async def delete(self, session_id: str) -> bool:
        checked_text("session_id", session_id)

        def work(tables: Tables) -> bool:
            there = session_id in tables.rows(KIND)
            tables.remove(KIND, session_id)
            return there

        return await self._scope.write(work)

    async def list_by_user(self, user_id: str, limit: int = 50, offset: int = 0) -> list[IdeationSession]:
        checked_text("user_id", user_id)
        checked_limit(limit), checked_offset(offset)
        kept = [project.session for project in self._scope.tables().rows(KIND).values()]
        found = sorted((s for s in kept if s.user_id == user_id), key=lambda session: session.id)
        found.sort(key=_updated, reverse=True)
        return [copied(session) for session in found[offset : offset + limit]]


class InMemoryIdeationMessageStore(_InMemoryIdeation, IdeationMessageStore):
    """What was said, in memory."""

    async def create(self, message: ChatMessage) -> ChatMessage:
        mine = self._mine(message, ChatMessage)

        def change(tables: Tables, project: _Project) -> tuple[_Project, ChatMessage]:
            stored = mine.model_copy(update={"position": len(project.messages)})
            return replace(project, messages=_added(tables, "messages", project.messages, stored)), stored

        return copied(await self._change(mine.session_id, change))

    async def get_by_session(self, session_id: str, limit: int = 100, offset: int = 0) -> list[ChatMessage]:
        checked_limit(limit), checked_offset(offset)
        project = self._found(session_id)
        found = [] if project is None else list(project.messages.values())
        return [copied(message) for message in found[offset : offset + limit]]

    async def delete_by_session(self, session_id: str) -> int:
        checked_text("session_id", session_id)

        def work(tables: Tables) -> int:
            project: _Project | None = tables.rows(KIND).get(session_id)
            if project is None:
                return 0
            tables.put(KIND, session_id, replace(project, messages={}))
            return len(project.messages)

        return await self._scope.write(work)


class InMemoryIdeationRequirementStore(_InMemoryIdeation, IdeationRequirementStore):
    """What was found to be wanted, in memory."""

    async def create(self, requirement: ExtractedRequirement) -> ExtractedRequirement:
        mine = self._mine(requirement, ExtractedRequirement)

        def change(tables: Tables, project: _Project) -> tuple[_Project, ExtractedRequirement]:
            stored = mine.model_copy(update={"created_at": self._scope.now()})
            kept = _added(tables, "requirements", project.requirements, stored)
            return replace(project, requirements=kept), stored

        return copied(await self._change(mine.session_id, change))

    async def get_by_session(self, session_id: str) -> list[ExtractedRequirement]:
        project = self._found(session_id)
        found = [] if project is None else sorted(project.requirements.values(), key=_created)
        return [copied(requirement) for requirement in found]

    async def update(self, requirement: ExtractedRequirement) -> ExtractedRequirement:
        mine = self._mine(requirement, ExtractedRequirement)

        def change(tables: Tables, project: _Project) -> tuple[_Project, ExtractedRequirement]:
            current = project.requirements.get(mine.id)
            if current is None:
                raise NotFoundError(ExtractedRequirement.__name__)
            stored = mine.model_copy(update={"created_at": current.created_at})
            return replace(project, requirements={**project.requirements, mine.id: stored}), stored

        return copied(await self._change(mine.session_id, change, ExtractedRequirement.__name__))

    async def delete(self, session_id: str, requirement_id: str) -> bool:
        checked_text("session_id", session_id), checked_text("requirement_id", requirement_id)

        def work(tables: Tables) -> bool:
            project: _Project | None = tables.rows(KIND).get(session_id)
            if project is None or requirement_id not in project.requirements:
                return False
            kept = {id: part for id, part in project.requirements.items() if id != requirement_id}  # noqa: A001
            tables.put(KIND, session_id, replace(project, requirements=kept))
            return True

        return await self._scope.write(work)


class InMemoryIdeationMaturityStore(_InMemoryIdeation, IdeationMaturityStore):
    """How well each project is understood, in memory."""

    async def save(self, maturity: MaturityState) -> MaturityState:
        mine = self._mine(maturity, MaturityState)

        def change(tables: Tables, project: _Project) -> tuple[_Project, MaturityState]:
            stored = mine.model_copy(update={"updated_at": self._scope.now()})
            return replace(project, maturity=stored), stored

        return copied(await self._change(mine.session_id, change))

    async def get_by_session(self, session_id: str) -> MaturityState | None:
        project = self._found(session_id)
        return None if project is None or project.maturity is None else copied(project.maturity)


class InMemoryIdeationPRDStore(_InMemoryIdeation, IdeationPRDStore):
    """Requirements documents and their user stories, in memory."""

    async def save_draft(self, draft: PRDDraft) -> PRDDraft:
        mine = self._mine(draft, PRDDraft)

        def change(tables: Tables, project: _Project) -> tuple[_Project, PRDDraft]:
            current = project.drafts.get(mine.id)
            created = self._scope.now() if current is None else current.created_at
            stored = mine.model_copy(update={"created_at": created})
            return replace(project, drafts={**project.drafts, mine.id: stored}), stored

        return copied(await self._change(mine.session_id, change))

    async def get_draft(self, session_id: str) -> PRDDraft | None:
        project = self._found(session_id)
        drafts = [] if project is None else list(project.drafts.values())
        return copied(max(drafts, key=_created)) if drafts else None

    async def save_user_stories(self, session_id: str, stories: Sequence[UserStory]) -> list[UserStory]:
        mine = [self._story(session_id, n, story) for n, story in enumerate(_several(session_id, stories))]

        def change(tables: Tables, project: _Project) -> tuple[_Project, list[UserStory]]:
            now, kept = self._scope.now(), dict[str, UserStory]()
            for story in mine:
                kept = _added(tables, "user_stories", kept, story.model_copy(update={"created_at": now}))
            return replace(project, stories=kept), list(kept.values())

        return [copied(story) for story in await self._change(session_id, change)]

    async def get_user_stories(self, session_id: str) -> list[UserStory]:
        project = self._found(session_id)
        return [] if project is None else [copied(story) for story in project.stories.values()]

    def _story(self, session_id: str, number: int, story: UserStory) -> UserStory:
        try:
            mine = self._mine(story, UserStory)
        except InvalidDataError as error:
            error.at_row(number)
            raise
        if mine.session_id != session_id:
            raise InvalidDataError("session_id", "is another session's")
        return mine


def _taken(tables: Tables, kind: str) -> DuplicateError:
    """What to raise for an id that is taken, after which a transaction can't go on, as in PostgreSQL."""
    tables.failed = True
    return DuplicateError(f"pk_{kind}", ("id",))


def _added(tables: Tables, kind: str, parts: Mapping[str, Any], part: Any) -> dict[str, Any]:
    if part.id in parts:
        raise _taken(tables, f"ideation_{kind}")
    return {**parts, part.id: part}


def _several(session_id: str, stories: Sequence[UserStory]) -> Sequence[UserStory]:
    checked_text("session_id", session_id)
    return checked_many("stories", stories)


def _created(part: ExtractedRequirement | PRDDraft) -> tuple[datetime, str]:
    return cast("datetime", part.created_at), part.id  # a stored one has its times


def _updated(session: IdeationSession) -> datetime:
    return cast("datetime", session.updated_at)
