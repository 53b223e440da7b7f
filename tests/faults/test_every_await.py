"""Whatever ends a call, and at whichever await: no connection stays out, and what was written is all there, or none of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from focal_data.data_layer import DataLayer, Tenant
from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope
from focal_data.domain.config import Agent, Rule
from focal_data.domain.memory import Entity, Episode, Relationship
from focal_data.domain.profile import Channel, FieldSource, ProfileField
from focal_data.errors import Outcome, StoreConnectionError, StoreTimeoutError
from focal_data.ids import new_id
from focal_data.settings import Settings, dsn
from focal_data.unit_of_work import PostgresStores, PostgresUnitOfWork
from tests.faults.stores import StoresAlone
from tests.integration.database.conftest import Wire

POOL = 2
BUSY = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND state <> 'idle' AND backend_type = 'client backend'
"""


class Disturbed:
    """An awaitable that does its work, and has an accident when it waits for the ``at``-th time."""

    def __init__(self, work: Awaitable[Any], accident: Callable[[], object], at: int) -> None:
        self._work = work
        self._accident = accident
        self._at = at
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps, error = self._work.__await__(), None
        while True:
            try:
                waited = steps.send(None) if error is None else steps.throw(error)
            except StopIteration as done:
                return done.value
            self.waits += 1
            if self.waits == self._at:
                self._accident()
            try:
                error = None
                yield waited
            except BaseException as thrown:  # noqa: BLE001  (it is passed on)
                error = thrown


@dataclass
class Ground:
    """What a call works on, and who looks at what it did."""

    database: Database
    wire: Wire
    tenant: PostgresStores
    witness: Tenant

    async def agents(self) -> int:
        """How many agents a witness sees."""
        return (await self.witness.config.get_agents())[1]

    @property
    def scope(self) -> TenantScope:
        scope = self.tenant.scope
        assert isinstance(scope, TenantScope)
        return scope


Call = Callable[[], Awaitable[object]]


@dataclass
class Case:
    """A call, what a witness sees of it, and what that is before and after."""

    call: Call
    seen: Callable[[], Awaitable[object]]
    before: object
    after: object


async def reading(ground: Ground) -> Case:
    """A single read."""
    agent = await ground.tenant.config.save_agent(Agent(name="Ada"))
    return Case(lambda: ground.tenant.config.get_agent(agent.id), ground.agents, 1, 1)


async def writing(ground: Ground) -> Case:
    """A single write, on a connection that has to be made first."""
    return Case(lambda: ground.tenant.config.save_agent(Agent(name="Ada")), ground.agents, 0, 1)


async def adding_many(ground: Ground) -> Case:
    """A batch."""
    agent = await ground.tenant.config.save_agent(Agent(name="Ada"))
    episodes = [Episode(agent_id=agent.id, content=f"message {n}") for n in range(300)]

    async def seen() -> object:
        return len((await ground.witness.memory.get_episodes(limit=1000)).items)

    return Case(lambda: ground.tenant.memory.add_episodes(episodes), seen, 0, 300)


async def writing_thrice(ground: Ground) -> Case:
    """A transaction of three writes."""
    agent = Agent(name="Ada")
    rule = Rule(agent_id=agent.id, name="greet", condition_text="a greeting", action_text="greet")

    async def call() -> None:
        async with PostgresUnitOfWork(ground.scope.transaction()) as tx:
            await tx.config.save_agent(agent)
            await tx.config.save_rule(rule)
            await tx.profiles.get_or_create(Channel.API, "ada")

    async def seen() -> object:
        profile = await ground.witness.profiles.get_by_channel_identity(Channel.API, "ada")
        rules = await ground.witness.config.get_rules(agent.id)
        return await ground.agents(), len(rules), profile is not None

    return Case(call, seen, (0, 0, False), (1, 1, True))


async def merging(ground: Ground) -> Case:
    """A merge of two profiles, which moves everything of one."""
    profiles, witness = ground.tenant.profiles, ground.witness.profiles
    ada = await profiles.get_or_create(Channel.API, "ada")
    bob = await profiles.get_or_create(Channel.WEBCHAT, "bob")
    field = ProfileField(
        profile_id=bob.id, name="city", value="Rome", value_type="str", source=FieldSource.USER_PROVIDED
    )
    await profiles.update_field(bob.id, field)

    async def seen() -> object:
        found = await witness.get_by_id(bob.id)
        parts = await witness.list_channels(ada.id), await witness.get_fields(ada.id)
        return (
            found is not None and found.id == ada.id,
            *map(len, parts),
            len(await witness.get_merged_ids(ada.id)),
        )

    return Case(lambda: profiles.merge_profiles(bob.id, ada.id), seen, (False, 1, 0, 0), (True, 2, 1, 1))


async def deleting(ground: Ground) -> Case:
    """The deletion of an agent, which takes its rules with it."""
    config = ground.tenant.config
    agent = await config.save_agent(Agent(name="Ada"))
    for n in range(2):
        rule = Rule(agent_id=agent.id, name=f"rule {n}", condition_text="a greeting", action_text="greet")
        await config.save_rule(rule)

    async def seen() -> object:
        return await ground.agents(), len(await ground.witness.config.get_rules(agent.id))

    return Case(lambda: config.delete_agent(agent.id), seen, (1, 2), (0, 0))


async def graph_of(ground: Ground) -> tuple[Entity, Relationship, Callable[[], Awaitable[object]]]:
    """An entity with a relationship to itself, in a group; and what a witness sees: how many of each, and which ended."""
    agent, memory = await ground.tenant.config.save_agent(Agent(name="Ada")), ground.tenant.memory
    entity = await memory.add_entity(Entity(agent_id=agent.id, name="e", entity_type="t", group_id="g"))
    link = await memory.add_relationship(
        Relationship(from_entity_id=entity.id, to_entity_id=entity.id, relation_type="r")
    )

    async def seen() -> object:
        entities, links = (
            await ground.witness.memory.get_entities(),
            await ground.witness.memory.get_relationships(),
        )
        then = await ground.witness.memory.get_relationship(link.id, known_at=link.recorded_at)
        return len(entities), [found.valid_to is not None for found in links], then is not None

    return entity, link, seen


async def replacing(ground: Ground) -> Case:
    """A fact ends where its successor begins."""
    _, link, seen = await graph_of(ground)
    successor = link.evolve(id=new_id(), revision=0, valid_from=link.valid_from + timedelta(1))
    call = lambda: ground.tenant.memory.replace_relationship(link.id, successor)  # noqa: E731
    return Case(call, seen, (1, [False], True), (1, [True, False], True))


async def forgetting(ground: Ground) -> Case:
    """The deletion of an entity, which takes its relationships into the history."""
    entity, _, seen = await graph_of(ground)
    return Case(
        lambda: ground.tenant.memory.delete_entity(entity.id), seen, (1, [False], True), (0, [], True)
    )


async def erasing(ground: Ground) -> Case:
    """The deletion of a group, with its history."""
    _, _, seen = await graph_of(ground)
    return Case(lambda: ground.tenant.memory.delete_by_group("g"), seen, (1, [False], True), (0, [], False))


CASES = (reading, writing, adding_many, writing_thrice, merging, deleting, replacing, forgetting, erasing)


async def cancelled(ground: Ground, call: Call, at: int) -> tuple[Ended, int]:
    """The task is cancelled, as by a client that went away."""
    tasks: list[asyncio.Task[object]] = []
    disturbed = Disturbed(call(), lambda: [task.cancel() for task in tasks], at)
    tasks.append(asyncio.create_task(awaited(disturbed)))
    result = (await asyncio.gather(*tasks, return_exceptions=True))[0]
    assert not isinstance(result, Exception), result
    return Ended.UNKNOWN if isinstance(result, asyncio.CancelledError) else Ended.WELL, disturbed.waits


async def timed_out(ground: Ground, call: Call, at: int) -> tuple[Ended, int]:
    """The caller has waited long enough."""
    timeout = asyncio.timeout(None)
    disturbed = Disturbed(call(), lambda: timeout.reschedule(asyncio.get_running_loop().time()), at)
    try:
        async with timeout:
            await disturbed
    except TimeoutError:
        return Ended.UNKNOWN, disturbed.waits
    return Ended.WELL, disturbed.waits


async def cut_off(ground: Ground, call: Call, at: int) -> tuple[Ended, int]:
    """Every connection is lost at once."""
    disturbed = Disturbed(call(), ground.wire.cut, at)
    try:
        await disturbed
    except (StoreConnectionError, StoreTimeoutError) as error:
        return Ended(error.outcome.value), disturbed.waits
    return Ended.WELL, disturbed.waits


class Ended(StrEnum):
    """How a call ended, as far as its caller knows."""

    WELL = "well"
    NOT_APPLIED = Outcome.NOT_APPLIED.value
    UNKNOWN = Outcome.UNKNOWN.value


async def awaited(work: Awaitable[object]) -> object:
    """``work`` as a coroutine, which a task can run."""
    return await work


Prepare = Callable[[Ground], Awaitable[Case]]
Accident = Callable[[Ground, Call, int], Awaitable[tuple[Ended, int]]]


@pytest.fixture
async def wire(focal_settings: Settings) -> AsyncIterator[Wire]:
    """A wire to the run's PostgreSQL, which can be cut."""
    async with Wire(focal_settings.service_url()) as wire:
        yield wire


@asynccontextmanager
async def a_ground(settings: Settings, wire: Wire, data: DataLayer) -> AsyncIterator[Ground]:
    """A new tenant on a new pool of two, by way of the wire; the witness has another."""
    changes = {"database_url": SecretStr(wire.through), "pool_size": POOL, "pool_timeout": 5.0}
    tenant_id, database = uuid4(), Database(settings.model_copy(update=changes))
    tenant = StoresAlone(TenantScope(database, tenant_id))
    yield Ground(database, wire, tenant, data.tenant(tenant_id))
    await database.close()


async def at_rest(settings: Settings) -> None:
    """Wait until the server is done with what was sent to it: it may commit for a client that is gone."""
    connection = await asyncpg.connect(dsn(settings.service_url()))
    async with asyncio.timeout(10):
        while await connection.fetchval(BUSY):  # noqa: ASYNC110  (the server tells nobody)
            await asyncio.sleep(0.01)
    await connection.close()


async def assert_unharmed(ground: Ground) -> None:
    """Every slot is free, every idle connection is out of transactions, and the next calls work."""
    database = ground.database
    await database.settled()
    assert {} == database.transactions
    assert POOL == database._slots._value
    assert not any(connection.is_in_transaction() for connection in database._idle)
    await asyncio.gather(*(ground.tenant.config.get_agents() for _ in range(POOL + 1)))
    await database.settled()
    assert POOL == database._slots._value


@pytest.mark.parametrize(
    "accident", [cancelled, *(pytest.param(a, marks=pytest.mark.slow) for a in (timed_out, cut_off))]
)
@pytest.mark.parametrize("prepare", CASES)
async def test_an_accident_at_every_await(
    focal_settings: Settings, wire: Wire, data: DataLayer, prepare: Prepare, accident: Accident
) -> None:
    """At the first, at the second … until the call ends without one."""
    at, waits, seen = 0, 1, set()
    while at <= waits:
        at += 1
        async with a_ground(focal_settings, wire, data) as ground:
            case = await prepare(ground)
            ended, waits = await accident(ground, case.call, at)
            await at_rest(focal_settings)
            after = await case.seen()
            possible = {
                Ended.WELL: [case.after],
                Ended.NOT_APPLIED: [case.before],
                Ended.UNKNOWN: [case.before, case.after],
            }
            assert after in possible[ended], f"at the {at}. await"
            await assert_unharmed(ground)
            seen.add(ended)
    assert Ended.WELL is ended
    assert len(seen) > 1
