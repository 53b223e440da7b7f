"""Full-text search, as far as every backend shares it: what is left of a query, and how much of a content is searched."""

from __future__ import annotations

import re
import string
from typing import Final

from focal_data.errors import InvalidDataError

MAX_BYTES: Final = 1024
MAX_WORDS: Final = 32

INDEXED_CHARACTERS: Final = 100_000
"""How much of a content is found by its words: at most 8 bytes of tsvector a character, of the 1 MB that one may have."""

LAST_PLACE: Final = 16_383
"""Where in a content a phrase ends at the latest, in words: a tsvector takes all that come behind for one place."""

MAX_PLACES: Final = 255
"""Of a word, so many occurrences in a content count, in phrases and for its rank: a tsvector keeps no more."""

SNIPPET_CHARACTERS: Final = 2000
"""How much of a content a snippet is looked for in; one of 9 KB would take fifteen times as long."""

JOINERS: Final = "</@&.-+~_"
"""By what PostgreSQL's parser makes one word of many, an address of the web or a tag: a blank in contents, to every backend."""

_PUNCTUATION: Final = str.maketrans(dict.fromkeys(string.punctuation, " "))
_PART: Final = re.compile(r'(?P<dashes>-*)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')


def harmless(query: str, field: str) -> str:
    """``query`` at a cost that is bounded: its first ``MAX_BYTES`` bytes of UTF-8, and of these ``MAX_WORDS`` words.

    What is left are words, phrases between quotes, a dash before what must be missing, and ``or``. Words that punctuation
    joins are a phrase: ``e-mail``, ``3.14``, ``https://example.com/a?b=1``. NUL and lone surrogates are left out. What is no
    text is ``InvalidDataError(field)``.
    """
    if not isinstance(query, str):
        raise InvalidDataError(field, "must be text")
    text = " ".join(query.replace("\0", " ").split(None, MAX_BYTES)[:MAX_BYTES])[:MAX_BYTES]
    text = text.encode(errors="ignore")[:MAX_BYTES].decode(errors="ignore")
    left, parts = MAX_WORDS, []
    for found in _PART.finditer(text):
        words = (found["phrase"] or found["word"] or "").translate(_PUNCTUATION).split()[:left]
        if words:
            left -= len(words)
            parts.append(_part(words, negated=bool(found["dashes"]), quoted=found["word"] is None))
    return " ".join(parts)


def _part(words: list[str], *, negated: bool, quoted: bool) -> str:
    text = " ".join(words)
    if quoted or len(words) > 1:
        text = f'"{text}"'
    return f"-{text}" if negated else text
