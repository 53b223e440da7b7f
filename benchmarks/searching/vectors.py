"""Vector search, measured: recall, rows and latency of ours and of everything by hand, for each size class of a corpus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from benchmarks.searching.by_hand import ByHand
from benchmarks.searching.codes import CANDIDATES, Codes
from benchmarks.searching.exact import Exact, Recall
from benchmarks.searching.graphs import graph_index
from benchmarks.searching.peers import peers
from benchmarks.searching.scale import Scale
from benchmarks.searching.stored import Stored
from benchmarks.searching.timing import Times, Way, clocked, side_by_side

OURS: Final = "ours"
EXACT: Final = "exact scan by hand"
GRAPH: Final = "HNSW by hand"
CODES: Final = "codes by hand, re-ranked"
_TUNED_ON: Final = 100
"""Queries of a class on which ef_search and the number of candidates are chosen."""


Tunable = Callable[[int, int], Awaitable[list[UUID]]]
"""Answers a query, given by its number, at a setting."""


@dataclass(frozen=True)
class Line:
    """What a way did with the queries of one size class."""

    way: str
    size_class: str
    rows: tuple[int, int]
    """The fewest and the most that a tenant's agent of the class has."""
    recall: Recall
    times: Times


async def measured(
    stored: Stored, scale: Scale, *, peers_python: str | None, graph: bool
) -> AsyncIterator[Line]:
    """A line for each way and class: first all that need no graph, then HNSW, its times scaled by the exact scan's."""
    before: dict[str, Times] = {}
    truth = Exact(stored.corpus, stored.ids)
    async for line in _without_graph(stored, scale, truth, peers_python):
        if line.way == EXACT:
            before[line.size_class] = line.times
        yield line
    if graph:
        async with graph_index(stored.base) as seconds:
            print(f"  (HNSW built by hand in {seconds:.0f} s, measured, and dropped)")
            async for line in _with_graph(stored, scale, truth, before):
                yield line


async def _without_graph(
    stored: Stored, scale: Scale, truth: Exact, peers_python: str | None
) -> AsyncIterator[Line]:
    hand, coded = ByHand(stored), Codes(stored)
    async with AsyncExitStack() as stack:
        ways: dict[str, Way] = {OURS: clocked(partial(_ours, stored)), EXACT: clocked(hand.exact)}
        if peers_python:
            ways |= await peers(stack, stored, peers_python)
        has_codes = await coded.exist()
        for name, queries in stored.corpus.by_class().items():
            more = (
                await _tuned(stored, truth, queries, (CODES, coded.search, CANDIDATES)) if has_codes else {}
            )
            for way, times in (await side_by_side(ways | more, queries, rounds=scale.rounds)).items():
                yield _line(stored, truth, way, name, queries, times)


async def _with_graph(
    stored: Stored, scale: Scale, truth: Exact, before: Mapping[str, Times]
) -> AsyncIterator[Line]:
    hand = ByHand(stored)
    for name, queries in stored.corpus.by_class().items():
        tuned = await _tuned(stored, truth, queries, (f"{GRAPH}, ef", hand.graph, scale.ef_search))
        found = await side_by_side({EXACT: clocked(hand.exact), **tuned}, queries, rounds=scale.rounds)
        drift = before[name].p50 / found.pop(EXACT).p50
        for way, times in found.items():
            yield _line(stored, truth, way, name, queries, times.scaled(drift))


async def _ours(stored: Stored, query: int) -> list[UUID]:
    scope = stored.scope(query)
    memory = stored.base.data.tenant(scope.tenant_id).memory
    hits = await memory.vector_search_episodes(scope.agent_id, stored.embedding(query), limit=10)
    return [hit.item.id for hit in hits]


async def _tuned(
    stored: Stored, truth: Exact, queries: Sequence[int], way: tuple[str, Tunable, Sequence[int]]
) -> dict[str, Way]:
    """The way at the smallest of its choices whose recall is ours on some of the queries, or else at the largest."""
    name, search, choices = way
    some = queries[:: max(1, len(queries) // _TUNED_ON)]
    ours = truth.recall({query: await _ours(stored, query) for query in some})
    for choice in choices:
        if truth.recall({query: await search(query, choice) for query in some}).reaches(ours):
            break

    async def tuned(query: int) -> list[UUID]:
        return await search(query, choice)

    return {f"{name} {choice}": clocked(tuned)}


def _line(stored: Stored, truth: Exact, way: str, name: str, queries: Sequence[int], times: Times) -> Line:
    rows = [stored.scope(query).rows for query in queries]
    return Line(way, name, (min(rows), max(rows)), truth.recall(times.found), times)


def judged(lines: Sequence[Line]) -> Mapping[str, Mapping[str, Line]]:
    """The lines by class and way."""
    found: dict[str, dict[str, Line]] = {}
    for line in lines:
        found.setdefault(line.size_class, {})[line.way] = line
    return found
