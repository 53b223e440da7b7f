"""Windows of messages: read and embedded while the window before is being stored, then carried, conversations side by side.

Within a conversation, and among all of one customer, the order is that of the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from uuid import UUID

from focal_data.cli.demo.ids import timed
from focal_data.cli.demo.messages import Message
from focal_data.cli.demo.setup import Stage
from focal_data.cli.demo.turns import Event
from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import Episode
from focal_data.errors import InvalidDataError
from focal_data.providers.embedding.base import EmbeddingProvider
from focal_data.repositories.memory import EpisodeRepository

MOST_EVENTS: Final = 256
MOST_CHARACTERS: Final = 2_000_000
"""A window has no more events, and hardly more characters."""

AT_ONCE: Final = 4
"""Conversations that are carried side by side, if the pool has a connection for each."""

_PADDED: Final = 200_000
"""The most characters of a batch for the model, which pads every text to the longest."""


@dataclass(slots=True)
class Step:
    """An event with what is known about it beforehand."""

    event: Event
    episode_id: UUID | None = None
    embedding: Embedding | None = None
    stored: bool = False
    """Whether PostgreSQL has the message already."""

    def note(self, *, stored: bool) -> None:
        """What was found out about the message, and so about its turn."""
        self.stored = stored
        if self.event.turn is not None:
            self.event.turn.known |= stored


Window = list[Step]


async def windows(
    events: Iterator[Event], stage: Stage, model: EmbeddingProvider, *, most: int = MOST_EVENTS
) -> AsyncIterator[Window]:
    """All events in windows of at most ``most``; the next one is prepared while the caller works on this one."""
    following = asyncio.create_task(_prepared(events, stage, model, most))
    try:
        while window := await following:
            following = asyncio.create_task(_prepared(events, stage, model, most))
            yield window
    finally:
        following.cancel()


async def _prepared(events: Iterator[Event], stage: Stage, model: EmbeddingProvider, most: int) -> Window:
    window = await asyncio.to_thread(_window, events, stage.tenant.tenant_id, most)
    spoken = [step for step in window if step.event.message]
    embeddings = await embedded([step.event.message.content for step in spoken if step.event.message], model)
    known = await EpisodeRepository(stage.tenant).get_many(
        step.episode_id for step in spoken if step.episode_id
    )
    for step, embedding in zip(spoken, embeddings, strict=True):
        step.embedding = embedding
        step.note(stored=_is_stored(step, known))
    return window


def _window(events: Iterator[Event], tenant_id: UUID, most: int) -> Window:
    window: Window = []
    characters = 0
    while len(window) < most and characters < MOST_CHARACTERS:
        event = next(events, None)
        if event is None:
            break
        message = event.message
        window.append(Step(event, episode_id(tenant_id, message) if message else None))
        characters += len(message.content) if message else 0
    return window


def episode_id(tenant_id: UUID, message: Message) -> UUID:
    """The id of the episode that a message becomes."""
    return timed(tenant_id, message.timestamp, "message", str(message.index))


def _is_stored(step: Step, known: dict[UUID, Episode]) -> bool:
    message = step.event.message
    episode = known.get(step.episode_id) if step.episode_id else None
    if message is None or episode is None:
        return False
    if episode.content != message.content:
        reason = "is not what an earlier run stored for this place: give a changed file another name"
        raise InvalidDataError(f"line {message.line}", reason)
    return True


async def embedded(texts: Sequence[str], model: EmbeddingProvider) -> list[Embedding]:
    """An embedding for each text, in order; texts of one length go to the model together."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    found: dict[int, Embedding] = {}
    for batch in _batches(order, texts):
        vectors = await model.embed_batch([texts[place] for place in batch])
        found |= zip(batch, vectors, strict=True)
    return [found[place] for place in range(len(texts))]


def _batches(order: Sequence[int], texts: Sequence[str]) -> Iterator[list[int]]:
    batch: list[int] = []
    for place in order:
        if batch and len(texts[place]) * (len(batch) + 1) > _PADDED:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def by_customer(window: Window) -> list[list[Step]]:
    """The window's steps, those of each customer together, in their order; the longest first."""
    ordered = sorted(window, key=lambda step: step.event.conversation[1])
    groups = [list(steps) for _, steps in groupby(ordered, key=lambda step: step.event.conversation[1])]
    return sorted(groups, key=len, reverse=True)
