"""The rows nearest to a vector: one piece of code for every table with an embedding.

Exact: every row that passes the filters is compared, so that no row that exists is ever missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Float, bindparam
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from focal_data.database.statement import Statement
from focal_data.domain.answers import Scored
from focal_data.domain.base import ValueObject
from focal_data.domain.embedding import Embedding
from focal_data.repositories.base import TenantRepository
from focal_data.stores.base import checked_limit, checked_min_score, checked_query
from focal_data.tables.columns import HalfVector

E = TypeVar("E", bound=ValueObject)


def nearest(repository: type[TenantRepository[Any, Any]], *conditions: ColumnElement[bool]) -> Statement:
    """This tenant's rows of the query's model under ``conditions``, nearest to ``query`` first, then by id."""
    c = repository.c
    rows = repository.rows(c.embedding_model == bindparam("model"), *conditions)
    return Statement(
        rows.add_columns(distance(c).label("distance")).order_by("distance", c.id).limit(bindparam("limit"))
    )


def distance(columns: ReadOnlyColumnCollection[str, Any]) -> ColumnElement[float]:
    """The cosine distance of ``columns.embedding`` from ``query``, 0 to 2."""
    cosine = columns.embedding.op("<=>", return_type=Float)
    measured: ColumnElement[float] = cosine(bindparam("query", type_=HalfVector()))
    return measured


async def search(
    repository: TenantRepository[Any, E],
    statement: Statement,
    query: Embedding,
    *,
    values: Mapping[str, Any],
    limit: int,
    min_score: float | None,
) -> list[Scored[E]]:
    """The hits of ``statement``, made by ``nearest``: exact cosine similarity as the score, best first."""
    threshold = checked_min_score(min_score)
    parameters = {**values, **bound(query), "limit": checked_limit(limit)}
    rows = await repository.raw(statement, parameters, custom_plan=True)
    hits = [(dict(row), 1.0 - row["distance"]) for row in rows]
    return [_scored(repository, row, score) for row, score in hits if threshold is None or score >= threshold]


def _scored(repository: TenantRepository[Any, E], row: dict[str, Any], score: float) -> Scored[E]:
    del row["distance"]
    return Scored(repository.mapper.from_row(row), score)


def bound(query: Embedding) -> dict[str, Any]:
    """What a statement with ``distance`` binds: ``query``, at the precision of the stored ones, and ``model``."""
    asked = checked_query(query)
    return {"query": asked, "model": asked.model}
