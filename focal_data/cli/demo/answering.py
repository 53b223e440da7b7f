"""The agent answers itself: a model's reply to each message of a customer, instead of those in the transcript.

It is told what the stores hold for it: the agent's own prompt, and what to do by the rules that the message meets.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Final

from focal_data.cli.demo.conversation import RULES
from focal_data.cli.demo.ids import named
from focal_data.cli.demo.latency import Latencies
from focal_data.cli.demo.messages import Message, Role
from focal_data.cli.demo.pipeline import episode_id
from focal_data.cli.demo.plans import Plan
from focal_data.cli.demo.setup import Stage
from focal_data.cli.demo.turns import Conversation
from focal_data.cli.models import MAX_TOKENS
from focal_data.domain.ideation import MessageRole
from focal_data.errors import ContentFilterError
from focal_data.ids import TenantId
from focal_data.providers.embedding.base import EmbeddingProvider
from focal_data.providers.llm.base import LLMProvider
from focal_data.providers.llm.exchange import Message as Said
from focal_data.repositories.memory import EpisodeRepository

AT_ONCE: Final = 8
"""Replies that are waited for side by side; those of one conversation come one after another."""

MOST_ASKED: Final = 16
"""So many messages are answered before they are stored: what an interruption loses at most."""

_REMEMBERED: Final = 20
_SOON: Final = timedelta(seconds=1)


def live_plan(plan: Plan, vendor: str) -> Plan:
    """The same for a tenant of its own: what a model says is no part of the transcript, nor of another model's."""
    tenant_id = TenantId(named(plan.tenant_id, "live", vendor))
    return plan.model_copy(update={"tenant": f"{plan.tenant[:240]} ({vendor})", "tenant_id": tenant_id})


def reply_to(message: Message, content: str) -> Message:
    """The agent's reply. Its time is one that a second run makes as well, since a message is found by it."""
    return replace(
        message,
        role=Role.ASSISTANT,
        index=message.index + 1,
        content=content,
        timestamp=message.timestamp + _SOON,
    )


class Answering:
    """Answers the customers of one transcript. What an earlier run stored is taken, and not asked for again.

    To be closed when it is not wanted any more: its ``messages`` wait, in a thread, which nothing else could wake.
    """

    def __init__(
        self, stage: Stage, llm: LLMProvider, embedder: EmbeddingProvider, latencies: Latencies
    ) -> None:
        self._stage = stage
        self._llm = llm
        self._embedder = embedder
        self._latencies = latencies
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._said: defaultdict[Conversation, deque[Said]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        self._asking: Future[list[Message]] | None = None
        self._closed = False

    def close(self) -> None:
        """Ask no more, and wait for no answer: ``messages`` ends with ``CancelledError``, if it has not ended."""
        self._closed = True
        if self._asking is not None:
            self._asking.cancel()

    def messages(self, transcript: Iterable[Message]) -> Iterator[Message]:
        """Each message of a customer and the reply to it. Not for the thread of the event loop: it waits for that."""
        customers = (message for message in transcript if message.role is Role.USER)
        numbered = (replace(message, index=2 * n + 1) for n, message in enumerate(customers))
        while asked := list(islice(numbered, MOST_ASKED)):
            for message, reply in zip(asked, self._awaited(asked), strict=True):
                yield message
                yield reply

    def _awaited(self, asked: Sequence[Message]) -> list[Message]:
        self._asking = asyncio.run_coroutine_threadsafe(self.replies(asked), self._loop)
        if self._closed:  # looked at after the other is set, as ``close`` looks at that after this
            self._asking.cancel()
        return self._asking.result()

    async def replies(self, asked: Sequence[Message]) -> list[Message]:
        """The reply to each, in order."""
        known = await self._known(asked)
        conversations: defaultdict[Conversation, list[Message]] = defaultdict(list)
        for message in asked:
            conversations[message.conversation].append(message)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._carried_on(one, known)) for one in conversations.values()]
        found = {reply.index: reply for task in tasks for reply in task.result()}
        return [found[message.index + 1] for message in asked]

    async def _known(self, asked: Sequence[Message]) -> dict[int, str]:
        """What an earlier run stored as replies, by their index."""
        tenant = self._stage.tenant
        ids = {episode_id(tenant.tenant_id, reply): reply.index for reply in (reply_to(m, "") for m in asked)}
        stored = await EpisodeRepository(tenant).get_many(ids)
        return {ids[key]: episode.content for key, episode in stored.items()}

    async def _carried_on(self, messages: Sequence[Message], known: dict[int, str]) -> list[Message]:
        """The replies of one conversation, each knowing those before it."""
        said, replies = self._said[messages[0].conversation], []
        for message in messages:
            said.append(Said(role=MessageRole.USER, content=message.content))
            content = known.get(message.index + 1) or await self._answer(message, list(said))
            said.append(Said(role=MessageRole.ASSISTANT, content=content))
            replies.append(reply_to(message, content))
        return replies

    async def _answer(self, message: Message, said: list[Said]) -> str:
        async with self._turn:
            instructions = await self._instructions(message)
            with self._latencies.timed("reply"):
                try:
                    answer = await self._llm.generate(said, system_prompt=instructions, max_tokens=MAX_TOKENS)
                except ContentFilterError:
                    return self._fallback()
        return answer.content.replace("\0", "").strip() or self._fallback()

    async def _instructions(self, message: Message) -> str:
        """The agent's prompt, and what the rules that the message meets ask for."""
        agent = self._stage.agent
        rules = await self._stage.tenant.config.vector_search_rules(
            agent.id,
            await self._embedder.embed(message.content),
            limit=RULES,
            min_score=self._stage.plan.near,
        )
        own = agent.system_prompt or f"You are {agent.name}. {agent.description or ''}".strip()
        return "\n".join([own, *(f"- {hit.item.action_text}" for hit in rules)])

    def _fallback(self) -> str:
        """What the agent says when its model does not."""
        texts = [str(one["text"]) for one in self._stage.plan.templates if one.get("mode") == "fallback"]
        return texts[0] if texts else "I'm sorry, I can't answer that."
