"""The way through the graph: one recursive statement, a row for each level, the tenant in each of its arms.

Of a level no more than ``limit`` entities can be among the answer, the first by id. So at a hub the relationships are read in
the order of the entities at their other end, straight from an index, and no further than needed.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    LargeBinary,
    Select,
    Subquery,
    TableValuedAlias,
    Uuid,
    bindparam,
    column,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from focal_data.database.statement import Statement
from focal_data.domain.memory import Direction, Traversal
from focal_data.repositories.base import any_of
from focal_data.repositories.filtering import given
from focal_data.repositories.graph import EntityRepository, RelationshipRepository
from focal_data.repositories.versions import KNOWN_AT
from focal_data.stores.composed.memory import Walk
from focal_data.tables.columns import uuids

Asked = frozenset[str]

_TIMES: Final = frozenset(("as_of", KNOWN_AT))
_OUT, _IN = ("from_entity_id", "to_entity_id"), ("to_entity_id", "from_entity_id")
_ENDS: Final = {Direction.OUTGOING: (_OUT,), Direction.INCOMING: (_IN,), Direction.BOTH: (_OUT, _IN)}
"""The end to come from and the end to get to."""
_BYTES: Final = 16
"""Of each id in a path."""


async def traverse(entities: EntityRepository, walk: Walk) -> list[Traversal]:
    """What the walk reaches, nearest first, then by id; see ``MemoryStore``."""
    asked = given(walk.filters)
    places = {"entity_ids": list(walk.starts), "max_depth": walk.max_depth, "limit": walk.limit}
    statement = _statement(walk.direction, frozenset(asked))
    rows = await entities.raw(statement, asked | places, custom_plan=True)
    return [_traversal(entities, dict(row)) for row in rows]


def _traversal(entities: EntityRepository, row: dict[str, Any]) -> Traversal:
    depth, path = row.pop("depth"), row.pop("path")
    ids = tuple(UUID(bytes=path[place : place + _BYTES]) for place in range(0, len(path), _BYTES))
    return Traversal(entities.mapper.from_row(row), depth, ids)


@cache
def _statement(direction: Direction, asked: Asked) -> Statement:
    nearest = _nearest(_levels(direction, asked))
    versions = EntityRepository.versions(asked & _TIMES, ("id", nearest.c.id))
    entity = union_all(*(rows.correlate(nearest) for rows in versions)).lateral("entity")
    # lint: allow unscoped-statement because both of its sources are scoped
    rows = select(entity, nearest.c.depth, nearest.c.path).select_from(nearest.join(entity, true()))
    return Statement(rows.order_by(nearest.c.depth, nearest.c.id))


def _nearest(level: CTE) -> CTE:
    """The first ``limit`` of all levels; where the walk began is no answer."""
    at = _unfolded(level, "at")
    # lint: allow unscoped-statement because it reads what scoped arms have found
    found = select(at.c.id, level.c.depth, at.c.path).select_from(level.join(at, true()))
    found = found.where(level.c.depth > 0).order_by(level.c.depth, at.c.id)
    return found.limit(bindparam("limit")).cte("nearest")


def _levels(direction: Direction, asked: Asked) -> CTE:
    """A row for each level: its entities with their best paths, and all that are ``seen`` so far, so that cycles end."""
    start = EntityRepository.source(asked, "start")
    columns = (
        literal(0, Integer()).label("depth"),
        func.array_agg(start.c.id, type_=uuids()).label("ids"),
        func.array_agg(literal(b"", LargeBinary()), type_=_paths()).label("paths"),
        bindparam("entity_ids", type_=uuids()).label("seen"),
    )
    first = EntityRepository.found(start, asked & _TIMES).where(start.c.id == any_of("entity_ids"))
    level = first.with_only_columns(*columns).cte("level", recursive=True)
    return level.union_all(_next(level, direction, asked))


def _next(level: CTE, direction: Direction, asked: Asked) -> Select[Any]:
    """The level one relationship on, while there are too few: beyond ``limit``, all others are too far."""
    best = _best(level, direction, asked)
    columns = (func.array_agg(best.c.id, type_=uuids()), func.array_agg(best.c.path, type_=_paths()))
    # lint: allow unscoped-statement because it reads what scoped arms have found
    folded = select(columns[0].label("ids"), columns[1].label("paths")).lateral("next")
    seen = func.array_cat(level.c.seen, folded.c.ids, type_=uuids())
    enough: ColumnElement[int] = bindparam("limit") + func.cardinality(bindparam("entity_ids", type_=uuids()))
    # lint: allow unscoped-statement because it reads what scoped arms have found
    step = select(level.c.depth + 1, folded.c.ids, folded.c.paths, seen).select_from(
        level.join(folded, true())
    )
    return step.where(
        level.c.depth < bindparam("max_depth"),
        func.cardinality(level.c.seen) < enough,
        folded.c.ids.is_not(None),
    )


def _best(level: CTE, direction: Direction, asked: Asked) -> Subquery:
    """The first ``limit`` entities that come next, by id, each with the smallest path to it."""
    at = _unfolded(level, "at")
    edges = (_edges(at, ends, level, asked) for ends in _ENDS[direction])
    edge = union_all(*chain.from_iterable(edges)).lateral("edge")
    path = at.c.path.concat(func.uuid_send(edge.c.id, type_=LargeBinary())).label("path")
    seen = func.unnest(level.c.seen).column_valued("seen")
    # lint: allow unscoped-statement because it reads what scoped arms have found
    new = ~select(seen).where(seen == edge.c.entity_id).correlate(edge, level).exists()
    # lint: allow unscoped-statement because it reads what scoped arms have found
    step = select(edge.c.entity_id.label("id"), path).select_from(at.join(edge, true())).where(new)
    step = step.ext(distinct_on(edge.c.entity_id)).order_by(edge.c.entity_id, path)
    return step.limit(bindparam("limit")).correlate(level).subquery("best")


def _edges(at: TableValuedAlias, ends: tuple[str, str], level: CTE, asked: Asked) -> list[Select[Any]]:
    """The first entities at the other ends of the relationships of ``at``: ``limit`` of them, beside those that are seen."""
    near, far = ends
    return [
        _first(rows.correlate(at, level), far, asked & _TIMES).limit(
            bindparam("limit") + func.cardinality(level.c.seen)
        )
        for rows in RelationshipRepository.versions(asked, (near, at.c.id))
    ]


def _first(rows: Select[Any], far: str, times: Asked) -> Select[Any]:
    """Of ``rows``, the first relationship to each entity that may be passed, in the order of those entities."""
    c = rows.selected_columns
    if times:
        passed = EntityRepository.versions(times, ("id", c[far]))
        rows = rows.where(or_(*(version.correlate(c[far].table).exists() for version in passed)))
    first = rows.with_only_columns(c[far].label("entity_id"), c.id).ext(distinct_on(c[far]))
    return first.order_by(c[far], c.id)


def _unfolded(level: CTE, name: str) -> TableValuedAlias:
    """The entities of a level, and the path to each."""
    columns = (column("id", Uuid()), column("path", LargeBinary()))
    return func.unnest(level.c.ids, level.c.paths).table_valued(*columns, name=name).render_derived()


def _paths() -> ARRAY[bytes]:
    return ARRAY(LargeBinary())
