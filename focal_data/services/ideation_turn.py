"""The two transactions of a turn: the user's message, and all that the model made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from focal_data.domain.ideation import (
    ChatMessage,
    ExtractedRequirement,
    IdeationSession,
    MaturityState,
    MessageRole,
)
from focal_data.domain.maturity import assessed
from focal_data.errors import ConflictError, NotFoundError, RetryableError
from focal_data.providers.llm.base import LLMResponse
from focal_data.services.ideation_words import TurnReply, new_requirements
from focal_data.stores.ideation import IdeationStores

_REQUIREMENTS: Final = "requirement_ids"


@dataclass(frozen=True, slots=True)
class ChatTurn:
    """What the user said, what the model answered, the requirements that came of it, and the maturity as it is now."""

    question: ChatMessage
    answer: ChatMessage
    requirements: list[ExtractedRequirement]
    maturity: MaturityState


async def asked(stores: IdeationStores, question: ChatMessage, *, skip_waiting: bool) -> ChatMessage:
    """Store the user's message, unless the one before it is the user's, too: ``ConflictError``."""
    stored = await stores.messages.create(question)
    position = position_of(stored)
    before = await stores.messages.get_by_session(question.session_id, 1, position - 1) if position else []
    if before and before[0].role is MessageRole.USER and not skip_waiting:
        raise ConflictError("ChatMessage: another one waits for its answer: retry it, or skip it")
    return stored


async def answered(
    stores: IdeationStores, question: ChatMessage, reply: TurnReply, response: LLMResponse
) -> ChatTurn:
    """Store the model's side of the turn. The turn as it is when another one has stored it meanwhile."""
    # first, so that what is read after it is as new as it, or its update is stale
    session = await required(stores, question.session_id)
    if (turn := await turn_of(stores, question)) is not None:
        return turn
    before = await maturity_of(stores, session.id)
    known = await stores.requirements.get_by_session(session.id)
    found = new_requirements(reply.requirements, known, session.id)
    state = assessed(session.id, {score.category.value: score.score for score in reply.maturity}, before)
    answer = ChatMessage(
        session_id=session.id,
        role=MessageRole.ASSISTANT,
        content=reply.reply,
        maturity_delta=round(state.score - before.score, 1),
        metadata={
            "answers": question.id,
            "model": response.model,
            "total_tokens": response.usage.total_tokens,
            _REQUIREMENTS: [requirement.id for requirement in found],
        },
    )
    stored = await stores.messages.create(answer)  # before the others, since it locks the session
    await _require_behind(stores, question, stored)
    requirements = [await stores.requirements.create(requirement) for requirement in found]
    maturity = await stores.maturity.save(state)
    await stores.sessions.update(session)
    return ChatTurn(question, stored, requirements, maturity)


async def _require_behind(stores: IdeationStores, question: ChatMessage, answer: ChatMessage) -> None:
    """``RetryableError`` when something came between the two since it was looked, before the session was locked."""
    found = await stores.messages.get_by_session(question.session_id, 2, position_of(question))
    if [message.id for message in found] != [question.id, answer.id]:
        raise RetryableError("ChatMessage: another changed the conversation meanwhile; nothing was written")


async def turn_of(stores: IdeationStores, question: ChatMessage) -> ChatTurn | None:
    """The turn of a stored message, or ``None`` while it waits. ``ConflictError`` when it is gone, or was passed over."""
    found = await stores.messages.get_by_session(question.session_id, 2, position_of(question))
    if not found or found[0].id != question.id:
        raise ConflictError("ChatMessage: the message was removed while it waited for its answer")
    if len(found) == 1:
        return None
    answer = found[1]
    if answer.role is not MessageRole.ASSISTANT:
        raise ConflictError("ChatMessage: the message was passed over while it waited for its answer")
    ids = (answer.metadata or {}).get(_REQUIREMENTS)
    kept = await stores.requirements.get_by_session(question.session_id)
    requirements = [requirement for requirement in kept if isinstance(ids, list) and requirement.id in ids]
    return ChatTurn(found[0], answer, requirements, await maturity_of(stores, question.session_id))


async def required(stores: IdeationStores, session_id: str) -> IdeationSession:
    """The session. ``NotFoundError`` when there is none."""
    session = await stores.sessions.get_by_id(session_id)
    if session is None:
        raise NotFoundError(IdeationSession.__name__)
    return session


async def maturity_of(stores: IdeationStores, session_id: str) -> MaturityState:
    """The session's maturity; that of a new one when none was saved."""
    return await stores.maturity.get_by_session(session_id) or assessed(session_id, {})


def position_of(message: ChatMessage) -> int:
    """The place of a stored message."""
    assert message.position is not None
    return message.position
