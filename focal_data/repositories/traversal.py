"""The way through the graph: one recursive statement, breadth first, the tenant in each of its arms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    Integer,
    Select,
    all_,
    bindparam,
    cast,
    func,
    literal,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import array, distinct_on
from sqlalchemy.sql.selectable import LateralFromClause

from focal_data.database.statement import Statement
from focal_data.domain.checking import checked_filters, checked_member
from focal_data.domain.filters import RelationshipFilter
from focal_data.domain.memory import Direction, Traversal
from focal_data.repositories.base import any_of
from focal_data.repositories.filtering import given
from focal_data.repositories.graph import EntityRepository, RelationshipRepository
from focal_data.repositories.versions import KNOWN_AT
from focal_data.stores.base import checked_depth, checked_ids, checked_limit
from focal_data.tables.columns import uuids

Asked = frozenset[str]

_TIMES: Final = frozenset(("as_of", KNOWN_AT))
_OUT, _IN = ("from_entity_id", "to_entity_id"), ("to_entity_id", "from_entity_id")
_ENDS: Final = {Direction.OUTGOING: (_OUT,), Direction.INCOMING: (_IN,), Direction.BOTH: (_OUT, _IN)}
"""The end to come from and the end to get to."""


async def traverse(
    entities: EntityRepository,
    entity_ids: Sequence[UUID],
    filters: RelationshipFilter | None,
    *,
    direction: Direction,
    max_depth: int,
    limit: int,
) -> list[Traversal]:
    """What is within ``max_depth`` relationships of ``entity_ids``, nearest first, then by id; see ``MemoryStore``."""
    asked = given(checked_filters(filters, RelationshipFilter))
    way = checked_member("direction", direction, Direction)
    places = {
        "entity_ids": checked_ids("entity_ids", entity_ids),
        "max_depth": checked_depth(max_depth),
        "limit": checked_limit(limit),
    }
    rows = await entities.raw(_statement(way, frozenset(asked)), asked | places, custom_plan=True)
    return [_traversal(entities, dict(row)) for row in rows]


def _traversal(entities: EntityRepository, row: dict[str, Any]) -> Traversal:
    depth, path = row.pop("depth"), row.pop("path")
    return Traversal(entities.mapper.from_row(row), depth, tuple(path))


@cache
def _statement(direction: Direction, asked: Asked) -> Statement:
    nearest = _nearest(_reach(direction, asked))
    source = EntityRepository.source(asked)
    rows = EntityRepository.found(source, asked & _TIMES).where(source.c.id == nearest.c.entity_id)
    return Statement(rows.add_columns(nearest.c.depth, nearest.c.path).order_by(nearest.c.depth, source.c.id))


def _nearest(reach: CTE) -> CTE:
    """The first ``limit`` entities of ``reach``, each where it was reached first."""
    # lint: allow unscoped-statement because it reads what scoped arms have found
    first = select(reach.c.entity_id, reach.c.depth, reach.c.path).where(reach.c.depth > 0)
    first = first.ext(distinct_on(reach.c.entity_id)).order_by(reach.c.entity_id, reach.c.depth)
    found = first.subquery("first")
    # lint: allow unscoped-statement because it reads what scoped arms have found
    return select(found).order_by(found.c.depth, found.c.entity_id).limit(bindparam("limit")).cte("nearest")


def _reach(direction: Direction, asked: Asked) -> CTE:
    """Level by level, each entity once in a level with its best path: so it ends in cycles too, and hubs don't multiply."""
    start = EntityRepository.source(asked, "start")
    columns = (
        start.c.id.label("entity_id"),
        literal(0, Integer()).label("depth"),
        cast(array([]), uuids()).label("path"),
        literal(0, BigInteger()).label("width"),
    )
    rows = EntityRepository.found(start, asked & _TIMES).where(start.c.id == any_of("entity_ids"))
    level = rows.with_only_columns(*columns).cte("reach", recursive=True)
    return level.union_all(_next_level(level, direction, asked))


def _next_level(level: CTE, direction: Direction, asked: Asked) -> Select[Any]:
    """The entities one relationship on. After a level that has ``limit`` of them by itself, all others are too far."""
    edge = _edges(level, direction, asked)
    path = func.array_append(level.c.path, edge.c.id, type_=uuids()).label("path")
    # lint: allow unscoped-statement because both of its sources are scoped
    step = select(edge.c.entity_id, (level.c.depth + 1).label("depth"), path)
    step = step.select_from(level.join(edge, true())).where(
        level.c.depth < bindparam("max_depth"),
        level.c.width < bindparam("limit"),
        edge.c.entity_id != all_(bindparam("entity_ids", type_=uuids())),
    )
    if times := asked & _TIMES:
        passed = EntityRepository.source(asked, "passed")
        step = step.where(*EntityRepository.meets(passed, times), passed.c.id == edge.c.entity_id)
    best = step.ext(distinct_on(edge.c.entity_id)).order_by(edge.c.entity_id, path).subquery("best")
    # lint: allow unscoped-statement because it reads what scoped arms have found
    return select(best.c.entity_id, best.c.depth, best.c.path, func.count().over())


def _edges(level: CTE, direction: Direction, asked: Asked) -> LateralFromClause:
    """The relationships at each entity of ``level``, with the entity at their other end."""
    arms = []
    for near, far in _ENDS[direction]:
        source = RelationshipRepository.source(asked, "passing")
        rows = RelationshipRepository.found(source, asked).where(source.c[near] == level.c.entity_id)
        arms.append(rows.with_only_columns(source.c.id, source.c[far].label("entity_id")).correlate(level))
    return union_all(*arms).lateral("edge")
