"""A few questions to the memory, each by meaning, by words, and both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final

from focal_data.cli.demo.facts import Hit, Search
from focal_data.cli.demo.latency import Latencies
from focal_data.cli.demo.setup import Stage
from focal_data.domain.answers import Scored
from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import Episode
from focal_data.providers.embedding.base import EmbeddingProvider

HITS: Final = 3

Ask = Callable[[str, Embedding], Awaitable[list[Scored[Episode]]]]


async def asked(stage: Stage, model: EmbeddingProvider, latencies: Latencies) -> AsyncIterator[Search]:
    """The plan's questions, in every mode."""
    embeddings = await model.embed_batch([question.question for question in stage.plan.questions])
    for question, embedding in zip(stage.plan.questions, embeddings, strict=True):
        for mode, ask in _modes(stage).items():
            with latencies.timed(f"{mode}_search"):
                found = await ask(question.question, embedding)
            yield Search(
                tenant=stage.plan.tenant,
                question=question.question,
                mode=mode,
                hits=[await _hit(stage, scored) for scored in found],
                found=any(question.expect in scored.item.content for scored in found),
            )


def _modes(stage: Stage) -> Mapping[str, Ask]:
    memory, agent_id = stage.tenant.memory, stage.agent.id
    return {
        "vector": lambda _, query: memory.vector_search_episodes(agent_id, query, limit=HITS),
        "text": lambda text, _: memory.text_search_episodes(agent_id, text, limit=HITS),
        "hybrid": lambda text, query: memory.hybrid_search_episodes(agent_id, text, query, limit=HITS),
    }


async def _hit(stage: Stage, scored: Scored[Episode]) -> Hit:
    episode = scored.item
    profile = (
        await stage.tenant.profiles.get_by_id(episode.customer_profile_id)
        if episode.customer_profile_id
        else None
    )
    user = profile.customer_id if profile and profile.customer_id else ""
    return Hit(round(scored.score, 4), episode.source.value, user, episode.content)
