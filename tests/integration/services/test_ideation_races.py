"""What others write between the second transaction's look and its first write, over each backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import Context
from uuid import uuid4

import pytest

from focal_data.backends import get_repository_factory
from focal_data.data_layer import DataLayer
from focal_data.domain.ideation import ChatMessage, MessageRole, PRDDraft
from focal_data.errors import ConflictError
from focal_data.providers.llm.fake import FakeLLMProvider
from focal_data.services.ideation import IdeationService
from focal_data.services.ideation_turn import asked
from focal_data.services.ideation_words import PRDReply, SectionReply, TurnReply
from focal_data.settings import IdeationBackend
from focal_data.stores.ideation import (
    IdeationPRDStore,
    IdeationRequirementStore,
    IdeationStores,
    IdeationTenant,
)


@pytest.fixture(params=[backend.value for backend in IdeationBackend])
def stores(request: pytest.FixtureRequest, data: DataLayer) -> IdeationTenant:
    """A tenant of this test alone, on each backend."""
    return get_repository_factory(data, request.param).tenant(uuid4())


class Overtaken:
    """Stores in whose first other transaction another is faster, after its look at the messages."""

    def __init__(self, stores: IdeationTenant, other: Callable[[], Awaitable[object]]) -> None:
        self._stores = stores
        self._other: Callable[[], Awaitable[object]] | None = other

    def __getattr__(self, name: str) -> object:
        return getattr(self._stores, name)

    def transaction(self) -> AbstractAsyncContextManager[_Looking]:
        return self._watched()

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[_Looking]:
        async with self._stores.transaction() as stores:
            yield _Looking(stores, self)

    async def overtake(self) -> None:
        """Once, in another task, as another process would."""
        if self._other is not None:
            other, self._other = self._other, None
            await asyncio.create_task(_awaited(other), context=Context())


class _Looking:
    """One transaction, which is overtaken when it reads requirements, or the draft: the last before it writes."""

    def __init__(self, stores: IdeationStores, overtaken: Overtaken) -> None:
        self._stores = stores
        self._overtaken = overtaken

    def __getattr__(self, name: str) -> object:
        return getattr(self._stores, name)

    @property
    def requirements(self) -> _Requirements:
        return _Requirements(self._stores.requirements, self._overtaken)

    @property
    def prd(self) -> _Documents:
        return _Documents(self._stores.prd, self._overtaken)


class _Documents:
    def __init__(self, store: IdeationPRDStore, overtaken: Overtaken) -> None:
        self._store = store
        self._overtaken = overtaken

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def get_draft(self, session_id: str) -> PRDDraft | None:
        draft = await self._store.get_draft(session_id)
        await self._overtaken.overtake()
        return draft


class _Requirements:
    def __init__(self, store: IdeationRequirementStore, overtaken: Overtaken) -> None:
        self._store = store
        self._overtaken = overtaken

    async def get_by_session(self, session_id: str) -> object:
        await self._overtaken.overtake()
        return await self._store.get_by_session(session_id)


async def _awaited(other: Callable[[], Awaitable[object]]) -> None:
    await other()


@pytest.mark.parametrize("replaced", [False, True])
async def test_an_answer_never_stands_behind_another_message(
    stores: IdeationTenant, *, replaced: bool
) -> None:
    """One that passed its question over just now, or that stands in its place: the answer is not stored."""
    session = await IdeationService(stores, FakeLLMProvider()).start("ada", "A shop")
    other = ChatMessage(session_id=session.id, role=MessageRole.USER, content="A library")

    async def overtake() -> None:
        if replaced:
            await stores.messages.delete_by_session(session.id)
        async with stores.transaction() as tx:
            await asked(tx, other, skip_waiting=True)

    llm = FakeLLMProvider(TurnReply(reply="For whom?", requirements=[], maturity=[]))
    studio = IdeationService(Overtaken(stores, overtake), llm)  # type: ignore[arg-type]
    with pytest.raises(ConflictError, match="removed" if replaced else "passed over"):
        await studio.chat(session.id, "A shop")
    said = [message.content for message in await stores.messages.get_by_session(session.id)]
    assert (["A library"] if replaced else ["A shop", "A library"]) == said
    assert session == await stores.sessions.get_by_id(session.id)


async def test_two_drafts_never_have_one_version(stores: IdeationTenant) -> None:
    """The one that comes later takes the next."""
    reply = PRDReply(title="A shop", sections=[SectionReply(heading="Goals", content="Sell.")])
    session = await IdeationService(stores, FakeLLMProvider()).start("ada", "A shop")

    async def overtake() -> None:
        await IdeationService(stores, FakeLLMProvider(reply)).generate_prd(session.id)

    studio = IdeationService(Overtaken(stores, overtake), FakeLLMProvider(reply))  # type: ignore[arg-type]
    draft = await studio.generate_prd(session.id)
    assert ("0.2.0", draft) == (draft.version, await stores.prd.get_draft(session.id))
    stored = await stores.sessions.get_by_id(session.id)
    assert stored is not None
    assert 3 == stored.version
