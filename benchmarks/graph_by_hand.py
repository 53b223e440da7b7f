"""The way through a graph by hand: what one writes first, a query for each level, and all of it in one go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg

from focal_data.domain.filters import RelationshipFilter
from focal_data.domain.memory import Direction
from focal_data.repositories.graph import EntityRepository

DEPTH, LIMIT = 3, 100
_OUT, _IN = ("from_entity_id", "to_entity_id"), ("to_entity_id", "from_entity_id")
_ENDS: Final = {Direction.OUTGOING: (_OUT,), Direction.INCOMING: (_IN,), Direction.BOTH: (_OUT, _IN)}


@dataclass(frozen=True)
class Walk:
    """One question, and the parts of a query for it. ``$1`` is the tenant."""

    name: str
    starts: list[UUID]
    filters: RelationshipFilter = field(default_factory=RelationshipFilter)
    direction: Direction = Direction.BOTH
    wide: bool = True
    """Whether many paths begin there."""

    def edges(self, at: str, most: str | None = None) -> str:
        """``far`` and ``id`` of the relationships at ``at``; of each end and table the first ``most``, if given."""
        return " UNION ALL ".join(
            f"(SELECT {f'DISTINCT ON (r.{far})' if most else ''} r.{far} AS far, r.id FROM {table} r"  # noqa: S608
            f" WHERE r.tenant_id = $1 AND r.{near} = {at}{known}{self._conditions(f'r.{far}')}"
            f"{f' ORDER BY r.{far}, r.id LIMIT {most}' if most else ''})"
            for near, far in _ENDS[self.direction]
            for table, known in self._tables("relationships", "relationship_history", "r")
        )

    def entities(self) -> str:
        """The entities ``$2``."""
        columns = ", ".join(column.name for column in EntityRepository.mapper.columns)
        return " UNION ALL ".join(
            f"SELECT {columns} FROM {table} e WHERE e.tenant_id = $1 AND e.id = ANY($2){known}"  # noqa: S608
            for table, known in self._tables("entities", "entity_history", "e")
        )

    def _conditions(self, far: str) -> str:
        types = ",".join(self.filters.relation_types or ())
        of_types = f" AND r.relation_type = ANY('{{{types}}}')" if types else ""
        if self.filters.as_of is None and self.filters.known_at is None:
            return of_types
        passable = " OR ".join(
            f"EXISTS (SELECT FROM {table} e WHERE e.tenant_id = $1 AND e.id = {far}{known}{self._valid('e')})"
            for table, known in self._tables("entities", "entity_history", "e")
        )
        return f"{of_types}{self._valid('r')} AND ({passable})"

    def _valid(self, name: str) -> str:
        if self.filters.as_of is None:
            return ""
        then = f"'{self.filters.as_of.isoformat()}'"
        return f" AND {name}.valid_from <= {then} AND ({name}.valid_to IS NULL OR {name}.valid_to > {then})"

    def _tables(self, current: str, history: str, name: str) -> Iterator[tuple[str, str]]:
        if self.filters.known_at is None:
            yield current, ""
            return
        then = f"'{self.filters.known_at.isoformat()}'"
        yield current, f" AND {name}.recorded_at <= {then}"
        yield history, f" AND {name}.recorded_at <= {then} AND {name}.superseded_at > {then}"


Path = tuple[UUID, ...]
Found = list[tuple[UUID, int, Path]]
Query = Callable[[asyncpg.Connection, UUID, Walk], Awaitable[Found]]


async def recursive(connection: asyncpg.Connection, tenant_id: UUID, walk: Walk) -> Found:
    """Every path, and the best of them at the end."""
    rows = await connection.fetch(
        f"""WITH RECURSIVE reach AS (
          SELECT id, 0 AS depth, '{{}}'::uuid[] AS path FROM unnest($2::uuid[]) AS id
          UNION ALL
          SELECT edge.far, reach.depth + 1, reach.path || edge.id
          FROM reach, LATERAL ({walk.edges("reach.id")}) edge WHERE reach.depth < {DEPTH}
        ), nearest AS (
          SELECT DISTINCT ON (id) * FROM reach WHERE id <> ALL ($2::uuid[]) ORDER BY id, depth, path
        ) SELECT * FROM nearest ORDER BY depth, id LIMIT {LIMIT}""",  # noqa: S608
        tenant_id,
        walk.starts,
    )
    return [(row["id"], row["depth"], tuple(row["path"])) for row in rows]


async def by_levels(connection: asyncpg.Connection, tenant_id: UUID, walk: Walk) -> Found:
    """A query for each level, of all its relationships; Python finds the best."""
    return await _levels(connection, tenant_id, walk, None)


async def by_ordered_levels(connection: asyncpg.Connection, tenant_id: UUID, walk: Walk) -> Found:
    """A query for each level, of no more relationships at each entity than can be needed, in an index's order."""
    return await _levels(connection, tenant_id, walk, f"{2 * LIMIT + len(walk.starts)}")


async def at_once(connection: asyncpg.Connection, tenant_id: UUID, walk: Walk) -> Found:
    """The same in one statement, whose plan the server may keep."""
    most = f"{2 * LIMIT + len(walk.starts)}"
    rows = await connection.fetch(
        f"""WITH RECURSIVE level AS (
          SELECT 0 AS depth, $2::uuid[] AS ids, array_fill(''::bytea, ARRAY[cardinality($2)]) AS paths, $2 AS seen
          UNION ALL
          SELECT level.depth + 1, after.ids, after.paths, level.seen || after.ids
          FROM level, LATERAL (SELECT array_agg(far) AS ids, array_agg(path) AS paths FROM (
            SELECT DISTINCT ON (far) far, here.path || uuid_send(edge.id) AS path
            FROM unnest(level.ids, level.paths) AS here(id, path), LATERAL ({walk.edges("here.id", most)}) edge
            WHERE NOT EXISTS (SELECT FROM unnest(level.seen) s WHERE s = far)
            ORDER BY far, here.path || uuid_send(edge.id) LIMIT {LIMIT}) best) after
          WHERE level.depth < {DEPTH} AND cardinality(level.seen) < {LIMIT + len(walk.starts)}
            AND after.ids IS NOT NULL
        ) SELECT one.id, depth, one.path FROM level, unnest(ids, paths) AS one(id, path)
        WHERE depth > 0 ORDER BY depth, one.id LIMIT {LIMIT}""",  # noqa: S608
        tenant_id,
        walk.starts,
    )
    return [(row["id"], row["depth"], _ids(row["path"])) for row in rows]


def _ids(path: bytes) -> Path:
    return tuple(UUID(bytes=path[place : place + 16]) for place in range(0, len(path), 16))


async def _levels(connection: asyncpg.Connection, tenant_id: UUID, walk: Walk, most: str | None) -> Found:
    query = (
        f"SELECT here.id AS near, far, edge.id FROM unnest($2::uuid[]) AS here(id),"  # noqa: S608
        f" LATERAL ({walk.edges('here.id', most)}) edge"
    )
    seen, found = set(walk.starts), Found()
    level: dict[UUID, Path] = dict.fromkeys(walk.starts, ())
    for depth in range(1, DEPTH + 1):
        level = _best(level, await connection.fetch(query, tenant_id, list(level)), seen)
        seen |= level.keys()
        found += ((far, depth, level[far]) for far in sorted(level)[: LIMIT - len(found)])
        if len(found) == LIMIT or not level:
            break
    return found


def _best(level: dict[UUID, Path], edges: list[asyncpg.Record], seen: set[UUID]) -> dict[UUID, Path]:
    after: dict[UUID, Path] = {}
    for near, far, link in edges:
        if far not in seen:
            path = (*level[near], link)
            after[far] = min(after.get(far, path), path)
    return after


SLOW: Final[dict[str, Query]] = {"one recursive query": recursive}
"""Too slow where there are many paths: it follows each."""
QUERIES: Final[dict[str, Query]] = {
    "a query for each level": by_levels,
    "a query for each level, in order": by_ordered_levels,
    "one recursive query, in order": at_once,
}
