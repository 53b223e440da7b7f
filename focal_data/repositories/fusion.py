"""Reciprocal-rank fusion of two searches in one statement; see ``domain/fusion.py``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CTE, ColumnElement, Float, Select, bindparam, cast, func, literal, select

from focal_data.domain.fusion import SMOOTHING


def ranked(hits: Select[Any], name: str) -> CTE:
    """The leg ``hits``, of ``id`` and ``order``, with the ``place`` of each: from 1, the lowest order first, then by id."""
    leg = hits.subquery(f"{name}_hits")
    place = func.row_number().over(order_by=(leg.c.order, leg.c.id))
    # lint: allow unscoped-statement because it reads what a scoped statement has found
    return select(leg.c.id, place.label("place")).cte(name)


def best(by_vector: CTE, by_text: CTE) -> CTE:
    """The first ``limit`` of both legs, then by id: ``score``, and the place in each leg, ``NULL`` where it has none."""
    hit = func.coalesce(by_vector.c.id, by_text.c.id).label("id")
    score = (_share(by_vector) + _share(by_text)).label("score")
    places = (by_vector.c.place.label("vector_rank"), by_text.c.place.label("text_rank"))
    legs = by_vector.join(by_text, by_vector.c.id == by_text.c.id, full=True)
    # lint: allow unscoped-statement because it reads what scoped statements have found
    hits = select(hit, score, *places).select_from(legs)
    return hits.order_by(score.desc(), hit).limit(bindparam("limit")).cte("hits")


def _share(leg: CTE) -> ColumnElement[float]:
    share = literal(1.0, Float()) / cast(leg.c.place + SMOOTHING, Float())
    return func.coalesce(share, literal(0.0, Float()), type_=Float())
