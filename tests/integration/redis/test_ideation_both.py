"""Ideation on two backends, one of which fails: two servers of the tests' own."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import pytest

from focal_data.domain.ideation_archive import IdeationArchive
from focal_data.errors import (
    ConflictError,
    DuplicateError,
    InvalidDataError,
    NotFoundError,
    Outcome,
    RetryableError,
    StoreConnectionError,
    UsageError,
)
from focal_data.ids import TenantId, new_id
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.ideation import RedisIdeationFactory
from focal_data.redis.ideation_archive import RedisIdeationArchives
from focal_data.settings import Settings
from focal_data.stores.composed.ideation import (
    BothIdeationFactory,
    BothIdeationTenant,
    IdeationSide,
    SharedClock,
)
from focal_data.testing.contracts.ideation.base import (
    a_draft,
    a_maturity,
    a_message,
    a_requirement,
    a_session,
    a_story,
    all_parts,
    filled,
)
from tests.integration.redis.server import Proxy, RedisServer

SECRET = "A shop"


@pytest.fixture
def servers() -> Iterator[list[RedisServer]]:
    """Two, the first and the second."""
    with ExitStack() as stack:
        started = []
        for _ in range(2):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="focal-"))
            server = RedisServer(Path(folder))
            server.start()
            stack.callback(server.kill)
            started.append(server)
        yield started


@pytest.fixture
async def clients(servers: list[RedisServer]) -> AsyncIterator[list[RedisClient]]:
    found = [RedisClient(Settings.of(redis_url=server.url, redis_timeout=0.5)) for server in servers]
    yield found
    for client in found:
        await client.close()


def factory_over(clients: list[RedisClient], clock: SharedClock | None = None) -> BothIdeationFactory:
    clock = clock or SharedClock()
    first, second = (
        IdeationSide(
            RedisIdeationFactory(client, clock=clock),
            lambda tenant_id, client=client: RedisIdeationArchives(client, tenant_id),
        )
        for client in clients
    )
    return BothIdeationFactory(first, second, clock=clock)


@pytest.fixture
def factory(clients: list[RedisClient]) -> BothIdeationFactory:
    return factory_over(clients)


@pytest.fixture
def both(factory: BothIdeationFactory, tenant_id: TenantId) -> BothIdeationTenant:
    return factory.tenant(tenant_id)


@pytest.fixture
def archives(clients: list[RedisClient], tenant_id: TenantId) -> list[RedisIdeationArchives]:
    return [RedisIdeationArchives(client, tenant_id) for client in clients]


async def both_archives(
    archives: list[RedisIdeationArchives], session_id: str
) -> tuple[IdeationArchive | None, IdeationArchive | None]:
    first, second = [await each.get(session_id) for each in archives]
    return first, second


async def test_both_have_the_same(both: BothIdeationTenant, archives: list[RedisIdeationArchives]) -> None:
    """Ids, times, versions and positions, of what was written by calls and in a transaction."""
    session = a_session()
    await filled(both, session)
    async with both.transaction() as stores:
        stored = await stores.sessions.get_by_id(session.id)
        assert stored is not None
        await stores.sessions.update(stored.evolve(user_id="eve"))
        await stores.messages.create(a_message(session.id))
        await stores.requirements.create(a_requirement(session.id))
    first, second = await both_archives(archives, session.id)
    assert first == second
    assert first is not None
    assert (2, 3, 3, 2) == (
        first.session.version,
        len(first.messages),
        len(first.requirements),
        len(first.drafts),
    )
    assert await both.sessions.delete(session.id)
    assert (None, None) == await both_archives(archives, session.id)
    assert not await both.repair(session.id)


@pytest.mark.slow
async def test_what_the_first_refuses_the_second_never_sees(
    both: BothIdeationTenant, factory: BothIdeationFactory, servers: list[RedisServer]
) -> None:
    """Nor what fails there, in calls and in transactions."""
    session = await both.sessions.create(a_session())
    with servers[1].direct() as second:
        before = {key: second.dump(key) for key in second.scan_iter()}
        with pytest.raises(DuplicateError):
            await both.sessions.create(a_session(id=session.id))
        with pytest.raises(NotFoundError):
            await both.messages.create(a_message("missing"))
        with pytest.raises(InvalidDataError):
            await both.messages.create("nonsense")  # type: ignore[arg-type]
        with pytest.raises(KeyError):
            async with both.transaction() as stores:
                await filled(stores, a_session())
                raise KeyError
        alone = factory.first.factory.tenant(both.tenant_id)
        with pytest.raises(RetryableError):
            async with both.transaction() as stores:
                await stores.messages.create(a_message(session.id))
                await asyncio.create_task(alone.messages.create(a_message(session.id)))
        servers[0].kill()
        for call in (
            both.messages.create(a_message(session.id)),
            both.sessions.create(a_session()),
            both.sessions.get_by_id(session.id),
        ):
            with pytest.raises(StoreConnectionError):
                await call
        assert before == {key: second.dump(key) for key in second.scan_iter()}
    servers[0].start()


@pytest.mark.slow
async def test_a_second_that_fails_is_behind_and_catches_up(
    both: BothIdeationTenant,
    factory: BothIdeationFactory,
    servers: list[RedisServer],
    archives: list[RedisIdeationArchives],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The write stands, a warning tells it, and the session is named; its next write brings all of it over."""
    session, quiet = a_session(), a_session()
    await filled(both, session)
    await filled(both, quiet)
    servers[1].kill()
    caplog.clear()
    message = await both.messages.create(a_message(session.id, SECRET))
    async with both.transaction() as stores:
        await stores.prd.save_user_stories(quiet.id, [a_story(quiet.id)])
    assert message == (await both.messages.get_by_session(session.id))[-1]
    assert {(both.tenant_id, session.id), (both.tenant_id, quiet.id)} == factory.behind
    assert 2 == sum("ideation.second failed: StoreConnectionError" in text for text in caplog.messages)
    assert SECRET not in caplog.text
    assert session.id not in caplog.text
    servers[1].start()
    await both.maturity.save(a_maturity(session.id))
    assert {(both.tenant_id, quiet.id)} == factory.behind
    assert await both.repair(quiet.id)
    assert frozenset() == factory.behind
    for each in (session, quiet):
        first, second = await both_archives(archives, each.id)
        assert first == second is not None


async def test_a_second_that_was_full_gets_what_it_missed(
    both: BothIdeationTenant,
    factory: BothIdeationFactory,
    servers: list[RedisServer],
    archives: list[RedisIdeationArchives],
) -> None:
    """Also where the next write alone would have succeeded there."""
    session = a_session()
    await filled(both, session)
    with servers[1].direct() as second:
        second.config_set("maxmemory", 1)
        await both.requirements.create(a_requirement(session.id))
        second.config_set("maxmemory", 0)
    assert {(both.tenant_id, session.id)} == factory.behind
    await both.maturity.save(a_maturity(session.id))
    assert frozenset() == factory.behind
    kept = await both_archives(archives, session.id)
    assert kept[0] == kept[1] is not None


async def test_a_session_from_before_comes_over_when_it_is_written(
    both: BothIdeationTenant, factory: BothIdeationFactory, archives: list[RedisIdeationArchives]
) -> None:
    """Whole, with its times and its version, by a call or by a transaction."""
    alone = factory.first.factory.tenant(both.tenant_id)
    for number in range(2):
        session = a_session()
        await filled(alone, session)
        if number:
            await both.messages.create(a_message(session.id))
        else:
            async with both.transaction() as stores:
                await stores.messages.create(a_message(session.id))
        first, second = await both_archives(archives, session.id)
        assert first == second
        assert first is not None
        assert 3 == len(first.messages)


async def test_whatever_differs_is_repaired(
    both: BothIdeationTenant,
    factory: BothIdeationFactory,
    archives: list[RedisIdeationArchives],
    servers: list[RedisServer],
) -> None:
    """And what is the same is left alone: what the second lacks, has too much of, has otherwise, or can't read."""
    session = a_session()
    await filled(both, session)
    assert not await both.repair(session.id)
    second = factory.second.factory.tenant(both.tenant_id)
    (requirement, _) = await second.requirements.get_by_session(session.id)

    async def spoil() -> None:
        name = keys.ideation(both.tenant_id.hex.encode(), session.id)[2]
        with servers[1].direct() as direct:
            direct.hset(name, "0", b"nothing")

    for change in (
        lambda: second.messages.create(a_message(session.id)),
        lambda: second.messages.delete_by_session(session.id),
        lambda: second.requirements.update(requirement.evolve(description="B")),
        lambda: second.maturity.save(a_maturity(session.id, score=1.0)),
        lambda: second.prd.save_draft(a_draft(session.id)),
        lambda: second.prd.save_user_stories(session.id, []),
        lambda: second.sessions.delete(session.id),
        spoil,
    ):
        await change()
        assert await both.repair(session.id)
        assert not await both.repair(session.id)
        assert await all_parts(both, session.id) == await all_parts(second, session.id)
    await second.sessions.create(a_session(id="only there"))
    await factory.first.factory.tenant(both.tenant_id).sessions.create(a_session(id="only here"))
    assert 2 == await both.repair_all()
    assert 0 == await both.repair_all()
    assert await second.sessions.get_by_id("only there") is None
    assert await second.sessions.get_by_id("only here") is not None


async def test_two_processes_at_once(
    clients: list[RedisClient], tenant_id: TenantId, archives: list[RedisIdeationArchives]
) -> None:
    """Write one session by turns and in no order: in the end both have the same."""
    processes = [factory_over(clients).tenant(tenant_id) for _ in range(2)]
    session = await processes[0].sessions.create(a_session())

    async def turn(number: int) -> None:
        mine = processes[number % 2]
        await mine.messages.create(a_message(session.id, str(number)))
        await mine.requirements.create(a_requirement(session.id))

    await asyncio.gather(*(turn(number) for number in range(12)))
    first, second = await both_archives(archives, session.id)
    assert first == second
    assert first is not None
    assert (12, 12) == (len(first.messages), len(first.requirements))


async def test_a_first_that_may_have_written_leaves_it_to_be_repaired(
    servers: list[RedisServer], clients: list[RedisClient], tenant_id: TenantId
) -> None:
    """What nobody knows is taken for a difference, also when the caller goes away meanwhile."""
    with tempfile.TemporaryDirectory(prefix="focal-") as folder:
        async with Proxy(servers[0], Path(folder) / "proxy.sock") as proxy:
            lossy = RedisClient(Settings.of(redis_url=proxy.url, redis_timeout=2))
            factory = factory_over([lossy, clients[1]])
            both = factory.tenant(tenant_id)
            session = await both.sessions.create(a_session())
            await both.sessions.get_by_id(session.id)
            last = proxy.round_trips + 2
            deleting = asyncio.create_task(both.sessions.delete(session.id))
            while proxy.round_trips < last:  # noqa: ASYNC110
                await asyncio.sleep(0)
            proxy.lose = 1
            with pytest.raises(StoreConnectionError) as caught:
                await deleting
            assert Outcome.UNKNOWN == caught.value.outcome
            assert {(tenant_id, session.id)} == factory.behind
            assert await both.repair(session.id)
            assert frozenset() == factory.behind
            assert await factory.second.factory.tenant(tenant_id).sessions.get_by_id(session.id) is None
            going = asyncio.create_task(both.sessions.create(a_session(id="x")))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)
            assert {(tenant_id, "x")} == factory.behind
            await both.repair("x")
            await lossy.close()


async def test_a_session_that_never_rests_is_told(
    both: BothIdeationTenant, factory: BothIdeationFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some rounds; it stays behind."""
    session = await both.sessions.create(a_session())
    second = both._pair._archives[1]
    replace = second.replace

    async def late(archive: IdeationArchive) -> None:
        await replace(archive)
        await factory.first.factory.tenant(both.tenant_id).messages.create(a_message(session.id))

    monkeypatch.setattr(second, "replace", late)
    await late(await both._pair._archives[0].get(session.id))
    with pytest.raises(ConflictError, match="repair it again"):
        await both.repair(session.id)


async def test_clocks_that_differ_cost_time_and_nothing_else(
    clients: list[RedisClient], tenant_id: TenantId, archives: list[RedisIdeationArchives]
) -> None:
    """The second has the times of the first all the same."""
    sides = [
        IdeationSide(
            RedisIdeationFactory(client),
            lambda tenant_id, client=client: RedisIdeationArchives(client, tenant_id),
        )
        for client in clients
    ]
    both = BothIdeationFactory(*sides, clock=SharedClock()).tenant(tenant_id)
    session = a_session()
    await filled(both, session)
    first, second = await both_archives(archives, session.id)
    assert first == second is not None


async def test_a_copy_is_as_it_was(archives: list[RedisIdeationArchives], both: BothIdeationTenant) -> None:
    """What is put in comes out, by the stores too; what can't be kept is named by its path, and nothing changes."""
    session = a_session()
    await filled(both, session)
    archive = await archives[0].get(session.id)
    assert archive is not None
    other = archives[1]
    for bad, field in (
        (IdeationArchive(session), "session.version"),
        (IdeationArchive(archive.session.evolve(updated_at=None)), "session"),
        (IdeationArchive(archive.session, [a_message("other")]), "messages[0].session_id"),
        (IdeationArchive(archive.session, [], [a_requirement(session.id)]), "requirements[0].created_at"),
        (IdeationArchive(archive.session, archive.messages * 2), "messages"),
        (IdeationArchive(archive.session.evolve(tenant_id=new_id())), "session.tenant_id"),
    ):
        with pytest.raises(InvalidDataError) as caught:
            await other.replace(bad)
        assert field == caught.value.field
    assert archive == await other.get(session.id)
    for number in range(25):
        await archives[0].replace(
            IdeationArchive(archive.session.evolve(id=f"{number:02}"), [], [], None, [], [])
        )
    expected = sorted([session.id, *(f"{number:02}" for number in range(25))])
    assert expected == await archives[0].ids()
    assert expected[3:10] == await archives[0].ids(expected[2], limit=7)
    assert 26 == len(await both.sessions.list_by_user("ada"))
    with pytest.raises(UsageError):
        RedisIdeationArchives(archives[0]._client, UUID(int=0))
