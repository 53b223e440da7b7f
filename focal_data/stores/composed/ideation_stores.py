"""The five ideation stores over two backends: what is read is read from the first, what is written is written to both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from focal_data.domain.base import ValueObject
from focal_data.domain.ideation import (
    ChatMessage,
    ExtractedRequirement,
    IdeationSession,
    MaturityState,
    PRDDraft,
    UserStory,
)
from focal_data.stores.ideation import (
    IdeationMaturityStore,
    IdeationMessageStore,
    IdeationPRDStore,
    IdeationRequirementStore,
    IdeationSessionStore,
    IdeationStores,
)

T = TypeVar("T")
V = TypeVar("V")

Call = Callable[[IdeationStores], Awaitable[T]]


class BothScope(Protocol):
    """What the stores work on: a tenant, or one open transaction."""

    @property
    def first(self) -> IdeationStores: ...

    async def write(self, session_id: object, call: Call[T]) -> T: ...


class _Both:
    def __init__(self, scope: BothScope) -> None:
        self._scope = scope


class BothIdeationSessionStore(_Both, IdeationSessionStore):
    """Sessions in both."""

    async def create(self, session: IdeationSession) -> IdeationSession:
        mine = kept(session)
        return await self._scope.write(_id(mine), lambda stores: stores.sessions.create(mine))

    async def get_by_id(self, session_id: str) -> IdeationSession | None:
        return await self._scope.first.sessions.get_by_id(session_id)

    async def update(self, session: IdeationSession) -> IdeationSession:
        mine = kept(session)
        return await self._scope.write(_id(mine), lambda stores: stores.sessions.update(mine))

    async def delete(self, session_id: str) -> bool:
        return await self._scope.write(session_id, lambda stores: stores.sessions.delete(session_id))

    async def list_by_user(self, user_id: str, limit: int = 50, offset: int = 0) -> list[IdeationSession]:
        return await self._scope.first.sessions.list_by_user(user_id, limit, offset)


class BothIdeationMessageStore(_Both, IdeationMessageStore):
    """Messages in both."""

    async def create(self, message: ChatMessage) -> ChatMessage:
        mine = kept(message)
        return await self._scope.write(_session(mine), lambda stores: stores.messages.create(mine))

    async def get_by_session(self, session_id: str, limit: int = 100, offset: int = 0) -> list[ChatMessage]:
        return await self._scope.first.messages.get_by_session(session_id, limit, offset)

    async def delete_by_session(self, session_id: str) -> int:
        return await self._scope.write(
            session_id, lambda stores: stores.messages.delete_by_session(session_id)
        )


class BothIdeationRequirementStore(_Both, IdeationRequirementStore):
    """Requirements in both."""

    async def create(self, requirement: ExtractedRequirement) -> ExtractedRequirement:
        mine = kept(requirement)
        return await self._scope.write(_session(mine), lambda stores: stores.requirements.create(mine))

    async def get_by_session(self, session_id: str) -> list[ExtractedRequirement]:
        return await self._scope.first.requirements.get_by_session(session_id)

    async def update(self, requirement: ExtractedRequirement) -> ExtractedRequirement:
        mine = kept(requirement)
        return await self._scope.write(_session(mine), lambda stores: stores.requirements.update(mine))

    async def delete(self, session_id: str, requirement_id: str) -> bool:
        return await self._scope.write(
            session_id, lambda stores: stores.requirements.delete(session_id, requirement_id)
        )


class BothIdeationMaturityStore(_Both, IdeationMaturityStore):
    """Maturity in both."""

    async def save(self, maturity: MaturityState) -> MaturityState:
        mine = kept(maturity)
        return await self._scope.write(_session(mine), lambda stores: stores.maturity.save(mine))

    async def get_by_session(self, session_id: str) -> MaturityState | None:
        return await self._scope.first.maturity.get_by_session(session_id)


class BothIdeationPRDStore(_Both, IdeationPRDStore):
    """Drafts and stories in both."""

    async def save_draft(self, draft: PRDDraft) -> PRDDraft:
        mine = kept(draft)
        return await self._scope.write(_session(mine), lambda stores: stores.prd.save_draft(mine))

    async def get_draft(self, session_id: str) -> PRDDraft | None:
        return await self._scope.first.prd.get_draft(session_id)

    async def save_user_stories(self, session_id: str, stories: Sequence[UserStory]) -> list[UserStory]:
        mine = [kept(story) for story in stories] if isinstance(stories, list | tuple) else stories
        return await self._scope.write(
            session_id, lambda stores: stores.prd.save_user_stories(session_id, mine)
        )

    async def get_user_stories(self, session_id: str) -> list[UserStory]:
        return await self._scope.first.prd.get_user_stories(session_id)


def kept(value: V) -> V:
    """A copy, which stays as it is until it is written for the second time. What is no entity is for the store to refuse."""
    return value.model_copy(deep=True) if isinstance(value, ValueObject) else value


def _id(entity: object) -> object:
    return getattr(entity, "id", None)


def _session(entity: object) -> object:
    return getattr(entity, "session_id", None)
