"""What was true at one time as it was known at another: any history, on both backends, against plain Python."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from focal_data.data_layer import DataLayer
from focal_data.domain.config import Agent
from focal_data.domain.filters import EntityFilter, RelationshipFilter
from focal_data.domain.memory import Direction, Entity, Relationship
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.base import Tenants, TenantUnderTest
from focal_data.testing.contracts.memory.base import NOON
from focal_data.testing.contracts.memory.clock import ManualClock
from tests.contracts.bitemporal_model import TICK, Model, Moment, Version

ENTITIES: Final = [UUID(int=number) for number in range(1, 5)]
LINKS: Final = [UUID(int=number) for number in range(101, 106)]
HOPS: Final = {
    Direction.OUTGOING: ((0, 1),),
    Direction.INCOMING: ((1, 0),),
    Direction.BOTH: ((0, 1), (1, 0)),
}
DAYS: Final = st.integers(0, 4).map(lambda days: NOON + timedelta(days=days))
TICKS: Final = st.integers(0, 30).map(lambda ticks: NOON + ticks * TICK)
"""Two machines' clocks need not agree: any write may be earlier than the one before."""


@dataclass(frozen=True)
class Step:
    """A write by a clock. What it is not about is ignored."""

    call: str
    now: datetime
    entity: UUID
    link: UUID
    other: UUID
    ends: tuple[UUID, UUID]
    value: str
    start: datetime
    length: int | None

    def version(self, id_: UUID, ends: tuple[UUID, UUID] | None = None) -> Version:
        until = None if self.length is None else self.start + timedelta(days=self.length)
        return Version(id_, self.now, None, self.start, until, self.value, ends)


CALLS: Final = (
    "add_entity",
    "add_link",
    "update_entity",
    "update_link",
    "replace",
    "delete_entity",
    "delete_link",
)
STEPS: Final = st.builds(
    Step,
    st.sampled_from((*CALLS[:2], *CALLS)),
    TICKS,
    st.sampled_from(ENTITIES),
    st.sampled_from(LINKS),
    st.sampled_from(LINKS),
    st.tuples(st.sampled_from(ENTITIES), st.sampled_from(ENTITIES)),
    st.sampled_from("ab"),
    DAYS,
    st.none() | st.integers(1, 3),
)
WALKS: Final = st.tuples(
    st.sampled_from(ENTITIES), st.sampled_from(Direction), st.integers(1, 4), st.integers(1, 3)
)
Question = tuple[Moment, Moment, tuple[UUID, Direction, int, int]]
QUESTIONS: Final = st.lists(st.tuples(st.none() | DAYS, st.none() | TICKS, WALKS), min_size=2, max_size=4)
FIRST: Final = [
    Step("add_entity", NOON, id_, LINKS[0], LINKS[0], (id_, id_), "a", NOON, None) for id_ in ENTITIES[:3]
]
HISTORIES: Final = st.lists(STEPS, min_size=5, max_size=30).map(lambda steps: [*FIRST, *steps])
UNHURRIED: Final = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


class Subject:
    """A store and the model of it, told the same."""

    def __init__(self, tenant: TenantUnderTest, agent: UUID, clock: ManualClock) -> None:
        self._memory: MemoryStore = tenant.memory
        self._tenant_id, self._agent, self._clock, self._model = tenant.tenant_id, agent, clock, Model()

    async def write(self, step: Step) -> None:
        """Both do it, or both refuse it."""
        self._clock.time = step.now
        expected = self._told(step)
        try:
            done = await self._done(step)
        except (DuplicateError, NotFoundError, InvalidDataError):
            done = False
        assert expected == done, step

    def _told(self, step: Step) -> bool:
        model, link = self._model, step.version(step.link, step.ends)
        match step.call:
            case "add_entity":
                return model.add(step.now, step.version(step.entity))
            case "add_link":
                return model.add(step.now, link)
            case "update_entity":
                return model.update(step.now, step.version(step.entity))
            case "update_link":
                return model.update(step.now, link)
            case "replace":
                return model.replace(step.now, step.link, step.version(step.other, step.ends))
            case "delete_entity":
                return model.delete(step.now, step.entity)
            case _:
                return model.delete(step.now, step.link)

    async def _done(self, step: Step) -> bool:
        memory = self._memory
        match step.call:
            case "add_entity":
                await memory.add_entity(self._entity(step.version(step.entity)))
            case "add_link":
                await memory.add_relationship(self._link(step.version(step.link, step.ends)))
            case "update_entity":
                entity = self._entity(step.version(step.entity))
                await memory.update_entity(entity.evolve(revision=await self._revision(step.entity)))
            case "update_link":
                link = self._link(step.version(step.link, step.ends))
                await memory.update_relationship(link.evolve(revision=await self._revision(step.link)))
            case "replace":
                await memory.replace_relationship(step.link, self._link(step.version(step.other, step.ends)))
            case "delete_entity":
                return await memory.delete_entity(step.entity)
            case _:
                return await memory.delete_relationship(step.link)
        return True

    async def _revision(self, id_: UUID) -> int:
        stored = await self._memory.get_entity(id_) or await self._memory.get_relationship(id_)
        return stored.revision if stored else 1

    async def answer(self, as_of: Moment, known_at: Moment) -> None:
        """To every call that gets one and every call that lists, the model's answer."""
        times = {"as_of": as_of, "known_at": known_at}
        entities = self._expected(as_of, known_at, links=False)
        links = self._expected(as_of, known_at, links=True)
        assert entities == (await self._memory.get_entities(EntityFilter(**times))).items
        assert links == (await self._memory.get_relationships(RelationshipFilter(**times))).items
        by_id = {thing.id: thing for thing in (*entities, *links)}
        for id_ in ENTITIES:
            assert by_id.get(id_) == await self._memory.get_entity(id_, **times)
        for id_ in LINKS:
            assert by_id.get(id_) == await self._memory.get_relationship(id_, **times)

    async def walk(
        self, as_of: Moment, known_at: Moment, start: UUID, direction: Direction, depth: int, limit: int
    ) -> None:
        """Every path is the model's, and what is reached is as it was."""
        entities = {entity.id: entity for entity in self._expected(as_of, known_at, links=False)}
        paths = self._model.walked(start, HOPS[direction], depth, as_of, known_at)
        expected = sorted((len(path), to, path) for to, path in paths.items())[:limit]
        found = await self._memory.traverse_from_entities(
            [start],
            filters=RelationshipFilter(as_of=as_of, known_at=known_at),
            direction=direction,
            max_depth=depth,
            limit=limit,
        )
        assert expected == [(way.depth, way.entity.id, way.path) for way in found]
        assert [entities[to] for _, to, _ in expected] == [way.entity for way in found]

    def _expected(self, as_of: Moment, known_at: Moment, *, links: bool) -> list[Entity | Relationship]:
        held = self._model.holding(links=links, as_of=as_of, known_at=known_at)
        return [
            (self._link if links else self._entity)(version).model_copy(
                update={
                    "tenant_id": self._tenant_id,
                    "revision": self._model.revision(version),
                    "recorded_at": version.recorded_from,
                }
            )
            for version in held
        ]

    def _entity(self, version: Version) -> Entity:
        return Entity(
            id=version.id,
            agent_id=self._agent,
            name=version.value,
            entity_type="person",
            valid_from=version.valid_from,
            valid_to=version.valid_to,
        )

    def _link(self, version: Version) -> Relationship:
        assert version.ends is not None
        return Relationship(
            id=version.id,
            from_entity_id=version.ends[0],
            to_entity_id=version.ends[1],
            relation_type=version.value,
            valid_from=version.valid_from,
            valid_to=version.valid_to,
        )


async def agree(tenants: Tenants, clock: ManualClock, history: list[Step], questions: list[Question]) -> None:
    """A new tenant's memory and its model are told the history, and asked the questions."""
    tenant = tenants(uuid4())
    subject = Subject(tenant, (await tenant.config.save_agent(Agent(name="Ada"))).id, clock)
    for step in history:
        await subject.write(step)
    for as_of, known_at, (start, direction, depth, limit) in questions:
        await subject.answer(as_of, known_at)
        await subject.walk(as_of, known_at, start, direction, depth, limit)


@pytest.fixture
def clock() -> ManualClock:
    """The clock of the stores."""
    return ManualClock()


@pytest.fixture
async def in_postgres(data: DataLayer, clock: ManualClock) -> AsyncIterator[Tenants]:
    """Tenants in PostgreSQL, by that clock."""
    async with DataLayer.open(data.settings, clock=clock) as timed:
        yield timed.tenant


@pytest.mark.slow
@given(history=HISTORIES, questions=QUESTIONS)
@settings(UNHURRIED, max_examples=200)
async def test_memory_is_what_plain_python_is(history: list[Step], questions: list[Question]) -> None:
    """In memory: gets, lists and walks at any two times."""
    clock = ManualClock()
    await agree(DataLayer.in_memory(clock=clock).tenant, clock, history, questions)


@pytest.mark.slow
@given(history=HISTORIES, questions=QUESTIONS)
@settings(UNHURRIED, max_examples=10)
async def test_postgres_is_what_plain_python_is(
    in_postgres: Tenants, clock: ManualClock, history: list[Step], questions: list[Question]
) -> None:
    """In PostgreSQL: gets, lists and walks at any two times."""
    await agree(in_postgres, clock, history, questions)


@pytest.mark.slow
@given(history=HISTORIES, questions=QUESTIONS)
@settings(UNHURRIED, max_examples=200)
async def test_postgres_is_what_plain_python_is_at_length(
    in_postgres: Tenants, clock: ManualClock, history: list[Step], questions: list[Question]
) -> None:
    """The same, of many more histories."""
    await agree(in_postgres, clock, history, questions)
