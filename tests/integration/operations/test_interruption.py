"""Operations that are broken off and repeated, or that others write into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import uuid4

import pytest

from focal_data.data_layer import DataLayer
from focal_data.domain.audit import TurnRecord
from focal_data.domain.config import Agent
from focal_data.domain.memory import Entity, Episode
from focal_data.domain.profile import Channel, ChannelIdentity
from focal_data.errors import ConflictError, NotFoundError
from focal_data.ids import new_id
from focal_data.operations.operator import Operator, TenantOperations
from focal_data.repositories import erasure as sql
from focal_data.settings import Settings
from tests.integration.operations.breaking import BrokenOff, at, break_off, stepped
from tests.integration.operations.world import Customer, World, naming, on_redis, rows, with_mark


@pytest.fixture
async def world(data: DataLayer) -> World:
    tenant = data.tenant(uuid4())
    return World(tenant, (await tenant.config.save_agent(Agent(name="Ada"))).id)


@pytest.fixture
async def tenant(op: Operator, world: World) -> TenantOperations:
    return op.tenant(world.tenant.tenant_id)


@pytest.fixture(autouse=True)
async def small_batches(op: Operator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """So that a batch is seldom all there is; and the operator's own Redis is closed with it."""
    monkeypatch.setattr(sql, "BATCH", 4)
    whole = op.redis
    yield
    await op.redis.close()
    vars(op)["redis"] = whole


async def how_many_steps(
    op: Operator, settings: Settings, tenant: TenantOperations, customer: Customer
) -> int:
    async def nothing(_: int) -> None:
        pass

    steps = stepped(op, settings, tenant, nothing)
    await tenant.erase_customer(customer.profile)
    await op.redis.close()
    return steps.begun


async def nothing_is_left(settings: Settings, customers: list[Customer]) -> None:
    """Of any of them."""
    stored, live = await rows(settings), on_redis(settings)
    for customer in customers:
        ids = [session.hex for session in customer.sessions]
        assert ({}, {}) == (with_mark(stored, customer.mark), naming(live, customer.mark, *ids))


@pytest.mark.slow
async def test_broken_off_anywhere_an_erasure_is_repeated(
    world: World, op: Operator, tenant: TenantOperations, focal_settings: Settings
) -> None:
    """Before each of its steps in turn: what was left is found by the second run, and the end is the same."""
    count = await how_many_steps(op, focal_settings, tenant, await world.customer())
    customers = [await world.customer() for _ in range(count)]
    for step, customer in enumerate(customers):
        stepped(op, focal_settings, tenant, at(step, break_off))
        with pytest.raises(BrokenOff):
            await tenant.erase_customer(customer.profile)
        await op.redis.close()
        stepped(op, focal_settings, tenant, at(-1, break_off))
        receipt = await tenant.erase_customer(customer.profile)
        assert 2 == receipt.counts["customer_profiles"]
        await op.redis.close()
    await nothing_is_left(focal_settings, customers)
    audit = world.tenant.audit
    for customer in customers:
        turns = await audit.list_turns_by_session(customer.sessions[0])
        assert [True, True] == [turn.erased_at is not None for turn in turns]


@pytest.mark.parametrize(
    "ticks", [0, 16, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 4, 64, 128, 192, 256))]
)
async def test_cancelled_at_any_await_it_is_repeated(
    world: World, op: Operator, tenant: TenantOperations, focal_settings: Settings, ticks: int
) -> None:
    """The task's cancellation passes, no connection stays out, and the second run ends it."""
    customer = await world.customer()
    task = asyncio.create_task(tenant.erase_customer(customer.profile))
    for _ in range(ticks):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    with suppress(NotFoundError):
        await tenant.erase_customer(customer.profile)
    await nothing_is_left(focal_settings, [customer])
    async with asyncio.timeout(10):
        await asyncio.gather(*(tenant.scope.run(_nothing) for _ in range(focal_settings.pool_size)))


async def _nothing(_: object) -> None:
    await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_what_others_write_meanwhile_goes_too(
    world: World, op: Operator, tenant: TenantOperations, focal_settings: Settings
) -> None:
    """Whenever it comes: until the profile is gone it is found, and afterwards it is refused."""
    count = await how_many_steps(op, focal_settings, tenant, await world.customer())
    customers = [await world.customer() for _ in range(0, count, 2)]
    for step, customer in zip(range(0, count, 2), customers, strict=True):

        async def write(customer: Customer = customer) -> None:
            with suppress(NotFoundError):
                await more_of(world, customer)

        stepped(op, focal_settings, tenant, at(step, write))
        await tenant.erase_customer(customer.profile)
        await op.redis.close()
    await nothing_is_left(focal_settings, customers)


async def more_of(world: World, customer: Customer) -> None:
    """What a service may still write about the customer."""
    mark, tenant = customer.mark, world.tenant
    identity = ChannelIdentity(
        profile_id=customer.profile, channel=Channel.VOICE, channel_user_id=f"{mark}-late"
    )
    await tenant.profiles.link_channel(customer.profile, identity)
    about = {"agent_id": world.agent_id, "customer_profile_id": customer.profile}
    entity = Entity(**about, name=mark, entity_type=mark)
    await tenant.memory.add_entity(entity)
    await tenant.memory.add_episode(Episode(**about, content=mark))
    for whom, session_id in ((customer.profile, new_id()), (None, customer.sessions[2])):
        turn = TurnRecord(
            agent_id=world.agent_id,
            customer_profile_id=whom,
            session_id=session_id,
            turn_number=77,
            user_message=mark,
        )
        await tenant.audit.save_turn(turn)


@pytest.mark.slow
async def test_who_never_stops_writing_is_told_of(
    world: World, op: Operator, tenant: TenantOperations, focal_settings: Settings
) -> None:
    """The profile is not removed while something new names it."""
    customer = await world.customer()

    async def write(_: int) -> None:
        episode = Episode(agent_id=world.agent_id, customer_profile_id=customer.profile, content="again")
        await world.tenant.memory.add_episode(episode)

    stepped(op, focal_settings, tenant, write)
    with pytest.raises(ConflictError, match="still"):
        await tenant.erase_customer(customer.profile)
    assert await world.tenant.profiles.get_by_id(customer.profile) is not None


@pytest.mark.slow
async def test_broken_off_anywhere_a_deletion_is_repeated(
    world: World, op: Operator, tenant: TenantOperations, focal_settings: Settings
) -> None:
    """The second run removes what is left, whatever it is."""
    step, done = 0, False
    while not done:
        customer = await world.customer()
        stepped(op, focal_settings, tenant, at(step, break_off))
        try:
            await tenant.delete_everything()
            done = True
        except BrokenOff:
            await op.redis.close()
            stepped(op, focal_settings, tenant, at(-1, break_off))
            await tenant.delete_everything()
        await op.redis.close()
        step += 3
        mine = str(world.tenant.tenant_id)
        assert {} == with_mark(await rows(focal_settings), mine)
        assert {} == naming(on_redis(focal_settings), world.tenant.tenant_id.hex, customer.mark)
        await world.tenant.config.save_agent(Agent(id=world.agent_id, name="Ada"))
