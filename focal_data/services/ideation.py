"""The ideation studio: a conversation with a model, kept turn by turn, over any backend.

A turn is two transactions with the model's answer between them, while none is open. The first stores the user's message, unless
another one waits for its answer. The second stores the answer directly behind it, with the requirements, the maturity and the
session's next version, or nothing. So of turns at once on one session one wins, and what failed can be tried again: as long as
the user's message is the last, it has no answer, and once it has one, trying again gives that.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import ValidationError

from focal_data.domain.base import ValueObject
from focal_data.domain.checking import first_problem
from focal_data.domain.ideation import (
    ChatMessage,
    DataSource,
    ExtractedRequirement,
    IdeationSession,
    MaturityState,
    MessageRole,
    PRDDraft,
    PRDSection,
    UserStory,
)
from focal_data.domain.maturity import assessed
from focal_data.errors import (
    ConflictError,
    DuplicateError,
    InvalidDataError,
    RetryableError,
    StaleRevisionError,
)
from focal_data.providers.llm.base import LLMProvider, Message
from focal_data.services.ideation_turn import (
    ChatTurn,
    answered,
    asked,
    maturity_of,
    position_of,
    required,
    turn_of,
)
from focal_data.services.ideation_words import (
    ConversationLimits,
    PRDReply,
    StoriesReply,
    StoryReply,
    TurnReply,
    prd_prompt,
    stories_prompt,
    turn_prompt,
)
from focal_data.stores.base import MAX_LIMIT
from focal_data.stores.ideation import IdeationStores, IdeationTenant

T = TypeVar("T")
E = TypeVar("E", bound=ValueObject)

ATTEMPTS: Final = 20
"""How often a transaction is begun that others come before."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Everything of a session, read as it is stored. ``waiting`` is the user's message that has no answer yet."""

    session: IdeationSession
    messages: list[ChatMessage]
    requirements: list[ExtractedRequirement]
    maturity: MaturityState
    draft: PRDDraft | None
    stories: list[UserStory]

    @property
    def waiting(self) -> ChatMessage | None:
        last = self.messages[-1] if self.messages else None
        return last if last is not None and last.role is MessageRole.USER else None


class IdeationService:
    """The studio of one tenant: ``IdeationService(data.tenant(t).ideation, provider)``.

    It keeps nothing itself: another one over the same stores goes on where this one ended. Every call raises as the stores and
    the provider do, ``NotFoundError("IdeationSession")`` when there is no such session, and ``RetryableError`` or
    ``StaleRevisionError`` when others came before it too often.
    """

    def __init__(
        self,
        stores: IdeationTenant,
        provider: LLMProvider,
        *,
        limits: ConversationLimits | None = None,
        max_tokens: int = 4096,
    ) -> None:
        self.stores = stores
        """What keeps all that it does."""
        self._provider = provider
        self._limits = limits or ConversationLimits()
        self._max_tokens = max_tokens

    async def start(
        self,
        user_id: str,
        project_name: str,
        *,
        data_source: DataSource = DataSource.MOCK,
        session_id: str | None = None,
    ) -> IdeationSession:
        """A new session, of which nothing is known yet."""
        given = {} if session_id is None else {"id": session_id}
        values = {"user_id": user_id, "project_name": project_name, "data_source": data_source}
        new = _made(IdeationSession, {"id": "session_id"}, values | given)

        async def work(stores: IdeationStores) -> IdeationSession:
            session = await stores.sessions.create(new)
            await stores.maturity.save(assessed(session.id, {}))
            return session

        return await self._in_transaction(work)

    async def chat(
        self, session_id: str, text: str, *, message_id: str | None = None, skip_waiting: bool = False
    ) -> ChatTurn:
        """One turn. With a ``message_id`` it can be called again after any failure: the message is stored once, answered once.

        Raises ``ConflictError`` when another message waits for its answer: of a turn that is under way, or that failed (then
        ``retry`` it; with ``skip_waiting`` it is left without an answer); ``DuplicateError`` when the id is another message's.
        When the model fails, its ``ProviderError`` is raised, and the user's message stays.
        """
        if not isinstance(text, str) or not text.strip():
            raise InvalidDataError("text", "must not be empty")
        given = {} if message_id is None else {"id": message_id}
        values = {"session_id": session_id, "role": MessageRole.USER, "content": text}
        question = _made(ChatMessage, {"id": "message_id", "content": "text"}, values | given)
        try:
            stored = await self._in_transaction(
                lambda stores: asked(stores, question, skip_waiting=skip_waiting)
            )
        except DuplicateError:
            stored = await self._again(question)
        return await self._answered(stored)

    async def retry(self, session_id: str) -> ChatTurn:
        """Answer the user's last message; when it has its answer, that turn. ``ConflictError`` when there is none."""
        messages = await self._all_messages(session_id)
        last = next((message for message in reversed(messages) if message.role is MessageRole.USER), None)
        if last is None:
            await self._session(session_id)
            raise ConflictError("ChatMessage: the user has not said anything yet")
        return await self._answered(last)

    async def resume(self, session_id: str) -> Conversation:
        """The whole conversation and all that came of it, after a restart, too."""
        stores = self.stores
        return Conversation(
            session=await self._session(session_id),
            messages=await self._all_messages(session_id),
            requirements=await stores.requirements.get_by_session(session_id),
            maturity=await maturity_of(stores, session_id),
            draft=await stores.prd.get_draft(session_id),
            stories=await stores.prd.get_user_stories(session_id),
        )

    async def get_session_maturity(self, session_id: str) -> MaturityState:
        """How well the project is understood; that of a new one when nothing was saved."""
        await self._session(session_id)
        return await maturity_of(self.stores, session_id)

    async def save_draft(self, draft: PRDDraft) -> PRDDraft:
        """Store a draft of the requirements document, new or edited."""
        if not isinstance(draft, PRDDraft):
            raise InvalidDataError("draft", "must be a PRDDraft")

        async def work(stores: IdeationStores) -> PRDDraft:
            return await _drafted(stores, await required(stores, draft.session_id), draft)

        return await self._in_transaction(work)

    async def generate_prd(self, session_id: str) -> PRDDraft:
        """A draft that the model writes of the conversation and the requirements, stored with the next version, 0.1.0 at first.

        It may be written at any time; the maturity says whether it may be submitted.
        """
        seen = await self.resume(session_id)
        prompt = prd_prompt(seen.requirements, seen.maturity)
        reply, _ = await self._provider.generate_structured(
            self._material(seen), PRDReply, system_prompt=prompt, max_tokens=self._max_tokens
        )
        sections = [
            PRDSection(heading=section.heading, content=section.content, order=order)
            for order, section in enumerate(reply.sections)
        ]

        async def work(stores: IdeationStores) -> PRDDraft:
            session = await required(
                stores, session_id
            )  # first, so that no other draft takes the version meanwhile
            version = _next_version(await stores.prd.get_draft(session_id))
            draft = PRDDraft(session_id=session_id, title=reply.title, version=version, sections=sections)
            return await _drafted(stores, session, draft)

        return await self._in_transaction(work)

    async def generate_user_stories(self, session_id: str) -> list[UserStory]:
        """Stories that the model writes of the conversation, the requirements and the latest draft; they replace all others.

        Numbers of requirements that the model made up are left out.
        """
        seen = await self.resume(session_id)
        prompt = stories_prompt(seen.requirements, seen.draft)
        reply, _ = await self._provider.generate_structured(
            self._material(seen), StoriesReply, system_prompt=prompt, max_tokens=self._max_tokens
        )
        stories = [_story(story, seen) for story in reply.stories]

        async def work(stores: IdeationStores) -> list[UserStory]:
            session = await required(stores, session_id)
            stored = await stores.prd.save_user_stories(session_id, stories)
            await stores.sessions.update(session)
            return stored

        return await self._in_transaction(work)

    async def _answered(self, question: ChatMessage) -> ChatTurn:
        """The turn of ``question``: as it was stored, or asked for now."""
        if (turn := await turn_of(self.stores, question)) is not None:
            return turn
        session_id, stores = question.session_id, self.stores
        requirements = await stores.requirements.get_by_session(session_id)
        maturity = await maturity_of(stores, session_id)
        reply, response = await self._provider.generate_structured(
            self._limits.shown(await self._up_to(question)),
            TurnReply,
            system_prompt=turn_prompt(requirements, maturity),
            max_tokens=self._max_tokens,
        )
        return await self._in_transaction(lambda stores: answered(stores, question, reply, response))

    async def _again(self, question: ChatMessage) -> ChatMessage:
        """The stored message that has the id of ``question``, if it is the same. ``DuplicateError`` otherwise."""
        for message in await self._all_messages(question.session_id):
            if (message.id, message.role, message.content) == (question.id, question.role, question.content):
                return message
        raise DuplicateError("pk_ideation_messages", ("id",))

    async def _session(self, session_id: str) -> IdeationSession:
        return await required(self.stores, session_id)

    async def _all_messages(self, session_id: str) -> list[ChatMessage]:
        messages: list[ChatMessage] = []
        while True:
            page = await self.stores.messages.get_by_session(session_id, MAX_LIMIT, len(messages))
            messages += page
            if len(page) < MAX_LIMIT:
                return messages

    async def _up_to(self, question: ChatMessage) -> list[ChatMessage]:
        """The last messages that may be shown, ``question`` being the last."""
        end = position_of(question) + 1
        start = max(0, end - self._limits.messages)
        return await self.stores.messages.get_by_session(question.session_id, end - start, start)

    def _material(self, seen: Conversation) -> list[Message]:
        """What a document is written from; the last word is the user's, since a model would go on with its own."""
        asked_for = f"Write it now. The project is called: {seen.session.project_name}"
        return [*self._limits.shown(seen.messages), Message(role=MessageRole.USER, content=asked_for)]

    async def _in_transaction(self, work: Callable[[IdeationStores], Awaitable[T]]) -> T:
        """``work`` in a transaction, begun again when another one came before it."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self.stores.transaction() as stores:
                    return await work(stores)
            except (RetryableError, StaleRevisionError):
                if attempt == ATTEMPTS:
                    raise
            await asyncio.sleep(random.uniform(0, min(0.2, 0.005 * 2**attempt)))  # noqa: S311  (jitter)
        raise AssertionError("the last attempt returns or raises")


def _made(kind: type[E], arguments: Mapping[str, str], values: Mapping[str, object]) -> E:
    """A ``kind`` of what a caller gave. ``InvalidDataError`` names the argument, where that is not the field."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        field, reason = first_problem(error)
    raise InvalidDataError(arguments.get(field, field), reason)


async def _drafted(stores: IdeationStores, session: IdeationSession, draft: PRDDraft) -> PRDDraft:
    stored = await stores.prd.save_draft(draft)
    await stores.sessions.update(session)
    return stored


def _story(story: StoryReply, seen: Conversation) -> UserStory:
    numbers = (number for number in story.requirements if 1 <= number <= len(seen.requirements))
    return UserStory(
        session_id=seen.session.id,
        title=story.title,
        as_a=story.as_a,
        i_want=story.i_want,
        so_that=story.so_that,
        acceptance_criteria=story.acceptance_criteria,
        linked_requirements=[seen.requirements[number - 1].id for number in dict.fromkeys(numbers)],
        priority=story.priority,
    )


def _next_version(draft: PRDDraft | None) -> str:
    """The next minor version; 0.1.0 after none, and after one that is not of three numbers."""
    parts = draft.version.split(".") if draft is not None else []
    if len(parts) == 3 and all(part.isascii() and part.isdigit() for part in parts):
        return f"{parts[0]}.{int(parts[1]) + 1}.0"
    return "0.1.0"
