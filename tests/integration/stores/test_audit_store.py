"""The audit store in PostgreSQL: what happened stays as it was."""

from __future__ import annotations

import asyncio
import traceback
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from focal_data.data_layer import DataLayer, Tenant
from focal_data.database.statement import Statement
from focal_data.domain.answers import Page
from focal_data.domain.audit import AuditEvent, ToolCall, TurnRecord
from focal_data.errors import AccessError, DuplicateError, InvalidDataError
from focal_data.settings import Settings
from focal_data.stores.audit import AuditStore

SECRET = "hunter2 🦊"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def audit(tenant: Tenant) -> AuditStore:
    """The store of a tenant of this test alone."""
    return tenant.audit


def a_turn(session_id: UUID, number: int, **changes: object) -> TurnRecord:
    """One turn of a session."""
    given = {"session_id": session_id, "agent_id": uuid4(), "turn_number": number, "user_message": "hello"}
    return TurnRecord.model_validate(given | changes)


async def test_a_turn_comes_back_as_it_was_stored(audit: AuditStore) -> None:
    """With every field, and the store's time."""
    call = ToolCall(tool_id="t", tool_name="crm", input={"a": [1]}, output="ok", success=True, latency_ms=3)
    turn = a_turn(
        uuid4(),
        1,
        agent_response="hi 🦊",
        matched_rule_ids=[uuid4()],
        scenario_state={"a": None},
        context_extracted={"b": {"c": 1}},
        tool_calls=[call],
        token_usage={"prompt": 3},
        tokens_used=5,
        latency_ms=7,
    )
    stored = await audit.save_turn(turn)
    assert stored == await audit.get_turn(turn.id)
    ours = {"created_at", "tenant_id"}
    assert turn.model_dump(exclude=ours) == stored.model_dump(exclude=ours)


async def test_the_stores_times_are_not_the_callers(audit: AuditStore) -> None:
    """created_at is the clock's, and erased_at nobody's."""
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    stored = await audit.save_turn(a_turn(uuid4(), 1, created_at=long_ago, erased_at=long_ago))
    assert stored.created_at is not None
    assert long_ago < stored.created_at
    assert stored.erased_at is None


async def test_a_turn_number_is_taken_once(audit: AuditStore) -> None:
    """Per session."""
    session_id = uuid4()
    await audit.save_turn(a_turn(session_id, 1))
    await audit.save_turn(a_turn(uuid4(), 1))
    with pytest.raises(DuplicateError) as caught:
        await audit.save_turn(a_turn(session_id, 1))
    assert ("session_id", "turn_number") == caught.value.fields


async def test_a_sessions_turns_are_in_their_order(audit: AuditStore) -> None:
    """By number, whatever the order in which they were stored."""
    session_id = uuid4()
    for number in (3, 1, 2):
        await audit.save_turn(a_turn(session_id, number))
    turns = await audit.list_turns_by_session(session_id)
    assert [1, 2, 3] == [turn.turn_number for turn in turns]
    assert [2] == [
        turn.turn_number for turn in await audit.list_turns_by_session(session_id, limit=1, offset=1)
    ]


async def test_pages_of_turns_miss_and_repeat_nothing(audit: AuditStore) -> None:
    """Newest first, also when turns are added in between."""
    session_id = uuid4()
    first = [await audit.save_turn(a_turn(session_id, number)) for number in range(5)]
    page = await audit.list_turns(limit=2)
    await audit.save_turn(a_turn(session_id, 99))
    found = list(page)
    while page.next_cursor is not None:
        page = await audit.list_turns(limit=2, cursor=page.next_cursor)
        found += page
    assert [turn.id for turn in reversed(first)] == [turn.id for turn in found]


async def test_turns_of_a_time_hold_its_start_and_not_its_end(audit: AuditStore) -> None:
    """From start_time until before end_time."""
    turns = [await audit.save_turn(a_turn(uuid4(), 1)) for _ in range(3)]
    page = await audit.list_turns(start_time=turns[0].created_at, end_time=turns[2].created_at)
    assert [turns[1].id, turns[0].id] == [turn.id for turn in page]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"start_time": datetime(2026, 1, 1)}, "start_time"),  # noqa: DTZ001
        ({"start_time": datetime.max.replace(tzinfo=UTC), "end_time": datetime.now(UTC)}, "start_time"),
        ({"cursor": "not a cursor"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"limit": 0}, "limit"),
    ],
)
async def test_a_bad_argument_is_named(audit: AuditStore, arguments: dict[str, object], field: str) -> None:
    """Before anything is read."""
    with pytest.raises(InvalidDataError) as caught:
        await audit.list_turns(**arguments)  # type: ignore[arg-type]
    assert field == caught.value.field


async def test_events_are_listed_oldest_first(audit: AuditStore) -> None:
    """Of one type, or of all."""
    session_id = uuid4()
    events = [
        await audit.save_event(AuditEvent(event_type=kind, event_data={"n": n}, session_id=session_id))
        for n, kind in enumerate(("greeted", "asked", "greeted"))
    ]
    assert events == await audit.list_events_by_session(session_id)
    assert [events[0], events[2]] == await audit.list_events_by_session(session_id, "greeted")
    assert events[1] == await audit.get_event(events[1].id)


async def test_an_event_comes_back_as_it_was_stored(audit: AuditStore) -> None:
    """With every field, and the store's time; erased_at is nobody's."""
    event = AuditEvent(
        event_type="x" * 50,
        event_data={"a": [1, None, {"ü": 2.5}]},
        session_id=uuid4(),
        customer_profile_id=uuid4(),
        turn_id=uuid4(),
        created_at=NOON,
        erased_at=NOON,
    )
    stored = await audit.save_event(event)
    assert stored == await audit.get_event(event.id)
    ours = {"created_at", "erased_at", "tenant_id"}
    assert event.model_dump(exclude=ours) == stored.model_dump(exclude=ours)
    assert stored.created_at is not None
    assert NOON < stored.created_at
    assert stored.erased_at is None


async def test_what_is_not_stored_is_absent(audit: AuditStore) -> None:
    """Not an error."""
    assert await audit.get_turn(uuid4()) is None
    assert await audit.get_event(uuid4()) is None
    assert [] == await audit.list_turns_by_session(uuid4())
    assert [] == await audit.list_events_by_session(uuid4())
    assert Page([]) == await audit.list_turns()


async def test_what_happened_at_one_time_is_in_the_order_of_ids(focal_settings: Settings) -> None:
    """Turns the newest first, events the oldest; and no page repeats or misses one."""
    async with DataLayer.open(focal_settings, clock=lambda: NOON) as data:
        audit, session_id = data.tenant(uuid4()).audit, uuid4()
        turns = [await audit.save_turn(a_turn(session_id, number)) for number in range(7)]
        events = [AuditEvent(event_type="e", session_id=session_id) for _ in range(3)]
        for event in reversed(events):
            await audit.save_event(event)
        pages = [await audit.list_turns(limit=3)]
        while (cursor := pages[-1].next_cursor) is not None:
            pages.append(await audit.list_turns(limit=3, cursor=cursor))
        assert [3, 3, 1] == [len(page) for page in pages]
        assert turns[::-1] == [turn for page in pages for turn in page]
        assert [turns[0]] == await audit.list_turns_by_session(session_id, limit=1)
        assert [event.id for event in events] == [
            event.id for event in await audit.list_events_by_session(session_id)
        ]
        assert Page([]) == await audit.list_turns(end_time=NOON)
        assert 7 == len(await audit.list_turns(start_time=NOON))


async def test_an_id_is_taken_once(audit: AuditStore) -> None:
    """Of a turn and of an event; what was stored first stays."""
    turn, event = a_turn(uuid4(), 1), AuditEvent(event_type="e")
    stored = await audit.save_turn(turn), await audit.save_event(event)
    for again in (
        audit.save_turn(turn.evolve(turn_number=2, user_message=SECRET)),
        audit.save_event(event.evolve(event_type=SECRET)),
    ):
        with pytest.raises(DuplicateError) as caught:
            await again
        assert ("id",) == caught.value.fields
        assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert stored == (await audit.get_turn(turn.id), await audit.get_event(event.id))


async def test_of_many_writers_of_one_turn_one_wins(audit: AuditStore) -> None:
    """The others find the number taken."""
    session_id = uuid4()
    writers = (audit.save_turn(a_turn(session_id, 1)) for _ in range(20))
    outcomes = await asyncio.gather(*writers, return_exceptions=True)
    assert 19 == sum(isinstance(outcome, DuplicateError) for outcome in outcomes)
    assert 1 == len(await audit.list_turns_by_session(session_id))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"user_message": f"{SECRET}\x00"}, "user_message"),
        ({"agent_response": f"{SECRET}\ud800"}, "agent_response"),
        ({"turn_number": -1}, "turn_number"),
        ({"context_extracted": {"a": {SECRET}}}, "context_extracted"),
        ({"tool_calls": [SECRET]}, "tool_calls.0"),
        ({"tenant_id": uuid4()}, "tenant_id"),
    ],
)
async def test_bad_data_is_named_and_not_shown(
    audit: AuditStore, changes: dict[str, object], field: str
) -> None:
    """Nor stored."""
    turn = a_turn(uuid4(), 1, user_message=SECRET)
    with pytest.raises(InvalidDataError) as caught:
        await audit.save_turn(TurnRecord.model_construct(**{**turn.__dict__, **changes}))
    assert field == caught.value.field
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert await audit.get_turn(turn.id) is None


async def test_a_list_has_its_limits(audit: AuditStore) -> None:
    """Named by argument."""
    for field, call in (
        ("limit", audit.list_events_by_session(uuid4(), limit=1001)),
        ("limit", audit.list_turns_by_session(uuid4(), limit=0)),
        ("offset", audit.list_turns_by_session(uuid4(), offset=-1)),
    ):
        with pytest.raises(InvalidDataError) as caught:
            await call
        assert field == caught.value.field


async def test_another_tenant_sees_nothing(data: DataLayer, audit: AuditStore) -> None:
    """Not by id, not in lists."""
    turn, other = await audit.save_turn(a_turn(uuid4(), 1)), data.tenant(uuid4()).audit
    assert await other.get_turn(turn.id) is None
    assert [] == await other.list_turns_by_session(turn.session_id)
    assert [] == list(await other.list_turns())
    event = await audit.save_event(AuditEvent(event_type="e", session_id=turn.session_id))
    assert await other.get_event(event.id) is None
    assert [] == await other.list_events_by_session(turn.session_id)
    page = await audit.list_turns(limit=1)
    await audit.save_turn(a_turn(turn.session_id, 2))
    cursor = (await audit.list_turns(limit=1)).next_cursor
    assert page.next_cursor is None
    assert [] == list(await other.list_turns(cursor=cursor))
    with pytest.raises(InvalidDataError, match="tenant_id"):
        await other.save_turn(turn)
    assert turn.session_id == (await other.save_turn(a_turn(turn.session_id, 1))).session_id


@pytest.mark.parametrize("table", ["turn_records", "audit_events", "scenario_archives"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET tenant_id = tenant_id",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "SELECT id FROM {} FOR UPDATE",
        "INSERT INTO {0} SELECT * FROM {0} ON CONFLICT (tenant_id, id) DO UPDATE SET id = excluded.id",
        "MERGE INTO {0} USING (SELECT 1) one ON true WHEN MATCHED THEN DELETE",
    ],
)
async def test_the_application_can_not_change_what_happened(
    tenant: Tenant, statement: str, table: str
) -> None:
    """Whatever the statement, the database refuses it."""
    with pytest.raises(AccessError):
        await tenant.scope.execute(Statement(text(statement.format(table))), {})
