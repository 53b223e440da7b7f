"""Full-text search: a query, made harmless before, is read once for each language instead of once for each row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CTE, ColumnElement, Text, bindparam, case, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY, REGCONFIG
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from focal_data.domain.words import SNIPPET_CHARACTERS


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
