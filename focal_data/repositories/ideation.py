"""The stores of the ideation studio in PostgreSQL, composed of the repositories of their tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import Self
from uuid import UUID

from focal_data.database.engine import Database
from focal_data.database.scope import HasScope, Scope, TenantScope, Transaction
from focal_data.domain.checking import checked_text
from focal_data.domain.ideation import (
    ChatMessage,
    ExtractedRequirement,
    IdeationSession,
    MaturityState,
    PRDDraft,
    UserStory,
)
from focal_data.ids import TenantId
from focal_data.repositories.ideation_ground import ChatMessageRepository, IdeationSessionRepository
from focal_data.repositories.ideation_parts import (
    ExtractedRequirementRepository,
    MaturityStateRepository,
    PRDDraftRepository,
    UserStoryRepository,
)
from focal_data.stores.base import checked_many
from focal_data.stores.ideation import (
    IdeationFactory,
    IdeationMaturityStore,
    IdeationMessageStore,
    IdeationPRDStore,
    IdeationRequirementStore,
    IdeationSessionStore,
    IdeationStores,
    IdeationTenant,
)


class PostgresIdeationSessionStore(IdeationSessionStore):
    """Sessions in PostgreSQL."""

    def __init__(self, source: HasScope | Scope) -> None:
        self._sessions = IdeationSessionRepository(source)

    async def create(self, session: IdeationSession) -> IdeationSession:
        return await self._sessions.add(session)

    async def get_by_id(self, session_id: str) -> IdeationSession | None:
        return await self._sessions.get(_session(session_id))

    async def update(self, session: IdeationSession) -> IdeationSession:
        return await self._sessions.update(session)

    async def delete(self, session_id: str) -> bool:
        return await self._sessions.delete(_session(session_id))

    async def list_by_user(self, user_id: str, limit: int = 50, offset: int = 0) -> list[IdeationSession]:
        return await self._sessions.of_user(checked_text("user_id", user_id), limit=limit, offset=offset)


class PostgresIdeationMessageStore(IdeationMessageStore):
    """Messages in PostgreSQL."""

    def __init__(self, source: HasScope | Scope) -> None:
        self._messages = ChatMessageRepository(source)

    async def create(self, message: ChatMessage) -> ChatMessage:
        return await self._messages.add(message)

    async def get_by_session(self, session_id: str, limit: int = 100, offset: int = 0) -> list[ChatMessage]:
        return await self._messages.page(_session(session_id), limit=limit, offset=offset)

    async def delete_by_session(self, session_id: str) -> int:
        return await self._messages.clear(_session(session_id))


class PostgresIdeationRequirementStore(IdeationRequirementStore):
    """Requirements in PostgreSQL."""

    def __init__(self, source: HasScope | Scope) -> None:
        self._requirements = ExtractedRequirementRepository(source)

    async def create(self, requirement: ExtractedRequirement) -> ExtractedRequirement:
        return await self._requirements.add(requirement)

    async def get_by_session(self, session_id: str) -> list[ExtractedRequirement]:
        return await self._requirements.of(_session(session_id))

    async def update(self, requirement: ExtractedRequirement) -> ExtractedRequirement:
        return await self._requirements.update(requirement)

    async def delete(self, session_id: str, requirement_id: str) -> bool:
        named = checked_text("requirement_id", requirement_id)
        return await self._requirements.delete(_session(session_id), named)


class PostgresIdeationMaturityStore(IdeationMaturityStore):
    """Maturity in PostgreSQL."""

    def __init__(self, source: HasScope | Scope) -> None:
        self._maturity = MaturityStateRepository(source)

    async def save(self, maturity: MaturityState) -> MaturityState:
        return await self._maturity.put(maturity)

    async def get_by_session(self, session_id: str) -> MaturityState | None:
        return next(iter(await self._maturity.of(_session(session_id))), None)


class PostgresIdeationPRDStore(IdeationPRDStore):
    """Requirements documents and user stories in PostgreSQL."""

    def __init__(self, source: HasScope | Scope) -> None:
        self._drafts = PRDDraftRepository(source)
        self._stories = UserStoryRepository(source)

    async def save_draft(self, draft: PRDDraft) -> PRDDraft:
        return await self._drafts.put(draft)

    async def get_draft(self, session_id: str) -> PRDDraft | None:
        return await self._drafts.last(_session(session_id))

    async def save_user_stories(self, session_id: str, stories: Sequence[UserStory]) -> list[UserStory]:
        return await self._stories.replace(_session(session_id), checked_many("stories", stories))

    async def get_user_stories(self, session_id: str) -> list[UserStory]:
        return await self._stories.of(_session(session_id))


class PostgresIdeationStores(IdeationStores):
    """The five in PostgreSQL, over a scope: a tenant's, or one open transaction's."""

    def __init__(self, source: HasScope | Scope) -> None:
        self._scope: Scope = source.scope if hasattr(source, "scope") else source

    @property
    def tenant_id(self) -> TenantId:
        return self._scope.tenant_id

    @cached_property
    def sessions(self) -> IdeationSessionStore:
        return PostgresIdeationSessionStore(self._scope)

    @cached_property
    def messages(self) -> IdeationMessageStore:
        return PostgresIdeationMessageStore(self._scope)

    @cached_property
    def requirements(self) -> IdeationRequirementStore:
        return PostgresIdeationRequirementStore(self._scope)

    @cached_property
    def maturity(self) -> IdeationMaturityStore:
        return PostgresIdeationMaturityStore(self._scope)

    @cached_property
    def prd(self) -> IdeationPRDStore:
        return PostgresIdeationPRDStore(self._scope)


class PostgresIdeationTransaction(PostgresIdeationStores):
    """The five in one transaction: entered, it is open; left, it commits, or rolls back when the block raised."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self._transaction = transaction

    async def __aenter__(self) -> Self:
        await self._transaction.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transaction.__aexit__(kind, error, trace)


class PostgresIdeationTenant(PostgresIdeationStores, IdeationTenant):
    """The five of one tenant, where each call is a transaction of its own."""

    def __init__(self, scope: TenantScope) -> None:
        super().__init__(scope)
        self._tenant_scope = scope

    def transaction(self) -> PostgresIdeationTransaction:
        return PostgresIdeationTransaction(self._tenant_scope.transaction())


class PostgresIdeationFactory(IdeationFactory):
    """Stores in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tenant(self, tenant_id: UUID) -> PostgresIdeationTenant:
        return PostgresIdeationTenant(TenantScope(self._database, tenant_id))


def _session(session_id: str) -> str:
    return checked_text("session_id", session_id)
