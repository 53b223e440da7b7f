"""Full-text search, as far as every backend shares it: what is left of a query, and how much of a content is searched."""

from __future__ import annotations

import re
from typing import Final

from focal_data.errors import InvalidDataError

MAX_BYTES: Final = 1024
MAX_WORDS: Final = 32

INDEXED_CHARACTERS: Final = 100_000
"""How much of a content is found by its words: at most 8 bytes of tsvector a character, of the 1 MB that one may have."""

SNIPPET_CHARACTERS: Final = 2000
"""How much of a content a snippet is looked for in; one of 9 KB would take fifteen times as long."""

_IDLE_DASH: Final = re.compile(r"-(?![\w\"])")
"""One that negates neither a word nor a phrase; a run of them is a nested negation, and 32 overflow PostgreSQL's stack."""


def harmless(query: str, field: str) -> str:
    """``query`` at a cost that is bounded: its first ``MAX_WORDS`` words, and of these ``MAX_BYTES`` bytes of UTF-8.

    NUL, lone surrogates and idle dashes are left out. What is no text is ``InvalidDataError(field)``.
    """
    if not isinstance(query, str):
        raise InvalidDataError(field, "must be text")
    words = query.replace("\0", " ").split(None, MAX_WORDS)[:MAX_WORDS]
    head = _IDLE_DASH.sub(" ", " ".join(words)[:MAX_BYTES])
    return head.encode(errors="ignore")[:MAX_BYTES].decode(errors="ignore")
