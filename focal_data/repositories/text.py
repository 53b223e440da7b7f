"""Full-text search: any string made a harmless query, and read once for each language instead of once for each row."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Text, bindparam, case, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY, REGCONFIG
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from focal_data.errors import InvalidDataError

MAX_BYTES: Final = 1024
MAX_WORDS: Final = 32

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


def parsed() -> CTE:
    """``text`` as each of ``languages`` reads it: columns ``language`` and ``query``.

    A query that can be satisfied without a word, by negations alone or as an alternative, is ``NULL``: ``querytree`` is T. One
    row for each language, none filtered out, so that the planner sees that many and reads the episodes only once.
    """
    language = func.unnest(bindparam("languages", type_=ARRAY(Text()))).column_valued("language")
    read = func.websearch_to_tsquery(cast(language, REGCONFIG), bindparam("text", type_=Text()))
    query = read.column_valued("query")
    # lint: allow unscoped-statement because it reads no table
    rows = select(language, case((func.querytree(query) != "T", query)).label("query"))
    return rows.cte("parsed").prefix_with("MATERIALIZED")


def matches(columns: ReadOnlyColumnCollection[str, Any], queries: CTE) -> list[ColumnElement[bool]]:
    """The rows that hold what the query of their language asks for; one without words, or of stop words, finds nothing."""
    return [columns.language == queries.c.language, columns.content_tsv.bool_op("@@")(queries.c.query)]


def snippet(columns: ReadOnlyColumnCollection[str, Any], queries: CTE) -> ColumnElement[str]:
    """The part of the content around the words that were found, each between ``<b>`` and ``</b>``; not escaped."""
    content = func.left(columns.content, SNIPPET_CHARACTERS)
    options = "StartSel=<b>, StopSel=</b>"
    return func.ts_headline(
        cast(columns.language, REGCONFIG), content, queries.c.query, options, type_=Text()
    )
