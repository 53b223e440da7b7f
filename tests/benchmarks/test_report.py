"""What the report of search says of limits."""

from __future__ import annotations

from benchmarks.searching import report, vectors
from benchmarks.searching.exact import Recall
from benchmarks.searching.labelled import Quality
from benchmarks.searching.report import Limit
from benchmarks.searching.sizes import Sizes
from benchmarks.searching.timing import Times
from benchmarks.searching.vectors import Line

GOOD = Recall(0.995, 0.6, 1.0)
POOR = Recall(0.80, 0.0, 1.0)


def _line(way: str, p50: float, *, recall: Recall = GOOD, rows: int = 500) -> Line:
    return Line(way, "a class", (rows, rows), recall, Times(p50, 3 * p50, {}))


def _reached(*lines: Line) -> dict[str, Limit]:
    _, limits = report.of_vectors("a corpus", lines)
    return {limit.what.removeprefix("a corpus, a class: "): limit for limit in limits}


def test_ours_is_compared_with_the_fastest_by_hand_of_equal_recall():
    """One that is faster and finds less is no measure, and neither is a peer."""
    limits = _reached(
        _line(vectors.OURS, 2.0),
        _line(vectors.EXACT, 4.0),
        _line("HNSW by hand, ef 40", 1.0, recall=POOR),
        _line("codes by hand, re-ranked 200", 1.6),
        _line("LangGraph", 0.5),
    )
    [ratio] = [limit for what, limit in limits.items() if "fastest" in what]
    assert "codes by hand" in ratio.what
    assert (1.25, 1.3, True) == (ratio.reached, ratio.limit, ratio.met)


def test_only_large_tenants_are_compared_with_the_exact_scan():
    """Above 12,000 rows ours may take half of its time."""
    small = _reached(_line(vectors.OURS, 3.0), _line(vectors.EXACT, 4.0))
    large = _reached(_line(vectors.OURS, 3.0, rows=12_001), _line(vectors.EXACT, 4.0, rows=12_001))
    assert "p50 / the exact scan's" not in small
    assert (0.75, False) == (large["p50 / the exact scan's"].reached, large["p50 / the exact scan's"].met)


def test_recall_and_rows_have_a_least():
    """What ours finds too little of is told."""
    limits = _reached(_line(vectors.OURS, 1.0, recall=Recall(0.98, 0.4, 0.9)), _line(vectors.EXACT, 1.0))
    missed = [what for what, limit in limits.items() if not limit.met]
    assert ["recall@10", "recall@10 of the worst query", "rows of ten"] == missed
    assert limits["p99 / p50"].met


def test_hybrid_is_compared_with_the_better_leg():
    """By each measure alone, over all languages."""
    legs = [Quality("both", "vector", 60, 0.5, 0.4), Quality("both", "text", 60, 0.3, 0.6)]
    _, limits = report.of_quality([*legs, Quality("both", "hybrid", 60, 0.5, 0.5)])
    assert [(0.5, 0.5, True), (0.5, 0.6, False)] == [(one.reached, one.limit, one.met) for one in limits]


def test_sizes_are_judged_at_full_length():
    """Shorter vectors are padded, so that their size says nothing."""
    _, limits = report.of_sizes("a corpus", Sizes(10, 1536, 6000.0, {"codes": 144.0}, {"key": 70.0}))
    assert [(0.4, 0.6)] == [(limit.reached, limit.limit) for limit in limits]
    assert [] == report.of_sizes("a corpus", Sizes(10, 256, 6000.0, {}, {}))[1]
