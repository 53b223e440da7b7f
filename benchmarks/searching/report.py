"""The tables of a run in Markdown, and which of the limits hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.searching import vectors, words
from benchmarks.searching.labelled import Quality
from benchmarks.searching.sizes import Seconds, Sizes
from benchmarks.searching.vectors import Line, judged
from focal_data.domain.embedding import MAX_DIMENSIONS


@dataclass(frozen=True)
class Limit:
    """Something that was to be reached, and what was."""

    what: str
    reached: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.reached >= self.limit if self.at_least else self.reached <= self.limit


def of_vectors(name: str, lines: Sequence[Line]) -> tuple[str, list[Limit]]:
    """Recall, rows and latency of each way, and what is asked of ours."""
    rows = [
        (
            line.size_class,
            _span(line.rows),
            line.way,
            f"{line.recall.mean:.3f}",
            f"{line.recall.worst:.1f}",
            f"{line.recall.fewest * 10:.0f}",
            f"{line.times.p50:.2f}",
            f"{line.times.p99:.2f}",
        )
        for line in sorted(lines, key=_by_class)
    ]
    heads = ("class", "rows of the agent", "way", "recall@10", "worst", "fewest rows", "p50 ms", "p99 ms")
    limits = [limit for ways in judged(lines).values() for limit in _asked_of_ours(name, ways)]
    return _table(heads, rows), limits


def _by_class(line: Line) -> tuple[int, str]:
    return line.rows[1], line.size_class


def _span(rows: tuple[int, int]) -> str:
    return f"{rows[0]:,}" if rows[0] == rows[1] else f"{rows[0]:,}–{rows[1]:,}"


def _asked_of_ours(name: str, ways: Mapping[str, Line]) -> list[Limit]:
    ours = ways[vectors.OURS]
    about = f"{name}, {ours.size_class}"
    limits = [
        Limit(f"{about}: recall@10", ours.recall.mean, 0.99, at_least=True),
        Limit(f"{about}: recall@10 of the worst query", ours.recall.worst, 0.5, at_least=True),
        Limit(f"{about}: rows of ten", ours.recall.fewest * 10, 10, at_least=True),
        Limit(f"{about}: p99 / p50", ours.times.p99 / ours.times.p50, 5),
    ]
    equal = [line for way, line in ways.items() if "by hand" in way and line.recall.reaches(ours.recall)]
    if equal:
        fastest = min(equal, key=lambda line: line.times.p50)
        ratio = ours.times.p50 / fastest.times.p50
        limits.append(Limit(f"{about}: p50 / the fastest of equal recall ({fastest.way})", ratio, 1.3))
    if ours.rows[0] > 12_000:
        exact = ways[vectors.EXACT]
        limits.append(Limit(f"{about}: p50 / the exact scan's", ours.times.p50 / exact.times.p50, 0.5))
    return limits


def of_words(lines: Sequence[words.Line]) -> tuple[str, list[Limit]]:
    """How long texts are searched for, and hybrid beside its two legs."""
    names = (words.OURS, words.HAND, words.HYBRID, words.LEGS)
    rows = [
        (f"{line.rows:,}", line.kind, *(f"{line.times[name].p50:.2f} / {line.times[name].p99:.2f}" for name in names),
         f"{line.same:.0%}")
        for line in lines
    ]  # fmt: skip
    heads = ("rows of the agent", "query", *(f"{name}: p50 / p99 ms" for name in names), "same answers")
    limits = [
        Limit(
            f"text, {line.rows:,} rows, {line.kind}: p50 / by hand without a policy",
            line.times[words.OURS].p50 / line.times[words.HAND].p50,
            1.5,
        )
        for line in lines
    ]
    return _table(heads, rows), limits


def of_sizes(name: str, sizes: Sizes) -> tuple[str, list[Limit]]:
    """Bytes for each row."""
    parts = {"heap (with TOAST)": sizes.heap, **sizes.vectors, **sizes.others}
    rows = [(part, f"{size:,.0f}", "" if part in sizes.others else "✓") for part, size in parts.items()]
    table = _table(("of the episodes", "bytes a row", "counted"), rows)
    if sizes.dimensions < MAX_DIMENSIONS:  # shorter ones are padded, and would be judged for that
        return table, []
    return table, [
        Limit(f"{name}: KB a row and 100 dimensions, heap and vector indexes", sizes.kilobytes, 0.6)
    ]


def of_seconds(measured: Sequence[Seconds]) -> tuple[str, list[Limit]]:
    """Loading and inserting; only loading has a limit."""
    rows = [
        (one.what, f"{one.rows:,}", f"{one.ours:.2f}", f"{one.by_hand:.2f}", f"{one.ours / one.by_hand:.2f}")
        for one in measured
    ]
    table = _table(("what", "episodes", "s", "against s", "ratio"), rows)
    return table, [
        Limit(one.what, one.ours / one.by_hand, 1.5) for one in measured if one.what.startswith("bulk")
    ]


def of_quality(found: Sequence[Quality]) -> tuple[str, list[Limit]]:
    """MRR and recall of each search; hybrid is to be no worse than the better leg, over all questions."""
    rows = [
        (one.language, one.search, f"{one.questions}", f"{one.mrr:.3f}", f"{one.recall:.3f}") for one in found
    ]
    table = _table(("language", "search", "questions", "MRR", "recall@5"), rows)
    whole = {one.search: one for one in found if one.language == "both"}
    legs = (whole["vector"], whole["text"])
    return table, [
        Limit("labelled: MRR of hybrid", whole["hybrid"].mrr, max(leg.mrr for leg in legs), at_least=True),
        Limit(
            "labelled: recall@5 of hybrid",
            whole["hybrid"].recall,
            max(leg.recall for leg in legs),
            at_least=True,
        ),
    ]


def of_limits(limits: Iterable[Limit]) -> str:
    """What was asked and what was reached."""
    rows = [
        (
            limit.what,
            f"{limit.reached:.3f}",
            f"{'≥' if limit.at_least else '≤'} {limit.limit:.3g}",
            _word(limit),
        )
        for limit in limits
    ]
    return _table(("limit", "reached", "asked", ""), rows)


def _word(limit: Limit) -> str:
    return "ok" if limit.met else "**missed**"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
