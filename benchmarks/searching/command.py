"""``python -m benchmarks search``: which parts, how large, and where what is made is kept."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.searching import corpora, labelled, report, sizes, vectors, words
from benchmarks.searching.corpora import Corpus
from benchmarks.searching.report import Limit
from benchmarks.searching.scale import FULL, QUICK, Scale
from benchmarks.searching.stored import database, load
from focal_data.errors import UsageError
from focal_data.testing.engines import Engines, running

Section = tuple[str, str, list[Limit]]
"""A heading, a table, and what was to be reached in it."""

PARTS: Final = ("synthetic", "svd", "wordllama", "writing", "words", "labelled")


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(prog="python -m benchmarks search", description=__doc__)
    made.add_argument(
        "--quick", action="store_true", help="small, in less than a minute: shows that it works"
    )
    made.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="some of the parts")
    made.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "focal-data-benchmarks"))
    peers = "LangGraph and LangChain too: by uv, or by an interpreter that has them"
    made.add_argument("--peers", nargs="?", const="uv", metavar="PYTHON", help=peers)
    made.add_argument(
        "--no-graph", action="store_true", help="without HNSW, whose index takes minutes to build"
    )
    made.add_argument("--report", type=Path, help="write the tables to this file, too")
    return made


def main(arguments: Sequence[str]) -> int:
    """The number of limits that were missed."""
    asked = parser().parse_args(arguments)
    run = Run(
        QUICK if asked.quick else FULL, asked.folder, peers_python=asked.peers, graph=not asked.no_graph
    )
    sections = asyncio.run(run.sections(asked.only))
    limits = [limit for _, _, reached in sections for limit in reached]
    sections.append(("Limits", report.of_limits(limits), []))
    text = "\n\n".join(f"### {heading}\n\n{table}" for heading, table, _ in sections)
    if asked.report:
        asked.report.write_text(f"{text}\n", encoding="utf-8")
    print(f"\n### Limits\n\n{sections[-1][1]}")
    return sum(not limit.met for limit in limits)


class Run:
    """One run, at one scale."""

    def __init__(self, scale: Scale, folder: Path, *, peers_python: str | None, graph: bool) -> None:
        self._scale = scale
        self._folder = folder
        self._peers = peers_python
        self._graph = graph

    async def sections(self, parts: Sequence[str]) -> list[Section]:
        """Every part's tables, printed as they come."""
        made: list[Section] = []
        with running() as engines:
            print(f"{os.cpu_count()} processors, {platform.platform()}, Python {platform.python_version()}")
            for part in parts:
                try:
                    async for section in self._part(part, engines):
                        made.append(section)
                        print(f"\n### {section[0]}\n\n{section[1]}", flush=True)
                except UsageError as error:
                    print(f"\n{part} left out: {error}")
        return made

    def _part(self, part: str, engines: Engines) -> AsyncIterator[Section]:
        parts: dict[str, Callable[[Engines], AsyncIterator[Section]]] = {
            "writing": self._writing,
            "words": self._words,
            "labelled": self._labelled,
        }
        return parts[part](engines) if part in parts else self._vectors(engines, part)

    async def _corpus(self, part: str) -> Corpus:
        if part == "synthetic":
            return corpora.synthetic(self._folder, self._scale)
        return await corpora.real(self._folder, self._scale, part)

    async def _vectors(self, engines: Engines, part: str) -> AsyncIterator[Section]:
        corpus = await self._corpus(part)
        async with database(engines) as base:
            stored = await load(base, corpus)
            name = f"{corpus.name}, {len(stored.ids):,} rows"
            yield f"Sizes: {name}", *report.of_sizes(corpus.name, await sizes.sizes(stored))
            lines = []
            async for line in vectors.measured(
                stored, self._scale, peers_python=self._peers, graph=self._graph
            ):
                lines.append(line)
                print(f"  {line.size_class}, {line.way}: {line.times.p50:.2f} ms", flush=True)
            yield f"Vector search: {name}", *report.of_vectors(corpus.name, lines)

    async def _writing(self, engines: Engines) -> AsyncIterator[Section]:
        corpus = corpora.synthetic(self._folder, self._scale)
        loaded = await sizes.bulk_load(engines, corpus, self._scale.loaded)
        async with database(engines) as base:
            stored = await load(base, corpus)
            inserted = await sizes.insertion(stored, self._scale.inserted)
        yield "Writing", *report.of_seconds([loaded, *inserted])

    async def _words(self, engines: Engines) -> AsyncIterator[Section]:
        corpus = words.corpus(self._folder, self._scale)
        async with database(engines) as base:
            stored = await load(base, corpus)
            lines = []
            async for line in words.measured(stored, self._scale):
                lines.append(line)
                print(f"  {line.rows:,} rows, {line.kind}: {line.times[words.OURS].p50:.2f} ms", flush=True)
        yield "Text and hybrid search", *report.of_words(lines)

    async def _labelled(self, engines: Engines) -> AsyncIterator[Section]:
        async with database(engines) as base:
            yield "Labelled questions", *report.of_quality(await labelled.measured(base))
