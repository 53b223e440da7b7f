"""Full-text search in plain Python: what its pieces make of texts that a store would not show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focal_data.domain.memory import Language
from focal_data.domain.words import harmless
from focal_data.inmemory.words import SNIPPET_WORDS, read, words

ANY = st.text(st.characters(), max_size=200)


@given(ANY, ANY, st.sampled_from(list(Language)))
def test_any_text_is_searched_for_in_any(query: str, content: str, language: Language) -> None:
    """Whatever they hold: a rank above zero and a snippet of the content, or nothing."""
    asked = read(harmless(query, "query"), language)
    rank = None if asked is None else asked.rank(content, language)
    assert rank is None or rank > 0
    if asked is not None and "<" not in content:
        assert asked.snippet(content, language).replace("<b>", "").replace("</b>", "") in content


@given(ANY)
def test_a_text_finds_itself(content: str) -> None:
    """By each of its words, in ``simple``."""
    for word in list(words(content, Language.SIMPLE))[:5]:
        asked = read(f'"{content[word.start : word.end]}"', Language.SIMPLE)
        assert asked is not None
        assert asked.rank(content, Language.SIMPLE) is not None


def test_each_further_occurrence_counts_less() -> None:
    """As ``ts_rank`` of PostgreSQL counts them."""
    asked = read("apple", Language.SIMPLE)
    assert asked is not None
    ranks = [asked.rank("apple " * n, Language.SIMPLE) for n in (1, 2, 3)]
    assert pytest.approx([0.06079271, 0.07599089, 0.08274563]) == ranks


def test_a_snippet_begins_before_the_first_word_found() -> None:
    """And ends some words on, however long the content is."""
    asked = read("here", Language.SIMPLE)
    assert asked is not None
    snippet = asked.snippet("before " * 50 + "here " + "after " * 500, Language.SIMPLE)
    assert snippet.startswith("before before before before before <b>here</b> after")
    assert SNIPPET_WORDS == len(snippet.split())


def test_without_words_there_is_nothing_to_show() -> None:
    """An empty content, or one of punctuation."""
    asked = read("here", Language.SIMPLE)
    assert asked is not None
    assert ["", ""] == [asked.snippet(content, Language.SIMPLE) for content in ("", "… !")]
