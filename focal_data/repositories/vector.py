"""The rows nearest to a vector: one piece of code for every table with an embedding.

One rule: of all rows that pass the filters, those nearest by their sign codes are compared exactly, 200 and ten for each hit
that is wanted. So up to 200 rows, and always where there are no more than that, the answer is exact; and since the code of
every row is looked at, no filter and no tenant's size can make a search return fewer rows than there are. What it may miss
beyond is measured in docs/decisions/0019.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Float, Select, bindparam, select
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from focal_data.database.statement import Statement
from focal_data.domain.answers import Scored
from focal_data.domain.base import ValueObject
from focal_data.domain.embedding import Embedding
from focal_data.repositories.base import TenantRepository
from focal_data.stores.base import checked_limit, checked_min_score, checked_query
from focal_data.tables.columns import HalfVector, SignCode, codes_of, pack_half

E = TypeVar("E", bound=ValueObject)

_ALWAYS: Final = 200
_PER_HIT: Final = 10


def nearest(repository: type[TenantRepository[Any, Any]], *conditions: ColumnElement[bool]) -> Statement:
    """This tenant's rows of the query's model under ``conditions``, nearest to ``query`` first, then by id."""
    best = hits(repository, "limit", *conditions).cte("best")
    rows = repository.rows(repository.c.id == best.c.id).add_columns(best.c.order.label("distance"))
    return Statement(rows.order_by(best.c.order, best.c.id))


def hits(
    repository: type[TenantRepository[Any, Any]], limit: str, *conditions: ColumnElement[bool]
) -> Select[tuple[UUID, float]]:
    """``id`` and the distance, as ``order``, of the nearest under ``conditions``: as many as the parameter ``limit`` says."""
    c = repository.c
    near = _near(repository, c.embedding_model == bindparam("model"), *conditions).cte("near")
    order = distance(c).label("order")
    found = select(c.id, order).where(*repository.scoped(), c.id == near.c.id)
    return found.order_by(order, c.id).limit(bindparam(limit))


def _near(
    repository: type[TenantRepository[Any, Any]], *conditions: ColumnElement[bool]
) -> Select[tuple[UUID]]:
    """The candidates: equals are in order of their ids, too, so that of many equal rows the first are the answer."""
    c = repository.c
    differing = c.embedding_code.op("<~>", return_type=Float)
    order = differing(bindparam("code", type_=SignCode()))
    found = select(c.id).where(*repository.scoped(), *conditions)
    return found.order_by(order, c.id).limit(bindparam("candidates"))


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
    parameters = {**values, **bound(query, checked_limit(limit)), "limit": limit}
    rows = await repository.raw(statement, parameters, custom_plan=True)
    hits = [(dict(row), 1.0 - row["distance"]) for row in rows]
    return [_scored(repository, row, score) for row, score in hits if threshold is None or score >= threshold]


def _scored(repository: TenantRepository[Any, E], row: dict[str, Any], score: float) -> Scored[E]:
    del row["distance"]
    return Scored(repository.mapper.from_row(row), score)


def bound(query: Embedding, limit: int) -> dict[str, Any]:
    """What a statement with ``hits`` binds beside its limit; the query at the precision of the stored ones."""
    asked = checked_query(query)
    packed = pack_half(asked)
    (code,) = codes_of([packed])
    return {
        "query": packed,
        "model": asked.model,
        "code": code,
        "candidates": _ALWAYS + _PER_HIT * limit,
    }
