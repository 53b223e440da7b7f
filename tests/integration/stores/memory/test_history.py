"""Entities and relationships in two times: what was true, and what was known."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope
from focal_data.domain.filters import EntityFilter, RelationshipFilter
from focal_data.domain.memory import Entity, Relationship
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError, StaleRevisionError
from focal_data.repositories.graph import EntityRepository
from focal_data.repositories.memory import PostgresMemoryStore
from focal_data.stores.memory import MemoryStore

MakeEntity = Callable[..., Entity]
MakeRelationship = Callable[..., Relationship]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


class _Clock:
    """A clock that shows what it is set to."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> _Clock:
    """The clock of ``timed``."""
    return _Clock()


@pytest.fixture
async def timed(data: DataLayer, tenant: Tenant, clock: _Clock) -> AsyncIterator[MemoryStore]:
    """The tenant's memory, by the test's clock."""
    database = Database(data.settings, clock=clock)
    yield PostgresMemoryStore(TenantScope(database, tenant.tenant_id))
    await database.close()


async def test_an_update_keeps_what_was_known(memory: MemoryStore, entity: MakeEntity) -> None:
    """Each version is known from its own time until the next one's, with every field."""
    first = await memory.add_entity(entity("a", attributes={"n": 1}, group_id="g"))
    second = await memory.update_entity(first.evolve(name="b", attributes={"n": 2}, group_id=None))
    third = await memory.update_entity(second.evolve(name="c", entity_type="dog"))
    assert first.recorded_at < second.recorded_at < third.recorded_at
    for version, until in ((first, second), (second, third)):
        for time in (version.recorded_at, until.recorded_at - TICK):
            assert version == await memory.get_entity(first.id, known_at=time)
            assert [version] == (await memory.get_entities(EntityFilter(known_at=time))).items
    assert third == await memory.get_entity(first.id)
    assert third == await memory.get_entity(first.id, known_at=third.recorded_at + timedelta(1))
    assert await memory.get_entity(first.id, known_at=first.recorded_at - TICK) is None
    past = EntityFilter(known_at=first.recorded_at, group_id="g", entity_types=("person",))
    assert [first] == (await memory.get_entities(past)).items


async def test_both_times_are_asked_at_once(
    memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
) -> None:
    """What was valid then, as it was known then."""
    a, b = [await memory.add_entity(entity(name)) for name in "ab"]
    stored = await memory.add_relationship(relationship(a, b, valid_from=NOON))
    ended = await memory.update_relationship(stored.evolve(valid_to=NOON + timedelta(1)))
    late = NOON + timedelta(2)
    assert await memory.get_relationship(stored.id, as_of=late) is None
    assert ended == await memory.get_relationship(stored.id, as_of=NOON)
    assert stored == await memory.get_relationship(stored.id, late, stored.recorded_at)
    assert await memory.get_relationship(stored.id, NOON - TICK, stored.recorded_at) is None
    then = RelationshipFilter(as_of=late, known_at=stored.recorded_at, from_entity_id=a.id)
    assert [stored] == (await memory.get_relationships(then)).items
    assert [] == (await memory.get_relationships(RelationshipFilter(as_of=late))).items


@pytest.mark.parametrize("name", ["as_of", "known_at"])
async def test_naive_times_are_refused(memory: MemoryStore, name: str) -> None:
    """By their name, as is what is no time."""
    for value in (datetime(2026, 1, 1), "2026-01-01", 5):  # noqa: DTZ001
        with pytest.raises(InvalidDataError, match=f"^{name}: "):
            await memory.get_entity(uuid4(), **{name: value})
        with pytest.raises(InvalidDataError, match=f"^{name}: "):
            await memory.get_relationship(uuid4(), **{name: value})


async def test_deleting_an_entity_ends_its_relationships(
    memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
) -> None:
    """Both ways, into the history, where they can still be read."""
    a, b, c = [await memory.add_entity(entity(name)) for name in "abc"]
    ends = ((a, b), (b, a), (a, a), (b, c))
    links = [await memory.add_relationship(relationship(*pair)) for pair in ends]
    known = links[-1].recorded_at
    assert await memory.delete_entity(a.id)
    assert await memory.get_entity(a.id) is None
    assert [links[3]] == (await memory.get_relationships()).items
    assert a == await memory.get_entity(a.id, known_at=known)
    assert links == (await memory.get_relationships(RelationshipFilter(known_at=known))).items
    assert not await memory.delete_entity(a.id)


async def test_deleting_a_relationship_keeps_it_in_the_history(
    memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
) -> None:
    """It can be read as it was known."""
    a, b = [await memory.add_entity(entity(name)) for name in "ab"]
    link = await memory.add_relationship(relationship(a, b))
    assert await memory.delete_relationship(link.id)
    assert not await memory.delete_relationship(link.id)
    assert await memory.get_relationship(link.id) is None
    assert link == await memory.get_relationship(link.id, known_at=link.recorded_at)


async def test_one_that_comes_back_goes_on_with_its_history(
    timed: MemoryStore, clock: _Clock, entity: MakeEntity
) -> None:
    """Its revisions and times follow those of its former life, also when the clock has gone back."""
    first = await timed.add_entity(entity("a"))
    clock.time += timedelta(hours=1)
    await timed.update_entity(first.evolve(name="b"))
    clock.time += timedelta(hours=1)
    await timed.delete_entity(first.id)
    clock.time -= timedelta(days=1)
    again = await timed.add_entity(entity("c", id=first.id))
    assert (3, NOON + timedelta(hours=2)) == (again.revision, again.recorded_at)
    assert again == await timed.get_entity(first.id)
    assert await timed.update_entity(again.evolve(name="d"))
    assert await timed.delete_entity(first.id)
    assert "b" == (await timed.get_entity(first.id, known_at=NOON + timedelta(hours=1.5))).name


async def test_versions_follow_each_other_whatever_the_clock_says(
    timed: MemoryStore, clock: _Clock, entity: MakeEntity, relationship: MakeRelationship
) -> None:
    """A write with a clock that stands still or goes back is recorded a microsecond after its predecessor."""
    a, b = [await timed.add_entity(entity(name)) for name in "ab"]
    link = await timed.add_relationship(relationship(a, b))
    clock.time -= timedelta(hours=1)
    second = await timed.update_entity(a.evolve(name="a2"))
    assert NOON + TICK == second.recorded_at
    assert second == await timed.get_entity(a.id)
    assert a == await timed.get_entity(a.id, known_at=NOON)
    assert NOON + TICK == (await timed.update_relationship(link.evolve(confidence=0.1))).recorded_at
    assert await timed.delete_entity(a.id)
    assert second == await timed.get_entity(a.id, known_at=NOON + TICK)
    assert await timed.get_entity(a.id, known_at=NOON + 2 * TICK) is None


async def test_a_fact_is_replaced_where_its_successor_begins(
    memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
) -> None:
    """The old one ends there, both are recorded at one time, and what was known before stays known."""
    a, b, c = [await memory.add_entity(entity(name)) for name in "abc"]
    old = await memory.add_relationship(relationship(a, b, valid_from=NOON))
    change = NOON + timedelta(1)
    new = await memory.replace_relationship(old.id, relationship(a, c, valid_from=change))
    ended = await memory.get_relationship(old.id)
    assert (change, 2) == (ended.valid_to, ended.revision)
    assert ended.recorded_at == new.recorded_at
    assert new == await memory.get_relationship(new.id)
    for time, expected in ((change - TICK, ended), (change, new)):
        assert [expected] == (await memory.get_relationships(RelationshipFilter(as_of=time))).items
    then = RelationshipFilter(as_of=change, known_at=old.recorded_at)
    assert [old] == (await memory.get_relationships(then)).items


async def test_a_replacement_is_both_or_none(
    memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
) -> None:
    """A successor that begins outside, or can't be stored, leaves the old fact as it is."""
    a, b = [await memory.add_entity(entity(name)) for name in "ab"]
    end = NOON + timedelta(2)
    old = await memory.add_relationship(relationship(a, b, valid_from=NOON, valid_to=end))
    for start in (NOON - TICK, NOON, end, end + TICK):
        with pytest.raises(InvalidDataError, match=r"^valid_from: "):
            await memory.replace_relationship(old.id, relationship(a, b, valid_from=start))
    within = NOON + timedelta(1)
    with pytest.raises(NotFoundError):
        await memory.replace_relationship(old.id, relationship(a, uuid4(), valid_from=within))
    with pytest.raises(DuplicateError):
        await memory.replace_relationship(old.id, relationship(a, b, id=old.id, valid_from=within))
    with pytest.raises(InvalidDataError, match=r"^revision: "):
        await memory.replace_relationship(old.id, relationship(a, b, revision=1, valid_from=within))
    with pytest.raises(NotFoundError):
        await memory.replace_relationship(uuid4(), relationship(a, b, valid_from=within))
    assert [old] == (await memory.get_relationships()).items
    assert old == await memory.get_relationship(old.id, known_at=old.recorded_at)


async def test_of_two_updates_at_once_one_is_stale(memory: MemoryStore, entity: MakeEntity) -> None:
    """Whoever comes second is told the revision that the first one made; the history has each version once."""
    stored = await memory.add_entity(entity("0"))
    for _ in range(5):
        tries = [memory.update_entity(stored.evolve(name=str(n))) for n in range(6)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        (winner,) = [r for r in results if isinstance(r, Entity)]
        stale = [r for r in results if isinstance(r, StaleRevisionError)]
        assert [winner.revision] * 5 == [error.current_revision for error in stale]
        assert stored == await memory.get_entity(stored.id, known_at=stored.recorded_at)
        stored = winner
    assert 6 == stored.revision


async def test_an_entity_is_deleted_while_others_work_on_it(
    memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
) -> None:
    """Each concurrent write comes before or finds it gone; no relationship is left behind."""
    for _ in range(5):
        a, b = [await memory.add_entity(entity(name)) for name in "ab"]
        results = await asyncio.gather(
            *(memory.add_relationship(relationship(*ends)) for ends in ((a, b), (b, a)) * 2),
            memory.delete_entity(a.id),
            memory.update_entity(a.evolve(name="a2")),
            memory.delete_entity(a.id),
            return_exceptions=True,
        )
        failures = [r for r in results if isinstance(r, Exception)]
        assert {NotFoundError} >= {type(failure) for failure in failures}
        assert [False, True] == sorted(r for r in results if isinstance(r, bool))
        assert [] == (await memory.get_relationships(RelationshipFilter(from_entity_id=a.id))).items
        assert [] == (await memory.get_relationships(RelationshipFilter(to_entity_id=a.id))).items


async def test_a_rolled_back_update_leaves_no_history(
    tenant: Tenant, memory: MemoryStore, entity: MakeEntity
) -> None:
    """The version and its predecessor go together."""
    stored = await memory.add_entity(entity("a"))
    with pytest.raises(ZeroDivisionError):
        async with tenant.transaction() as tx:
            await tx.memory.update_entity(stored.evolve(name="b"))
            raise ZeroDivisionError
    assert stored == await memory.get_entity(stored.id)
    assert "b" == (await memory.update_entity(stored.evolve(name="b"))).name


async def test_a_purge_leaves_nothing(tenant: Tenant, memory: MemoryStore, entity: MakeEntity) -> None:
    """Neither the entity nor what was known of it."""
    stored = await memory.add_entity(entity("a"))
    await memory.update_entity(stored.evolve(name="b"))
    assert await EntityRepository(tenant).purge(stored.id)
    assert not await EntityRepository(tenant).purge(stored.id)
    assert await memory.get_entity(stored.id, known_at=stored.recorded_at) is None


async def test_any_history_reads_as_it_was_written(
    timed: MemoryStore, clock: _Clock, entity: MakeEntity
) -> None:
    """Random writes at random times, some out of order, against a list of all versions in plain Python."""
    rnd = random.Random(7)  # noqa: S311
    versions: list[tuple[Entity, datetime]] = []
    current: dict[object, Entity] = {}

    def supersede(old: Entity, at: datetime) -> None:
        versions.append((old, at))

    for step in range(120):
        clock.time += timedelta(microseconds=rnd.randrange(-2, 6))
        known = list(current.values())
        if not known or rnd.random() < 0.3:
            start = NOON + timedelta(days=rnd.randrange(5))
            made = await timed.add_entity(entity(str(step), valid_from=start))
            current[made.id] = made
        elif rnd.random() < 0.7:
            old = rnd.choice(known)
            end = old.valid_from + timedelta(days=rnd.randrange(1, 5))
            new = await timed.update_entity(old.evolve(name=str(step), valid_to=rnd.choice((None, end))))
            supersede(old, new.recorded_at)
            current[new.id] = new
        else:
            old = current.pop(rnd.choice(known).id)
            await timed.delete_entity(old.id)
            supersede(old, max(clock.time, old.recorded_at + TICK))
    for _ in range(60):
        known_at = NOON + timedelta(microseconds=rnd.randrange(-5, 300))
        as_of = rnd.choice((None, NOON + timedelta(days=rnd.randrange(9))))
        expected = [v for v in current.values() if v.recorded_at <= known_at]
        expected += [v for v, until in versions if v.recorded_at <= known_at < until]
        if as_of:
            expected = [
                v for v in expected if v.valid_from <= as_of and not (v.valid_to and v.valid_to <= as_of)
            ]
        filters = EntityFilter(known_at=known_at, as_of=as_of)
        found = await timed.get_entities(filters, limit=1000)
        assert sorted(expected, key=lambda v: v.id) == found.items
