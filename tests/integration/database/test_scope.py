"""Transactions: what they cost, how they end, and what they leave behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from sqlalchemy import bindparam, func, select, text, update

from focal_data.database.engine import Database
from focal_data.database.scope import RETRIES, TenantScope, Transaction
from focal_data.database.statement import Statement
from focal_data.domain.config import Agent
from focal_data.errors import (
    DriverError,
    DuplicateError,
    Outcome,
    RetryableError,
    StoreConnectionError,
    StoreError,
    StoreTimeoutError,
    UsageError,
)
from focal_data.repositories.agents import AgentRepository
from focal_data.settings import Settings
from focal_data.tables.config import AgentTable

if TYPE_CHECKING:
    from conftest import Wire

SLEEP = Statement(select(func.pg_sleep(bindparam("seconds"))))
AGENTS = AgentTable.__table__  # type: ignore[attr-defined]
TOUCHED = Statement(
    update(AGENTS).where(AGENTS.c.id == bindparam("key")).values(revision=AGENTS.c.revision + 1)
)
WHO = Statement(text("SELECT current_user::text AS role, current_setting('focal.tenant_id', true) AS tenant"))


async def warm(database: Database, read: Callable[[], Awaitable[object]]) -> None:
    """Let both connections have prepared what ``read`` needs."""
    await asyncio.gather(read(), read())
    await database.settled()


async def test_a_single_read_takes_three_round_trips(
    scope: TenantScope, database: Database, wire: Wire
) -> None:
    """BEGIN with the tenant, the statement, COMMIT."""
    agents = AgentRepository(scope)
    agent = await agents.add(Agent(name="Ada"))
    await warm(database, lambda: agents.get(agent.id))
    before = wire.round_trips
    await agents.get(agent.id)
    await database.settled()
    assert 3 == wire.round_trips - before


async def test_a_transaction_of_n_statements_takes_n_and_two_round_trips(
    scope: TenantScope, database: Database, wire: Wire
) -> None:
    """Five store calls in one transaction are seven messages."""
    agent = await AgentRepository(scope).add(Agent(name="Ada"))
    await warm(database, lambda: AgentRepository(scope).get(agent.id))
    before = wire.round_trips
    async with scope.transaction() as tx:
        for _ in range(5):
            await AgentRepository(tx).get(agent.id)
    assert 7 == wire.round_trips - before


async def test_a_custom_plan_costs_no_round_trip(scope: TenantScope, database: Database, wire: Wire) -> None:
    """The plan mode of a vector search travels with BEGIN, too."""
    await warm(database, lambda: scope.fetch(WHO, {}, custom_plan=True))
    before = wire.round_trips
    await scope.fetch(WHO, {}, custom_plan=True)
    await database.settled()
    assert 3 == wire.round_trips - before


async def test_statements_run_as_the_application_role_of_the_tenant(scope: TenantScope) -> None:
    """Every transaction has the role and the tenant."""
    row = await scope.fetch_row(WHO, {})
    assert {"role": "focal_app", "tenant": str(scope.tenant_id)} == dict(row or {})


async def test_behind_a_pooling_proxy_the_role_travels_with_the_tenant(focal_settings: Settings) -> None:
    """Such a proxy drops a connection's settings: role and time-out are set in each transaction, and gone after it."""
    database = Database(
        focal_settings.model_copy(update={"transaction_pooling": True, "statement_timeout": 7.0})
    )
    who = Statement(
        text("SELECT current_user::text AS role, current_setting('statement_timeout') AS timeout")
    )
    row = await TenantScope(database, uuid4()).fetch_row(who, {})
    connection = await database.lease()
    after = await connection.fetchval("SELECT current_user")
    database.give_back(connection, clean=True)
    await database.close()
    assert {"role": "focal_app", "timeout": "7s"} == dict(row or {})
    assert "focal_app" != after


async def test_on_citus_the_tenant_is_passed_on_to_the_workers(
    scope: TenantScope, database: Database
) -> None:
    """What says so goes in front of the tenant, and ends with the transaction."""
    database.citus = True
    asked = Statement(text("SELECT current_setting('citus.propagate_set_commands', true) AS passed_on"))
    async with scope.transaction() as tx:
        assert "local" == (await tx.fetch(asked, {}))[0]["passed_on"]
    database.citus = False
    async with scope.transaction() as tx:
        assert "local" != (await tx.fetch(asked, {}))[0]["passed_on"]


async def test_a_tenant_does_not_stay_on_the_connection(scope: TenantScope, database: Database) -> None:
    """After a transaction the connection has no tenant."""
    await scope.fetch_row(WHO, {})
    connection = await database.lease()
    tenant = await connection.fetchval("SELECT current_setting('focal.tenant_id', true)")
    database.give_back(connection, clean=True)
    assert "" == tenant


async def test_a_block_that_raises_writes_nothing(scope: TenantScope) -> None:
    """An error inside the block rolls back what was written before it."""
    agent = Agent(name="Ada")
    with pytest.raises(ZeroDivisionError):
        async with scope.transaction() as tx:
            await AgentRepository(tx).add(agent)
            _ = 1 / 0
    assert await AgentRepository(scope).get(agent.id) is None


async def test_a_swallowed_error_is_told_at_the_end(scope: TenantScope) -> None:
    """PostgreSQL answers COMMIT with ROLLBACK after a failed statement; that is no success."""
    agents = AgentRepository(scope)
    await agents.add(Agent(name="Ada"))
    with pytest.raises(StoreError, match="nothing was written"):
        async with scope.transaction() as tx:
            with pytest.raises(DuplicateError):
                await AgentRepository(tx).add(Agent(name="Ada"))


async def test_the_tenants_own_stores_are_refused_inside_a_transaction(scope: TenantScope) -> None:
    """They would wait for a second connection."""
    async with scope.transaction():
        with pytest.raises(UsageError, match="tx"):
            await AgentRepository(scope).count()


async def test_another_task_may_use_the_tenants_stores_meanwhile(scope: TenantScope) -> None:
    """A transaction belongs to its task alone."""
    async with scope.transaction():
        assert 0 == await asyncio.create_task(AgentRepository(scope).count())


async def test_a_transaction_that_is_over_can_not_be_used(scope: TenantScope) -> None:
    """Nor what was made from it."""
    async with scope.transaction() as tx:
        agents = AgentRepository(tx)
    with pytest.raises(UsageError):
        await agents.count()


@pytest.mark.parametrize("tenant_id", [UUID(int=0), "b2f1", None])
async def test_what_is_no_tenant_is_refused(database: Database, tenant_id: object) -> None:
    """The nil UUID, and what is no UUID."""
    with pytest.raises(UsageError):
        TenantScope(database, tenant_id)  # type: ignore[arg-type]


async def test_a_full_pool_is_a_timeout_that_names_the_settings(focal_settings: Settings) -> None:
    """Waiting for a connection ends after the pool's time-out, with nothing applied."""
    database = Database(focal_settings.model_copy(update={"pool_size": 1, "pool_timeout": 0.1}))
    held = await database.lease()
    with pytest.raises(StoreTimeoutError, match="FOCAL_DATA_POOL_SIZE") as caught:
        await AgentRepository(TenantScope(database, uuid4())).count()
    database.give_back(held, clean=True)
    await database.close()
    assert Outcome.NOT_APPLIED is caught.value.outcome


async def test_a_hundred_tasks_share_two_connections(scope: TenantScope) -> None:
    """Each gets its turn."""
    counts = await asyncio.gather(*(AgentRepository(scope).count() for _ in range(100)))
    assert [0] * 100 == counts


@pytest.mark.slow
async def test_a_statement_that_takes_too_long_is_a_timeout(scope: TenantScope) -> None:
    """The server ends it, and nothing was applied."""
    with pytest.raises(StoreTimeoutError) as caught:
        await scope.fetch(SLEEP, {"seconds": 30.0})
    assert Outcome.NOT_APPLIED is caught.value.outcome


async def test_a_cancelled_task_gives_its_connection_back(scope: TenantScope, database: Database) -> None:
    """Both connections are free again after their tasks were cancelled in mid-statement."""
    tasks = [asyncio.create_task(scope.fetch(SLEEP, {"seconds": 30.0})) for _ in range(2)]
    await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [0, 0] == await asyncio.gather(*(AgentRepository(scope).count() for _ in range(2)))
    assert {} == database.transactions


async def test_a_connection_lost_in_a_statement_applied_nothing(scope: TenantScope, wire: Wire) -> None:
    """The error says so, and the next call works."""
    agents = AgentRepository(scope)
    await agents.count()
    wire.cut_before = b"focal_lost"
    with pytest.raises(StoreConnectionError) as caught:
        await agents.add(Agent(name="focal_lost"))
    wire.cut_before = None
    assert Outcome.NOT_APPLIED is caught.value.outcome
    assert 0 == await agents.count()


async def test_a_connection_lost_while_committing_has_an_unknown_outcome(
    scope: TenantScope, wire: Wire
) -> None:
    """Here the commit arrived and its answer did not: the row is there."""
    agents = AgentRepository(scope)
    await agents.count()
    wire.cut_after = b"COMMIT"
    with pytest.raises(StoreConnectionError) as caught:
        await agents.add(Agent(name="Ada"))
    wire.cut_after = None
    assert Outcome.UNKNOWN is caught.value.outcome
    assert 1 == await agents.count()


async def test_a_commit_that_was_never_sent_applied_nothing(
    scope: TenantScope, database: Database, wire: Wire
) -> None:
    """The connection was lost, and known to be, before the block ended."""
    connection, gone = await database.lease(), asyncio.Event()
    connection.add_termination_listener(lambda _: gone.set())
    database.give_back(connection, clean=True)
    with pytest.raises(StoreConnectionError) as caught:
        async with scope.transaction() as tx:
            await AgentRepository(tx).add(Agent(name="Ada"))
            wire.cut()
            await gone.wait()
    assert Outcome.NOT_APPLIED is caught.value.outcome
    assert 0 == await AgentRepository(scope).count()


async def test_a_connection_lost_while_idle_is_not_noticed(scope: TenantScope, wire: Wire) -> None:
    """The next call takes a new one."""
    agents = AgentRepository(scope)
    await agents.count()
    wire.cut()
    assert 0 == await agents.count()


async def test_idle_connections_that_all_died_are_not_noticed(
    scope: TenantScope, database: Database, wire: Wire
) -> None:
    """One that fails takes the other idle ones with it: after a restart, the next call takes a new connection."""
    held = [await database.lease(), await database.lease()]
    for connection in held:
        database.give_back(connection, clean=True)
    wire.doom()
    assert 0 == await AgentRepository(scope).count()


async def test_a_transaction_is_entered_once(scope: TenantScope, database: Database) -> None:
    """A second task that enters it is refused, and the first one's connection is not lost."""
    tx = scope.transaction()
    async with tx:
        with pytest.raises(UsageError, match="once"):
            await asyncio.create_task(tx.__aenter__())
    assert {} == database.transactions
    assert [0, 0] == await asyncio.gather(*(AgentRepository(scope).count() for _ in range(2)))


async def test_who_waits_for_a_connection_while_the_pool_closes_is_told(
    scope: TenantScope, database: Database
) -> None:
    """It opens no new one."""
    held = [await database.lease(), await database.lease()]
    waiting = asyncio.create_task(AgentRepository(scope).count())
    await asyncio.sleep(0)
    await database.close()
    for connection in held:
        database.give_back(connection, clean=True)
    with pytest.raises(UsageError, match="closed"):
        await waiting


async def test_the_drivers_error_is_not_chained_while_committing(scope: TenantScope, wire: Wire) -> None:
    """There too the cause is a stand-in, and nothing of the driver's is the context."""
    agents = AgentRepository(scope)
    await agents.count()
    wire.cut_after = b"COMMIT"
    with pytest.raises(StoreConnectionError) as caught:
        await agents.add(Agent(name="Ada"))
    wire.cut_after = None
    assert isinstance(caught.value.__cause__, DriverError)
    assert caught.value.__context__ is None


async def test_a_deadlock_is_retried(scope: TenantScope) -> None:
    """Work that was the victim is run again from the start."""
    attempts = 0

    async def work(tx: Transaction) -> int:
        nonlocal attempts
        attempts += 1
        if attempts < RETRIES:
            raise RetryableError("a deadlock")
        return await AgentRepository(tx).count()

    assert 0 == await scope.run(work)
    assert RETRIES == attempts


async def deadlocked(
    scope: TenantScope, run: Callable[[Callable[[Transaction], Awaitable[None]]], Awaitable[None]]
) -> list[BaseException | None]:
    """Two tasks write the same two rows, each from its own end, and both have the first before they want the second."""
    one, other = [await AgentRepository(scope).add(Agent(name=name)) for name in ("Ada", "Bob")]
    met = asyncio.Barrier(2)

    def swapped(first: Agent, second: Agent) -> Callable[[Transaction], Awaitable[None]]:
        at_first = True

        async def work(tx: Transaction) -> None:
            nonlocal at_first
            await tx.execute(TOUCHED, {"key": first.id})
            if at_first:
                at_first = False
                await met.wait()
            await tx.execute(TOUCHED, {"key": second.id})

        return work

    works = run(swapped(one, other)), run(swapped(other, one))
    return list(await asyncio.gather(*works, return_exceptions=True))


@pytest.mark.slow
async def test_a_real_deadlock_is_run_again(scope: TenantScope) -> None:
    """PostgreSQL ends one of the two, which then waits for the other and succeeds."""
    assert [None, None] == await deadlocked(scope, scope.run)


@pytest.mark.slow
async def test_a_real_deadlock_in_a_transaction_of_ones_own_is_told(scope: TenantScope) -> None:
    """It has done things that only its owner can do again; it was rolled back, and the other one went through."""

    async def once(work: Callable[[Transaction], Awaitable[None]]) -> None:
        async with scope.transaction() as tx:
            await work(tx)

    results = await deadlocked(scope, once)
    assert [None] == [result for result in results if not isinstance(result, RetryableError)]


async def test_a_deadlock_that_goes_on_is_told(scope: TenantScope) -> None:
    """After the retries the error comes through."""
    attempts = 0

    async def work(_: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        raise RetryableError("a deadlock")

    with pytest.raises(RetryableError):
        await scope.run(work)
    assert RETRIES + 1 == attempts


async def test_the_drivers_error_is_not_chained(scope: TenantScope) -> None:
    """What caused an error is a stand-in without the driver's text, which quotes the row."""
    agents = AgentRepository(scope)
    await agents.add(Agent(name="a secret"))
    with pytest.raises(DuplicateError) as caught:
        await agents.add(Agent(name="a secret"))
    error: BaseException | None = caught.value
    while error is not None:
        assert "a secret" not in str(error)
        assert isinstance(error, DuplicateError | DriverError)
        error = error.__cause__ or error.__context__
