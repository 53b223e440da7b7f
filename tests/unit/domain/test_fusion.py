"""How deep the legs of a fused search must go, and what their hits count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focal_data.domain.fusion import depth, score


@pytest.mark.slow
@given(st.permutations(range(150)), st.permutations(range(75, 225)), st.integers(1, 10))
def test_what_lies_deeper_in_both_is_never_among_the_first(
    one: list[int], other: list[int], limit: int
) -> None:
    """Each of the best is within the depth in one leg at least."""
    ranks = [{hit: rank for rank, hit in enumerate(leg, 1)} for leg in (one, other)]
    hits = sorted(range(225), key=lambda hit: -score(*(leg.get(hit) for leg in ranks)))
    assert all(any(leg.get(hit, depth(limit) + 1) <= depth(limit) for leg in ranks) for hit in hits[:limit])


@pytest.mark.parametrize("limit", [1, 3, 10, 1000])
def test_the_depth_is_what_is_needed(limit: int) -> None:
    """At that place in both legs a hit is as good as the last one that a single leg gets in; one place on it is not."""
    last = depth(limit)
    assert pytest.approx(score(limit, None)) == score(last, last)
    assert score(last, last + 1) < score(limit, None)


def test_a_leg_without_the_hit_adds_nothing() -> None:
    """Each other one adds the reciprocal of its place."""
    assert 1 / 61 == score(1, None)
    assert 1 / 61 + 1 / 63 == score(1, 3)
    assert 0 == score(None, None)
