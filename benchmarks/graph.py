"""The way through a graph of 100,000 relationships with ten hubs of 5,000, against the queries that one would write by hand.

Three deep, the first 100, by the same role under the same policies, with the same answer, paths included.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from benchmarks import by_hand, graph_by_hand
from benchmarks.graph_by_hand import DEPTH, LIMIT, Walk
from benchmarks.ground import Ground
from benchmarks.timing import Work
from focal_data.domain.filters import RelationshipFilter
from focal_data.domain.memory import Direction, Traversal
from focal_data.repositories.graph import EntityRepository

ENTITIES, RELATIONSHIPS, HUBS, AT_A_HUB = 40_000, 100_000, 10, 5_000
START: Final = datetime(2026, 3, 1, tzinfo=UTC)
LEARNED: Final = START + timedelta(1)
"""When every fifth relationship and every tenth entity was changed."""
MOST: Final = 2.0
"""What ours may cost, of the fastest by hand."""
TYPES: Final = ("knows", "likes", "owns", "works_at")


async def graph_works(ground: Ground) -> AsyncIterator[Work]:
    """From where, and under which conditions: each a work."""
    ids = await _stored(ground)
    for walk in _walks(ids):
        contenders = {"ours": _ours(ground, walk)}
        expected = await contenders["ours"]()
        queries = graph_by_hand.QUERIES | ({} if walk.wide else graph_by_hand.SLOW)
        for name, query in queries.items():
            contender = _by_hand(ground, walk, query)
            assert expected == await contender(), (walk.name, name)
            contenders[name] = contender
        limits = dict.fromkeys(queries, MOST)
        yield Work(f"graph, {walk.name}", contenders, limits, rounds=8, operations=1)


def _walks(ids: list[UUID]) -> Iterator[Walk]:
    hub, leaf, ten = ids[:1], ids[1000:1001], ids[2000:2010]
    times = {"as_of": START + timedelta(2)}, {"known_at": START + timedelta(hours=2)}
    yield Walk("from a leaf", leaf, wide=False)
    yield Walk("from a hub", hub)
    yield Walk("from ten", ten)
    for direction in (Direction.OUTGOING, Direction.INCOMING):
        yield Walk(f"{direction} from a hub", hub, direction=direction)
        yield Walk(f"{direction} from ten", ten, direction=direction)
    for name, start in (("a leaf", leaf), ("a hub", hub)):
        yield Walk(f"two types from {name}", start, RelationshipFilter(relation_types=TYPES[:2]))
        for one in (*times, times[0] | times[1]):
            yield Walk(f"{' and '.join(one)} from {name}", start, RelationshipFilter.model_validate(one))


def _ours(ground: Ground, walk: Walk) -> Callable[[], Awaitable[list[Traversal]]]:
    return lambda: ground.tenant.memory.traverse_from_entities(
        walk.starts, filters=walk.filters, direction=walk.direction, max_depth=DEPTH, limit=LIMIT
    )


def _by_hand(
    ground: Ground, walk: Walk, query: graph_by_hand.Query
) -> Callable[[], Awaitable[list[Traversal]]]:
    mapper = EntityRepository(ground.tenant).mapper

    async def found() -> list[Traversal]:
        async with by_hand.promised(ground) as connection:
            ways = await query(connection, ground.tenant.tenant_id, walk)
            rows = await connection.fetch(walk.entities(), ground.tenant.tenant_id, [way[0] for way in ways])
        entities = {row["id"]: mapper.from_row(row) for row in rows}
        return [Traversal(entities[id_], depth, path) for id_, depth, path in ways]

    return found


async def _stored(ground: Ground) -> list[UUID]:
    """The entities' ids, the hubs first. The rows are put there by COPY, as the owner may."""
    graph = _Graph(ground.tenant.tenant_id, ground.agent.id)
    async with ground.bare.acquire() as connection:
        for table, rows in graph.tables():
            await connection.copy_records_to_table(
                table, records=[tuple(row.values()) for row in rows], columns=list(rows[0])
            )
            await connection.execute("VACUUM ANALYZE " + table)
    return graph.ids


@dataclass
class _Graph:
    tenant_id: UUID
    agent_id: UUID
    rnd: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311
    ids: list[UUID] = field(default_factory=lambda: [uuid4() for _ in range(ENTITIES)])

    def tables(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        for kind, share, rows in (
            ("entity", 10, self._entities()),
            ("relationship", 5, self._relationships()),
        ):
            changed = set(self.rnd.sample(range(len(rows)), len(rows) // share))
            past = [row | {"superseded_at": LEARNED} for n, row in enumerate(rows) if n in changed]
            later = {"revision": 2, "recorded_at": LEARNED}
            yield (
                {"entity": "entities"}.get(kind, "relationships"),
                [row | later if n in changed else row for n, row in enumerate(rows)],
            )
            yield f"{kind}_history", past

    def _entities(self) -> list[dict[str, Any]]:
        own = {"agent_id": self.agent_id, "entity_type": "person"}
        return [self._row(id_) | own | {"name": f"e{n}"} for n, id_ in enumerate(self.ids)]

    def _relationships(self) -> list[dict[str, Any]]:
        others = self.ids[HUBS:]
        pairs = [(hub, far) for hub in self.ids[:HUBS] for far in self.rnd.sample(others, AT_A_HUB)]
        pairs = [pair if self.rnd.random() < 0.5 else pair[::-1] for pair in pairs]
        pairs += [
            (self.rnd.choice(others), self.rnd.choice(others)) for _ in range(RELATIONSHIPS - len(pairs))
        ]
        self.rnd.shuffle(pairs)
        return [self._relationship(n, *pair) for n, pair in enumerate(pairs)]

    def _relationship(self, number: int, start: UUID, end: UUID) -> dict[str, Any]:
        return self._row(uuid4()) | {
            "valid_from": START + timedelta(seconds=number),
            "valid_to": None if self.rnd.random() < 0.8 else START + timedelta(30),
            "from_entity_id": start,
            "to_entity_id": end,
            "relation_type": self.rnd.choice(TYPES),
            "confidence": 1.0,
        }

    def _row(self, id_: UUID) -> dict[str, Any]:
        times = {"valid_from": START, "recorded_at": START}
        return {"tenant_id": self.tenant_id, "id": id_, "revision": 1, "attributes": "{}", **times}
