"""The ideation stores in PostgreSQL: what their locks, their indexes and their bulk road come to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.ideation import ChatMessage, IdeationSession, MessageRole, UserStory
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError, UsageError
from focal_data.repositories.ideation import PostgresIdeationFactory, PostgresIdeationTenant
from focal_data.repositories.ideation_ground import ChatMessageRepository, IdeationSessionRepository
from focal_data.settings import Settings
from focal_data.testing.contracts.ideation.base import a_full_session, a_message, a_session, a_story, filled
from focal_data.testing.databases import driver_url


@pytest.fixture
def ideation(tenant: Tenant, focal_settings: Settings) -> PostgresIdeationTenant:
    """The stores of a tenant of this test alone."""
    return PostgresIdeationFactory(tenant._data.database).tenant(tenant.tenant_id)  # type: ignore[attr-defined]


@pytest.fixture
async def session(ideation: PostgresIdeationTenant) -> IdeationSession:
    """A session that nothing hangs on."""
    return await ideation.sessions.create(a_session())


@pytest.fixture
async def owner(focal_settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees every tenant."""
    connection = await asyncpg.connect(driver_url(focal_settings.owner_url()))
    yield connection
    await connection.close()


def _positions(messages: list[ChatMessage]) -> list[int | None]:
    return [message.position for message in messages]


async def test_messages_that_come_at_once_get_each_a_position(focal_settings: Settings) -> None:
    """Two hundred callers, a pool of five: none is given twice, and none is left out."""
    async with DataLayer.open(focal_settings.model_copy(update={"pool_size": 5})) as data:
        ideation = PostgresIdeationFactory(data.database).tenant(uuid4())
        session = await ideation.sessions.create(a_session())
        stored = await asyncio.gather(
            *(ideation.messages.create(a_message(session.id, str(n))) for n in range(200))
        )
        assert [*range(200)] == sorted(message.position or 0 for message in stored)


async def test_a_message_waits_for_those_before_it(
    ideation: PostgresIdeationTenant, session: IdeationSession
) -> None:
    """What another transaction has added is before it, once that has committed."""
    async with ideation.transaction() as stores:
        first = await stores.messages.create(a_message(session.id))
        waiting = asyncio.create_task(ideation.messages.create(a_message(session.id)))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        second = await stores.messages.create(a_message(session.id))
    assert [0, 1, 2] == _positions([first, second, await waiting])


async def test_a_rolled_back_message_leaves_no_gap(
    ideation: PostgresIdeationTenant, session: IdeationSession
) -> None:
    """Its position is the next one's."""
    with pytest.raises(ZeroDivisionError):
        async with ideation.transaction() as stores:
            await stores.messages.create(a_message(session.id))
            raise ZeroDivisionError
    assert 0 == (await ideation.messages.create(a_message(session.id))).position


async def test_what_is_removed_while_another_adds_begins_at_zero_again(
    ideation: PostgresIdeationTenant, session: IdeationSession
) -> None:
    """To remove waits for who is adding, so that nothing is left behind the first position."""
    async with ideation.transaction() as stores:
        await stores.messages.create(a_message(session.id))
        removing = asyncio.create_task(ideation.messages.delete_by_session(session.id))
        await asyncio.sleep(0.1)
        await stores.messages.create(a_message(session.id))
    assert 2 == await removing
    assert 0 == (await ideation.messages.create(a_message(session.id))).position


async def test_many_messages_go_in_at_once(
    ideation: PostgresIdeationTenant, session: IdeationSession, tenant: Tenant
) -> None:
    """Of several sessions, each behind all others of its own."""
    other = await ideation.sessions.create(a_session())
    await ideation.messages.create(a_message(session.id))
    many = [a_message((session, other)[n % 2].id, str(n)) for n in range(101)]
    stored = await ChatMessageRepository(tenant).add_many(many)
    assert [message.content for message in many] == [message.content for message in stored]
    assert [*range(1, 52)] == _positions([m for m in stored if m.session_id == session.id])
    assert [m for m in stored if m.session_id == other.id] == await ideation.messages.get_by_session(other.id)
    assert [] == await ChatMessageRepository(tenant).add_many([])


async def test_the_first_of_many_that_is_refused_is_named(
    ideation: PostgresIdeationTenant, session: IdeationSession, tenant: Tenant
) -> None:
    """By its place; and none is stored."""
    messages = ChatMessageRepository(tenant)
    many = [a_message(session.id) for _ in range(50)]
    with pytest.raises(DuplicateError) as taken:
        await messages.add_many([*many, many[3]])
    assert 50 == taken.value.row
    with pytest.raises(InvalidDataError) as bad:
        await messages.add_many([*many, many[3].model_copy(update={"content": "\0"})])
    assert "[50].content" == bad.value.field
    with pytest.raises(NotFoundError):
        await messages.add_many([*many, a_message("missing")])
    assert [] == await ideation.messages.get_by_session(session.id)


async def test_stories_that_are_replaced_at_once_do_not_mix(focal_settings: Settings) -> None:
    """Of forty writers, one is last, and what it gave is what is there."""
    async with DataLayer.open(focal_settings.model_copy(update={"pool_size": 5})) as data:
        ideation = PostgresIdeationFactory(data.database).tenant(uuid4())
        session = await ideation.sessions.create(a_session())

        async def replace(writer: int) -> list[UserStory]:
            stories = [a_story(session.id, str(writer)) for _ in range(1 + writer % 5)]
            return await ideation.prd.save_user_stories(session.id, stories)

        given = await asyncio.gather(*map(replace, range(40)))
        assert await ideation.prd.get_user_stories(session.id) in given


async def test_a_draft_does_not_take_the_id_of_another_sessions(
    ideation: PostgresIdeationTenant, session: IdeationSession
) -> None:
    """It is refused as any id that is taken, and the other stays."""
    parts = await filled(ideation, a_full_session())
    assert parts.draft is not None
    with pytest.raises(DuplicateError) as caught:
        await ideation.prd.save_draft(parts.draft.evolve(session_id=session.id, title="stolen"))
    assert ("id",) == caught.value.fields
    assert parts.draft == await ideation.prd.get_draft(parts.draft.session_id)


async def test_nothing_is_left_of_a_session(
    ideation: PostgresIdeationTenant, owner: asyncpg.Connection
) -> None:
    """In any table; and another session's is left alone."""
    await filled(ideation, a_full_session(id="gone"))
    await filled(ideation, a_full_session(id="stays"))
    assert await ideation.sessions.delete("gone")
    tables = ("messages", "requirements", "maturity", "prd_drafts", "user_stories")
    counts = [
        await owner.fetchval(
            f"SELECT count(*) FILTER (WHERE session_id = 'stays') - 10 * count(*) FILTER (WHERE session_id = 'gone')"
            f" FROM ideation_{table} WHERE tenant_id = $1",
            ideation.tenant_id,
        )
        for table in tables
    ]
    assert [2, 2, 1, 2, 2] == counts


async def test_a_users_sessions_are_found_by_their_index(
    ideation: PostgresIdeationTenant, owner: asyncpg.Connection
) -> None:
    """Among ten thousand of others."""
    await owner.execute(
        "INSERT INTO ideation_sessions"
        " (tenant_id, id, project_name, user_id, status, data_source, version, created_at, updated_at)"
        " SELECT $1, n::text, '', (n % 100)::text, 'draft', 'mock', 1, now(), now()"
        " FROM generate_series(1, 10000) n",
        ideation.tenant_id,
    )
    await owner.execute("ANALYZE ideation_sessions")
    sql = IdeationSessionRepository._of_user().sql
    plan = await owner.fetch(f"EXPLAIN {sql}", ideation.tenant_id, "7", 50, 0)
    assert "ix_ideation_sessions_user_id" in str(plan)
    assert 50 == len(await ideation.sessions.list_by_user("7"))


async def test_a_transaction_is_entered_once(ideation: PostgresIdeationTenant) -> None:
    """A second time is a wrong use."""
    transaction = ideation.transaction()
    async with transaction:
        pass
    with pytest.raises(UsageError):
        await transaction.__aenter__()


async def test_the_stores_of_a_tenant_name_the_transaction_that_is_open(
    ideation: PostgresIdeationTenant, session: IdeationSession
) -> None:
    """They would wait for a second connection."""
    async with ideation.transaction() as stores:
        with pytest.raises(UsageError, match="tx"):
            await ideation.sessions.get_by_id(session.id)
        assert session == await stores.sessions.get_by_id(session.id)


async def test_the_roles_of_messages_are_kept(
    ideation: PostgresIdeationTenant, session: IdeationSession, owner: asyncpg.Connection
) -> None:
    """In lower case, and what a message knows beside its text is in the column ``metadata``."""
    await ideation.messages.create(a_message(session.id, role=MessageRole.SYSTEM, metadata={"a": 1}))
    row = await owner.fetchrow(
        "SELECT role, metadata::text FROM ideation_messages WHERE tenant_id = $1", ideation.tenant_id
    )
    assert ("system", '{"a": 1}') == tuple(row)
