"""Similarity in memory: that of the stored precision, the same for the same vectors."""

from __future__ import annotations

import math

import pytest

from focal_data.domain.embedding import Embedding
from focal_data.inmemory.vector import similarities


def test_it_is_the_cosine() -> None:
    """Never beyond −1 and 1, whatever the rounding."""
    query = Embedding([0.1, 0.2, 0.3], model="m").rounded()
    same, opposite, right = [
        Embedding(vector, model="m").rounded()
        for vector in ([0.1, 0.2, 0.3], [-0.1, -0.2, -0.3], [0.2, -0.1, 0.0])
    ]
    one, minus_one, zero = similarities([same, opposite, right], query)
    assert 1 >= one == pytest.approx(1)
    assert -1 <= minus_one == pytest.approx(-1)
    assert 0 == pytest.approx(zero, abs=1e-3)


def test_equal_vectors_are_equally_similar_wherever_they_stand() -> None:
    """Bit by bit, so that ties are ties."""
    vector = Embedding([math.sin(n) for n in range(1, 1537)], model="m").rounded()
    query = Embedding([math.cos(n) for n in range(1, 1537)], model="m").rounded()
    assert 1 == len(set(similarities([vector] * 1001, query)))


def test_lengths_may_differ() -> None:
    """A shorter one counts as padded with zeros, on either side."""
    short, long = Embedding([1], model="m"), Embedding([1, 0, 1], model="m")
    assert pytest.approx([1, math.sqrt(0.5)]) == similarities([short, long], short)
    assert pytest.approx([math.sqrt(0.5), 1]) == similarities([short, long], long)


def test_the_largest_and_the_smallest_are_compared() -> None:
    """Whatever half precision holds, its squares too."""
    large, small = Embedding([65504.0] * 1536, model="m"), Embedding([6e-8] * 1536, model="m").rounded()
    assert pytest.approx([1.0, 1.0]) == similarities([large, small], small)
