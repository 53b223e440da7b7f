"""What the stores of the ideation studio promise; ``stores/base.py`` says what holds for every call.

Ids are text. Everything hangs on its session and goes when it goes, so that what is added to a session that does not exist is
``NotFoundError("IdeationSession")``. Only the session is locked, by its ``version``. An id is unique in its session, and a
second one there is a ``DuplicateError``; a backend may refuse it throughout the tenant.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final
from uuid import UUID

from focal_data.domain.ideation import (
    ChatMessage,
    ExtractedRequirement,
    IdeationSession,
    MaturityState,
    PRDDraft,
    UserStory,
)
from focal_data.errors import InvalidDataError
from focal_data.ids import TenantId

MAX_VERSION: Final = 2**31 - 1


def next_version(version: int) -> int:
    """The one behind ``version``. ``InvalidDataError("version")`` when that could not be kept."""
    if version >= MAX_VERSION:
        raise InvalidDataError("version", "is the highest, and has no next")
    return version + 1


class IdeationSessionStore(ABC):
    """Projects in the making."""

    @abstractmethod
    async def create(self, session: IdeationSession) -> IdeationSession:
        """Store it as version 1. ``InvalidDataError("version")`` for any but 0; ``DuplicateError`` when its id is taken."""

    @abstractmethod
    async def get_by_id(self, session_id: str) -> IdeationSession | None:
        """The session, or ``None``."""

    @abstractmethod
    async def update(self, session: IdeationSession) -> IdeationSession:
        """Store it as the next version, if its ``version`` is still the stored one. ``created_at`` stays as it is.

        ``StaleRevisionError`` with the stored version otherwise, ``NotFoundError`` when there is none,
        ``InvalidDataError("version")`` for version 0, and for the highest, which has no next.
        """

    @abstractmethod
    async def delete(self, session_id: str) -> bool:
        """Remove it and all that hangs on it; whether it was there."""

    @abstractmethod
    async def list_by_user(self, user_id: str, limit: int = 50, offset: int = 0) -> list[IdeationSession]:
        """The user's sessions, the last updated first, then by id upwards."""


class IdeationMessageStore(ABC):
    """What was said."""

    @abstractmethod
    async def create(self, message: ChatMessage) -> ChatMessage:
        """Store it behind all others of its session: with the next ``position``, whatever it had. The first has 0."""

    @abstractmethod
    async def get_by_session(self, session_id: str, limit: int = 100, offset: int = 0) -> list[ChatMessage]:
        """The session's messages, by their position upwards."""

    @abstractmethod
    async def delete_by_session(self, session_id: str) -> int:
        """Remove the session's messages; how many. The next one begins at position 0 again."""


class IdeationRequirementStore(ABC):
    """What was found to be wanted."""

    @abstractmethod
    async def create(self, requirement: ExtractedRequirement) -> ExtractedRequirement:
        """Store it."""

    @abstractmethod
    async def get_by_session(self, session_id: str) -> list[ExtractedRequirement]:
        """All requirements of the session, by creation, then by id."""

    @abstractmethod
    async def update(self, requirement: ExtractedRequirement) -> ExtractedRequirement:
        """Replace the one with its id in its session. ``created_at`` stays as it is. ``NotFoundError`` when there is none."""

    @abstractmethod
    async def delete(self, session_id: str, requirement_id: str) -> bool:
        """Remove it; whether it was there."""


class IdeationMaturityStore(ABC):
    """How well each project is understood."""

    @abstractmethod
    async def save(self, maturity: MaturityState) -> MaturityState:
        """Store it in place of what there was for its session."""

    @abstractmethod
    async def get_by_session(self, session_id: str) -> MaturityState | None:
        """The session's, or ``None`` when none was saved."""


class IdeationPRDStore(ABC):
    """Requirements documents and their user stories."""

    @abstractmethod
    async def save_draft(self, draft: PRDDraft) -> PRDDraft:
        """Store it, in place of the session's draft with its id if there is one, whose ``created_at`` stays."""

    @abstractmethod
    async def get_draft(self, session_id: str) -> PRDDraft | None:
        """The draft that was created last, of equals the one with the greater id; ``None`` when there is none."""

    @abstractmethod
    async def save_user_stories(self, session_id: str, stories: Sequence[UserStory]) -> list[UserStory]:
        """Replace all stories of the session by these, in their order: all or nothing, whatever happens in between.

        ``InvalidDataError("session_id")`` when one belongs to another session.
        """

    @abstractmethod
    async def get_user_stories(self, session_id: str) -> list[UserStory]:
        """The session's stories, in the order in which they were saved."""


class IdeationStores(ABC):
    """The five, of one tenant, over whatever keeps them."""

    @property
    @abstractmethod
    def tenant_id(self) -> TenantId:
        """The tenant that all of it belongs to."""

    @property
    @abstractmethod
    def sessions(self) -> IdeationSessionStore:
        """Projects in the making."""

    @property
    @abstractmethod
    def messages(self) -> IdeationMessageStore:
        """What was said."""

    @property
    @abstractmethod
    def requirements(self) -> IdeationRequirementStore:
        """What was found to be wanted."""

    @property
    @abstractmethod
    def maturity(self) -> IdeationMaturityStore:
        """How well each project is understood."""

    @property
    @abstractmethod
    def prd(self) -> IdeationPRDStore:
        """Requirements documents and their user stories."""


class IdeationTenant(IdeationStores):
    """The stores of one tenant, where each call is a transaction of its own."""

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[IdeationStores]:
        """``async with ideation.transaction() as stores``: what is written through them is committed together, or not at all.

        On Redis it spans one session: a second one is ``UsageError``; and when another changed that session meanwhile, leaving
        the block raises ``RetryableError`` and nothing was written. Entered once, by one task.
        """


class IdeationFactory(ABC):
    """Makes the stores of a tenant, on the backend that it stands for."""

    @abstractmethod
    def tenant(self, tenant_id: UUID) -> IdeationTenant:
        """The five stores, bound to this tenant. ``UsageError`` for the nil UUID, and for what is no UUID."""
