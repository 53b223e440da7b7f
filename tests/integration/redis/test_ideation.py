"""The ideation studio on Redis: what is stored where, what one call costs, and what is left when something goes."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest
import redis

from focal_data.domain.ideation import UserStory
from focal_data.errors import InvalidDataError, RetryableError, StoreError, UsageError
from focal_data.ids import TenantId, new_id
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.erasure import SessionErasure
from focal_data.redis.ideation import RedisIdeationFactory
from focal_data.redis.session import RedisSessionStore
from focal_data.settings import Settings
from focal_data.stores.ideation import IdeationTenant
from focal_data.telemetry import refuse_in_transaction
from focal_data.testing.contracts.ideation.base import (
    ODD_IDS,
    a_draft,
    a_maturity,
    a_message,
    a_requirement,
    a_session,
    a_story,
    all_parts,
    filled,
)
from focal_data.testing.contracts.session import MovedClock
from tests.integration.redis.examples import a_session as a_live_session
from tests.integration.redis.server import Proxy

WORDS = "the customer's own words"
STRING, HASH = b"string", b"hash"


@pytest.fixture
def ideation(client: RedisClient, tenant_id: TenantId, clock: MovedClock) -> IdeationTenant:
    return RedisIdeationFactory(client, clock=clock).tenant(tenant_id)


def names_of(tenant_id: TenantId, session_id: str) -> tuple[bytes, ...]:
    return keys.ideation(tenant_id.hex.encode(), session_id)


def index_of(tenant_id: TenantId, user_id: str) -> bytes:
    return keys.ideation_user(tenant_id.hex.encode(), user_id)


def everything(direct: redis.Redis) -> dict[bytes, bytes]:
    return {key: direct.dump(key) for key in sorted(direct.scan_iter())}


async def test_where_it_lies(ideation: IdeationTenant, direct: redis.Redis, tenant_id: TenantId) -> None:
    """All of a session under one hash tag, its user's index under another, none of it ever expiring."""
    session = a_session()
    await filled(ideation, session)
    names, index = names_of(tenant_id, session.id), index_of(tenant_id, session.user_id)
    assert {*names, index} == set(direct.keys())
    assert [STRING, *[HASH] * 5] == [direct.type(name) for name in names]
    tags = {name[: name.index(b"}")] for name in names}
    assert 1 == len(tags)
    assert index[: index.index(b"}")] not in tags
    assert {-1} == {direct.ttl(name) for name in direct.scan_iter()}


@pytest.mark.parametrize("odd", ODD_IDS, ids=ascii)
async def test_no_id_is_part_of_a_name(
    ideation: IdeationTenant, direct: redis.Redis, tenant_id: TenantId, odd: str
) -> None:
    """Whatever it looks like: every name is the tenant, a digest and a kind."""
    await filled(ideation, a_session(id=odd, user_id=odd))
    for name in direct.scan_iter():
        prefix, tenant, digest = name.split(b":")[:3]
        assert (b"focal", b"{" + tenant_id.hex.encode()) == (prefix, tenant)
        assert 33 == len(digest)
        assert 4 == len(name.split(b":"))


async def test_nothing_is_left_behind(ideation: IdeationTenant, direct: redis.Redis) -> None:
    """Of a session that is deleted, by a call or in a transaction; others stay byte for byte."""
    await filled(ideation, a_session())
    before = everything(direct)
    for number in range(2):
        gone = a_session(user_id=f"user {number}")
        await filled(ideation, gone)
        if number:
            async with ideation.transaction() as stores:
                await stores.messages.create(a_message(gone.id))
                assert await stores.sessions.delete(gone.id)
        else:
            assert await ideation.sessions.delete(gone.id)
        assert before == everything(direct)


async def test_what_is_emptied_takes_no_room(ideation: IdeationTenant, direct: redis.Redis) -> None:
    """Neither messages, nor requirements, nor stories that are gone."""
    session = await ideation.sessions.create(a_session())
    bare = set(direct.keys())
    await ideation.messages.create(a_message(session.id))
    requirement = await ideation.requirements.create(a_requirement(session.id))
    await ideation.prd.save_user_stories(session.id, [a_story(session.id)])
    await ideation.messages.delete_by_session(session.id)
    await ideation.requirements.delete(session.id, requirement.id)
    await ideation.prd.save_user_stories(session.id, [])
    assert bare == set(direct.keys())


async def test_what_reads_or_is_refused_writes_nothing(ideation: IdeationTenant, direct: redis.Redis) -> None:
    """Not a byte."""
    session = a_session()
    parts = await filled(ideation, session)
    before = everything(direct)
    await all_parts(ideation, session.id)
    await ideation.sessions.list_by_user("nobody")
    refused = (
        ideation.sessions.create(a_session(id=session.id, user_id="eve")),
        ideation.sessions.update(a_session(id=session.id, user_id="eve", version=7)),
        ideation.sessions.update(a_session(version=1)),
        ideation.messages.create(parts.messages[0]),
        ideation.requirements.create(parts.requirements[0]),
        ideation.requirements.update(a_requirement(session.id)),
        ideation.maturity.save(a_maturity("missing")),
        ideation.prd.save_draft(a_draft("missing")),
        ideation.prd.save_user_stories(session.id, [a_story("other")]),
    )
    for call in refused:
        with pytest.raises(StoreError):
            await call
    assert not await ideation.sessions.delete("missing")
    assert before == everything(direct)


async def test_a_value_is_bounded(ideation: IdeationTenant, direct: redis.Redis) -> None:
    """Sixteen megabytes; what is larger is refused by its kind, with none of it told, and nothing is written."""
    session = await ideation.sessions.create(a_session())
    before, large = everything(direct), WORDS * 800_000
    for call in (
        ideation.sessions.create(a_session(project_name=large, user_id="eve")),
        ideation.messages.create(a_message(session.id, large)),
        ideation.prd.save_user_stories(session.id, [a_story(session.id, large)]),
    ):
        with pytest.raises(InvalidDataError, match="16 MiB") as caught:
            await call
        assert WORDS not in str(caught.value)
    assert before == everything(direct)
    kept = await ideation.messages.create(a_message(session.id, "x" * (15 * 2**20)))
    assert [kept] == await ideation.messages.get_by_session(session.id)


@pytest.mark.slow
async def test_a_transaction_is_bounded(ideation: IdeationTenant, direct: redis.Redis) -> None:
    """256 megabytes, and half a million things; what is larger is refused, and nothing is written."""
    session = await ideation.sessions.create(a_session())
    before = everything(direct)
    with pytest.raises(InvalidDataError, match="256 MiB"):
        async with ideation.transaction() as stores:
            for _ in range(18):
                await stores.messages.create(a_message(session.id, "x" * (15 * 2**20)))
    assert before == everything(direct)


async def test_many_things_at_once(ideation: IdeationTenant) -> None:
    """More than go in one command."""
    session = await ideation.sessions.create(a_session())
    async with ideation.transaction() as stores:
        for number in range(2500):
            await stores.requirements.create(a_requirement(session.id, id=str(number)))
        for number in range(0, 2500, 2):
            await stores.requirements.delete(session.id, str(number))
    found = await ideation.requirements.get_by_session(session.id)
    assert {str(number) for number in range(1, 2500, 2)} == {requirement.id for requirement in found}


async def test_round_trips(proxy: Proxy, tenant_id: TenantId) -> None:
    """One to read; to write, one to look and one to write; one more for what leads to a session, before and after."""
    async with RedisClient(Settings.of(redis_url=proxy.url)) as client:
        ideation = RedisIdeationFactory(client).tenant(tenant_id)
        warm = a_session(user_id="warm")  # so that the server knows the scripts
        await filled(ideation, warm)
        await ideation.sessions.list_by_user("warm")
        await ideation.sessions.delete(warm.id)
        session = a_session()
        story, requirement = a_story(session.id), a_requirement(session.id)
        calls = [
            (3, lambda: ideation.sessions.create(session)),
            (3, lambda: ideation.sessions.update(session.evolve(version=1))),
            (4, lambda: ideation.sessions.update(session.evolve(version=2, user_id="eve"))),
            (2, lambda: ideation.messages.create(a_message(session.id))),
            (2, lambda: ideation.requirements.create(requirement)),
            (2, lambda: ideation.requirements.update(requirement)),
            (2, lambda: ideation.maturity.save(a_maturity(session.id))),
            (2, lambda: ideation.prd.save_draft(a_draft(session.id))),
            (2, lambda: ideation.prd.save_user_stories(session.id, [story])),
            (1, lambda: ideation.sessions.get_by_id(session.id)),
            (1, lambda: ideation.messages.get_by_session(session.id, 1000)),
            (1, lambda: ideation.requirements.get_by_session(session.id)),
            (1, lambda: ideation.maturity.get_by_session(session.id)),
            (2, lambda: ideation.prd.get_draft(session.id)),
            (1, lambda: ideation.prd.get_user_stories(session.id)),
            (2, lambda: ideation.sessions.list_by_user("eve")),
            (2, lambda: ideation.messages.delete_by_session(session.id)),
            (3, lambda: ideation.sessions.delete(session.id)),
        ]
        took = []
        for _, call in calls:
            before = proxy.round_trips
            await call()
            took.append(proxy.round_trips - before)
        assert [expected for expected, _ in calls] == took


async def test_a_list_of_a_thousand_takes_two_round_trips(proxy: Proxy, tenant_id: TenantId) -> None:
    """And as many from an offset."""
    async with RedisClient(Settings.of(redis_url=proxy.url, redis_timeout=10)) as client:
        ideation = RedisIdeationFactory(client).tenant(tenant_id)
        for _ in range(30):
            await asyncio.gather(*(ideation.sessions.create(a_session()) for _ in range(34)))
        expected = await ideation.sessions.list_by_user("ada", 1000)
        for limit, offset in ((1000, 0), (50, 0), (50, 900), (1, 999)):
            before = proxy.round_trips
            found = await ideation.sessions.list_by_user("ada", limit, offset)
            assert 2 == proxy.round_trips - before
            assert expected[offset : offset + limit] == found


async def test_of_a_tenant_nothing_is_left(
    ideation: IdeationTenant, client: RedisClient, direct: redis.Redis, tenant_id: TenantId
) -> None:
    """With its live sessions, which are not taken for ideation's, nor the other way round; another tenant's stay."""
    other = RedisIdeationFactory(client).tenant(uuid4())
    await filled(other, a_session())
    before = everything(direct)
    for odd in ODD_IDS:
        await filled(ideation, a_session(id=odd, user_id=odd))
    await RedisSessionStore(client, tenant_id).save(a_live_session())
    erasure = SessionErasure(client, tenant_id)
    assert (1, len(ODD_IDS)) == (await erasure.count(), await erasure.count_ideation())
    assert 1 == len(await erasure.find(lambda _: True))
    assert 1 == await erasure.remove_all()
    assert 0 == await erasure.count_ideation()
    assert before == everything(direct)


async def test_a_transaction_is_refused_when_another_wrote(
    ideation: IdeationTenant, client: RedisClient, direct: redis.Redis
) -> None:
    """Anything at all in the same session: when it ends, or as soon as it sees it. Nothing of it is there, nor leads to it."""
    session = a_session()
    await filled(ideation, session)
    other = RedisIdeationFactory(client).tenant(ideation.tenant_id)
    writes = (
        lambda: other.messages.create(a_message(session.id)),
        lambda: other.maturity.save(a_maturity(session.id)),
        lambda: other.prd.save_user_stories(session.id, []),
        lambda: other.sessions.delete(session.id),
        lambda: filled(other, session),
    )
    for write in writes:
        for reads in (False, True):
            if not await other.sessions.get_by_id(session.id):
                await filled(other, session)
            with pytest.raises(RetryableError):
                async with ideation.transaction() as stores:
                    mine = await stores.sessions.get_by_id(session.id)
                    assert mine is not None
                    await stores.sessions.update(mine.evolve(user_id="eve"))
                    if write is writes[-1]:
                        await other.sessions.delete(session.id)
                    await write()
                    before = everything(direct)
                    if reads:
                        await stores.requirements.get_by_session(session.id)
                        pytest.fail("it read what is of another moment")
            assert before == everything(direct)


async def test_what_is_retried_in_a_transaction_succeeds(
    ideation: IdeationTenant, client: RedisClient
) -> None:
    """The same block, begun again; and writes to another session are none of its business."""
    session, other = await ideation.sessions.create(a_session()), a_session()
    second = RedisIdeationFactory(client).tenant(ideation.tenant_id)
    for attempt in range(2):
        try:
            async with ideation.transaction() as stores:
                await stores.messages.create(a_message(session.id, "mine"))
                if attempt == 0:
                    await second.messages.create(a_message(session.id, "other"))
                else:
                    await second.sessions.create(other)
        except RetryableError:
            assert 0 == attempt
    found = await ideation.messages.get_by_session(session.id)
    assert ["other", "mine"] == [message.content for message in found]


async def test_a_transaction_that_only_reads_sees_one_moment(
    ideation: IdeationTenant, client: RedisClient
) -> None:
    """Whatever it read once, it reads again; what it would read of another moment is refused."""
    session = await ideation.sessions.create(a_session())
    other = RedisIdeationFactory(client).tenant(ideation.tenant_id)
    async with ideation.transaction() as stores:
        assert [] == await stores.messages.get_by_session(session.id)
        await other.messages.create(a_message(session.id))
        assert [] == await stores.messages.get_by_session(session.id)
        with pytest.raises(RetryableError):
            await stores.sessions.get_by_id(session.id)
    assert 1 == len(await ideation.messages.get_by_session(session.id))


async def test_a_second_session_is_refused(ideation: IdeationTenant, direct: redis.Redis) -> None:
    """By every call, reading or writing; the message says what to do, and nothing is written."""
    session = await ideation.sessions.create(a_session())
    before = everything(direct)
    other = a_session()
    calls = (
        lambda stores: stores.sessions.create(other),
        lambda stores: stores.sessions.get_by_id(other.id),
        lambda stores: stores.sessions.delete(other.id),
        lambda stores: stores.messages.create(a_message(other.id)),
        lambda stores: stores.messages.get_by_session(other.id),
        lambda stores: stores.requirements.delete(other.id, "x"),
        lambda stores: stores.maturity.save(a_maturity(other.id)),
        lambda stores: stores.prd.get_draft(other.id),
        lambda stores: stores.prd.save_user_stories(other.id, list[UserStory]()),
    )
    for call in calls:
        with pytest.raises(UsageError, match="one ideation session"):
            async with ideation.transaction() as stores:
                await stores.messages.create(a_message(session.id))
                await call(stores)
    assert before == everything(direct)


async def test_a_transactions_own_session_is_in_its_lists(
    ideation: IdeationTenant, clock: MovedClock
) -> None:
    """As it will be stored, at its place; others as they are."""
    first, second = [await ideation.sessions.create(a_session()) for _ in range(2)]
    async with ideation.transaction() as stores:
        clock.advance(seconds=1)
        changed = await stores.sessions.update(first.evolve(project_name="B"))
        assert [changed, second] == await stores.sessions.list_by_user("ada")
        assert [second] == await stores.sessions.list_by_user("ada", 1, 1)
        moved = await stores.sessions.update(changed.evolve(user_id="eve"))
        assert [[second], [moved]] == [await stores.sessions.list_by_user(user) for user in ("ada", "eve")]
        await stores.sessions.delete(first.id)
        assert [[second], []] == [await stores.sessions.list_by_user(user) for user in ("ada", "eve")]
    assert [second] == await ideation.sessions.list_by_user("ada", 1)


async def test_one_transaction_for_one_task(ideation: IdeationTenant) -> None:
    """A call of the tenant's own inside it, a second one, and two tasks at once are told apart from what works."""
    session = await ideation.sessions.create(a_session())
    async with ideation.transaction() as stores:
        with pytest.raises(UsageError, match="holds a transaction"):
            await ideation.messages.create(a_message(session.id))
        with pytest.raises(UsageError, match="holds a transaction"):
            await ideation.sessions.list_by_user("ada")
        with pytest.raises(UsageError, match="holds a transaction"):
            async with ideation.transaction():
                pass
        outcomes = await asyncio.gather(
            *(stores.messages.create(a_message(session.id)) for _ in range(2)), return_exceptions=True
        )
        assert 1 == sum(isinstance(outcome, UsageError) for outcome in outcomes)
    assert 1 == len(await ideation.messages.get_by_session(session.id))


async def test_a_model_is_not_called_inside_of_a_transaction(settings: Settings) -> None:
    """In debug mode that raises, and says where the transaction was begun."""
    async with RedisClient(settings.model_copy(update={"debug": True})) as client:
        ideation = RedisIdeationFactory(client).tenant(uuid4())
        async with ideation.transaction():
            with pytest.raises(UsageError, match=r"test_ideation\.py"):
                refuse_in_transaction("a model")
        refuse_in_transaction("a model")


@pytest.mark.parametrize("bad", [None, "x", 7, UUID(int=0)], ids=["none", "text", "number", "nil"])
def test_a_tenant_is_a_uuid(client: RedisClient, bad: object) -> None:
    """And not the nil one."""
    with pytest.raises(UsageError):
        RedisIdeationFactory(client).tenant(bad)  # type: ignore[arg-type]


async def test_tenants_share_no_key(
    ideation: IdeationTenant, client: RedisClient, direct: redis.Redis
) -> None:
    """With the same ids throughout."""
    session = a_session()
    await filled(ideation, session)
    mine = set(direct.keys())
    await filled(RedisIdeationFactory(client).tenant(new_id()), session)
    assert 2 * len(mine) == len(direct.keys())
    assert mine < set(direct.keys())


async def test_time_goes_on(ideation: IdeationTenant, clock: MovedClock) -> None:
    """The order of a list is that of the last update, after a year too."""
    first, second = [await ideation.sessions.create(a_session(id=id)) for id in "ab"]  # noqa: A001
    assert [first, second] == await ideation.sessions.list_by_user("ada")
    clock.advance(days=365)
    changed = await ideation.sessions.update(second)
    assert (second.created_at, clock()) == (changed.created_at, changed.updated_at)
    assert [changed, first] == await ideation.sessions.list_by_user("ada")
