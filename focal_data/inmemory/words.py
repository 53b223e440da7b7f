"""Full-text search in plain Python: a query read as ``websearch_to_tsquery`` reads it, words by their stems.

A word is a run of letters, marks and digits, also in addresses, versions and tags: contents are stored so that PostgreSQL's
parser sees none of these (``JOINERS``). Only of ``1e5kg`` it makes two words. The stems are Snowball's, which PostgreSQL has
too.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

import snowballstemmer

from focal_data.domain.memory import Language
from focal_data.domain.words import INDEXED_CHARACTERS, LAST_PLACE, MAX_PLACES, SNIPPET_CHARACTERS
from focal_data.inmemory.stop_words import STOP_WORDS

Places = Mapping[str, list[int]]
"""Where each stem of a content stands: places of words, from 1."""

SNIPPET_WORDS: Final = 35
WORDS_BEFORE: Final = 5

_LATIN: Final = {Language.RUSSIAN: Language.ENGLISH, Language.HINDI: Language.ENGLISH}
"""Where words in Latin letters are read in another language."""
_OR: Final = re.compile(r"or(?![-\w])(?=.\s*\S)", re.IGNORECASE | re.DOTALL)
_TERM: Final = re.compile(r'(?P<dashes>-*)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^-\s"!&|()][^\s"!&|():]*))')
_WORD: Final = re.compile(r"[^\W_]+")
_SUM_OF_INVERSE_SQUARES: Final = 1.64493406685


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text; ``stem`` is ``None`` for a stop word."""

    stem: str | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Phrase:
    """Stems that follow each other at these distances from the first; or that must not."""

    stems: tuple[tuple[str, int], ...]
    negated: bool

    def met_by(self, places: Places) -> bool:
        """Whether it stands there, or doesn't where it must not."""
        first, _ = self.stems[0]
        return self.negated is not any(self._stands_at(places, at) for at in places.get(first, ()))

    def _stands_at(self, places: Places, at: int) -> bool:
        return all(at + distance in places.get(stem, ()) for stem, distance in self.stems)


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for in one language: one of ``alternatives``, each of which names a word that must be there."""

    alternatives: tuple[tuple[Phrase, ...], ...]

    def rank(self, content: str, language: Language) -> float | None:
        """How well ``content`` fits, above 0; ``None`` when it doesn't. For one word it is what ``ts_rank`` gives."""
        places = _places(content[:INDEXED_CHARACTERS], language)
        if not any(all(phrase.met_by(places) for phrase in every) for every in self.alternatives):
            return None
        stems = {stem for phrase in self._phrases() for stem, _ in phrase.stems}
        return sum(0.1 * _weight(len(places.get(stem, ()))) for stem in stems) / len(stems)

    def snippet(self, content: str, language: Language) -> str:
        """The part of the content's beginning around the first word found, each between ``<b>`` and ``</b>``; not escaped."""
        text = content[:SNIPPET_CHARACTERS]
        sought = {stem for phrase in self._phrases() if not phrase.negated for stem, _ in phrase.stems}
        every = list(words(text, language))
        first = next((n for n, word in enumerate(every) if word.stem in sought), 0)
        start = max(0, first - WORDS_BEFORE)
        shown = every[start : start + SNIPPET_WORDS]
        return _marked(text, shown, sought)

    def _phrases(self) -> Iterator[Phrase]:
        return (phrase for every in self.alternatives for phrase in every)


@lru_cache(maxsize=1024)
def read(query: str, language: Language) -> Query | None:
    """``query``, made harmless before, in one language; ``None`` when it could be met without a word, or has none."""
    alternatives = []
    for terms in _alternatives(query):
        phrases = [Phrase(stems, negated) for text, negated in terms if (stems := _phrase(text, language))]
        if phrases and all(phrase.negated for phrase in phrases):
            return None
        if phrases:
            alternatives.append(tuple(phrases))
    return Query(tuple(alternatives)) if alternatives else None


def _alternatives(query: str) -> list[list[tuple[str, bool]]]:
    """The texts between ``or`` and ``or``, and whether each must be missing."""
    alternatives: list[list[tuple[str, bool]]] = [[]]
    place, after_term = 0, False
    while place < len(query):
        if after_term and (found := _OR.match(query, place)):
            alternatives.append([])
            place, after_term = found.end(), False
        elif found := _TERM.match(query, place):
            negated = len(found["dashes"]) % 2 == 1
            alternatives[-1].append((found["phrase"] or found["word"] or "", negated))
            place, after_term = found.end(), True
        else:  # a blank, or an operator of tsquery, which means nothing here
            place += 1
    return alternatives


def _phrase(text: str, language: Language) -> tuple[tuple[str, int], ...]:
    stems = [(word.stem, n) for n, word in enumerate(words(text, language)) if word.stem is not None]
    return tuple((stem, n - stems[0][1]) for stem, n in stems)


def _places(text: str, language: Language) -> Places:
    places: defaultdict[str, list[int]] = defaultdict(list)
    for n, word in enumerate(words(text, language), 1):
        if word.stem is not None:
            _keep(places[word.stem], min(n, LAST_PLACE))
    return places


def _keep(places: list[int], place: int) -> None:
    if len(places) < MAX_PLACES and places[-1:] != [place]:
        places.append(place)


def words(text: str, language: Language) -> Iterator[Word]:
    """The words of ``text`` in their order."""
    for found in _pattern(text).finditer(text):
        yield Word(stem(found[0], language), found.start(), found.end())


def _pattern(text: str) -> re.Pattern[str]:
    """Words of this text: combining marks, without which some scripts have no whole word, are part of them; ½ is none."""
    if text.isascii():
        return _WORD
    kinds = {c: unicodedata.category(c) for c in set(text) if not c.isascii()}
    marks = "".join(sorted(c for c, kind in kinds.items() if kind[0] == "M" or kind == "Cf"))
    others = "".join(sorted(c for c, kind in kinds.items() if kind == "No"))
    letter = rf"[^\W_{re.escape(others)}]"
    return re.compile(rf"{letter}(?:{letter}|[{re.escape(marks)}])*" if marks else rf"{letter}+")


@lru_cache(maxsize=100_000)
def stem(word: str, language: Language) -> str | None:
    """The stem of a word, or ``None`` for a stop word."""
    lower = word.lower()
    if language is Language.SIMPLE or any(c.isdigit() for c in lower):
        return lower
    read_in = _LATIN.get(language, language) if lower.isascii() else language
    if lower in STOP_WORDS.get(read_in, ()):
        return None
    stem: str = _stemmer(read_in).stemWord(lower)
    return stem


@cache
def _stemmer(language: Language) -> Any:
    return snowballstemmer.stemmer(language.value)


def _weight(occurrences: int) -> float:
    """Each further occurrence of a word counts less: the n-th 1/n², of what infinitely many would."""
    return sum(1.0 / (n * n) for n in range(1, occurrences + 1)) / _SUM_OF_INVERSE_SQUARES


def _marked(text: str, words: Sequence[Word], sought: set[str]) -> str:
    if not words:
        return ""
    parts, place = [], words[0].start
    for word in words:
        mark = word.stem in sought
        parts += [
            text[place : word.start],
            "<b>" if mark else "",
            text[word.start : word.end],
            "</b>" if mark else "",
        ]
        place = word.end
    return "".join(parts)
