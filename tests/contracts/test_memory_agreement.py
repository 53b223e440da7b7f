"""PostgreSQL and memory agree: random calls, made of both by one clock, have the same answers and the same errors."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest

from focal_data.data_layer import DataLayer
from focal_data.domain.answers import Page, Scored
from focal_data.domain.config import Agent
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EntityFilter, EpisodeFilter, RelationshipFilter
from focal_data.domain.memory import Direction, Entity, Episode, Relationship
from focal_data.domain.profile import CustomerProfile
from focal_data.errors import StoreError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.memory.base import NOON
from focal_data.testing.contracts.memory.clock import ManualClock

Call = Callable[[MemoryStore], Awaitable[Any]]

VECTORS = ([1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, -1.0], [-1.0, 0.0], [3.0, 1.0, 2.0])
WORDS = ("red", "apples", "Apple", "pie", "the", "running", "ran", "well-known", "Häuser", "3d", "x.")
SINGLE = tuple(word for word in WORDS if "-" not in word)
"""Words whose rank both compute alike: one with a hyphen is a phrase."""
QUERIES = (
    *WORDS,
    "run",
    "haus",
    "red or pie",
    '"red pie"',
    "red -pie",
    "the or red",
    "-red",
    '"the red" or 3d',
)


SEEDS = [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 25))]


@dataclass
class Chance:
    """One random sequence of calls, made of a few ids, names and times, so that they meet."""

    seed: int
    agents: Sequence[UUID]
    people: Sequence[UUID]
    """Profiles: three that are one by now, and another."""
    clock: ManualClock
    rnd: random.Random = field(init=False)
    ids: Sequence[UUID] = field(init=False)
    known: dict[UUID, Entity | Relationship] = field(default_factory=dict)
    """What came back last under each id: current, or stale by now."""

    def __post_init__(self) -> None:
        self.rnd = random.Random(self.seed)  # noqa: S311
        self.ids = [UUID(int=self.rnd.getrandbits(128)) for _ in range(12)]

    def call(self) -> tuple[str, Call]:
        """The next one, with its name."""
        self.clock.time += timedelta(microseconds=self.rnd.randrange(-2, 6))
        kinds = [self.episodes, self.search, self.entities, self.relationships, self.past, self.walk]
        return self.rnd.choices(kinds, (4, 4, 6, 6, 4, 2))[0]()

    def episodes(self) -> tuple[str, Call]:
        many = [self.episode() for _ in range(self.rnd.randrange(4))]
        one, id_, narrowed = self.episode(), self.id(), self.episode_filter()
        limit, group = self.rnd.choice((1, 3, 1000)), self.group() or "g"
        return self.one_of(
            (f"add_episode {one.id}", lambda m: m.add_episode(one)),
            (f"add_episodes {[e.id for e in many]}", lambda m: m.add_episodes(many)),
            (f"add_episodes {[e.id for e in many]}", lambda m: m.add_episodes(many)),
            (f"get_episode {id_}", lambda m: m.get_episode(id_)),
            (f"delete_episode {id_}", lambda m: m.delete_episode(id_)),
            (f"get_episodes {narrowed}", lambda m: all_pages(m.get_episodes, narrowed, limit)),
            *([(f"delete_by_group {group}", lambda m: m.delete_by_group(group))] if self.seldom() else ()),
        )

    def search(self) -> tuple[str, Call]:
        agent, narrowed, limit = (
            self.rnd.choice(self.agents),
            self.episode_filter(),
            self.rnd.choice((1, 3, 50)),
        )
        query, words, word = (
            self.embedding() or Embedding([1.0], model="m"),
            self.rnd.choice(QUERIES),
            self.rnd.choice(SINGLE),
        )
        entities, score = self.entity_filter(), self.rnd.choice((None, None, 0.5))
        return self.one_of(
            (
                f"vector {narrowed}",
                lambda m: m.vector_search_episodes(
                    agent, query, filters=narrowed, limit=limit, min_score=score
                ),
            ),
            (
                f"vector {entities}",
                lambda m: m.vector_search_entities(agent, query, filters=entities, limit=limit),
            ),
            (f"words {words}", lambda m: found_by_words(m, agent, words, narrowed)),
            (f"word {word}", lambda m: m.text_search_episodes(agent, word, filters=narrowed, limit=limit)),
            (
                f"hybrid {word}",
                lambda m: m.hybrid_search_episodes(agent, word, query, filters=narrowed, limit=limit),
            ),
        )

    def entities(self) -> tuple[str, Call]:
        new = Entity(
            id=self.id(),
            agent_id=self.agent(),
            customer_profile_id=self.person(),
            name=self.rnd.choice("abc"),
            entity_type=self.rnd.choice("tu"),
            group_id=self.group(),
            valid_from=self.day(),
            embedding=self.embedding(),
        )
        old, id_, narrowed = self.known.get(self.id(), new), self.id(), self.entity_filter()
        changed = old.evolve(
            group_id=self.group(), valid_from=self.day(), attributes={"n": self.rnd.random()}
        )
        return self.one_of(
            (f"add_entity {new.id}", lambda m: m.add_entity(new)),
            (f"add_entity {new.id}", lambda m: m.add_entity(new)),
            (f"update_entity {changed.id}", lambda m: m.update_entity(changed)),  # type: ignore[arg-type]
            (f"delete_entity {id_}", lambda m: m.delete_entity(id_)),
            (f"get_entities {narrowed}", lambda m: all_pages(m.get_entities, narrowed, 3)),
        )

    def relationships(self) -> tuple[str, Call]:
        new = Relationship(
            id=self.id(),
            from_entity_id=self.id(),
            to_entity_id=self.id(),
            relation_type=self.rnd.choice("rs"),
            group_id=self.group(),
            valid_from=self.day(),
        )
        old, id_, narrowed = self.known.get(self.id(), new), self.id(), self.relationship_filter()
        changed = old.evolve(group_id=self.group(), valid_from=self.day())
        return self.one_of(
            (f"add_relationship {new.id}", lambda m: m.add_relationship(new)),
            (f"add_relationship {new.id}", lambda m: m.add_relationship(new)),
            (f"update_relationship {changed.id}", lambda m: m.update_relationship(changed)),  # type: ignore[arg-type]
            (f"replace_relationship {id_} {new.id}", lambda m: m.replace_relationship(id_, new)),
            (f"delete_relationship {id_}", lambda m: m.delete_relationship(id_)),
            (f"get_relationships {narrowed}", lambda m: all_pages(m.get_relationships, narrowed, 3)),
        )

    def past(self) -> tuple[str, Call]:
        id_, as_of, known_at = (
            self.id(),
            self.rnd.choice((None, self.day())),
            self.rnd.choice((None, self.moment())),
        )
        return self.one_of(
            (f"get_entity {id_} {as_of} {known_at}", lambda m: m.get_entity(id_, as_of, known_at)),
            (
                f"get_relationship {id_} {as_of} {known_at}",
                lambda m: m.get_relationship(id_, as_of, known_at),
            ),
        )

    def walk(self) -> tuple[str, Call]:
        starts = [self.id() for _ in range(self.rnd.randrange(1, 4))]
        narrowed, direction = self.relationship_filter(), self.rnd.choice(list(Direction))
        depth, limit = self.rnd.choice((1, 2, 10)), self.rnd.choice((1, 3, 100))
        return f"traverse {starts} {narrowed} {direction}", lambda m: m.traverse_from_entities(
            starts, filters=narrowed, direction=direction, max_depth=depth, limit=limit
        )

    def episode(self) -> Episode:
        return Episode(
            id=self.id(),
            agent_id=self.agent(),
            customer_profile_id=self.person(),
            content=" ".join(self.rnd.choices(WORDS, k=self.rnd.randrange(6))),
            language=self.rnd.choice(("simple", "english", "german")),
            group_id=self.group(),
            importance=self.rnd.choice((0.1, 0.9)),
            occurred_at=self.day(),
            embedding=self.embedding(),
        )

    def episode_filter(self) -> EpisodeFilter | None:
        return self.rnd.choice(
            (
                None,
                EpisodeFilter(group_id=self.group()),
                EpisodeFilter(customer_profile_id=self.person()),
                EpisodeFilter(languages=("english", "simple"), min_importance=0.5),
                EpisodeFilter(occurred_from=self.day(), as_of=self.day()),
                EpisodeFilter(agent_id=self.agents[0], content_types=("message",)),
            )
        )

    def entity_filter(self) -> EntityFilter:
        given = {
            "customer_profile_id": self.person(),
            "group_id": self.group(),
            "entity_types": ("t",),
            "as_of": self.day(),
            "known_at": self.moment(),
        }
        return EntityFilter.model_validate(self.some(given))

    def relationship_filter(self) -> RelationshipFilter:
        given = {
            "group_id": self.group(),
            "relation_types": ("r",),
            "as_of": self.day(),
            "known_at": self.moment(),
        }
        given |= {"from_entity_id": self.id()} if self.seldom() else {}
        return RelationshipFilter.model_validate(self.some(given))

    def some(self, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if self.rnd.random() < 0.3}

    def one_of(self, *calls: tuple[str, Call]) -> tuple[str, Call]:
        return self.rnd.choice(calls)

    def id(self) -> UUID:
        return self.rnd.choice(self.ids)

    def agent(self) -> UUID:
        return UUID(int=1) if self.seldom() else self.rnd.choice(self.agents)

    def person(self) -> UUID | None:
        return self.rnd.choice((None, *self.people))

    def group(self) -> str | None:
        return self.rnd.choice((None, None, "g", "h"))

    def seldom(self) -> bool:
        return self.rnd.random() < 0.1

    def day(self) -> datetime:
        return NOON + timedelta(days=self.rnd.randrange(4))

    def moment(self) -> datetime:
        return NOON + timedelta(microseconds=self.rnd.randrange(-5, 400))

    def embedding(self) -> Embedding | None:
        vector = self.rnd.choice((None, *VECTORS))
        return None if vector is None else Embedding(vector, model=self.rnd.choice("mmn"))


async def all_pages(get: Callable[..., Awaitable[Page[Any]]], narrowed: Any, limit: int) -> list[Any]:
    """Everything, page by page: the cursors themselves are each backend's own."""
    found, cursor = list[Any](), None
    while True:
        page = await get(narrowed, limit, cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def found_by_words(
    memory: MemoryStore, agent: UUID, words: str, narrowed: EpisodeFilter | None
) -> set[UUID]:
    """Which are found by several words: how they rank is each backend's own."""
    hits = await memory.text_search_episodes(agent, words, filters=narrowed, limit=1000)
    return {hit.item.id for hit in hits}


async def answer(call: Call, memory: MemoryStore) -> Any:
    """What comes of it, in a form that can be compared."""
    try:
        found = await call(memory)
    except StoreError as error:
        return type(error), str(error), error.row
    return [compared(one) for one in found] if isinstance(found, list) else found


def compared(one: Any) -> Any:
    """Scores to six digits: the one computes them with 32 bits, the other with 64."""
    if isinstance(one, Scored):
        return one.item, round(one.score, 5) + 0.0, one.vector_rank, one.text_rank
    return one


@pytest.fixture
def clock() -> ManualClock:
    """The clock of both."""
    return ManualClock()


@pytest.fixture
async def both(data: DataLayer, clock: ManualClock) -> AsyncIterator[tuple[TenantUnderTest, TenantUnderTest]]:
    """The same tenant in PostgreSQL and in memory."""
    tenant_id = uuid4()
    async with DataLayer.open(data.settings, clock=clock) as timed:
        yield timed.tenant(tenant_id), DataLayer.in_memory(clock=clock).tenant(tenant_id)


async def made(both: tuple[TenantUnderTest, TenantUnderTest], clock: ManualClock, seed: int) -> Chance:
    """A sequence over two agents that both of them know, and customers, one of whom was merged twice."""
    agents, people = [Agent(name=name) for name in ("Ada", "Bo")], [CustomerProfile() for _ in range(4)]
    for tenant in both:
        for agent in agents:
            await tenant.config.save_agent(agent)
        for person in people:
            await tenant.profiles.save(person)
        for source, target in pairwise(people[:3]):
            await tenant.profiles.merge_profiles(source.id, target.id)
    return Chance(seed, [agent.id for agent in agents], [person.id for person in people], clock)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
async def test_they_answer_alike(
    both: tuple[TenantUnderTest, TenantUnderTest], clock: ManualClock, seed: int
) -> None:
    """Whatever is asked of them, in whatever order."""
    postgres, in_memory = both
    chance = await made(both, clock, seed)
    for step in range(250):
        name, call = chance.call()
        expected = await answer(call, postgres.memory)
        assert expected == await answer(call, in_memory.memory), (step, name)
        if isinstance(expected, Entity | Relationship):
            chance.known[expected.id] = expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
async def test_they_answer_alike_in_transactions(
    both: tuple[TenantUnderTest, TenantUnderTest], clock: ManualClock, seed: int
) -> None:
    """Some commit, some are rolled back, some end with the first error."""
    postgres, in_memory = both
    chance = await made(both, clock, seed)
    for _ in range(60):
        block = [chance.call() for _ in range(chance.rnd.randrange(1, 6))]
        commits, now = chance.rnd.random() < 0.7, clock.time
        expected = await in_one(postgres, block, commits)
        clock.time = now
        assert expected == await in_one(in_memory, block, commits), [name for name, _ in block]


async def in_one(tenant: TenantUnderTest, block: Sequence[tuple[str, Call]], commits: bool) -> list[Any]:
    """The answers in one transaction, until one is an error."""
    answers = list[Any]()
    try:
        async with tenant.transaction() as tx:
            for _, call in block:
                answers.append(await answer(call, tx.memory))
                if isinstance(answers[-1], tuple) or not (commits or len(answers) < len(block)):
                    raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    return answers
