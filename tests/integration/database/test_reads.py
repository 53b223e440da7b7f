"""A single read answers when its rows are there; its COMMIT is still on the way then, and nobody waits for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Executable, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope
from focal_data.database.statement import Statement
from focal_data.domain.config import Agent
from focal_data.errors import Outcome, StoreConnectionError
from focal_data.ids import new_id
from focal_data.repositories.agents import AgentRepository
from focal_data.settings import Settings
from focal_data.tables.config import AgentTable

if TYPE_CHECKING:
    from conftest import Wire

AGENTS = AgentTable.__table__  # type: ignore[attr-defined]
RENAMED = update(AGENTS).where(AGENTS.c.id == bindparam("key")).values(name="Eve").returning(AGENTS.c.id)


async def test_the_rows_are_there_before_the_commit_is_answered(
    scope: TenantScope, database: Database, wire: Wire
) -> None:
    """Here its answer never comes: the connection is not used again, and the next call has another."""
    agent = await AgentRepository(scope).add(Agent(name="Ada"))
    wire.cut_after = b"COMMIT"
    assert agent == await AgentRepository(scope).get(agent.id)
    await database.settled()
    wire.cut_after = None
    assert [agent, agent] == await asyncio.gather(*(AgentRepository(scope).get(agent.id) for _ in range(2)))


async def test_a_write_that_returns_rows_waits_for_its_commit(scope: TenantScope, wire: Wire) -> None:
    """Whoever updated something must know whether it lasts."""
    agent = await AgentRepository(scope).add(Agent(name="Ada"))
    wire.cut_after = b"COMMIT"
    with pytest.raises(StoreConnectionError) as caught:
        await AgentRepository(scope).update(agent.evolve(name="Eve"))
    wire.cut_after = None
    assert Outcome.UNKNOWN is caught.value.outcome


@pytest.mark.parametrize(
    ("reads", "clause"),
    [
        (True, select(AGENTS.c.id)),
        (True, select(AGENTS.c.id).union_all(select(AGENTS.c.id))),
        (True, select(func.count()).select_from(select(AGENTS.c.id).cte())),
        (False, RENAMED),
        (False, insert(AGENTS).values(id=new_id(), tenant_id=new_id()).returning(AGENTS.c.id)),
        (False, select(RENAMED.cte().c.id)),
        (False, select(func.count()).where(select(RENAMED.cte().c.id).exists())),
        (False, text("SELECT 1")),
    ],
)
def test_what_reads(reads: bool, clause: Executable) -> None:
    """A query in which nothing is changed, however deep; of text nobody knows."""
    assert reads is Statement(clause).reads


async def test_a_connection_under_way_is_not_free(focal_settings: Settings, scope: TenantScope) -> None:
    """With a pool of one, the next call waits for it, and everybody is served in turn."""
    database = Database(focal_settings.model_copy(update={"pool_size": 1}))
    agents = AgentRepository(TenantScope(database, scope.tenant_id))
    await agents.count()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await database.lease()
    assert [0] * 20 == await asyncio.gather(*(agents.count() for _ in range(20)))
    await database.close()


async def test_closing_waits_for_it(scope: TenantScope, database: Database, wire: Wire) -> None:
    """Nothing is left on the loop, and no connection open."""
    await AgentRepository(scope).count()
    assert database._behind
    await database.close()
    assert ({}, []) == (database._behind, database._idle)


async def test_a_task_that_is_cancelled_after_the_answer_changes_nothing(
    scope: TenantScope, database: Database
) -> None:
    """The commit is not that task's any more."""
    answered = asyncio.Event()

    async def read_and_stay() -> None:
        await AgentRepository(scope).count()
        answered.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(read_and_stay())
    await answered.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await database.settled()
    assert 1 == len(database._idle)


def test_a_loop_that_ends_takes_it_along(focal_settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    """A program may read, and end at once."""

    async def program() -> int:
        database = Database(focal_settings)
        try:
            return await AgentRepository(TenantScope(database, new_id())).count()
        finally:
            await database.close()

    assert 0 == asyncio.run(program())
    assert ("", "") == capfd.readouterr()
