"""The rows nearest to a vector: one piece of code for every table with an embedding.

One rule: a row is compared exactly when its sign code is so near that the row may be one of the nearest. In words: the codes of
all rows that pass the filters are looked at; the nearest of them, three for each hit that is wanted, are compared, which tells
within which angle the answer lies; then so is every other row whose code differs in no more bits than one at that angle does.
Of two vectors at an angle, each bit differs with the probability angle / π, so the number of bits that differ is that of 1536
throws: a row of the answer is more than three standard deviations off, and missed, once in 740 times, whatever the vectors are
like (docs/decisions/0019). No filter and no size can make a search return fewer rows than there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Float,
    FromClause,
    ScalarSelect,
    Select,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from focal_data.database.statement import Statement
from focal_data.domain.answers import Scored
from focal_data.domain.base import ValueObject
from focal_data.domain.embedding import MAX_DIMENSIONS, Embedding
from focal_data.repositories.base import TenantRepository
from focal_data.stores.base import checked_limit, checked_min_score, checked_query
from focal_data.tables.columns import HalfVector, SignCode, codes_of, pack_half

E = TypeVar("E", bound=ValueObject)

_SAMPLE: Final = 3
"""So many rows for each hit are compared first: more make the angle hardly smaller."""

_ANGLE: Final = "acosd(least(1, greatest(-1, 1 - distance))) / 180"
"""Of the farthest hit of the sample, in parts of a half turn: the probability that a bit differs."""

_BITS: Final = f"{MAX_DIMENSIONS} * angle + 3 * sqrt({MAX_DIMENSIONS} * angle * (1 - angle)) + 3"
"""The mean of that many throws and three deviations; and 3 bits, since components are rounded before they are rotated."""


def nearest(repository: type[TenantRepository[Any, Any]], *conditions: ColumnElement[bool]) -> Statement:
    """This tenant's rows of the query's model under ``conditions``, nearest to ``query`` first, then by id."""
    best = hits(repository, "limit", *conditions).cte("best")
    rows = repository.rows(repository.c.id == best.c.id).add_columns(best.c.order.label("distance"))
    return Statement(rows.order_by(best.c.order, best.c.id))


def hits(
    repository: type[TenantRepository[Any, Any]], limit: str, *conditions: ColumnElement[bool]
) -> Select[tuple[UUID, float]]:
    """``id`` and the distance, as ``order``, of the nearest under ``conditions``: as many as the parameter ``limit`` says."""
    coded = _coded(repository, *conditions)
    reach = _reach(repository, coded, limit)
    within = coded.c.differing <= select(reach.c.bits).scalar_subquery()
    order = _distance_of(repository, coded).label("order")
    return select(coded.c.id, order).where(within).order_by(order, coded.c.id).limit(bindparam(limit))


def _coded(repository: type[TenantRepository[Any, Any]], *conditions: ColumnElement[bool]) -> CTE:
    """Every row under ``conditions``, by how many bits its code differs from the query's."""
    c = repository.c
    differing = c.embedding_code.op("<~>", return_type=Float)(bindparam("code", type_=SignCode()))
    rows = select(c.id, differing.label("differing"))
    rows = rows.where(*repository.scoped(), c.embedding_model == bindparam("model"), *conditions)
    return rows.cte("coded").prefix_with("MATERIALIZED")


def _reach(repository: type[TenantRepository[Any, Any]], coded: CTE, limit: str) -> CTE:
    """In how many ``bits`` a row may differ that can be nearer than the hits of a sample; never in fewer than the sample's."""
    nearest = select(coded.c.id, coded.c.differing).order_by(coded.c.differing, coded.c.id)
    sample = nearest.limit(bindparam("sample")).subquery("sample")
    compared = select(sample.c.differing, _distance_of(repository, sample).label("distance"))
    first = compared.cte("first").prefix_with("MATERIALIZED")
    best = select(first.c.distance).order_by(first.c.distance).limit(bindparam(limit)).subquery("best")
    farthest = select(func.max(best.c.distance).label("distance")).subquery("farthest")
    angle = select(literal_column(_ANGLE).label("angle")).select_from(farthest).subquery("angle")
    sampled = select(func.max(first.c.differing)).scalar_subquery()
    bits = func.greatest(sampled, literal_column(_BITS, Float)).label("bits")
    return select(bits).select_from(angle).cte("reach").prefix_with("MATERIALIZED")


def _distance_of(repository: type[TenantRepository[Any, Any]], rows: FromClause) -> ScalarSelect[float]:
    """The exact distance of each of ``rows``, one by one: in place of a join the planner may read the whole table."""
    c = repository.c
    one = select(distance(c)).where(c.tenant_id == bindparam("tenant_id"), c.id == rows.c.id)
    return one.correlate(rows).scalar_subquery()


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
        "sample": _SAMPLE * limit,
    }
