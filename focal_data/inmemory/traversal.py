"""The way through the graph in memory: breadth first, each entity once, with the smallest of the shortest paths to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from uuid import UUID

from focal_data.domain.checking import copied
from focal_data.domain.filters import EntityFilter, RelationshipFilter
from focal_data.domain.memory import Direction, Entity, Relationship, Traversal
from focal_data.inmemory.database import Tables
from focal_data.inmemory.graph import InMemoryEntityRepository, InMemoryRelationshipRepository
from focal_data.stores.composed.memory import Walk

Path = tuple[UUID, ...]
Ways = dict[UUID, list[tuple[UUID, UUID]]]
"""From an entity: the relationships to follow, and the entities that they lead to."""


class InMemoryGraph:
    """What is known of the graph at one time."""

    def __init__(
        self,
        tables: Tables,
        entities: InMemoryEntityRepository,
        relationships: InMemoryRelationshipRepository,
        asked: RelationshipFilter,
    ) -> None:
        passed = EntityFilter(as_of=asked.as_of)
        self._entities = {e.id: e for e in entities.known(tables, asked.known_at) if passed.matches(e)}
        self._relationships = list(filter(asked.matches, relationships.known(tables, asked.known_at)))

    def traverse(self, walk: Walk) -> list[Traversal]:
        """What the walk reaches, nearest first, then by id; see ``MemoryStore``."""
        ways = _ways(self._relationships, walk.direction)
        level: dict[UUID, Path] = {start: () for start in walk.starts if start in self._entities}
        seen, found = set(walk.starts), list[Traversal]()
        for depth in range(1, walk.max_depth + 1):
            level = self._next(level, ways, seen)
            seen |= level.keys()
            found += (Traversal(self._given(id), depth, level[id]) for id in sorted(level))  # noqa: A001
            if len(found) >= walk.limit:
                break
        return found[: walk.limit]

    def _next(self, level: dict[UUID, Path], ways: Ways, seen: set[UUID]) -> dict[UUID, Path]:
        """The entities one relationship on, each with its best path."""
        reached: dict[UUID, Path] = {}
        for at, path in level.items():
            for link, to in ways[at]:
                if to not in seen and to in self._entities:
                    reached[to] = min(reached.get(to, (*path, link)), (*path, link))
        return reached

    def _given(self, id: UUID) -> Entity:  # noqa: A002
        return copied(self._entities[id])


def _ways(relationships: Iterable[Relationship], direction: Direction) -> Ways:
    ways: Ways = defaultdict(list)
    for link in relationships:
        for near, far in _ends(link, direction):
            ways[near].append((link.id, far))
    return ways


def _ends(link: Relationship, direction: Direction) -> Iterator[tuple[UUID, UUID]]:
    if direction != Direction.INCOMING:
        yield link.from_entity_id, link.to_entity_id
    if direction != Direction.OUTGOING:
        yield link.to_entity_id, link.from_entity_id
