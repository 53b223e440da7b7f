"""The rows nearest to a vector: one piece of code for every table with an embedding.

One rule: of an agent's rows, up to a thousand are compared exactly; of more, those that are nearest by their sign codes, 200
and ten for each hit that is wanted. The code of every row that passes the filters is looked at, so no filter and no size can
make a search return fewer rows than there are. What it may miss instead is measured in docs/decisions/0019.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Float, Select, bindparam, literal_column, select, union_all
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from focal_data.database.statement import Statement
from focal_data.domain.answers import Scored
from focal_data.domain.base import ValueObject
from focal_data.domain.embedding import Embedding
from focal_data.repositories.base import TenantRepository
from focal_data.stores.base import checked_limit, checked_min_score, checked_query
from focal_data.tables.columns import HalfVector, SignCode, codes_of, pack_half

E = TypeVar("E", bound=ValueObject)

_COMPARED: Final = 1000
"""So many rows are compared faster than their codes are read and 300 of them looked up."""

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
    all_of_them = [*repository.scoped(), c.embedding_model == bindparam("model")]
    if "agent_id" in c:
        all_of_them.append(c.agent_id == bindparam("agent_id"))
    beyond = select(c.id).where(*all_of_them).offset(literal_column(str(_COMPARED))).exists()
    many = select(beyond.label("many")).cte("size")
    is_many = select(many.c.many).scalar_subquery()
    under = (*all_of_them, *conditions)
    few = select(c.id, distance(c).label("order")).where(*under, ~is_many)
    found = union_all(few, _nearest_by_code(repository, *under, is_many)).subquery("found")
    return select(found.c.id, found.c.order).order_by(found.c.order, found.c.id).limit(bindparam(limit))


def _nearest_by_code(
    repository: type[TenantRepository[Any, Any]], *conditions: ColumnElement[bool]
) -> Select[tuple[UUID, float]]:
    """The candidates and their distances. Of equal codes the first ids are taken: they are the answer if the rows are equal."""
    c = repository.c
    differing = c.embedding_code.op("<~>", return_type=Float)(bindparam("code", type_=SignCode()))
    candidates = select(c.id).where(*conditions).order_by(differing, c.id).limit(bindparam("candidates"))
    near = candidates.subquery("near")
    # one by one: of a join the planner may think that reading the whole table is cheaper
    one = select(distance(c)).where(c.tenant_id == bindparam("tenant_id"), c.id == near.c.id).correlate(near)
    return select(near.c.id, one.scalar_subquery().label("order"))


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
    """The hits of ``statement``, made by ``nearest``: exact cosine similarity as the score, best first.

    Without filters one plan serves every agent, and making it anew takes as long as a small one's search; with them, the
    values decide.
    """
    threshold = checked_min_score(min_score)
    parameters = {**values, **bound(query, checked_limit(limit)), "limit": limit}
    rows = [dict(row) for row in await repository.raw(statement, parameters, custom_plan=len(values) > 1)]
    scores = [1.0 - row.pop("distance") for row in rows]
    if threshold is not None:
        scores = [score for score in scores if score >= threshold]
    return [
        Scored(*hit) for hit in zip(repository.mapper.from_rows(rows[: len(scores)]), scores, strict=True)
    ]


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
