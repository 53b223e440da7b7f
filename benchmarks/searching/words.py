"""Full text and hybrid, measured against the same query by hand as the owner, whom no policy keeps from the GIN index."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

import numpy as np

from benchmarks.searching import by_hand, corpora
from benchmarks.searching.corpora import CLASSES, Corpus, Scope
from benchmarks.searching.embedding import unit
from benchmarks.searching.passages import passages
from benchmarks.searching.scale import Scale
from benchmarks.searching.stored import Base, Stored
from benchmarks.searching.timing import Times, clocked, side_by_side

OURS: Final = "ours"
HAND: Final = "by hand, no policy, GIN"
HYBRID: Final = "ours, hybrid"
LEGS: Final = "ours, both legs one after the other"
KINDS: Final = ("rare words", "common words", "phrases", "or of six")
_ASKED: Final = 24
"""Queries of each kind."""

_HITS: Final = f"""
    WITH hits AS MATERIALIZED (
        SELECT id, ts_rank(content_tsv, query) AS rank
          FROM episodes, websearch_to_tsquery('english', $3) AS query
         WHERE tenant_id = $1 AND agent_id = $2 AND language = 'english' AND content_tsv @@ query
         ORDER BY rank DESC, id LIMIT 10)
    SELECT {by_hand.COLUMNS}, rank FROM hits JOIN episodes USING (id) WHERE tenant_id = $1 ORDER BY rank DESC, id"""  # noqa: S608


@dataclass(frozen=True)
class Line:
    """How long a kind of query took in a tenant of so many rows, and whether ours found what is found by hand."""

    rows: int
    kind: str
    times: Mapping[str, Times]
    same: float
    """The share of queries that gave the same ids by both."""


def corpus(folder: Path, scale: Scale) -> Corpus:
    """Passages in tenants of one agent each; small random vectors, since it is about words."""
    found = passages(folder, scale.passages)
    sizes = [min(scale.texts, len(found)), *scale.small_texts]
    chance = np.random.default_rng(8)
    chosen = [chance.permutation(len(found))[:size] for size in sizes]
    scopes = [
        Scope(corpora.id_of("words", f"{size}"), corpora.id_of("words", f"{size}/0"), size) for size in sizes
    ]
    rows = np.concatenate(chosen)
    vectors = unit(chance.standard_normal((len(rows), 64), dtype=np.float32)).astype(np.float16)
    owners = np.repeat(np.arange(len(sizes)), sizes)
    texts = [found[int(row)].text for row in rows]
    asked = np.repeat(np.arange(len(sizes)), _ASKED * len(KINDS))
    return Corpus("words", "random", scopes, vectors, owners, texts, vectors[: len(asked)], asked, CLASSES)


async def measured(stored: Stored, scale: Scale) -> AsyncIterator[Line]:
    """A line for each size of tenant and kind of query."""
    await _require_gin(stored.base)
    for place, scope in enumerate(stored.corpus.scopes):
        texts = [stored.corpus.texts[int(row)] for row in np.flatnonzero(stored.corpus.owners == place)]
        for kind, asked in queries(texts).items():
            # In turns of their own, since the vectors of one would wash the words of the other out of the caches.
            pairs = ({OURS: _ours, HAND: _hand}, {HYBRID: _hybrid, LEGS: _legs})
            times: dict[str, Times] = {}
            for pair in pairs:
                ways = {name: clocked(partial(way, stored, scope, asked)) for name, way in pair.items()}
                times |= await side_by_side(ways, range(len(asked)), rounds=scale.rounds)
            same = [times[OURS].found[query] == times[HAND].found[query] for query in range(len(asked))]
            yield Line(scope.rows, kind, times, sum(same) / len(same))


def queries(texts: Sequence[str]) -> dict[str, list[str]]:
    """Some of each kind, drawn from what is there: by how many passages hold a word."""
    chance = random.Random(9)  # noqa: S311
    words = Counter(word for text in texts for word in set(re.findall(r"[a-z]{4,}", text.lower())))
    rare = sorted(word for word, count in words.items() if 1 <= count <= max(3, len(texts) // 5000))
    common = [word for word, _ in words.most_common(80)][20:]
    phrases = [found[0] for text in texts if (found := re.search(r"\b[a-z]{4,} [a-z]{4,} [a-z]{4,}\b", text))]
    return {
        "rare words": [chance.choice(rare) for _ in range(_ASKED)],
        "common words": [chance.choice(common) for _ in range(_ASKED)],
        "phrases": [f'"{chance.choice(phrases)}"' for _ in range(_ASKED)],
        "or of six": [" or ".join(chance.sample(common, 6)) for _ in range(_ASKED)],
    }


async def _require_gin(base: Base) -> None:
    """By hand there is an index over the words; where the schema has none, one is made."""
    known = (
        "SELECT true FROM pg_indexes WHERE tablename = 'episodes' AND indexdef LIKE '%USING gin%content_tsv%'"
    )
    if not await base.owner.fetchval(known):
        print("  (the schema has no GIN index over the words: one is made for the search by hand)")
        await base.owner.execute("CREATE INDEX by_hand_words ON episodes USING gin (content_tsv)")
    await base.owner.execute("VACUUM (ANALYZE) episodes")


async def _ours(stored: Stored, scope: Scope, asked: Sequence[str], query: int) -> list[UUID]:
    memory = stored.base.data.tenant(scope.tenant_id).memory
    hits = await memory.text_search_episodes(scope.agent_id, asked[query], limit=10)
    return [hit.item.id for hit in hits]


async def _hand(stored: Stored, scope: Scope, asked: Sequence[str], query: int) -> list[UUID]:
    arguments = (scope.tenant_id, scope.agent_id, asked[query])
    async with stored.base.owner.acquire() as connection:
        rows = await by_hand.fetched(connection, _HITS, arguments, scope.tenant_id)
    return [episode.id for episode in by_hand.episodes(rows)]


async def _hybrid(stored: Stored, scope: Scope, asked: Sequence[str], query: int) -> list[UUID]:
    memory = stored.base.data.tenant(scope.tenant_id).memory
    vector = stored.embedding(query)
    hits = await memory.hybrid_search_episodes(scope.agent_id, asked[query], vector, limit=10)
    return [hit.item.id for hit in hits]


async def _legs(stored: Stored, scope: Scope, asked: Sequence[str], query: int) -> list[UUID]:
    memory = stored.base.data.tenant(scope.tenant_id).memory
    hits = await memory.vector_search_episodes(scope.agent_id, stored.embedding(query), limit=10)
    hits += await memory.text_search_episodes(scope.agent_id, asked[query], limit=10)
    return [hit.item.id for hit in hits]
