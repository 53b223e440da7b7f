"""Queries made harmless: what is left of any string."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focal_data.domain.words import MAX_BYTES, MAX_WORDS, harmless
from focal_data.errors import InvalidDataError

ANY = st.text(st.characters(), max_size=3000)


@given(ANY)
def test_what_is_left_is_small_and_can_be_sent(query: str) -> None:
    """Bounded in bytes, beside its marks, and in words; UTF-8, without NUL; and it is read the same a second time."""
    left = harmless(query, "query")
    assert len(re.sub(r'[-"]', "", left).encode()) <= MAX_BYTES
    assert len(left.split()) <= MAX_WORDS
    assert "\0" not in left
    assert len(left.encode()) > MAX_BYTES or left == harmless(left, "query")


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("plain words", "plain words"),
        ('"a phrase" or -word -"not this"', '"a phrase" or -word -"not this"'),
        ("e-mail -5 -ä", '"e mail" -5 -ä'),
        ("https://example.com/a?b=1&c", '"https example com a b 1 c"'),
        ("-<b>x</b> don't 3.14", '-"b x b" "don t" "3 14"'),
        ('a"b.c"d -"e', 'a "b c" d -"e"'),
        ('"or" or .or. !', '"or" or or'),
        ("a\0b", "a b"),
        ("a\ud800b", "ab"),
        ("a -- -- b -", "a b"),
        ("-<-<x ---y", "-x -y"),
        ("w " * 100, " ".join("w" * MAX_WORDS)),
        ("w." * 100, f'"{" ".join("w" * MAX_WORDS)}"'),
        ("- " * 2000 + "w", ""),
        ("é" * 1000, "é" * (MAX_BYTES // 2)),
        ("a" + "é" * 1000, "a" + "é" * ((MAX_BYTES - 1) // 2)),
        ("  \t\n\u3000 ", ""),
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_what_is_left_of_a_query(query: str, left: str) -> None:
    """Words, phrases and negations, up to the limits; words that punctuation joins are a phrase."""
    assert left == harmless(query, "query")


def test_what_is_no_text_is_refused() -> None:
    """By the name of the argument."""
    with pytest.raises(InvalidDataError, match=r"^words: "):
        harmless(None, "words")  # type: ignore[arg-type]
