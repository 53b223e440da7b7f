"""What memory reads as PostgreSQL does: queries, stems and stop words, compared by asking PostgreSQL itself."""

from __future__ import annotations

import random
import re
import string
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path

import asyncpg
import pytest

from focal_data.domain.memory import Language
from focal_data.domain.words import JOINERS, harmless
from focal_data.inmemory import words
from focal_data.inmemory.stop_words import STOP_WORDS
from focal_data.settings import Settings, dsn

DOCUMENTATION = Path(__file__).parents[4] / "docs"
PIECES = (
    "a",
    "b",
    "c",
    "a",
    "b",
    "c",
    "or",
    "OR",
    "order",
    "-",
    '"',
    " ",
    " ",
    " ",
    " ",
    "!",
    "&",
    "|",
    "(",
    ")",
    ":",
    *"./<>@_~+",
)
PARTS = (
    *("a", "bc", "12", "-5", "http", "www", "com", "amp;", "ñandú", "日本", "e\u0301", "\u0301", "\u200d"),
    *("½", "²", "…", "’"),
    *string.punctuation,
    *(" " * 8),
)
CONTENTS = sorted(
    {" ".join(some) for n in range(1, 4) for some in product("abc", repeat=n)} | {"a or b", "order"}
)


@pytest.fixture
async def postgres(focal_settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the run's database."""
    connection = await asyncpg.connect(dsn(focal_settings.owner_url()))
    yield connection
    await connection.close()


async def test_queries_are_read_alike(postgres: asyncpg.Connection) -> None:
    """Random ones find the same among all short contents of three words."""
    rnd = random.Random(5)  # noqa: S311
    queries = {harmless("".join(rnd.choices(PIECES, k=rnd.randrange(1, 12))), "query") for _ in range(600)}
    for query in sorted(queries):
        found = await postgres.fetch(
            """
            SELECT content FROM unnest($1::text[]) content, websearch_to_tsquery('simple', $2) query
            WHERE to_tsvector('simple', content) @@ query AND querytree(query) <> 'T' ORDER BY content
            """,
            CONTENTS,
            query,
        )
        asked = words.read(query, Language.SIMPLE)
        mine = [c for c in CONTENTS if asked is not None and asked.rank(c, Language.SIMPLE) is not None]
        assert sorted(row["content"] for row in found) == sorted(mine), query


async def test_contents_have_the_same_words(postgres: asyncpg.Connection) -> None:
    """Random ones, of what PostgreSQL's parser knows as well: at the same places, in ``simple``."""
    rnd = random.Random(5)  # noqa: S311
    contents = ["".join(rnd.choices(PARTS, k=rnd.randrange(1, 12))) for _ in range(3000)]
    rows = await postgres.fetch(
        f"""
        SELECT content, ARRAY(SELECT (lexeme, place)::text FROM unnest(to_tsvector('simple', translate(content, '{JOINERS}',
          '{" " * len(JOINERS)}'))), unnest(positions) place ORDER BY place) AS words
        FROM unnest($1::text[]) content
        """,
        contents,
    )
    for row in rows:
        found = words.words(row["content"], Language.SIMPLE)
        mine = [f"({word.stem},{place})" for place, word in enumerate(found, 1)]
        assert row["words"] == mine, row["content"]


async def test_english_words_have_the_same_stems(postgres: asyncpg.Connection) -> None:
    """Those of the documentation, but for the few on which releases of Snowball differ."""
    pages = " ".join(page.read_text() for page in DOCUMENTATION.rglob("*.md"))
    known = sorted({word.lower() for word in re.findall(r"\b[A-Za-z]{2,20}\b", pages)})
    rows = await postgres.fetch(
        "SELECT word, ts_lexize('english_stem', word) stems FROM unnest($1::text[]) word", known
    )
    theirs = {row["word"]: (row["stems"] or [None])[0] for row in rows}
    different = [word for word in known if theirs[word] != words.stem(word, Language.ENGLISH)]
    assert len(known) > 1000
    assert len(different) < len(known) / 500, different


@pytest.mark.parametrize("language", STOP_WORDS)
async def test_stop_words_are_its_own(postgres: asyncpg.Connection, language: Language) -> None:
    """It has more of some languages; none is a word to be found there."""
    stems = await postgres.fetch(
        "SELECT word FROM unnest($1::text[]) word WHERE ts_lexize($2::text::regdictionary, word) <> '{}'",
        sorted(STOP_WORDS[language]),
        f"{language}_stem",
    )
    assert [] == [row["word"] for row in stems]


async def test_scripts_with_marks_have_whole_words(postgres: asyncpg.Connection) -> None:
    """A combining mark ends no word."""
    for content in ("हिन्दी में पढ़ना", "தமிழ் சொற்கள்", "cafe\u0301 noir", "नमस्ते"):
        lexemes = await postgres.fetchval(
            "SELECT tsvector_to_array(to_tsvector('simple', $1::text))", content
        )
        assert sorted(lexemes) == sorted(
            {content[w.start : w.end] for w in words.words(content, Language.SIMPLE)}
        )
