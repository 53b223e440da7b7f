"""Entities, relationships, and the way from one to another."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from focal_data.data_layer import Tenant
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EntityFilter, RelationshipFilter
from focal_data.domain.memory import Direction, Entity, Episode, GroupDeletion, Relationship, Traversal
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError, StaleRevisionError
from focal_data.ids import NO_TENANT
from focal_data.repositories.graph import EntityRepository, RelationshipRepository
from focal_data.stores.memory import MemoryStore

MakeEpisode = Callable[..., Episode]
MakeEntity = Callable[..., Entity]
MakeRelationship = Callable[..., Relationship]
Graph = Callable[..., "Iterable[Entity]"]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEVER = uuid4()


async def _people(memory: MemoryStore, entity: MakeEntity, names: str) -> list[Entity]:
    return [await memory.add_entity(entity(name)) for name in names]


def _reached(found: list[Traversal]) -> list[tuple[str, int]]:
    return [(reached.entity.name, reached.depth) for reached in found]


async def test_every_field_of_an_entity_comes_back(
    memory: MemoryStore, tenant: Tenant, entity: MakeEntity
) -> None:
    """What was given is what is read, but for the store's own fields."""
    given = entity(
        "Ädä",
        group_id="g",
        canonical_name="ada",
        attributes={"a": [1, None]},
        embedding=Embedding([0.1], model="m"),
        valid_from=NOON,
        valid_to=NOON + timedelta(1),
    )
    stored = await memory.add_entity(given)
    expected = given.evolve(
        tenant_id=tenant.tenant_id,
        revision=1,
        recorded_at=stored.recorded_at,
        embedding=given.embedding.rounded(),
    )
    assert expected == stored
    assert stored == await memory.get_entity(given.id)


async def test_every_field_of_a_relationship_comes_back(
    memory: MemoryStore, tenant: Tenant, entity: MakeEntity, relationship: MakeRelationship
) -> None:
    """What was given is what is read, but for the store's own fields."""
    ends = await _people(memory, entity, "ab")
    given = relationship(
        *ends,
        attributes={"since": "long"},
        confidence=0.5,
        group_id="g",
        valid_from=NOON,
        valid_to=NOON + timedelta(1),
    )
    stored = await memory.add_relationship(given)
    assert given.evolve(tenant_id=tenant.tenant_id, revision=1, recorded_at=stored.recorded_at) == stored
    assert stored == await memory.get_relationship(given.id)


async def test_entities_are_unique_by_id_and_need_an_agent(memory: MemoryStore, entity: MakeEntity) -> None:
    """A stored id is a duplicate, and an unknown agent is not found."""
    stored = await memory.add_entity(entity())
    with pytest.raises(DuplicateError):
        await memory.add_entity(entity(id=stored.id))
    with pytest.raises(NotFoundError, match="agent_id"):
        await memory.add_entity(entity().evolve(agent_id=uuid4()))


async def test_relationships_need_both_ends(
    memory: MemoryStore, stranger: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
) -> None:
    """An end that is not stored, or is another tenant's, is not found."""
    a, b = await _people(memory, entity, "ab")
    for start, end, name in ((a.id, NEVER, "to_entity_id"), (NEVER, b.id, "from_entity_id")):
        with pytest.raises(NotFoundError, match=name):
            await memory.add_relationship(relationship(start, end))
    with pytest.raises(NotFoundError):
        await stranger.add_relationship(relationship(a, b))


async def test_a_fact_is_stored_once(
    memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
) -> None:
    """One relationship for each pair, type and ``valid_from``; an update can't go round that."""
    a, b = await _people(memory, entity, "ab")
    await memory.add_relationship(relationship(a, b, valid_from=NOON))
    with pytest.raises(DuplicateError) as duplicate:
        await memory.add_relationship(relationship(a, b, valid_from=NOON))
    assert ("from_entity_id", "to_entity_id", "relation_type", "valid_from") == duplicate.value.fields
    later = await memory.add_relationship(relationship(a, b, valid_from=NOON + timedelta(1)))
    with pytest.raises(DuplicateError):
        await memory.update_relationship(later.evolve(valid_from=NOON))
    with pytest.raises(NotFoundError):
        await memory.update_relationship(later.evolve(to_entity_id=NEVER))
    assert later == await memory.get_relationship(later.id)
    assert (await memory.get_relationship(later.id, known_at=NOON)) is None


async def test_locks_hold(memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship) -> None:
    """A stale revision tells the current one, a missing thing is not found, and adding and updating are not mixed up."""
    a, b = await _people(memory, entity, "ab")
    link = await memory.add_relationship(relationship(a, b))
    for stored, add, update, get in (
        (a, memory.add_entity, memory.update_entity, memory.get_entity),
        (link, memory.add_relationship, memory.update_relationship, memory.get_relationship),
    ):
        second = await update(stored.evolve(attributes={"n": 2}))
        assert 2 == second.revision
        with pytest.raises(StaleRevisionError) as stale:
            await update(stored.evolve(attributes={"n": 3}))
        assert 2 == stale.value.current_revision
        with pytest.raises(NotFoundError):
            await update(stored.evolve(id=uuid4()))
        with pytest.raises(InvalidDataError, match=r"^revision: "):
            await add(stored.evolve(id=uuid4()))
        with pytest.raises(InvalidDataError, match=r"^revision: "):
            await update(stored.evolve(revision=0))
        assert second == await get(stored.id)


async def test_entities_are_filtered_and_paged_by_id(
    memory: MemoryStore, tenant: Tenant, entity: MakeEntity
) -> None:
    """Filters hold together; the pages together are the whole."""
    stored = [await memory.add_entity(entity(str(n), id=uuid4())) for n in range(7)]
    marked = await memory.add_entity(entity("x", canonical_name="c", entity_type="dog", group_id="g"))
    expected = sorted(e.id for e in (*stored, marked))
    found, cursor = [], None
    while not found or cursor:
        page = await memory.get_entities(limit=3, cursor=cursor)
        found, cursor = found + [e.id for e in page], page.next_cursor
    assert expected == found
    for filters in (
        EntityFilter(canonical_name="c"),
        EntityFilter(entity_types=("dog", "cat")),
        EntityFilter(group_id="g", agent_id=marked.agent_id),
    ):
        assert [marked] == (await memory.get_entities(filters)).items
    assert [] == (await memory.get_entities(EntityFilter(agent_id=tenant.tenant_id))).items
    assert [] == (await memory.get_entities(EntityFilter(entity_types=()))).items


async def test_relationships_are_filtered(
    memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
) -> None:
    """By their ends, type, group and time; in the order of ids, across pages."""
    a, b, c = await _people(memory, entity, "abc")
    ab = await memory.add_relationship(relationship(a, b, group_id="g", valid_from=NOON))
    bc = await memory.add_relationship(
        relationship(b, c, relation_type="likes", valid_from=NOON, valid_to=NOON + timedelta(1))
    )
    wanted = (
        (RelationshipFilter(from_entity_id=a.id), [ab]),
        (RelationshipFilter(to_entity_id=c.id), [bc]),
        (RelationshipFilter(relation_types=("likes",)), [bc]),
        (RelationshipFilter(group_id="g"), [ab]),
        (RelationshipFilter(as_of=NOON), [ab, bc]),
        (RelationshipFilter(as_of=NOON + timedelta(1)), [ab]),
        (RelationshipFilter(as_of=NOON - timedelta(1)), []),
        (None, [ab, bc]),
    )
    for filters, expected in wanted:
        assert expected == (await memory.get_relationships(filters)).items
    first = await memory.get_relationships(limit=1)
    assert [bc] == (await memory.get_relationships(limit=1, cursor=first.next_cursor)).items


async def test_a_cursor_belongs_to_its_call(memory: MemoryStore, entity: MakeEntity) -> None:
    """One list's cursor is unreadable to another."""
    await _people(memory, entity, "ab")
    cursor = (await memory.get_entities(limit=1)).next_cursor
    with pytest.raises(InvalidDataError, match=r"^cursor: "):
        await memory.get_relationships(cursor=cursor)


async def test_other_tenants_reach_nothing(
    memory: MemoryStore, stranger: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
) -> None:
    """Not by id, list or way; and they change nothing."""
    a, b = await _people(memory, entity, "ab")
    link = await memory.add_relationship(relationship(a, b, group_id="g"))
    assert await stranger.get_entity(a.id) is None
    assert await stranger.get_entity(a.id, known_at=a.recorded_at) is None
    assert await stranger.get_relationship(link.id) is None
    assert [] == (await stranger.get_entities()).items
    assert [] == (await stranger.get_relationships()).items
    assert [] == await stranger.traverse_from_entities([a.id])
    assert not await stranger.delete_entity(a.id)
    assert not await stranger.delete_relationship(link.id)
    assert GroupDeletion(0, 0, 0) == await stranger.delete_by_group("g")
    with pytest.raises(NotFoundError):
        await stranger.update_entity(a.evolve(tenant_id=NO_TENANT, name="mine"))
    with pytest.raises(NotFoundError):
        await stranger.replace_relationship(link.id, relationship(a, b))
    assert (a, link) == (await memory.get_entity(a.id), await memory.get_relationship(link.id))


async def test_the_way_is_told(
    memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
) -> None:
    """Depth, path and entity of each, the nearest first; the start is not among them."""
    a, b, c, d = await _people(memory, entity, "abcd")
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


async def test_directions(memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship) -> None:
    """As relationships point, against that, or either way."""
    a, b, c = await _people(memory, entity, "abc")
    for ends in ((a, b), (c, a)):
        await memory.add_relationship(relationship(*ends))

    async def reached(direction: Direction) -> list[tuple[str, int]]:
        return _reached(await memory.traverse_from_entities([a.id], direction=direction))

    assert [("b", 1)] == await reached(Direction.OUTGOING)
    assert [("c", 1)] == await reached(Direction.INCOMING)
    assert [("b", 1), ("c", 1)] == await reached(Direction.BOTH)
    with pytest.raises(InvalidDataError, match=r"^direction: "):
        await reached("sideways")  # type: ignore[arg-type]


async def test_cycles_end(memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship) -> None:
    """A ring, an entity related to itself, and relationships there and back."""
    people = await _people(memory, entity, "abcde")
    for n, start in enumerate(people):
        await memory.add_relationship(relationship(start, people[(n + 1) % 5]))
        await memory.add_relationship(relationship(start, start, relation_type="is"))
        await memory.add_relationship(relationship(people[(n + 1) % 5], start, relation_type="back"))
    found = await memory.traverse_from_entities([people[0].id], max_depth=10)
    assert [("b", 1), ("e", 1), ("c", 2), ("d", 2)] == _reached(found)
    outgoing = RelationshipFilter(relation_types=("knows",))
    found = await memory.traverse_from_entities(
        [people[0].id], filters=outgoing, direction=Direction.OUTGOING, max_depth=10
    )
    assert [("b", 1), ("c", 2), ("d", 3), ("e", 4)] == _reached(found)


async def test_unknown_starts_lead_nowhere(
    memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
) -> None:
    """They are ignored beside known ones; several starts are walked at once, and none is found from another."""
    a, b, c = await _people(memory, entity, "abc")
    for ends in ((a, b), (b, c)):
        await memory.add_relationship(relationship(*ends))
    assert [] == await memory.traverse_from_entities([])
    assert [] == await memory.traverse_from_entities([NEVER])
    found = await memory.traverse_from_entities([NEVER, a.id, a.id, b.id])
    assert [("c", 1)] == _reached(found)


@pytest.mark.parametrize("depth", [0, -1, 11, 10**9, 1.5, True, None])
async def test_a_bad_depth_is_refused(memory: MemoryStore, depth: int) -> None:
    """Depths are 1 to 10."""
    with pytest.raises(InvalidDataError, match=r"^max_depth: "):
        await memory.traverse_from_entities([uuid4()], max_depth=depth)


async def test_what_is_no_id_of_an_entity_is_refused(memory: MemoryStore) -> None:
    """By the name of the argument."""
    with pytest.raises(InvalidDataError, match=r"^entity_ids: "):
        await memory.traverse_from_entities(["nope"])  # type: ignore[list-item]


async def test_times_hold_for_all_that_is_passed(
    memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
) -> None:
    """A relationship or an entity that is not valid, or not known, at the time asked for is no way."""
    a = await memory.add_entity(entity("a", valid_from=NOON, valid_to=NOON + timedelta(3)))
    b = await memory.add_entity(entity("b", valid_from=NOON + timedelta(1)))
    c = await memory.add_entity(entity("c", valid_from=NOON))
    ab = await memory.add_relationship(relationship(a, b, valid_from=NOON))
    bc = await memory.add_relationship(relationship(b, c, valid_from=NOON))
    await memory.delete_entity(b.id)

    async def reached(**times: datetime) -> list[tuple[str, int]]:
        filters = RelationshipFilter(**times)
        return _reached(await memory.traverse_from_entities([a.id], filters=filters))

    assert [] == await reached()
    assert [("b", 1), ("c", 2)] == await reached(known_at=bc.recorded_at)
    assert [("b", 1)] == await reached(known_at=ab.recorded_at)
    assert [] == await reached(known_at=b.recorded_at)
    assert [] == await reached(known_at=bc.recorded_at, as_of=NOON)
    late = NOON + timedelta(2)
    assert [("b", 1), ("c", 2)] == await reached(known_at=bc.recorded_at, as_of=late)
    assert [] == await reached(known_at=bc.recorded_at, as_of=NOON - timedelta(1))
    assert [] == await reached(known_at=bc.recorded_at, as_of=NOON + timedelta(3))


async def test_any_graph_is_walked_as_on_paper(tenant: Tenant, agent: UUID) -> None:
    """Random graphs, with hubs and parallel relationships, against breadth-first search in plain Python."""
    for seed in range(8):
        rnd = random.Random(seed)  # noqa: S311
        size = rnd.choice((6, 30, 80))
        people = await EntityRepository(tenant).add_many(
            Entity(id=uuid4(), agent_id=agent, name=str(n), entity_type="t") for n in range(size)
        )
        links = await RelationshipRepository(tenant).add_many(
            Relationship(
                id=uuid4(),
                from_entity_id=people[min(rnd.randrange(size), rnd.randrange(size))].id,
                to_entity_id=rnd.choice(people).id,
                relation_type=rnd.choice("xy"),
                valid_from=NOON + timedelta(n),
            )
            for n in range(size * 2)
        )
        for direction in Direction:
            for types in (None, ("x",)):
                depth, limit = rnd.choice((1, 2, 3, 6)), rnd.choice((1, 3, 10, 100))
                starts = [e.id for e in rnd.sample(people, rnd.choice((1, 3)))]
                found = await tenant.memory.traverse_from_entities(
                    starts,
                    filters=RelationshipFilter(relation_types=types),
                    direction=direction,
                    max_depth=depth,
                    limit=limit,
                )
                used = [link for link in links if types is None or link.relation_type in types]
                expected = _breadth_first(starts, used, direction, depth)[:limit]
                assert expected == [(f.entity.id, f.depth, f.path) for f in found]


def _breadth_first(
    starts: list[UUID], links: list[Relationship], direction: Direction, depth: int
) -> list[tuple[UUID, int, tuple[UUID, ...]]]:
    ways = defaultdict(list)
    for link in links:
        if direction != Direction.INCOMING:
            ways[link.from_entity_id].append((link.id, link.to_entity_id))
        if direction != Direction.OUTGOING:
            ways[link.to_entity_id].append((link.id, link.from_entity_id))
    seen, level, found = set(starts), dict.fromkeys(starts, ()), []
    for far in range(1, depth + 1):
        after: dict[UUID, tuple[UUID, ...]] = {}
        for at, path in level.items():
            for link_id, to in ways[at]:
                if to not in seen:
                    after[to] = min(after.get(to, (*path, link_id)), (*path, link_id))
        seen |= after.keys()
        found += [(to, far, after[to]) for to in sorted(after)]
        level = after
    return found


async def test_hubs_are_cut_at_the_limit(tenant: Tenant, agent: UUID) -> None:
    """A hub of 500, and hubs behind that: the first hundred by id, each one relationship away."""
    people = await EntityRepository(tenant).add_many(
        Entity(id=uuid4(), agent_id=agent, name=str(n), entity_type="t") for n in range(503)
    )
    hubs, leaves = people[:3], people[3:]
    await RelationshipRepository(tenant).add_many(
        Relationship(from_entity_id=hub.id, to_entity_id=leaf.id, relation_type="t")
        for hub in hubs
        for leaf in leaves
    )
    found = await tenant.memory.traverse_from_entities([hubs[0].id], max_depth=3)
    assert sorted(leaf.id for leaf in leaves)[:100] == [f.entity.id for f in found]
    assert {1} == {f.depth for f in found}
    found = await tenant.memory.traverse_from_entities([hubs[0].id], max_depth=2, limit=1000)
    assert {hubs[1].id, hubs[2].id} == {f.entity.id for f in found if f.depth == 2}


async def test_a_group_goes_for_good(
    memory: MemoryStore,
    episode: MakeEpisode,
    entity: MakeEntity,
    relationship: MakeRelationship,
) -> None:
    """With what hangs on its entities, and with the history of all of it; what is not the group's stays."""
    a = await memory.add_entity(entity("a", group_id="g"))
    b = await memory.add_entity(entity("b"))
    left = await memory.add_entity(entity("left", group_id="g"))
    once = await memory.add_entity(entity("gone"))
    gone = await memory.update_entity(once.evolve(group_id="g"))
    free = await memory.add_entity(entity("joined"))
    await memory.update_entity(free.evolve(group_id="g"))
    ab = await memory.add_relationship(relationship(a, b, group_id="h"))
    bb = await memory.add_relationship(relationship(b, b))
    await memory.update_relationship(bb.evolve(group_id="g"))
    kept = await memory.add_relationship(relationship(b, left, group_id="h"))
    was = await memory.add_relationship(relationship(b, gone))
    before = (await memory.update_relationship(was.evolve(confidence=0.5))).recorded_at
    left = await memory.update_entity(left.evolve(group_id=None))
    await memory.update_entity(a.evolve(name="a2"))
    await memory.delete_entity(gone.id)
    await memory.add_episodes([episode(group_id="g"), episode(group_id="g"), episode(group_id="h")])

    assert GroupDeletion(episodes=2, entities=2, relationships=2) == await memory.delete_by_group("g")

    assert 1 == len(await memory.get_episodes())
    assert [b, left] == (await memory.get_entities()).items
    assert [kept] == (await memory.get_relationships()).items
    for erased in (a, once, gone, free):
        assert await memory.get_entity(erased.id, known_at=erased.recorded_at) is None
    for erased in (ab, bb, was):
        assert await memory.get_relationship(erased.id, known_at=erased.recorded_at) is None
    for time in (before, once.recorded_at, gone.recorded_at, a.recorded_at):
        then = await memory.get_entities(EntityFilter(known_at=time))
        assert {"b"} >= {e.name for e in then}
    assert GroupDeletion(0, 0, 0) == await memory.delete_by_group("g")


@pytest.mark.parametrize("group_id", ["", "a" * 256, "a\0", "\ud800", 5, None])
async def test_a_bad_group_is_refused(memory: MemoryStore, group_id: str) -> None:
    """Groups are named by 1 to 255 characters."""
    with pytest.raises(InvalidDataError, match=r"^group_id: "):
        await memory.delete_by_group(group_id)
