"""Questions with their right answers, among the messages of the example transcripts: which search finds them.

``labelled.jsonl`` was written by hand, before any search was asked: questions as people ask them, some in the words of the
answer and some not, each with the lines of its transcript that answer it.
"""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID, uuid4

import orjson

from benchmarks.searching.stored import Base
from focal_data.data_layer import Tenant
from focal_data.domain.answers import Scored
from focal_data.domain.config import Agent
from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import Episode, EpisodeSource, Language
from focal_data.ids import new_id
from focal_data.providers.embedding.local import LocalEmbeddingProvider

QUESTIONS: Final = Path(__file__).parent / "labelled.jsonl"
TRANSCRIPTS: Final = Path(__file__).parents[2] / "examples"
_SOURCES: Final = {"user": EpisodeSource.USER, "assistant": EpisodeSource.AGENT}
_DEPTH: Final = 50


class Question(NamedTuple):
    """What is asked, of which transcript, and the lines that answer it, counted from 1."""

    question: str
    language: str
    transcript: str
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Quality:
    """How well a search found the answers to the questions of a language."""

    language: str
    search: str
    questions: int
    mrr: float
    """The mean of 1 / rank of the first right answer, 0 where there is none among the first 50."""
    recall: float
    """The share of the right answers that are among the first five, of those that fit there."""


def questions() -> list[Question]:
    """All of them, in the order of the file."""
    read = [orjson.loads(line) for line in QUESTIONS.read_bytes().splitlines()]
    return [Question(**{**one, "lines": tuple(one["lines"])}) for one in read]


def messages(transcript: str) -> list[dict[str, str]]:
    """The lines of a transcript."""
    return [orjson.loads(line) for line in (TRANSCRIPTS / f"{transcript}.jsonl").read_bytes().splitlines()]


async def measured(base: Base) -> list[Quality]:
    """By language and search, and over all. Raises ``UsageError`` when the local model is not installed."""
    embedder, asked = LocalEmbeddingProvider(), questions()
    ranks: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for transcript in dict.fromkeys(question.transcript for question in asked):
        mine = [question for question in asked if question.transcript == transcript]
        memory = await _stored(base, transcript, embedder)
        for question, vector in zip(
            mine, await embedder.embed_batch([q.question for q in mine]), strict=True
        ):
            right = {memory.ids[line - 1] for line in question.lines}
            for search, found in (await memory.found(question, vector)).items():
                for language in (question.language, "both"):
                    ranks.setdefault((language, search), []).append(_judged(found, right))
    return [
        Quality(language, search, len(each), *(statistics.fmean(part) for part in zip(*each, strict=True)))
        for (language, search), each in sorted(ranks.items())
    ]


class _Memory(NamedTuple):
    """A transcript as an agent remembers it, a message an episode."""

    tenant: Tenant
    agent_id: UUID
    ids: Sequence[UUID]

    async def found(self, question: Question, vector: Embedding) -> dict[str, list[UUID]]:
        """The ids by each search."""
        memory, words = self.tenant.memory, question.question
        searches: dict[str, Callable[[], Awaitable[list[Scored[Episode]]]]] = {
            "vector": lambda: memory.vector_search_episodes(self.agent_id, vector, limit=_DEPTH),
            "text": lambda: memory.text_search_episodes(self.agent_id, words, limit=_DEPTH),
            "hybrid": lambda: memory.hybrid_search_episodes(self.agent_id, words, vector, limit=_DEPTH),
        }
        return {name: [hit.item.id for hit in await search()] for name, search in searches.items()}


async def _stored(base: Base, transcript: str, embedder: LocalEmbeddingProvider) -> _Memory:
    tenant, said = base.data.tenant(uuid4()), messages(transcript)
    agent = await tenant.config.save_agent(Agent(name=transcript))
    vectors = await embedder.embed_batch([message["content"] for message in said])
    episodes = [
        Episode(
            id=new_id(),
            agent_id=agent.id,
            content=message["content"],
            language=Language(message["language"]),
            source=_SOURCES[message["role"]],
            embedding=vector,
        )
        for message, vector in zip(said, vectors, strict=True)
    ]
    await tenant.memory.add_episodes(episodes)
    return _Memory(tenant, agent.id, [episode.id for episode in episodes])


def _judged(found: Sequence[UUID], right: set[UUID]) -> tuple[float, float]:
    """The reciprocal rank, and the recall among the first five."""
    first = next((rank for rank, id_ in enumerate(found, 1) if id_ in right), None)
    return 1 / first if first else 0.0, len(right.intersection(found[:5])) / min(5, len(right))
