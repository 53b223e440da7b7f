"""Histories by a clock that a test sets: it may stand still, or go back."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest

from focal_data.domain.filters import EntityFilter
from focal_data.domain.memory import (
    Entity,
)
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.memory.base import (
    NOON,
    TICK,
    MakeEntity,
    MakeRelationship,
    MemorySuite,
    recorded,
    there,
)


class ManualClock:
    """A clock that shows what it is set to."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


class MemoryClockContract(MemorySuite):
    """What recorded time promises whatever the clocks say. The stores of ``tenants`` must read the fixture ``clock``."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The clock of the stores."""
        return ManualClock()

    async def test_one_that_comes_back_goes_on_with_its_history(
        self, memory: MemoryStore, clock: ManualClock, entity: MakeEntity
    ) -> None:
        """Its revisions and times follow those of its former life, also when the clock has gone back."""
        first = await memory.add_entity(entity("a"))
        clock.time += timedelta(hours=1)
        await memory.update_entity(first.evolve(name="b"))
        clock.time += timedelta(hours=1)
        await memory.delete_entity(first.id)
        clock.time -= timedelta(days=1)
        again = await memory.add_entity(entity("c", id=first.id))
        assert (3, NOON + timedelta(hours=2)) == (again.revision, recorded(again))
        assert again == await memory.get_entity(first.id)
        assert 4 == (await memory.update_entity(again.evolve(name="d"))).revision
        assert await memory.delete_entity(first.id)
        then = await memory.get_entity(first.id, known_at=NOON + timedelta(hours=1.5))
        assert "b" == there(then).name

    async def test_versions_follow_each_other_whatever_the_clock_says(
        self, memory: MemoryStore, clock: ManualClock, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """A write with a clock that stands still or goes back is recorded a microsecond after its predecessor."""
        a, b = [await memory.add_entity(entity(name)) for name in "ab"]
        link = await memory.add_relationship(relationship(a, b))
        clock.time -= timedelta(hours=1)
        second = await memory.update_entity(a.evolve(name="a2"))
        assert NOON + TICK == recorded(second)
        assert second == await memory.get_entity(a.id)
        assert a == await memory.get_entity(a.id, known_at=NOON)
        assert NOON + TICK == (await memory.update_relationship(link.evolve(confidence=0.1))).recorded_at
        assert await memory.delete_entity(a.id)
        assert second == await memory.get_entity(a.id, known_at=NOON + TICK)
        assert await memory.get_entity(a.id, known_at=NOON + 2 * TICK) is None

    async def test_any_history_reads_as_it_was_written(
        self, memory: MemoryStore, clock: ManualClock, entity: MakeEntity
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
                made = await memory.add_entity(entity(str(step), valid_from=start))
                current[made.id] = made
            elif rnd.random() < 0.7:
                old = rnd.choice(known)
                end = old.valid_from + timedelta(days=rnd.randrange(1, 5))
                new = await memory.update_entity(old.evolve(name=str(step), valid_to=rnd.choice((None, end))))
                supersede(old, recorded(new))
                current[new.id] = new
            else:
                old = current.pop(rnd.choice(known).id)
                await memory.delete_entity(old.id)
                supersede(old, max(clock.time, recorded(old) + TICK))
        for _ in range(60):
            known_at = NOON + timedelta(microseconds=rnd.randrange(-5, 300))
            as_of = rnd.choice((None, NOON + timedelta(days=rnd.randrange(9))))
            expected = [v for v in current.values() if recorded(v) <= known_at]
            expected += [v for v, until in versions if recorded(v) <= known_at < until]
            if as_of:
                expected = [
                    v for v in expected if v.valid_from <= as_of and not (v.valid_to and v.valid_to <= as_of)
                ]
            filters = EntityFilter(known_at=known_at, as_of=as_of)
            found = await memory.get_entities(filters, limit=1000)
            assert sorted(expected, key=lambda v: v.id) == found.items
