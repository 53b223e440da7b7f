"""Queries made harmless: what is left of any string."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focal_data.domain.words import MAX_BYTES, MAX_WORDS, harmless
from focal_data.errors import InvalidDataError

ANY = st.text(st.characters(), max_size=3000)


@given(ANY)
def test_what_is_left_is_small_and_can_be_sent(query: str) -> None:
    """Bounded in bytes and words, UTF-8, without NUL; and nothing more is taken away from it."""
    left = harmless(query, "query")
    assert len(left.encode()) <= MAX_BYTES
    assert len(left.split()) <= MAX_WORDS
    assert "\0" not in left
    assert left.split() == harmless(left, "query").split()


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("plain words", "plain words"),
        ('"a phrase" or -word -"not this"', '"a phrase" or -word -"not this"'),
        ("e-mail -5 -ä", "e-mail -5 -ä"),
        ("a\0b", "a b"),
        ("a\ud800b", "ab"),
        ("a -- -- b -", "a b"),
        ("-<-<x", "< <x"),
        ("w " * 100, " ".join("w" * MAX_WORDS)),
        ("é" * 1000, "é" * (MAX_BYTES // 2)),
        ("a" + "é" * 1000, "a" + "é" * ((MAX_BYTES - 1) // 2)),
        ("  \t\n\u3000 ", ""),
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_what_is_left_of_a_query(query: str, left: str) -> None:
    """Words, phrases and negations are kept as they are, up to the limits."""
    assert left.split() == harmless(query, "query").split()


def test_what_is_no_text_is_refused() -> None:
    """By the name of the argument."""
    with pytest.raises(InvalidDataError, match=r"^words: "):
        harmless(None, "words")  # type: ignore[arg-type]
