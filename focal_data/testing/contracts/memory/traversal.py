"""The way through the graph."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from focal_data.domain.filters import RelationshipFilter
from focal_data.domain.memory import (
    Direction,
    Relationship,
    Traversal,
)
from focal_data.errors import InvalidDataError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.memory.base import (
    NEVER,
    NOON,
    MakeEntity,
    MakeRelationship,
    MemorySuite,
    people,
    reached,
    recorded,
)


class TraversalContract(MemorySuite):
    """``traverse_from_entities``."""

    async def test_the_way_is_told(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """Depth, path and entity of each, the nearest first; the start is not among them."""
        a, b, c, d = await people(memory, entity, "abcd")
        ab, bc, cd = [await memory.add_relationship(relationship(*ends)) for ends in ((a, b), (b, c), (c, d))]
        found = await memory.traverse_from_entities([a.id], max_depth=3)
        expected = [
            Traversal(b, 1, (ab.id,)),
            Traversal(c, 2, (ab.id, bc.id)),
            Traversal(d, 3, (ab.id, bc.id, cd.id)),
        ]
        assert expected == found
        assert expected[:2] == await memory.traverse_from_entities([a.id])
        assert expected[:1] == await memory.traverse_from_entities([a.id], limit=1, max_depth=10)

    async def test_directions(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """As relationships point, against that, or either way."""
        a, b, c = await people(memory, entity, "abc")
        for ends in ((a, b), (c, a)):
            await memory.add_relationship(relationship(*ends))

        async def found(direction: Direction) -> list[tuple[str, int]]:
            return reached(await memory.traverse_from_entities([a.id], direction=direction))

        assert [("b", 1)] == await found(Direction.OUTGOING)
        assert [("c", 1)] == await found(Direction.INCOMING)
        assert [("b", 1), ("c", 1)] == await found(Direction.BOTH)
        with pytest.raises(InvalidDataError, match=r"^direction: "):
            await found("sideways")  # type: ignore[arg-type]

    async def test_cycles_end(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """A ring, an entity related to itself, and relationships there and back."""
        ring = await people(memory, entity, "abcde")
        for n, start in enumerate(ring):
            await memory.add_relationship(relationship(start, ring[(n + 1) % 5]))
            await memory.add_relationship(relationship(start, start, relation_type="is"))
            await memory.add_relationship(relationship(ring[(n + 1) % 5], start, relation_type="back"))
        found = await memory.traverse_from_entities([ring[0].id], max_depth=10)
        assert [("b", 1), ("e", 1), ("c", 2), ("d", 2)] == reached(found)
        outgoing = RelationshipFilter(relation_types=("knows",))
        found = await memory.traverse_from_entities(
            [ring[0].id], filters=outgoing, direction=Direction.OUTGOING, max_depth=10
        )
        assert [("b", 1), ("c", 2), ("d", 3), ("e", 4)] == reached(found)

    async def test_unknown_starts_lead_nowhere(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """They are ignored beside known ones; several starts are walked at once, and none is found from another."""
        a, b, c = await people(memory, entity, "abc")
        for ends in ((a, b), (b, c)):
            await memory.add_relationship(relationship(*ends))
        assert [] == await memory.traverse_from_entities([])
        assert [] == await memory.traverse_from_entities([NEVER])
        found = await memory.traverse_from_entities([NEVER, a.id, a.id, b.id])
        assert [("c", 1)] == reached(found)

    async def test_times_hold_for_all_that_is_passed(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """A relationship or an entity that is not valid, or not known, at the time asked for is no way."""
        a = await memory.add_entity(entity("a", valid_from=NOON, valid_to=NOON + timedelta(3)))
        b = await memory.add_entity(entity("b", valid_from=NOON + timedelta(1)))
        c = await memory.add_entity(entity("c", valid_from=NOON))
        ab = await memory.add_relationship(relationship(a, b, valid_from=NOON))
        bc = await memory.add_relationship(relationship(b, c, valid_from=NOON))
        await memory.delete_entity(b.id)

        async def found(**times: datetime) -> list[tuple[str, int]]:
            filters = RelationshipFilter(**times)
            return reached(await memory.traverse_from_entities([a.id], filters=filters))

        assert [] == await found()
        assert [("b", 1), ("c", 2)] == await found(known_at=recorded(bc))
        assert [("b", 1)] == await found(known_at=recorded(ab))
        assert [] == await found(known_at=recorded(b))
        assert [] == await found(known_at=recorded(bc), as_of=NOON)
        late = NOON + timedelta(2)
        assert [("b", 1), ("c", 2)] == await found(known_at=recorded(bc), as_of=late)
        assert [] == await found(known_at=recorded(bc), as_of=NOON - timedelta(1))
        assert [] == await found(known_at=recorded(bc), as_of=NOON + timedelta(3))

    @pytest.mark.parametrize("seed", range(4))
    async def test_any_graph_is_walked_as_on_paper(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship, seed: int
    ) -> None:
        """Random graphs, with hubs and parallel relationships, against breadth-first search in plain Python."""
        rnd = random.Random(seed)  # noqa: S311
        size = (6, 12, 25, 40)[seed]
        known = [await memory.add_entity(entity(str(n), id=uuid4())) for n in range(size)]
        links = [
            await memory.add_relationship(
                relationship(
                    known[min(rnd.randrange(size), rnd.randrange(size))],
                    rnd.choice(known),
                    id=uuid4(),
                    relation_type=rnd.choice("xy"),
                    valid_from=NOON + timedelta(n),
                )
            )
            for n in range(size * 2)
        ]
        for direction, types in itertools.product(Direction, (None, ("x",))):
            depth, limit = rnd.choice((1, 2, 3, 6)), rnd.choice((1, 3, 10, 100))
            starts = [e.id for e in rnd.sample(known, rnd.choice((1, 3)))]
            found = await memory.traverse_from_entities(
                starts,
                filters=RelationshipFilter(relation_types=types),
                direction=direction,
                max_depth=depth,
                limit=limit,
            )
            used = [link for link in links if types is None or link.relation_type in types]
            expected = breadth_first(starts, used, direction, depth)[:limit]
            assert expected == [(way.entity.id, way.depth, way.path) for way in found]

    async def test_hubs_are_cut_at_the_limit(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """The first by id, each one relationship away; what lies behind them is not reached before all of them are."""
        known = [await memory.add_entity(entity(str(n), id=uuid4())) for n in range(43)]
        hubs, leaves = known[:3], known[3:]
        for hub, leaf in itertools.product(hubs, leaves):
            await memory.add_relationship(relationship(hub, leaf))
        found = await memory.traverse_from_entities([hubs[0].id], max_depth=3, limit=30)
        assert sorted(leaf.id for leaf in leaves)[:30] == [way.entity.id for way in found]
        assert {1} == {way.depth for way in found}
        found = await memory.traverse_from_entities([hubs[0].id], max_depth=2, limit=1000)
        assert {hubs[1].id, hubs[2].id} == {way.entity.id for way in found if way.depth == 2}


Way = tuple[UUID, int, tuple[UUID, ...]]


def breadth_first(
    starts: Sequence[UUID], links: Sequence[Relationship], direction: Direction, depth: int
) -> list[Way]:
    """What is reached, how far it is, and by the smallest of the shortest paths."""
    seen, found = set(starts), list[Way]()
    level: dict[UUID, tuple[UUID, ...]] = dict.fromkeys(starts, ())
    for far in range(1, depth + 1):
        after: dict[UUID, tuple[UUID, ...]] = {}
        for link, (near, to) in itertools.product(links, DIRECTIONS[direction]):
            path = (*level.get(getattr(link, near), ()), link.id)
            if getattr(link, near) in level and getattr(link, to) not in seen:
                after[getattr(link, to)] = min(after.get(getattr(link, to), path), path)
        seen |= after.keys()
        found += [(to, far, after[to]) for to in sorted(after)]
        level = after
    return found


OUT, IN = ("from_entity_id", "to_entity_id"), ("to_entity_id", "from_entity_id")
DIRECTIONS = {Direction.OUTGOING: [OUT], Direction.INCOMING: [IN], Direction.BOTH: [OUT, IN]}
